"""From registered bytes to a bounded, encoded SensitiveTable, and the audit coin."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.policy.model import Policy
from dpsynth.vault.bounding import bound_contributions, in_partition
from dpsynth.vault.counting.rows import RowSource, whole_columns
from dpsynth.vault.intake import encode_rows
from dpsynth.vault.sources import SourceBytes, check_fingerprint, parse
from dpsynth.vault.table import SensitiveTable

__all__ = ["CoinedRows", "admitted", "flip_coin", "open_table"]


def open_table(
    data: SourceBytes, expected_sha256: str, policy: Policy, partition: str = ""
) -> SensitiveTable:
    """Check the fingerprint, parse, encode to the policy's domain and bound contributions.

    With ``partition``, a public value of the policy's partition column, only the units of that part.
    """
    check_fingerprint(data, expected_sha256)
    source, units = admitted(data, policy, secrets.token_bytes(32), partition)
    return SensitiveTable(policy.domain(), source, units)


def admitted(
    data: SourceBytes, policy: Policy, key: bytes, partition: str = ""
) -> tuple[RowSource, NDArray[np.int64]]:
    """Rows of a file that may be counted, encoded and bounded, and the unit of each; see :func:`open_table`.

    Args:
        data: the file.
        policy: its format, columns, domain and unit.
        key: decides which rows of a unit with too many stay.
        partition: a public value of the policy's partition column, or empty.
    """
    domain = policy.domain()
    source, units = encode_rows(parse(data, policy, thorough=False), policy)
    keep = np.ones(len(units), dtype=np.bool_)
    if partition:
        column = str(policy.privacy_unit.partition_column)
        codes = whole_columns(source, (column,))[column].astype(np.int64)
        keep = in_partition(units, codes, domain[column].values.index(partition))
    if policy.privacy_unit.id_column is not None:
        bound = policy.privacy_unit.max_rows_per_unit
        keep[keep] = bound_contributions(units[keep], bound, key)
    elif not partition:
        return source, units  # each row is a unit, and all of them are wanted
    return source.where(keep), units[keep]


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
