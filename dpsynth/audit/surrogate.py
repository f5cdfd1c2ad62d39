"""Surrogate rows, from the public domain alone, and neighbours of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Domain
from dpsynth.core.unit import PrivacyUnit

__all__ = ["PLANTED", "Neighbour", "SurrogateRows", "make_surrogate", "neighbours"]

PLANTED = 0
"""The unit of rare rows, all alike, as many as a unit may have."""


@dataclass(frozen=True)
class SurrogateRows:
    """Encoded surrogate rows: one array (rows,) per column, and the unit of each row (rows,)."""

    codes: dict[str, NDArray[np.int64]]
    units: NDArray[np.int64]

    def without(self, unit: int) -> SurrogateRows:
        """These rows without those of one unit."""
        keep = self.units != unit
        return SurrogateRows({name: column[keep] for name, column in self.codes.items()}, self.units[keep])

    def only(self, unit: int) -> SurrogateRows:
        """The rows of one unit."""
        keep = self.units == unit
        return SurrogateRows({name: column[keep] for name, column in self.codes.items()}, self.units[keep])

    def plus(self, row: dict[str, int], units: NDArray[np.int64]) -> SurrogateRows:
        """These rows followed by copies of ``row``, one for each entry of ``units``."""
        codes = {
            name: np.append(column, np.full(len(units), row[name], dtype=np.int64))
            for name, column in self.codes.items()
        }
        return SurrogateRows(codes, np.append(self.units, units))


@dataclass(frozen=True)
class Neighbour:
    """A neighbour of the surrogate rows under the policy's relation, and what was changed, in words."""

    name: str
    rows: SurrogateRows


def _corner(domain: Domain, last: bool) -> dict[str, int]:
    return {column.name: column.size - 1 if last else 0 for column in domain.columns}


def _unit_labels(rows: int, unit: PrivacyUnit, rng: np.random.Generator) -> NDArray[np.int64]:
    if unit.max_rows == 1:
        return np.arange(1, rows + 1, dtype=np.int64)
    # Some units hold more rows than the bound, so that bounding has work to do.
    sizes = rng.integers(1, unit.max_rows + 3, size=rows)
    return np.repeat(np.arange(1, rows + 1, dtype=np.int64), sizes)[:rows]


def make_surrogate(domain: Domain, unit: PrivacyUnit, rows: int, rng: np.random.Generator) -> SurrogateRows:
    """About ``rows`` correlated rows with rare codes; unit 0 is planted with identical, rare rows.

    A hidden trait of each unit moves all its columns, later codes are rarer, and a few rows are uniform.
    """
    units = _unit_labels(rows, unit, rng)
    trait = rng.random(int(units.max()) + 1)[units]
    uniform = rng.random(len(units)) < 0.05
    codes = {}
    for column in domain.columns:
        own = rng.random(len(units))
        level = np.where(uniform, own, np.where(rng.random(len(units)) < 0.6, trait, own) ** 2)
        codes[column.name] = np.minimum((level * column.size).astype(np.int64), column.size - 1)
    planted = np.full(unit.max_rows, PLANTED, dtype=np.int64)
    return SurrogateRows(codes, units).plus(_corner(domain, last=True), planted)


def neighbours(base: SurrogateRows, domain: Domain, unit: PrivacyUnit) -> tuple[Neighbour, ...]:
    """Neighbours that move counts the most.

    A unit with the most rows is added, one is removed, one is replaced (if the relation is replacement),
    and, where a column names the unit, one with many more rows than the bound is added.
    """
    new = int(base.units.max()) + 1
    full = np.full(unit.max_rows, new, dtype=np.int64)
    most = int(np.bincount(base.units).argmax())
    first = _corner(domain, last=False)
    made = [
        Neighbour("one unit with all its rows alike added", base.plus(first, full)),
        Neighbour("one unit with all its rows alike removed", base.without(PLANTED)),
        Neighbour("the unit with the most rows removed", base.without(most)),
    ]
    if unit.adjacency == "replace_one":
        replaced = base.without(PLANTED).plus(first, np.full(unit.max_rows, PLANTED, dtype=np.int64))
        made.append(Neighbour("one unit replaced by another", replaced))
    if unit.id_column is not None:
        overfull = np.full(10 * unit.max_rows + 7, new, dtype=np.int64)
        made.append(Neighbour("one unit with too many rows added", base.plus(first, overfull)))
    return tuple(made)
