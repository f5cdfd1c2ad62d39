"""Which tables to count so that every wanted marginal is a sum over one of them. From public sizes alone.

Six columns of four codes have 15 pairs, yet only 4,096 cells together: one pass over the rows that tallies
those answers all 15. Tables are grown greedily: begin with the largest marginal that has none, then take in
the column that answers most further ones, while the table stays within a limit. The limit is one that fits a
first-level cache or one that fits a second-level cache, whichever plan is cheaper on this domain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import NDArray

__all__ = ["SMALL", "CountingPlan", "counting_plan"]

Axes = tuple[int, ...]
"""A set of columns, by position, ascending."""

SMALL = 4096
"""Cells of a table of which two copies of four-byte counters fill a first-level cache."""

_LIMITS = (SMALL, 1 << 16)
_ROWS = 1_000_000


@dataclass(frozen=True)
class CountingPlan:
    """Tables to count, and where each wanted marginal is read off.

    Attributes:
        tables: columns of each table.
        home: for each wanted marginal, in the order asked, the position of its table.
    """

    tables: tuple[Axes, ...]
    home: tuple[int, ...]


@lru_cache(maxsize=16)
def counting_plan(sizes: Axes, wanted: tuple[Axes, ...]) -> CountingPlan:
    """The cheaper of the plans for the two limits.

    Args:
        sizes: number of codes of each column, all at least 2.
        wanted: marginals, each a nonempty ascending tuple of positions, no two alike.
    """
    plans = [_cover(np.array(sizes, dtype=np.int64), wanted, limit) for limit in _LIMITS]
    return min(plans, key=lambda plan: _nanoseconds(sizes, plan))


def _nanoseconds(sizes: Axes, plan: CountingPlan) -> float:
    """Time for a million rows, measured in proportion on one machine: mixing, tallying, projecting."""
    total = 0.0
    cells = [prod(sizes[axis] for axis in table) for table in plan.tables]
    for table, size in zip(plan.tables, cells, strict=True):
        total += _ROWS * (0.04 * len(table) + (0.4 if size <= SMALL else 0.8 if size <= 1 << 16 else 3.0))
    return total + sum(cells[home] for home in plan.home)


def _cover(sizes: NDArray[np.int64], wanted: Sequence[Axes], limit: int) -> CountingPlan:
    has = np.zeros((len(wanted), len(sizes)), dtype=np.bool_)
    for row, axes in enumerate(wanted):
        has[row, list(axes)] = True
    cells = [prod(int(sizes[axis]) for axis in axes) for axes in wanted]
    order = np.array(sorted(range(len(wanted)), key=lambda row: (-cells[row], wanted[row])), dtype=np.int64)
    has, home = has[order], np.empty(len(wanted), dtype=np.int64)
    tables: list[Axes] = []
    while len(order):
        inside, lacks = _grow(sizes, has, cells[order[0]], limit)
        home[order[lacks == 0]] = len(tables)
        tables.append(tuple(np.flatnonzero(inside).tolist()))
        has, order = has[lacks > 0], order[lacks > 0]
    return CountingPlan(tuple(tables), tuple(home.tolist()))


def _grow(
    sizes: NDArray[np.int64], has: NDArray[np.bool_], cells: int, limit: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """A table that holds the first marginal: its columns, and how many columns each marginal lacks."""
    inside = has[0].copy()
    lacks = np.count_nonzero(has & ~inside, axis=1)
    # Between columns that answer as many, the smaller one leaves more room.
    weight = np.sqrt(np.log2(sizes))
    while True:
        fits = (sizes <= limit // cells) & ~inside
        gain = np.where(fits, np.count_nonzero(has[lacks == 1], axis=0) / weight, 0.0) if fits.any() else fits
        axis = int(np.argmax(gain))
        if not gain[axis]:
            return inside, lacks
        inside[axis] = True
        cells *= int(sizes[axis])
        lacks -= has[:, axis]
