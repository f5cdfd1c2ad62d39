"""From registered bytes to a bounded, encoded SensitiveTable, and the audit coin."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.policy.model import Policy
from dpsynth.vault.bounding import bound_contributions, in_partition
from dpsynth.vault.cohorts import id_text
from dpsynth.vault.encode import encode_column
from dpsynth.vault.sources import RawTable, check_fingerprint, parse
from dpsynth.vault.table import SensitiveTable

__all__ = ["CoinedRows", "flip_coin", "open_table"]


def open_table(data: bytes, expected_sha256: str, policy: Policy, partition: str = "") -> SensitiveTable:
    """Check the fingerprint, parse, bound contributions and encode to the policy's domain.

    With ``partition``, a public value of the policy's partition column, only the units of that part.
    """
    check_fingerprint(data, expected_sha256)
    raw = parse(data, policy)
    domain = policy.domain()
    units = _units(raw, policy)
    codes = {
        spec.name: encode_column(spec, domain[spec.name], raw.columns[spec.name])
        for spec in policy.columns
        if spec.action == "keep"
    }
    if partition:
        column = str(policy.privacy_unit.partition_column)
        inside = in_partition(units, codes[column], domain[column].values.index(partition))
        units, codes = units[inside], {name: column[inside] for name, column in codes.items()}
    keep = bound_contributions(units, policy.privacy_unit.max_rows_per_unit, secrets.token_bytes(32))
    ordered = {name: codes[name][keep] for name in domain.names}
    return SensitiveTable(domain, ordered, units[keep])


def _units(raw: RawTable, policy: Policy) -> NDArray[np.int64]:
    """Unit of each row: the row itself without an id column, else a digest of its id (-1 if missing)."""
    id_column = policy.privacy_unit.id_column
    if id_column is None:
        return np.arange(len(next(iter(raw.columns.values()))), dtype=np.int64)
    return np.array([_unit_number(id_text(text)) for text in raw.columns[id_column]], dtype=np.int64)


def _unit_number(text: str) -> int:
    """A 62-bit digest of an id: two ids collide with negligible probability, and merging is safe."""
    if not text:
        return -1
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 2


@dataclass(frozen=True, repr=False)
class CoinedRows:
    """Rows of units that entered the audit coin, and the rest. Class B material: review room only."""

    _members: SensitiveTable
    _controls: SensitiveTable
    _reference: SensitiveTable

    def reveal_for_attack(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """(members, controls, reference), each (rows, columns) in domain order; for the attack runner."""
        tables = (self._members, self._controls, self._reference)
        members, controls, reference = (
            np.column_stack([column.astype(np.int64) for column in table._rows().values()])
            for table in tables
        )
        return members, controls, reference

    def units_for_attack(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(unit of each member row, unit of each control row), aligned with ``reveal_for_attack``."""
        return self._members._units, self._controls._units

    def __repr__(self) -> str:
        return "<CoinedRows: contents withheld>"


def flip_coin(
    table: SensitiveTable, fraction: float, rng: np.random.Generator
) -> tuple[SensitiveTable, CoinedRows]:
    """Split by unit before anything else (audits 4, rules 7 and 8).

    Each unit enters the coin with probability ``fraction``, independently of everything; of those a
    fair coin leaves half out of the fit. Both draws are per unit and ignore the data, so the mechanism
    on the rest protects the whole table.

    Returns:
        The table to fit (reference and members), and the coined rows.
    """
    units, inverse = np.unique(table._units, return_inverse=True)
    draw = rng.random(len(units))[inverse]
    out, member = draw < fraction / 2, (draw >= fraction / 2) & (draw < fraction)
    coined = CoinedRows(table._select(member), table._select(out), table._select(draw >= fraction))
    return table._select(~out), coined
