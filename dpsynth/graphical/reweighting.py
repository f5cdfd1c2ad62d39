"""Reweighting a model to public margins by iterative proportional fitting: post-processing, free.

Of all distributions with these margins, the one closest to the model in relative entropy (Csiszar 1975, I-
divergence geometry, theorem 3.2). Each step is one multiplication of a calibrated junction tree (Jirousek &
Preucil 1995), so the joint distribution is never formed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.errors import BadInput
from dpsynth.graphical.conditioning import absorb, column_sizes
from dpsynth.graphical.factor import Array, Ids
from dpsynth.graphical.inference import BeliefTree
from dpsynth.graphical.junction_tree import junction_tree
from dpsynth.graphical.layout import Layout
from dpsynth.graphical.margins import Margin, require_consistent
from dpsynth.graphical.masks import some
from dpsynth.graphical.model import GraphicalModel

__all__ = ["TOLERANCE", "reweight"]

TOLERANCE = 1e-9
"""Largest difference of a cell's probability from its target."""

_SWEEPS = 2000
_NOTHING = 1e-100
_CELLS_NAMED = 3


def reweight(model: GraphicalModel, margins: Sequence[Margin], max_cells: int) -> GraphicalModel:
    """The model closest to the tree of ``model`` that has all the margins, within ``TOLERANCE``.

    Counts beyond the tree are left behind: they are of the population before it was reweighted.

    Args:
        model: over free columns; its total stays as it is.
        margins: targets of one or two columns.
        max_cells: the largest junction tree allowed; a margin whose columns no clique holds makes it grow.

    Raises BadInput where margins contradict each other, ask for rows that the model cannot have, or would
    make the model too large; the message says which.
    """
    layout = model.layout
    require_consistent(list(margins), layout.domain)
    targets = [
        (margin, layout.ids(margin.clique), layout.inward(margin.shares, margin.clique)) for margin in margins
    ]
    beliefs = _covering(model, [(margin, ids) for margin, ids, _ in targets], max_cells)
    for _ in range(_SWEEPS):
        worst = 0.0
        for margin, ids, target in targets:
            beliefs, off = _fit_one(beliefs, ids, target, margin, layout)
            worst = max(worst, off)
        if worst <= TOLERANCE:
            return replace(model, beliefs=beliefs, potentials={}, beyond=())
    raise BadInput(
        "The margins cannot hold together in this model, or only in the limit",
        allowed=f"margins that meet within {TOLERANCE} in {_SWEEPS} passes",
        remedy="leave one out, or take all of them from one source",
    )


def _fit_one(
    beliefs: BeliefTree, ids: Ids, target: Array, margin: Margin, layout: Layout
) -> tuple[BeliefTree, float]:
    """One step; the tree after it, and how far the margin was off before it."""
    now = beliefs.marginal(ids)
    off = float(np.abs(now - target).max())
    if off <= TOLERANCE / 10:
        return beliefs, off
    lost = (target > 0.0) & (now <= _NOTHING)
    if lost.any():
        _refuse_empty(margin, np.flatnonzero(layout.outward(lost.astype(np.float64), margin.clique)), layout)
    ratio = np.divide(target, now, out=np.zeros_like(target), where=now > _NOTHING)
    return absorb(beliefs, ids, ratio)[0], off


def _refuse_empty(margin: Margin, cells: NDArray[np.intp], layout: Layout) -> NoReturn:
    domain = layout.domain
    codes = np.array(np.unravel_index(cells[:_CELLS_NAMED], domain.sizes(margin.clique))).T
    named = [
        " and ".join(
            f"{name} = {domain[name].label(int(code))}"
            for name, code in zip(margin.clique, cell, strict=True)
        )
        for cell in codes
    ]
    raise BadInput(
        f"The margin of {' x '.join(margin.clique)} asks for rows that the model, with the other margins, "
        f"cannot have: {'; '.join(named)}" + (", and more" if len(cells) > len(named) else ""),
        allowed="a target of 0 wherever the model has no rows",
        remedy="set these cells to 0, or leave the margin out",
    )


def _covering(model: GraphicalModel, wanted: list[tuple[Margin, Ids]], max_cells: int) -> BeliefTree:
    """The same distribution on a tree in which one clique holds each margin's columns."""
    old, sizes = model.beliefs, column_sizes(model.beliefs)
    missing = [ids for _, ids in wanted if old.tree.home(ids) < 0]
    if not missing:
        return old
    tree = junction_tree(sizes, [*old.tree.cliques, *missing])
    if tree.cells(sizes) > max_cells:
        raise BadInput(
            f"Together with these margins the model would need {tree.cells(sizes)} cells",
            allowed=f"at most {max_cells} cells. Any margin of one column fits; of two columns those that "
            f"the model holds together: {_pairs_held(model)}",
            remedy="leave out " + " or ".join(" x ".join(m.clique) for m, ids in wanted if ids in missing),
        )
    return BeliefTree(tree, [old.marginal(clique) for clique in tree.cliques])


def _pairs_held(model: GraphicalModel) -> str:
    names, domain = model.layout.names, model.layout.domain
    pairs = {
        domain.clique((names[one], names[two]))
        for clique in model.beliefs.tree.cliques
        for place, one in enumerate(clique)
        for two in clique[:place]
        if one < len(names)  # a hidden column comes after those of the domain, and is no one's to name
    }
    return some([" x ".join(pair) for pair in sorted(pairs)])
