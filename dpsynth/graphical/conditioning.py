"""Exact conditional distributions of a fitted model: post-processing, free, without rejection.

A condition is split into disjoint boxes (a set of codes for each of some columns). Inside one box the model
is conditioned by evidence on its calibrated junction tree (Koller & Friedman 2009, section 10.3.3: multiply
one clique, then pass the change outwards); the whole is the mixture of these, each in proportion to its
probability.

Counts beyond the tree (``GraphicalModel.beyond``) are of everybody and say nothing exact of those who meet a
condition: a conditioned model follows the tree alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Clique, Domain
from dpsynth.core.errors import BadInput
from dpsynth.core.table import SyntheticTable
from dpsynth.graphical.factor import Array, Ids, expand
from dpsynth.graphical.inference import BeliefTree
from dpsynth.graphical.masks import Mask
from dpsynth.graphical.model import GraphicalModel
from dpsynth.graphical.where import AllOf, AnyOf, Condition, Test

__all__ = [
    "MOST_BOXES",
    "Box",
    "Conditioned",
    "absorb",
    "column_sizes",
    "condition",
    "disjoint_boxes",
    "inside",
]

MOST_BOXES = 1000
"""Disjoint boxes that one condition may split into; each costs one pass over the model."""

Box = Mapping[str, Mask]
"""Columns that must have one of the codes of their mask; a column that is not named is free."""


def disjoint_boxes(condition: Condition, domain: Domain) -> list[Box]:
    """Non-empty boxes that do not overlap and together are the condition; none if it can never hold.

    Raises BadInput where there would be more than ``MOST_BOXES``.
    """
    if isinstance(condition, Test):
        if condition.mask.all():
            return [{}]
        return [{condition.column: condition.mask}] if condition.mask.any() else []
    parts = _one_test_per_column(condition)
    found: list[Box] = [{}] if isinstance(condition, AllOf) else []
    for part in parts:
        boxes = disjoint_boxes(part, domain)
        if isinstance(condition, AllOf):
            found = [both for one in found for two in boxes if (both := _overlap(one, two)) is not None]
        else:
            found += _outside(boxes, found, domain)
        if len(found) > MOST_BOXES:
            raise BadInput(
                f"The condition splits into more than {MOST_BOXES} separate parts",
                allowed=f"at most {MOST_BOXES}; alternatives on one column count as one",
                remedy="write alternatives on one column with `in`, or draw them one after another",
            )
    return found


def _one_test_per_column(condition: AllOf | AnyOf) -> list[Condition]:
    """The parts, with all tests of one column made one test."""
    masks: dict[str, Mask] = {}
    others: list[Condition] = []
    for part in condition.parts:
        if not isinstance(part, Test):
            others.append(part)
        elif part.column not in masks:
            masks[part.column] = part.mask
        elif isinstance(condition, AllOf):
            masks[part.column] = masks[part.column] & part.mask
        else:
            masks[part.column] = masks[part.column] | part.mask
    return [*(Test(column, mask) for column, mask in masks.items()), *others]


def _overlap(one: Box, two: Box) -> Box | None:
    both = dict(one)
    for column, mask in two.items():
        both[column] = both[column] & mask if column in both else mask
        if not both[column].any():
            return None
    return both


def _outside(boxes: list[Box], taken: list[Box], domain: Domain) -> list[Box]:
    """What of ``boxes`` (disjoint) lies in none of ``taken``, as disjoint boxes."""
    for old in taken:
        boxes = [piece for box in boxes for piece in _minus(box, old, domain)]
        if len(boxes) > MOST_BOXES:
            break  # the caller says so
    return boxes


def _minus(box: Box, old: Box, domain: Domain) -> list[Box]:
    if _overlap(box, old) is None:
        return [box]
    pieces: list[Box] = []
    rest = dict(box)
    for column, mask in old.items():
        here = rest.get(column, np.ones(domain[column].size, dtype=np.bool_))
        if (here & ~mask).any():
            pieces.append({**rest, column: here & ~mask})
        rest[column] = here & mask
    return pieces


def absorb(beliefs: BeliefTree, ids: Ids, weights: Array) -> tuple[BeliefTree, float]:
    """Reweight a calibrated tree by a factor over columns that one clique holds, and calibrate it again.

    Args:
        beliefs: a calibrated tree with the distribution p.
        ids: columns of the factor, ascending, inside one clique.
        weights: non-negative, one axis per id.

    Returns:
        The tree of p * weights / mass, and mass = the mean of the weights under p. With mass 0 the tree is
        returned as it was.
    """
    tree = beliefs.tree
    start = tree.home(ids)
    new = list(beliefs.beliefs)
    changed = new[start] * expand(weights, ids, tree.cliques[start])
    mass = float(changed.sum())
    if not mass > 0.0:
        return beliefs, 0.0
    new[start] = changed / mass
    waiting = [(start, other) for other in tree.neighbours[start]]
    while waiting:
        near, far = waiting.pop()
        separator = tree.separators[near if tree.parent[near] == far else far]
        if not separator:
            continue  # beyond it nothing depends on the factor
        before = _project(beliefs.beliefs[near], tree.cliques[near], separator)
        after = _project(new[near], tree.cliques[near], separator)
        ratio = np.divide(after, before, out=np.zeros_like(after), where=before > 0)
        new[far] = beliefs.beliefs[far] * expand(ratio, separator, tree.cliques[far])
        waiting += [(far, other) for other in tree.neighbours[far] if other != near]
    return BeliefTree(tree, new), mass


def column_sizes(beliefs: BeliefTree) -> tuple[int, ...]:
    """Number of codes by column id, of the hidden columns too that a tree may have beyond the domain's."""
    found = {
        column: length
        for clique, belief in zip(beliefs.tree.cliques, beliefs.beliefs, strict=True)
        for column, length in zip(clique, belief.shape, strict=True)
    }
    return tuple(found[column] for column in sorted(found))


def _project(values: Array, ids: Ids, keep: Ids) -> Array:
    summed: Array = values.sum(axis=tuple(axis for axis, column in enumerate(ids) if column not in keep))
    return summed


@dataclass(frozen=True)
class Conditioned:
    """The exact conditional distribution of a model's tree; a fitted model itself.

    Attributes:
        model: the model, unconditioned. The boxes are conditioned one at a time, when they are asked for:
            together they could need many times its memory.
        boxes: the disjoint boxes with a probability above 0.
        shares: probability of each box given the condition, summing to 1.
        probability: the tree's probability of the condition, 0 < p <= 1 up to rounding.
    """

    model: GraphicalModel
    boxes: tuple[Box, ...]
    shares: NDArray[np.float64]
    probability: float

    def marginal(self, clique: Clique) -> Array:
        """Expected counts given the condition, flat in C order, summing to the model's total."""
        found = np.zeros(self.model.layout.domain.size(clique))
        for box, share in zip(self.boxes, self.shares, strict=True):
            found += share * inside(self.model, box)[0].marginal(clique)
        return found

    def sample(self, rows: int, rng: np.random.Generator) -> SyntheticTable:
        """Draw ``rows`` (>= 0) synthetic rows, all of which meet the condition.

        The rows of each box are its expected number, rounded up or down at random, so that it is unbiased.
        """
        reach = np.floor(np.cumsum(self.shares) * rows + rng.random()).astype(np.int64)
        reach[-1] = rows
        counts = np.diff(np.minimum(reach, rows), prepend=0)
        tables = [
            inside(self.model, box)[0].sample(int(count), rng)
            for box, count in zip(self.boxes, counts, strict=True)
            if count
        ] or [self.model.sample(0, rng)]
        order = rng.permutation(rows)
        domain = self.model.layout.domain
        drawn = {name: np.concatenate([table.codes[name] for table in tables]) for name in domain.names}
        return SyntheticTable(domain, {name: codes[order] for name, codes in drawn.items()})


def inside(model: GraphicalModel, box: Box) -> tuple[GraphicalModel, float]:
    """The model given that each column of a box has one of its codes, and the probability of that.

    What comes back follows the tree alone: it holds no potentials, which know nothing of the box, and no
    counts beyond the tree. With probability 0 it comes back as far as it could be conditioned.
    """
    beliefs, mass = model.beliefs, 1.0
    for column, mask in box.items():
        beliefs, share = absorb(beliefs, model.layout.ids((column,)), mask.astype(np.float64))
        mass *= share
    return replace(model, beliefs=beliefs, potentials={}, beyond=()), mass


def condition(model: GraphicalModel, where: Condition) -> Conditioned:
    """The model given a condition on its columns.

    Raises BadInput if the model gives the condition no probability, or it splits into too many boxes.
    """
    boxes = disjoint_boxes(where, model.layout.domain)
    masses = np.array([inside(model, box)[1] for box in boxes])
    possible = np.flatnonzero(masses > 0.0)
    if not possible.size:
        raise BadInput(
            "The condition is impossible: the model gives it probability 0",
            allowed="conditions that some row of the model can meet",
            remedy="ask for less at once, or look at what the columns allow together",
        )
    found = masses[possible]
    chosen = tuple(boxes[number] for number in possible)
    return Conditioned(model, chosen, found / found.sum(), float(found.sum()))
