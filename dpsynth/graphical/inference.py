"""Exact inference on a junction tree, in probability space (Hugin: Jensen, Lauritzen & Olesen 1990).

Potentials come in logarithms and are shifted by their maximum before ``exp``; messages are rescaled. The
exponential is taken of each small potential, not of each cell of a clique; where the product of the results
could lose cells it is taken of their sum.
Marginals that no single clique holds are found by variable elimination over the calibrated tree, with
the partial results cached, so that all candidates of one round share them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from dpsynth.graphical.factor import Array, Factor, Ids, drop_axis, expand
from dpsynth.graphical.junction_tree import JunctionTree

__all__ = ["BeliefTree", "calibrate"]

_LEAST_TOP = 1e-100
"""Under a product whose largest cell is above this, a cell comes out 0 only below 1e-200 of that one."""


class BeliefTree:
    """A calibrated junction tree: every clique holds its own marginal probabilities.

    Attributes:
        tree: the junction tree.
        beliefs: one array per clique, axes in ascending id, each summing to 1.
    """

    def __init__(self, tree: JunctionTree, beliefs: Sequence[Array]) -> None:
        self.tree = tree
        self.beliefs = tuple(beliefs)
        self._tables: list[dict[Ids, Array]] = [
            {ids: belief} for ids, belief in zip(tree.cliques, self.beliefs, strict=True)
        ]
        self._partial: dict[tuple[int, int, Ids], Factor] = {}

    def table(self, node: int, keep: Ids) -> Array:
        """Marginal of clique ``node`` over ``keep`` (a subset of it), one axis per column.

        Columns are summed out one by one, largest first, and every step is kept: subsets share prefixes.
        """
        tables = self._tables[node]
        for ids, axis, rest in _drops(self.tree.cliques[node], keep):
            if rest not in tables:
                tables[rest] = drop_axis(tables[ids], axis)
        return tables[keep]

    def marginal(self, ids: Ids) -> Array:
        """Probabilities over any columns, whether or not one clique holds them all."""
        home = self.tree.home(ids)
        if home >= 0:
            return self.table(home, ids)
        overlaps = [len(set(ids).intersection(clique)) for clique in self.tree.cliques]
        root = max(range(len(overlaps)), key=lambda node: (overlaps[node], -self.beliefs[node].size))
        return self._collect(root, -1, ids).values

    def _collect(self, node: int, came: int, wanted: Ids) -> Factor:
        """P(wanted | separator to ``came``), all behind ``node`` summed out; P(wanted) at a root."""
        clique, hops = self.tree.cliques[node], self.tree.hops[node]
        behind: dict[int, list[int]] = {}
        for column in wanted:
            if column not in clique:
                behind.setdefault(hops[column], []).append(column)
        border = self._separator(node, came) if came >= 0 else ()
        open_seps = {hop: self._separator(node, hop) for hop in behind}
        here = {column for column in wanted if column in clique}.union(border, *open_seps.values())
        factor = Factor(tuple(sorted(here)), self.table(node, tuple(sorted(here))))
        if came >= 0:
            factor = factor.given(Factor(border, self.table(node, border)))
        for hop, columns in behind.items():
            del open_seps[hop]
            keep = tuple({*wanted, *border}.union(*open_seps.values()))
            factor = factor.contract(self._seen(hop, node, tuple(columns)), keep)
        return factor

    def _seen(self, node: int, came: int, wanted: Ids) -> Factor:
        key = (node, came, wanted)
        if key not in self._partial:
            self._partial[key] = self._collect(node, came, wanted)
        return self._partial[key]

    def _separator(self, node: int, other: int) -> Ids:
        child = node if self.tree.parent[node] == other else other
        return self.tree.separators[child]


def calibrate(
    tree: JunctionTree,
    sizes: Sequence[int],
    potentials: Mapping[Ids, Array],
    zeros: Mapping[Ids, Array] | None = None,
) -> BeliefTree:
    """Belief propagation: marginals of every clique of the distribution exp(sum of potentials) / Z.

    Args:
        tree: a junction tree; each key of ``potentials`` must lie inside one of its cliques.
        sizes: number of codes by column id.
        potentials: log-potentials, axes in ascending id; any finite values.
        zeros: further log-potentials, of 0 and -inf: cells that cannot be; inside the tree's cliques too.

    Beliefs that cannot be represented come out as non-finite numbers; callers check.
    """
    parts: list[list[tuple[Ids, Array]]] = [[] for _ in tree.cliques]
    for ids, values in (*potentials.items(), *(zeros or {}).items()):
        parts[tree.home(ids)].append((ids, values))
    with np.errstate(all="ignore"):
        beliefs = [_weights(sizes, clique, part) for clique, part in zip(tree.cliques, parts, strict=True)]
        upward = _collect_evidence(tree, beliefs)
        beliefs[0] /= beliefs[0].sum()
        for node in range(1, len(beliefs)):
            _absorb(tree, beliefs, upward, node)
    return BeliefTree(tree, beliefs)


def _weights(sizes: Sequence[int], clique: Ids, parts: Sequence[tuple[Ids, Array]]) -> Array:
    """exp(sum of the parts) over the clique, up to a factor."""
    made = np.ones([sizes[column] for column in clique])
    for ids, values in parts:
        made *= expand(np.exp(values - values.max()), ids, clique)
    return made if made.max() > _LEAST_TOP else _weights_by_logs(sizes, clique, parts)


def _weights_by_logs(sizes: Sequence[int], clique: Ids, parts: Sequence[tuple[Ids, Array]]) -> Array:
    """The same for parts whose largest cells lie so far apart that their product would vanish."""
    made = np.zeros([sizes[column] for column in clique])
    for ids, values in parts:
        made += expand(values, ids, clique)
    made -= made.max()
    return np.asarray(np.exp(made, out=made))


def _collect_evidence(tree: JunctionTree, beliefs: list[Array]) -> list[Array]:
    upward: list[Array] = [np.ones(())] * len(beliefs)
    for node in range(len(beliefs) - 1, 0, -1):
        separator, up = tree.separators[node], tree.parent[node]
        message = _project(beliefs[node], tree.cliques[node], separator)
        upward[node] = message
        if separator:
            scale = message.max()
            beliefs[up] *= expand(message / scale if scale > 0 else message, separator, tree.cliques[up])
    return upward


def _absorb(tree: JunctionTree, beliefs: list[Array], upward: list[Array], node: int) -> None:
    separator, up = tree.separators[node], tree.parent[node]
    if not separator:
        beliefs[node] /= upward[node]
        return
    message = _project(beliefs[up], tree.cliques[up], separator)
    ratio = np.where(upward[node] > 0, message / upward[node], 0.0)
    beliefs[node] *= expand(ratio, separator, tree.cliques[node])


def _project(values: Array, ids: Ids, keep: Ids) -> Array:
    for _, axis, _ in _drops(ids, keep):
        values = drop_axis(values, axis)
    return values


@lru_cache(maxsize=100_000)
def _drops(ids: Ids, keep: Ids) -> tuple[tuple[Ids, int, Ids], ...]:
    steps = []
    for column in reversed(ids):
        if column not in keep:
            axis = ids.index(column)
            rest = ids[:axis] + ids[axis + 1 :]
            steps.append((ids, axis, rest))
            ids = rest
    return tuple(steps)
