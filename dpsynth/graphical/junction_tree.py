"""Junction trees by greedy elimination (Koller & Friedman 2009, sections 9.4 and 10.4).

The elimination itself is compiled (:mod:`dpsynth.graphical.elimination`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from dpsynth.graphical.factor import Ids

__all__ = ["JunctionTree", "junction_tree", "model_cells"]


@dataclass(frozen=True)
class JunctionTree:
    """A tree of cliques with the running-intersection property.

    Attributes:
        cliques: maximal cliques; every column is in at least one.
        parent: index of each clique's parent, -1 for the root; a parent comes before its children.
            Unconnected parts are joined by empty separators, so this is one tree.
    """

    cliques: tuple[Ids, ...]
    parent: tuple[int, ...]

    @cached_property
    def separators(self) -> tuple[Ids, ...]:
        """Columns shared with the parent, per clique (empty for the root)."""
        return tuple(
            tuple(column for column in clique if up >= 0 and column in self.cliques[up])
            for clique, up in zip(self.cliques, self.parent, strict=True)
        )

    @cached_property
    def neighbours(self) -> tuple[tuple[int, ...], ...]:
        """Indices of adjacent cliques, per clique."""
        found: list[list[int]] = [[] for _ in self.cliques]
        for node, up in enumerate(self.parent):
            if up >= 0:
                found[node].append(up)
                found[up].append(node)
        return tuple(tuple(row) for row in found)

    @cached_property
    def hops(self) -> tuple[dict[int, int], ...]:
        """Per clique: column not in it -> the neighbour through which that column is reached."""
        return tuple(self._hops_from(node) for node in range(len(self.cliques)))

    def _hops_from(self, start: int) -> dict[int, int]:
        first: dict[int, int] = {}
        stack = [(node, start, node) for node in self.neighbours[start]]
        while stack:
            node, came, hop = stack.pop()
            for column in self.cliques[node]:
                if column not in self.cliques[start]:
                    first.setdefault(column, hop)
            stack += [(other, node, hop) for other in self.neighbours[node] if other != came]
        return first

    def cells(self, sizes: Sequence[int]) -> int:
        """Model size: cells of all cliques together."""
        return sum(prod(sizes[column] for column in clique) for clique in self.cliques)

    def home(self, ids: Ids) -> int:
        """Index of a clique that contains ``ids``, or -1 if none does."""
        wanted = set(ids)
        for node, clique in enumerate(self.cliques):
            if wanted.issubset(clique):
                return node
        return -1


def model_cells(sizes: Sequence[int], cliques: Iterable[Ids]) -> int:
    """Cells of the junction tree that covers ``cliques`` and every column alone."""
    return _best(sizes, cliques)[0]


def junction_tree(sizes: Sequence[int], cliques: Iterable[Ids]) -> JunctionTree:
    """The smaller of the min-fill and the min-weight tree that covers ``cliques`` and every column.

    Args:
        sizes: number of codes of each column id.
        cliques: column sets that must each lie inside one clique of the tree.
    """
    found = sorted(_best(sizes, cliques)[1], key=lambda clique: (-len(clique), clique[::-1]))
    inside, parent, waiting = [found[0]], [-1], found[1:]
    while waiting:  # Prim: a maximum-weight spanning tree of a chordal graph's cliques is a junction tree
        new, up = max(
            ((clique, node) for clique in waiting for node in range(len(inside))),
            key=lambda pair: len(set(pair[0]).intersection(inside[pair[1]])),
        )
        waiting.remove(new)
        inside.append(new)
        parent.append(up)
    return JunctionTree(tuple(inside), tuple(parent))


def _best(sizes: Sequence[int], cliques: Iterable[Ids]) -> tuple[int, list[Ids]]:
    """Cells and cliques of the smaller tree; whole numbers, however large."""
    from dpsynth.graphical.elimination import eliminate  # loaded late: the compiler takes a moment

    covered = list(cliques)
    members = np.array([column for clique in covered for column in clique], dtype=np.int64)
    ends = np.cumsum(np.array([len(clique) for clique in covered], dtype=np.int64))
    lengths, found = np.array(sizes, dtype=np.float64), []
    for by_fill in (True, False):
        made, count = eliminate(lengths, members, ends, by_fill)
        held = [tuple(row.nonzero()[0].tolist()) for row in made[:count]]
        found.append((sum(prod([sizes[column] for column in clique]) for clique in held), held))
    return min(found, key=lambda pair: pair[0])
