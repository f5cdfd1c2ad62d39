"""AIM's workload: all three-way marginals, their closure and its weights (arXiv 2201.12677, section 3)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import combinations

from dpsynth.core.domain import Clique, Domain
from dpsynth.graphical.factor import Ids
from dpsynth.graphical.junction_tree import model_cells
from dpsynth.graphical.layout import Layout

__all__ = ["Feasible", "closure"]


def closure(domain: Domain, degree: int, most_cells: int) -> dict[Clique, float]:
    """Every marginal of 1 to ``degree`` columns with at most ``most_cells`` cells, and its weight.

    The paper's weight is the overlap with the workload, summed over it: for all ``degree``-way marginals
    that is proportional to the number of columns; times the policy's weight of its columns. Columns with
    one single code carry nothing and are left out.
    """
    names = [name for name in domain.names if domain[name].size > 1]
    degree = min(degree, len(names))
    return {
        clique: ways / degree * domain.weight(clique)
        for ways in range(1, degree + 1)
        for clique in combinations(names, ways)
        if ways == 1 or domain.size(clique) <= most_cells
    }


class Feasible:
    """Which marginals may be added while the junction tree stays within a number of cells."""

    def __init__(self, domain: Domain, cliques: Iterable[Clique]) -> None:
        self._layout = Layout(domain)
        self._ids = {clique: self._layout.ids(clique) for clique in cliques}
        self._cells: dict[Clique, int] = {}
        self._measured: frozenset[Ids] = frozenset()

    def within(self, measured: Iterable[Ids], cells: float) -> list[Clique]:
        """Marginals whose addition to the measured ones gives a tree of at most ``cells``.

        Those contained in a measured one always qualify: they leave the tree as it is.
        """
        now = frozenset(measured)
        if now != self._measured:
            self._measured, self._cells = now, {}
        return [clique for clique, ids in self._ids.items() if self._size(clique, ids, cells) <= cells]

    def _size(self, clique: Clique, ids: Ids, cells: float) -> float:
        if clique not in self._cells:
            inside = any(set(ids).issubset(other) for other in self._measured)
            if not inside and self._layout.domain.size(clique) > cells:
                return math.inf
            held = [*self._measured, *self._layout.zeros, ids]
            self._cells[clique] = 0 if inside else model_cells(self._layout.sizes, held)
        return self._cells[clique]
