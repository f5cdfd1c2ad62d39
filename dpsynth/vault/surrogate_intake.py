"""Made-up texts taken in as people's rows are: written to a file, then parsed, encoded and bounded alike.

Where a surrogate door has no policy (small games, tests), the rules of intake follow from its domain.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dpsynth.core.domain import Column, Domain
from dpsynth.core.unit import PrivacyUnit
from dpsynth.policy.columns import ColumnSpec
from dpsynth.policy.model import Policy, PrivacyUnitSpec, Source, Synthesis
from dpsynth.policy.structure import Structure
from dpsynth.vault.cohorts import id_text
from dpsynth.vault.intake import unit_number
from dpsynth.vault.opening import admitted
from dpsynth.vault.surrogate_table import SurrogateTable

__all__ = ["SURROGATE_KEY", "taken_in"]

SURROGATE_KEY = b"surrogate"
"""Key of contribution bounding; it is public because the rows are made up."""

_ROOM = 1 << 20
"""Rows and bytes that made-up tables may have at least, whatever the policy allows its own."""


def taken_in(
    domain: Domain,
    policy: Policy | None,
    unit: PrivacyUnit,
    texts: Mapping[str, Sequence[str]],
    ids: Sequence[str],
    labels: NDArray[np.int64],
) -> SurrogateTable:
    """A surrogate table from texts, by the path of production. Raises what production raises.

    Args:
        domain: the door's domain.
        policy: rules of intake; None: those of :func:`_rules_of`.
        unit: the privacy unit.
        texts: a list of texts for each column of the domain. A surrogate escape stands for a byte that is
            no text.
        ids: the unit's id in each row, used where the policy has an id column.
        labels: what the auditor calls the unit of each row, shape (rows,). Production decides which rows
            are one unit's; that unit is called as its first row is.
    """
    rules = _rules_of(domain, unit) if policy is None else _roomy(policy)
    source, units = admitted(_written(rules, texts, ids), rules, SURROGATE_KEY)
    if rules.privacy_unit.id_column is None:
        return SurrogateTable(domain, source, labels[units])
    named: dict[int, int] = {}
    for text, label in zip(ids, labels.tolist(), strict=True):
        named.setdefault(unit_number(id_text(text)), label)
    return SurrogateTable(domain, source, np.array([named[u] for u in units.tolist()], dtype=np.int64))


def _written(policy: Policy, texts: Mapping[str, Sequence[str]], ids: Sequence[str]) -> bytes:
    """The file that would be registered; columns that the policy drops are empty."""
    known = {**texts, str(policy.privacy_unit.id_column): ids}
    names = [spec.name for spec in policy.columns]
    columns = [known.get(name, [""] * len(ids)) for name in names]
    if policy.source.format == "parquet":
        stream = io.BytesIO()
        as_given = pc.CastOptions(pa.string(), allow_invalid_utf8=True)
        made = [pa.array([_bytes(text) for text in column], pa.binary()) for column in columns]
        arrays = [pc.cast(column, options=as_given) for column in made]
        pq.write_table(pa.table(dict(zip(names, arrays, strict=True))), stream)
        return stream.getvalue()
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=policy.source.delimiter, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*columns, strict=True))
    return _bytes(text.getvalue())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _roomy(policy: Policy) -> Policy:
    source = policy.source
    room = {"max_rows": max(source.max_rows, _ROOM), "max_bytes": max(source.max_bytes, _ROOM)}
    return policy.model_copy(update={"source": source.model_copy(update=room)})


def _rules_of(domain: Domain, unit: PrivacyUnit) -> Policy:
    """Rules of intake that a domain allows: what is not listed or missing goes to its last code."""
    columns = tuple(_spec(column) for column in domain.columns)
    if unit.id_column is not None:
        columns += (ColumnSpec(name=unit.id_column, role="identifier", type="string", action="drop"),)
    source = Source.model_construct(format="csv", delimiter=",", max_rows=_ROOM, max_bytes=_ROOM)
    people = PrivacyUnitSpec.model_construct(
        id_column=unit.id_column, max_rows_per_unit=unit.max_rows, partition_column=None
    )
    return Policy.model_construct(
        id="surrogate",
        version="1",
        source=source,
        privacy_unit=people,
        columns=columns,
        structure=Structure(),
        synthesis=Synthesis.model_construct(weights={}),
    )


def _spec(column: Column) -> ColumnSpec:
    categorical = column.kind == "categorical"
    missing = "category" if column.has_missing else column.edges[-1] if column.edges else column.values[-1]
    return ColumnSpec.model_construct(
        name=column.name,
        type=column.kind,
        action="keep",
        domain=column.values,
        bins=column.edges,
        decimals=column.decimals,
        out_of_domain=column.values[-1] if categorical else "clamp",
        missing=missing,
    )
