"""Junction trees by greedy elimination (Koller & Friedman 2009, sections 9.4 and 10.4).

Column sets are bit masks here: the size of a model must be known for hundreds of candidate cliques in
every round of an adaptive mechanism.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from dpsynth.graphical.factor import Ids

__all__ = ["JunctionTree", "junction_tree", "mask_of", "model_cells"]


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


def mask_of(ids: Iterable[int]) -> int:
    """Bit mask of a set of column ids."""
    mask = 0
    for column in ids:
        mask |= 1 << column
    return mask


def model_cells(sizes: Sequence[int], cliques: Iterable[Ids]) -> int:
    """Cells of the junction tree that covers ``cliques`` and every column alone."""
    return _best(sizes, cliques)[0]


def junction_tree(sizes: Sequence[int], cliques: Iterable[Ids]) -> JunctionTree:
    """The smaller of the min-fill and the min-weight tree that covers ``cliques`` and every column.

    Args:
        sizes: number of codes of each column id.
        cliques: column sets that must each lie inside one clique of the tree.
    """
    masks = sorted(_best(sizes, cliques)[1], key=lambda mask: (-mask.bit_count(), mask))
    inside = [masks[0]]
    parent = [-1]
    waiting = masks[1:]
    while waiting:  # Prim: a maximum-weight spanning tree of a chordal graph's cliques is a junction tree
        new, up = max(
            ((mask, node) for mask in waiting for node in range(len(inside))),
            key=lambda pair: (pair[0] & inside[pair[1]]).bit_count(),
        )
        waiting.remove(new)
        inside.append(new)
        parent.append(up)
    return JunctionTree(tuple(_columns(mask) for mask in inside), tuple(parent))


def _best(sizes: Sequence[int], cliques: Iterable[Ids]) -> tuple[int, list[int]]:
    links = [1 << column for column in range(len(sizes))]
    for clique in cliques:
        mask = mask_of(clique)
        for column in clique:
            links[column] |= mask
    found = [_eliminate(sizes, list(links), by_fill) for by_fill in (True, False)]
    return min(found, key=lambda pair: pair[0])


def _eliminate(sizes: Sequence[int], links: list[int], by_fill: bool) -> tuple[int, list[int]]:
    made: list[int] = []
    left = set(range(len(sizes)))
    price = {column: _price(sizes, links, column, by_fill) for column in left}
    while left:
        column = min(left, key=lambda each: (price[each], each))
        clique = links[column]
        if not any(clique | other == other for other in made):
            made.append(clique)
        left.discard(column)
        touched = 0
        for other in _columns(clique & ~(1 << column)):
            links[other] = (links[other] | clique) & ~(1 << column)
            touched |= links[other]
        for other in _columns(touched):
            price[other] = _price(sizes, links, other, by_fill)
    return sum(prod(sizes[column] for column in _columns(mask)) for mask in made), made


def _price(sizes: Sequence[int], links: list[int], column: int, by_fill: bool) -> tuple[int, int]:
    mask = links[column]
    members = _columns(mask)
    weight = prod([sizes[other] for other in members])
    fill = sum([(mask & ~links[other]).bit_count() for other in members])
    return (fill, weight) if by_fill else (weight if fill else 0, weight)


_COLUMNS: dict[int, Ids] = {}


def _columns(mask: int) -> Ids:
    known = _COLUMNS.get(mask)
    if known is None:
        known = tuple(column for column in range(mask.bit_length()) if mask >> column & 1)
        if len(_COLUMNS) < 200_000:
            _COLUMNS[mask] = known
    return known
