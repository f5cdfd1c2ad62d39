"""A size-capped junction tree grown in two batches of private choices, for tables of many columns.

AIM (arXiv 2201.12677) rescores and refits for every marginal; here all choices of a batch see the same
estimates, and the model is refitted between the batches. The second batch may also close triangles over
pairs of the first. Shares of the counting budget are proportional to cells to the power 2/3, which
minimises the sum of expected L1 errors for a given sum of rho.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from dpsynth.core.curator import Candidate, Curator, NoisyMarginal, Progress
from dpsynth.core.domain import Clique
from dpsynth.graphical.factor import Array, Ids
from dpsynth.graphical.fitting import fit
from dpsynth.graphical.junction_tree import model_cells
from dpsynth.graphical.layout import Layout
from dpsynth.graphical.model import GraphicalModel
from dpsynth.synthesizers.budget import Purse, epsilon_of, sigma_of

__all__ = ["Growth", "measure_shared", "noise_error", "within_room"]

_MOST_TRIANGLE_CELLS = 20_000
_BATCHES = 2
_REFRESHES = 6
_BATCH_ITERATIONS = 100
_FINAL_ITERATIONS = 400


def measure_shared(
    purse: Purse, cliques: Sequence[Clique], sizes: Sequence[int], rho_nano: int
) -> list[NoisyMarginal]:
    """Measure each clique once, with a share of ``rho_nano`` that goes with its cells to the power 2/3."""
    weights = np.array(sizes, dtype=np.float64) ** (2.0 / 3.0)
    reach = np.floor(np.cumsum(weights) / max(float(weights.sum()), 1e-300) * rho_nano).astype(np.int64)
    shares = np.diff(reach, prepend=0)
    answers: list[NoisyMarginal] = []
    for clique, share in zip(cliques, shares, strict=True):
        if share > 0:
            answers += purse.measure([clique], int(share))
    return answers


def noise_error(rho_nano: int, rows_per_sigma: float, cells: int) -> float:
    """Expected L1 norm, in rows, of the noise on a marginal of so many cells at this price."""
    return math.sqrt(2.0 / math.pi) * sigma_of(max(rho_nano, 1)) * rows_per_sigma * cells


def within_room(layout: Layout, cliques: Sequence[Clique], more: Clique, room: int) -> bool:
    """Whether the tree over ``cliques``, ``more`` and the structural zeros has at most ``room`` cells."""
    ids: list[Ids] = [*layout.zeros, *(layout.ids(each) for each in (*cliques, more))]
    return layout.domain.size(more) <= room and model_cells(layout.sizes, ids) <= room


@dataclass
class Growth:
    """One run of choices.

    Attributes:
        curator, purse: who answers, and what may be spent.
        singles: answers about single columns.
        pairs: candidates of the first batch, in any order.
        choices: how many private choices there may be in all, >= 2; each costs, also one that does not fit.
        rho_choices: nano-rho for choosing; all that is left after it is for counting.
        room: most cells of the tree.
        asked: private choices made so far.
    """

    curator: Curator
    purse: Purse
    singles: Sequence[NoisyMarginal]
    pairs: Sequence[Clique]
    choices: int
    rho_choices: int
    room: int
    rows_per_sigma: float
    chosen: list[Clique] = field(default_factory=list)
    asked: int = 0

    def run(self, model: GraphicalModel) -> GraphicalModel:
        """Choose, count, refit, twice; the last count takes all that is left."""
        domain, answers, start = self.curator.domain, list(self.singles), self.purse.left
        counting = start - self.rho_choices
        for batch in range(_BATCHES):
            last = batch == _BATCHES - 1
            most = self.choices // _BATCHES if not last else self.choices - self.asked
            price = max(counting // self.choices, 1)
            new = self._choose(
                model, self._candidates(batch), most, price, self.room * (batch + 1) // _BATCHES
            )
            share = self.purse.left if last else counting * len(new) // self.choices
            answers += self._count(new, share)
            self.chosen += new
            iterations = _FINAL_ITERATIONS if last else _BATCH_ITERATIONS
            model = fit(domain, answers, warm=model, iterations=iterations)
            spent = 1.0 - self.purse.left / max(start, 1)
            self.curator.tell(
                Progress("growing a tree of marginals", batch + 1, _BATCHES, spent, model.cells)
            )
        return model

    def _count(self, new: Sequence[Clique], rho_nano: int) -> list[NoisyMarginal]:
        domain = self.curator.domain
        asked = list(new) or [(name,) for name in domain.names]
        return measure_shared(self.purse, asked, [domain.size(each) for each in asked], rho_nano)

    def _candidates(self, batch: int) -> list[Clique]:
        found = [pair for pair in self.pairs if pair not in self.chosen]
        return found if batch == 0 else found + self._triangles()

    def _triangles(self) -> list[Clique]:
        """Three columns of which two chosen pairs speak."""
        domain, near = self.curator.domain, {name: set[str]() for name in self.curator.domain.names}
        for one, two in self.chosen:
            near[one].add(two)
            near[two].add(one)
        triples = {
            domain.clique((middle, *ends))
            for middle, ring in near.items()
            for ends in combinations(sorted(ring), 2)
        }
        fitting = [each for each in triples if domain.size(each) <= min(_MOST_TRIANGLE_CELLS, self.room)]
        return sorted(fitting)

    def _choose(
        self, model: GraphicalModel, candidates: list[Clique], most: int, price: int, room: int
    ) -> list[Clique]:
        """Private choices against one model; marginals that would not fit the room are passed over."""
        layout, new = model.layout, list[Clique]()
        epsilon = epsilon_of(max(self.rho_choices // self.choices, 1))
        estimates: dict[Clique, Array] = {each: model.marginal(each) for each in candidates}
        scored = {
            each: Candidate(
                each, len(each) / 3.0, noise_error(price, self.rows_per_sigma, estimates[each].size)
            )
            for each in candidates
        }
        if self.rho_choices < self.choices:
            return new
        left = most
        while left > 0 and scored:
            if (most - left) % max(most // _REFRESHES, 1) == 0:
                # What does not fit now will not fit later: the tree only grows.
                scored = {each: scored[each] for each in scored if self._fits(layout, new, each, room)}
                if not scored:
                    break
            left, self.asked = left - 1, self.asked + 1
            picked = list(scored)[self.curator.select(list(scored.values()), estimates, epsilon)]
            del scored[picked]
            if self._fits(layout, new, picked, room):
                new.append(picked)
        return new

    def _fits(self, layout: Layout, new: Sequence[Clique], more: Clique, room: int) -> bool:
        return within_room(layout, [*self.chosen, *new], more, room)
