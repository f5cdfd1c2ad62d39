"""PrivBayes: a private Bayesian network (Zhang, Cormode, Procopiuc, Srivastava & Xiao, TODS 2017).

Columns are placed one after another. Each choice takes, by noisy max, a column that is not placed yet and a
set of parents among the placed ones whose joint counts the model, in which that column is still independent,
explains worst: the paper's R score, less what noise alone would add. Differences to the paper: Gaussian
noise; the joint counts of each choice are measured at once, so that later choices see them; parents lie
together in an earlier family, so that the network is decomposable (Lauritzen 1996, section 2.1): what it
states of conditional independence holds exactly in the fitted model (publicly impossible cells may add
dependence of their own), and one consistent fit serves all measurements. Families are limited by
theta-usefulness (section 4.1): their mean count is at least theta standard deviations of their noise, by the
noisy number of rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from dpsynth.core.curator import Candidate, Curator, FittedModel, NoisyMarginal, Plan, Progress
from dpsynth.core.domain import Clique, Domain
from dpsynth.graphical.factor import Array, Ids
from dpsynth.graphical.fitting import fit
from dpsynth.graphical.junction_tree import model_cells
from dpsynth.graphical.model import GraphicalModel
from dpsynth.synthesizers.budget import Purse, epsilon_of, rho_text, sigma_of
from dpsynth.synthesizers.feasibility import refuse_if_too_large
from dpsynth.synthesizers.growth import noise_error

__all__ = ["DirectedModel", "PrivBayes"]

_THETA = 0.5
_SINGLES, _CHOICES = 10, 10  # percent of the budget
_LEAST_NANO_PER_CHOICE = 100
_STEP_ITERATIONS, _FINAL_ITERATIONS = 30, 1000
_MOST_FAMILY_CELLS = 100_000


@dataclass(frozen=True)
class DirectedModel(GraphicalModel):
    """A decomposable Bayesian network.

    Attributes:
        parents: for each column, in the order of placing, the columns that it is modelled to depend on.
    """

    parents: Mapping[str, Clique] = field(default_factory=dict)

    def statements(self) -> tuple[str, ...]:
        """One plain sentence for each column, in the order of placing; exact where no cell is impossible."""
        said, placed = [], list[str]()
        for name, parents in self.parents.items():
            others = [each for each in placed if each not in parents]
            rest = ", ".join(others)
            if not placed:
                said.append(f"{name} comes first")
            elif not parents:
                said.append(f"{name} is taken to be independent of the columns before it ({rest})")
            elif not others:
                said.append(f"{name} depends on {', '.join(parents)}, which are all columns before it")
            else:
                said.append(
                    f"{name} depends on {', '.join(parents)}; given these, it is taken to be independent of "
                    f"the other columns before it ({rest})"
                )
            placed.append(name)
        return tuple(said)


class PrivBayes:
    """Columns placed one by one, each with the parents that tell most about it."""

    name = "privbayes"
    version = "0.1.0"

    def plan(self, domain: Domain, rho_nano: int, max_model_cells: int) -> Plan:
        """Shape and cost from public facts. Raises PolicyRefusal without budget or room."""
        refuse_if_too_large(self.name, domain, rho_nano, max_model_cells)
        columns = len(_useful(domain))
        steps = max(columns - 1, 0)
        if rho_nano < 10 * steps * _LEAST_NANO_PER_CHOICE:
            steps = 0
        options = {
            "choices": steps,
            "most_parents": _most_parents(columns),
            "max_model_cells": max_model_cells,
        }
        lines = _steps(len(domain.columns), rho_nano, options)
        choices = rho_nano * _CHOICES // 100 + 1 if steps else 0
        return Plan(self.name, self.version, rho_nano, lines, options, choices)

    def fit(self, plan: Plan, curator: Curator) -> FittedModel:
        """Place every column, then fit once to everything that was measured."""
        purse = Purse(plan, curator)
        steps = int(plan.options["choices"])
        if steps < 1 or purse.left < 10 * steps * _LEAST_NANO_PER_CHOICE:
            singles: list[Clique] = [(name,) for name in curator.domain.names]
            model = fit(curator.domain, purse.measure(singles, purse.left))
            return _directed(model, dict.fromkeys(curator.domain.names, ()))
        return _Run(plan, curator, purse).finish()


def _useful(domain: Domain) -> list[str]:
    return [column.name for column in domain.columns if column.size > 1]


def _most_parents(columns: int) -> int:
    """Fewer where there are many columns, to keep the number of candidates down."""
    return 3 if columns <= 25 else 2 if columns <= 60 else 1


def _steps(columns: int, rho_nano: int, options: Mapping[str, int]) -> tuple[str, ...]:
    if not options["choices"]:
        return (f"Count each of the {columns} columns with noise, for rho {rho_text(rho_nano)} in all.",)
    share_one, share_choices = (rho_text(rho_nano * part // 100) for part in (_SINGLES, _CHOICES))
    return (
        f"Count each of the {columns} columns with noise, for rho {share_one} in all.",
        (
            f"Place the columns one by one: choose privately which comes next and on which columns, "
            f"{options['most_parents']} at most, it depends, for rho {share_choices} in all; after each "
            "choice count these columns together, with noise."
        ),
        "Fit a directed model of these counts, which states what is taken to be independent of what.",
    )


def _directed(model: GraphicalModel, parents: Mapping[str, Clique]) -> DirectedModel:
    return DirectedModel(
        model.layout,
        model.potentials,
        model.beliefs,
        model.total,
        model.loss,
        model.stride,
        parents=dict(parents),
    )


class _Run:
    def __init__(self, plan: Plan, curator: Curator, purse: Purse) -> None:
        self.curator, self.purse, self.domain = curator, purse, curator.domain
        self.budget, self.steps = purse.left, int(plan.options["choices"])
        self.room, self.most = int(plan.options["max_model_cells"]), int(plan.options["most_parents"])
        singles: list[Clique] = [(name,) for name in self.domain.names]
        price = self.budget * _SINGLES // 100
        self.answers: list[NoisyMarginal] = purse.measure(singles, price)
        self.price_choice = self.budget * _CHOICES // 100 // self.steps
        # Noise in rows per unit of noise multiplier: the privacy unit's sensitivity, read off an answer.
        self.rows_per_sigma = self.answers[0].sigma / sigma_of(-(-price // len(singles)))
        self.model = fit(self.domain, self.answers)
        self.parents: dict[str, Clique] = {self._first(): ()}
        self.families: list[Clique] = [(name,) for name in self.parents]

    def _first(self) -> str:
        """The column of the largest entropy, by the noisy counts."""

        def entropy(name: str) -> float:
            share = self.model.marginal((name,)) / self.model.total
            return -float((share * np.log(np.maximum(share, 1e-300))).sum())

        return max(_useful(self.domain), key=entropy)

    def finish(self) -> DirectedModel:
        """Place the columns that are left, then those of one code, then fit for good."""
        while len(self.parents) <= self.steps:
            self._place()
        model = fit(self.domain, self.answers, warm=self.model, iterations=_FINAL_ITERATIONS)
        rest = {name: () for name in self.domain.names if name not in self.parents}
        return _directed(model, {**self.parents, **rest})

    def _place(self) -> None:
        last = len(self.parents) == self.steps
        waiting = [name for name in _useful(self.domain) if name not in self.parents]
        price = self.purse.left // len(waiting) - self.price_choice
        choices = self._candidates(waiting, price)
        candidates = [
            Candidate(clique, 1.0, noise_error(price, self.rows_per_sigma, self.domain.size(clique)))
            for _, clique in choices
        ]
        estimates = {clique: self._estimate(name, clique) for name, clique in choices}
        place = self.curator.select(candidates, estimates, epsilon_of(self.price_choice)) if choices else -1
        name, family = choices[place] if choices else (waiting[0], (waiting[0],))
        self.parents[name] = tuple(each for each in family if each != name)
        self.families.append(family)
        self.answers += self.purse.measure([family], self.purse.left if last else price)
        self.model = fit(self.domain, self.answers, warm=self.model, iterations=_STEP_ITERATIONS)
        spent = 1.0 - self.purse.left / max(self.budget, 1)
        done = len(self.parents) - 1
        self.curator.tell(Progress("placing columns", done, self.steps, spent, self.model.cells))

    def _candidates(self, waiting: Sequence[str], price: int) -> list[tuple[str, Clique]]:
        """Each waiting column with each set of parents that lies in one family and keeps within limits."""
        layout = self.model.layout
        sigma = sigma_of(max(price, 1)) * self.rows_per_sigma
        useful = self.model.total / (_THETA * sigma)
        placed = [layout.ids(family) for family in self.families]
        room = self.room - model_cells(layout.sizes, placed) - sum(self.domain[each].size for each in waiting)
        most = min(_MOST_FAMILY_CELLS, max(room, 0))
        sets = {
            parents
            for family in self.families
            for ways in range(1, self.most + 1)
            for parents in combinations(family, ways)
        }
        found = []
        for name in waiting:
            for parents in sorted(sets):
                clique = self.domain.clique((*parents, name))
                size = self.domain.size(clique)
                if size <= most and (len(parents) == 1 or size <= useful) and self._fits(placed, clique):
                    found.append((name, clique))
        return found

    def _fits(self, placed: Sequence[Ids], clique: Clique) -> bool:
        """Whether the tree keeps its room where structural zeros join what the network does not."""
        layout = self.model.layout
        held = [*placed, *layout.zeros, layout.ids(clique)]
        return not layout.zeros or model_cells(layout.sizes, held) <= self.room

    def _estimate(self, name: str, clique: Clique) -> Array:
        """Counts over a family while ``name`` is still independent of the others."""
        others = tuple(each for each in clique if each != name)
        joint = self.model.marginal(others).reshape(self.domain.sizes(others))
        alone = self.model.marginal((name,)) / self.model.total
        axis = clique.index(name)
        shape = [1] * len(clique)
        shape[axis] = len(alone)
        product: Array = np.expand_dims(joint, axis) * alone.reshape(shape)
        return product.reshape(math.prod(self.domain.sizes(clique)))
