"""AIM: an adaptive and iterative mechanism (McKenna, Mullins, Sheldon & Miklau, arXiv 2201.12677, section 3).

As published: one-way marginals first, then rounds that choose the worst-fitted feasible marginal, measure it
and refit; when a round changed less than its noise would, the next ones get four times the budget; the last
round spends the remainder. T = 16 columns, a tenth of a round on choosing, the model may grow with the budget
used. A final, longer fit is added, and a budget too small for rounds goes to one-way marginals at once.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.curator import Candidate, Curator, FittedModel, Plan
from dpsynth.core.domain import Clique, Domain
from dpsynth.graphical.fitting import fit
from dpsynth.synthesizers.budget import Purse, epsilon_of, refuse_if_infeasible, rho_text, sigma_of
from dpsynth.synthesizers.workload import Feasible, closure

__all__ = ["AIM"]

_DEGREE = 3
_ROUNDS_PER_COLUMN = 16
_LEAST_NANO_PER_ROUND = 100
_MOST_CANDIDATE_CELLS = 100_000
_ROUND_ITERATIONS = 100
_FINAL_ITERATIONS = 1000


class AIM:
    """Adaptive choice of marginals of up to three columns, fitted by a graphical model."""

    name = "aim"
    version = "0.1.0"

    def plan(self, domain: Domain, rho_nano: int, max_model_cells: int) -> Plan:
        """Shape and cost from public facts. Raises PolicyRefusal without budget or room."""
        refuse_if_infeasible(self.name, domain, rho_nano, max_model_cells)
        workload = closure(domain, _DEGREE, min(_MOST_CANDIDATE_CELLS, max_model_cells))
        columns = sum(len(clique) == 1 for clique in workload)
        rounds = _ROUNDS_PER_COLUMN * columns
        if columns < 2 or rho_nano < rounds * _LEAST_NANO_PER_ROUND:
            rounds = 0
        options = {"rounds": rounds, "max_model_cells": max_model_cells}
        steps = _steps(len(workload), columns, rounds, rho_nano)
        # A tenth of each round, the growing and the last one included, goes into its choice.
        choices = rho_nano // 10 + 1 if rounds else 0
        return Plan(self.name, self.version, rho_nano, steps, options, choices)

    def fit(self, plan: Plan, curator: Curator) -> FittedModel:
        """Run the rounds, then fit once more to everything that was measured."""
        purse = Purse(plan, curator)
        rounds = int(plan.options["rounds"])
        if rounds < 1 or purse.left < rounds * _LEAST_NANO_PER_ROUND:
            return fit(curator.domain, purse.measure([(name,) for name in curator.domain.names], purse.left))
        run = _Run(plan, curator, purse)
        while purse.left > 0:
            run.round()
        return fit(curator.domain, run.answers, warm=run.model, iterations=_FINAL_ITERATIONS)


def _steps(candidates: int, columns: int, rounds: int, rho_nano: int) -> tuple[str, ...]:
    if rounds < 1:
        return (f"Count each column with noise, for rho {rho_text(rho_nano)} in all: too little for more.",)
    share = rho_text(rho_nano * 9 // (10 * rounds))
    return (
        f"Count each of the {columns} columns of more than one value with noise, for rho {share} each.",
        f"Up to {rounds - columns} times: choose one of {candidates} marginals privately, count it, refit.",
        "Rounds grow fourfold when a count teaches less than its noise; the last one spends the remainder.",
    )


class _Run:
    """One run's state: what was measured, the current model, and the price of a round in nano-rho."""

    def __init__(self, plan: Plan, curator: Curator, purse: Purse) -> None:
        rounds, self.room = int(plan.options["rounds"]), int(plan.options["max_model_cells"])
        self.curator, self.purse, self.budget = curator, purse, purse.left
        self.price_measure = self.budget * 9 // (10 * rounds)
        self.price_choice = self.budget // (10 * rounds)
        self.weights = closure(curator.domain, _DEGREE, min(_MOST_CANDIDATE_CELLS, self.room))
        self.feasible = Feasible(curator.domain, self.weights)
        singles = [clique for clique in self.weights if len(clique) == 1]
        self.answers = purse.measure(singles, self.price_measure * len(singles))
        # Noise in rows per unit of noise multiplier: the privacy unit's sensitivity, read off an answer.
        self.rows_per_sigma = self.answers[0].sigma / sigma_of(self.price_measure)
        self.model = fit(curator.domain, self.answers)

    def round(self) -> None:
        """Choose, measure, refit, anneal."""
        if self.purse.left < 2 * (self.price_measure + self.price_choice):
            self.price_choice = self.purse.left // 10
            self.price_measure = self.purse.left - self.price_choice
        clique, before = self._choose()
        last = self.purse.left < 2 * self.price_measure
        self.answers += self.purse.measure([clique], self.purse.left if last else self.price_measure)
        domain = self.curator.domain
        self.model = fit(domain, self.answers, warm=self.model, iterations=_ROUND_ITERATIONS)
        change = float(np.abs(self.model.marginal(clique) - before).sum())
        if change <= self._noise_error(before.size):
            self.price_measure *= 4
            self.price_choice *= 4

    def _choose(self) -> tuple[Clique, NDArray[np.float64]]:
        used = self.budget - self.purse.left + self.price_measure + self.price_choice
        allowed = self.feasible.within(self.model.potentials, self.room * used / self.budget)
        estimates = {clique: self.model.marginal(clique) for clique in allowed}
        candidates = [
            Candidate(clique, self.weights[clique], self._noise_error(estimates[clique].size))
            for clique in allowed
        ]
        if self.price_choice < 1:
            return allowed[0], estimates[allowed[0]]
        chosen = allowed[self.curator.select(candidates, estimates, epsilon_of(self.price_choice))]
        return chosen, estimates[chosen]

    def _noise_error(self, cells: int) -> float:
        """Expected L1 norm of this round's noise on a marginal of that many cells, in rows."""
        return math.sqrt(2.0 / math.pi) * sigma_of(self.price_measure) * self.rows_per_sigma * cells
