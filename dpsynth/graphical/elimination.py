"""Greedy elimination of columns, compiled: the size of a model is asked for hundreds of candidates a round.

Min-fill and min-weight orders (Koller & Friedman 2009, section 9.4.3.2); ties go to the column of lower id.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dpsynth.graphical.compiled import compiled, inner

__all__ = ["eliminate"]


@compiled
def eliminate(sizes: Any, members: Any, ends: Any, by_fill: bool) -> Any:
    """Maximal cliques of the triangulated graph, and how many there are.

    Args:
        sizes: number of codes by column id, float64 (columns,).
        members: column ids of all cliques end to end, int64; each pair inside a clique is linked.
        ends: where each clique ends in ``members``, int64 (cliques,).
        by_fill: eliminate next the column that links the fewest further pairs; else the one whose clique is
            smallest, and whatever links no further pair before all others.

    Returns:
        (made, count): bool (columns, columns), of which the first ``count`` rows are cliques.
    """
    linked = _linked(len(sizes), members, ends)
    made = np.zeros(linked.shape, np.bool_)
    left, count = np.ones(len(sizes), np.bool_), 0
    price = np.empty((len(sizes), 2))
    for column in range(len(sizes)):
        _set_price(price, linked, sizes, column, by_fill)
    for _ in range(len(sizes)):
        column = _cheapest(left, price)
        if not _is_inside(linked[column], made, count):
            made[count] = linked[column]
            count += 1
        left[column] = False
        _remove(linked, column)
        for other in range(len(sizes)):
            if left[other] and (linked[column] & linked[other]).any():
                _set_price(price, linked, sizes, other, by_fill)
    return made, count


@inner  # type: ignore[untyped-decorator, unused-ignore]
def _linked(columns: int, members: Any, ends: Any) -> Any:
    linked = np.zeros((columns, columns), np.bool_)
    for column in range(columns):
        linked[column, column] = True
    start = 0
    for end in ends:
        for one in range(start, end):
            for two in range(start, end):
                linked[members[one], members[two]] = True
        start = end
    return linked


@inner  # type: ignore[untyped-decorator, unused-ignore]
def _set_price(price: Any, linked: Any, sizes: Any, column: int, by_fill: bool) -> None:
    weight, fill = 1.0, 0.0
    for one in range(len(sizes)):
        if linked[column, one]:
            weight *= sizes[one]
            for two in range(len(sizes)):
                if linked[column, two] and not linked[one, two]:
                    fill += 1.0
    price[column, 0] = fill if by_fill or fill == 0.0 else weight
    price[column, 1] = weight


@inner  # type: ignore[untyped-decorator, unused-ignore]
def _cheapest(left: Any, price: Any) -> int:
    best = -1
    for column in range(len(left)):
        if left[column] and (
            best < 0
            or price[column, 0] < price[best, 0]
            or (price[column, 0] == price[best, 0] and price[column, 1] < price[best, 1])
        ):
            best = column
    return best


@inner  # type: ignore[untyped-decorator, unused-ignore]
def _is_inside(clique: Any, made: Any, count: int) -> bool:
    for other in range(count):
        outside = 0
        for column in range(len(clique)):
            if clique[column] and not made[other, column]:
                outside += 1
        if not outside:
            return True
    return False


@inner  # type: ignore[untyped-decorator, unused-ignore]
def _remove(linked: Any, column: int) -> None:
    """Link all neighbours of a column with each other, and none of them with it any more."""
    for one in range(len(linked)):
        if one != column and linked[column, one]:
            for two in range(len(linked)):
                if linked[column, two]:
                    linked[one, two] = True
            linked[one, column] = False
