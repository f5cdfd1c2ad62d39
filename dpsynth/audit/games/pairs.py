"""The worst pair of tiny tables: all rows alike, and a target that differs from them in every column."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.surrogate import SurrogateRows
from dpsynth.core.domain import Column, Domain
from dpsynth.core.unit import PrivacyUnit

__all__ = ["Pair", "micro_domain", "micro_pair"]

_TARGET = 0
_OVERFULL = 3


@dataclass(frozen=True)
class Pair:
    """Two neighbouring tables under the policy's relation.

    Attributes:
        outside: rows without the target (under replace_one another unit is in its place).
        inside: rows with it.
        target: the target's code in each column.
    """

    outside: SurrogateRows
    inside: SurrogateRows
    target: dict[str, int]


def _narrow(column: Column, codes: int) -> Column:
    if column.size <= codes:
        return column
    if column.kind == "categorical":
        return replace(column, values=column.values[:codes])
    return replace(column, edges=column.edges[: codes + 1], has_missing=False)


def micro_domain(domain: Domain, columns: int, codes: int) -> Domain | None:
    """At most ``columns`` columns of at most ``codes`` codes; None where no column has two codes.

    Public zeros and relations are left out: the target must be able to differ in every column.
    """
    wide = [column for column in domain.columns if column.size >= 2][:columns]
    return Domain(tuple(_narrow(column, codes) for column in wide)) if wide else None


def micro_pair(domain: Domain, unit: PrivacyUnit, rows: int) -> Pair:
    """``rows`` rows of first codes (one unit each), and a target unit of last codes.

    Where a column names the unit the target has more rows than the bound, all alike, so that a fault in
    bounding shows as well.
    """
    copies = 1 if unit.id_column is None else _OVERFULL * unit.max_rows
    units: NDArray[np.int64] = np.arange(1, rows + 1, dtype=np.int64)
    first = {column.name: 0 for column in domain.columns}
    last = {column.name: column.size - 1 for column in domain.columns}
    base = SurrogateRows({name: np.zeros(rows, dtype=np.int64) for name in domain.names}, units)
    label = np.full(copies, _TARGET, dtype=np.int64)
    outside = base.plus(first, label) if unit.adjacency == "replace_one" else base
    return Pair(outside, base.plus(last, label), last)
