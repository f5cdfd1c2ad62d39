"""Tables of many columns: a mixture of groups or a small tree of marginals, whichever explains more.

One-way marginals first. Then a part of the budget looks at every pair, and a smaller part at some pairs once
more. From the first look three models are made: independent columns, a mixture of groups inside which columns
are independent (mixture.py), and a quick tree over the strongest pairs; the second look, which none of them
has seen, says which explains it best, and how strongly the mixture is to be held back. The remainder is spent
for the winner: on all pairs again for the mixture, on private choices (growth.py) for the tree, on single
columns where nothing beats independence. Dense weak relations (few hidden causes) favour the mixture, sparse
strong ones (each column follows from a few others) the tree.

Tried once each, in probes on generated tables of 50 columns and on Adult, and left out because it did not
help:

- putting the strongest pairs back into a fitted mixture (a tree with the group in every clique): no better
  than the mixture on dense tables and worse than the tree on sparse ones (.0231 against .0103);
- a mixture without penalty, or stopped when the loss equals the noise: it learns the noise (3-way .074
  against .037);
- a tree without the offset for noise in its choices: it picks marginals too large to be counted well (Adult,
  3-way .0906 against .0717).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from dpsynth.core.curator import Curator, FittedModel, NoisyMarginal, Plan, Progress
from dpsynth.core.domain import Clique, Domain
from dpsynth.graphical.factor import Array
from dpsynth.graphical.fitting import fit
from dpsynth.graphical.model import GraphicalModel
from dpsynth.synthesizers.budget import Purse, rho_text, sigma_of
from dpsynth.synthesizers.feasibility import refuse_if_too_large
from dpsynth.synthesizers.growth import Growth, measure_shared, within_room
from dpsynth.synthesizers.mixture import Mixture, PairTargets, as_model, fit_mixture

__all__ = ["Wide"]

_SINGLES, _LOOK, _CHECK, _CHOOSE = 10, 20, 5, 5  # percent of the budget
_LEAST_NANO_PER_PAIR = 20
_MOST_PAIRS = 20_000
_GROUPS, _LEAST_GROUPS = 100, 4
_MOST_CODES = 4_000
_TREE_ROOM = 200_000
_QUICK_ROOM = 50_000
_CHECKED_PAIRS = 1_000
_PENALTIES = (6400.0, 1600.0, 400.0, 100.0)
_QUICK_STEPS, _FINAL_STEPS, _LEAST_STEPS = 400, 1200, 100
_WORK = 1.5e12
_STRONG = 3.0


class Wide:
    """All pairs in brief, then a mixture of groups or a capped tree."""

    name = "wide"
    version = "0.1.0"

    def plan(self, domain: Domain, rho_nano: int, max_model_cells: int) -> Plan:
        """Shape, cost, memory and time from public facts. Raises PolicyRefusal without budget or room."""
        refuse_if_too_large(self.name, domain, rho_nano, max_model_cells)
        names = [column.name for column in domain.columns if column.size > 1]
        pairs, codes = math.comb(len(names), 2), sum(domain.shape)
        if pairs > _MOST_PAIRS or rho_nano < pairs * _LEAST_NANO_PER_PAIR:
            pairs = 0
        groups = min(_GROUPS, max_model_cells // codes) if codes <= _MOST_CODES else 0
        options = {
            "pairs": pairs,
            "groups": groups if groups >= _LEAST_GROUPS else 0,
            "tree_cells": min(_TREE_ROOM, max_model_cells),
            "max_model_cells": max_model_cells,
        }
        choices = rho_nano * _CHOOSE // 100 + 1 if pairs else 0
        steps = _steps(domain, rho_nano, options)
        return Plan(self.name, self.version, rho_nano, steps, options, choices)

    def fit(self, plan: Plan, curator: Curator) -> FittedModel:
        """Look, decide, spend the remainder for what was decided, fit."""
        purse = Purse(plan, curator)
        singles: list[Clique] = [(name,) for name in curator.domain.names]
        pairs = int(plan.options["pairs"])
        if not pairs or purse.left < pairs * _LEAST_NANO_PER_PAIR:
            return fit(curator.domain, purse.measure(singles, purse.left))
        return _Run(plan, curator, purse).finish()


def _steps(domain: Domain, rho_nano: int, options: Mapping[str, int]) -> tuple[str, ...]:
    """What will be done, in plain words, with the most memory and a rough time."""
    columns, pairs, codes = len(domain.columns), options["pairs"], sum(domain.shape)
    if not pairs:
        why = "a budget this small" if len(domain.columns) > 1 else "one column"
        rho = rho_text(rho_nano)
        return (
            f"Count each of {columns} columns with noise, for rho {rho}: {why} leaves nothing for pairs.",
        )
    share = {
        name: rho_text(rho_nano * part // 100)
        for name, part in (("one", _SINGLES), ("look", _LOOK), ("check", _CHECK), ("choose", _CHOOSE))
    }
    groups, room = options["groups"], options["tree_cells"]
    mixture = f"a mixture of {groups} groups ({groups * codes} cells), " if groups else ""
    memory, seconds = _needs(domain, options)
    return (
        f"Count each of the {columns} columns with noise, for rho {share['one']} in all.",
        (
            f"Count all {pairs} pairs with noise, for rho {share['look']}, and some of them again, for rho "
            f"{share['check']}, to decide between independent columns, {mixture}and a tree of marginals."
        ),
        (
            f"For a tree: choose at most {_choices(domain)} marginals privately, for rho {share['choose']}, "
            f"so that it has at most {room} cells, and count them for all that is left. "
            "Else count all pairs, or all columns, again for all that is left."
        ),
        f"At most about {memory} MB of memory beside the table, and roughly {seconds} s on one core.",
    )


def _choices(domain: Domain) -> int:
    """Marginals a tree may have: a little more than two for each column that carries something."""
    useful = sum(column.size > 1 for column in domain.columns)
    return max(2, min(5 * useful // 2, math.comb(useful, 2)))


def _needs(domain: Domain, options: Mapping[str, int]) -> tuple[int, int]:
    """Megabytes and seconds, generously."""
    codes, pairs = sum(domain.shape), options["pairs"]
    cells = (codes**2 - sum(size**2 for size in domain.shape)) // 2
    # Noisy answers and the curator's counts of all pairs; matrices over codes; tree, messages, gradients.
    numbers = 5 * cells + 5 * codes**2 + 8 * options["groups"] * codes + 40 * options["tree_cells"]
    memory = 300 + 8 * numbers / 1e6
    steps = _FINAL_STEPS + len(_PENALTIES) * _QUICK_STEPS
    work = min(steps * 4.0 * options["groups"] * codes**2, 2.5 * _WORK) / 1e10
    return round(memory), round(5 + work + pairs * 0.02)


@dataclass(frozen=True)
class _Verdict:
    """A kind of model, the penalty of a mixture, and the errors of its pairs in units of the noise."""

    kind: str
    penalty: float
    errors: Array

    def or_better(self, other: _Verdict, sure: float = 3.0) -> _Verdict:
        """The other, where its loss is lower by more than ``sure`` standard deviations of the difference."""
        gain = 0.5 * float(np.vdot(self.errors, self.errors) - np.vdot(other.errors, other.errors))
        return other if gain > sure * float(np.linalg.norm(self.errors - other.errors)) else self


class _Run:
    def __init__(self, plan: Plan, curator: Curator, purse: Purse) -> None:
        self.plan, self.curator, self.purse = plan, curator, purse
        self.domain, self.budget = curator.domain, purse.left
        useful = [column.name for column in self.domain.columns if column.size > 1]
        self.pairs: list[Clique] = list(combinations(useful, 2))
        self.sizes = [self.domain.size(pair) for pair in self.pairs]
        singles: list[Clique] = [(name,) for name in self.domain.names]
        price = self.budget * _SINGLES // 100
        self.singles = purse.measure(singles, price)
        # Noise in rows per unit of noise multiplier: the privacy unit's sensitivity, read off an answer.
        self.rows_per_sigma = self.singles[0].sigma / sigma_of(-(-price // len(singles)))
        self.alone = fit(self.domain, self.singles)

    def finish(self) -> GraphicalModel:
        """Look at the pairs, decide, and fit what was decided."""
        self._tell("looking at all pairs", 0, self.alone.cells)
        look = measure_shared(self.purse, self.pairs, self.sizes, self.budget * _LOOK // 100)
        stride = -(-len(self.pairs) // _CHECKED_PAIRS)
        some = slice(0, None, stride)
        check = measure_shared(self.purse, self.pairs[some], self.sizes[some], self.budget * _CHECK // 100)
        self.alone = fit(self.domain, [*self.singles, *self._sums(look)])
        verdict = self._decide(look, check)
        self._tell(f"decided for {verdict.kind}", 1, self.alone.cells)
        if verdict.kind == "a mixture":
            return self._mixture([*look, *check], verdict.penalty)
        if verdict.kind == "a tree":
            return self._tree([*look, *check])
        again = self.purse.measure([answer.clique for answer in self.singles], self.purse.left)
        return fit(self.domain, [*self.singles, *self._sums([*look, *check]), *again])

    def _decide(self, look: Sequence[NoisyMarginal], check: Sequence[NoisyMarginal]) -> _Verdict:
        """From the simplest model on, a stronger one only where the second look clearly prefers it."""
        alone = _Verdict("independent columns", 0.0, _errors(check, self.alone.marginal))
        best = alone
        if self.plan.options["groups"]:
            targets = PairTargets(self.domain, [*self.singles, *look])
            for penalty in _PENALTIES:
                mixture = self._fit_mixture(targets, penalty, _QUICK_STEPS)
                errors = _errors(check, _pairs_of(targets, mixture))
                best = best.or_better(_Verdict("a mixture", penalty, errors))
        tree = self._quick_tree(look)
        if tree is None:
            return best
        worth = alone.or_better(_Verdict("a tree", 0.0, _errors(check, tree.marginal)))
        return best if worth is alone else best.or_better(worth, sure=0.0)

    def _quick_tree(self, look: Sequence[NoisyMarginal]) -> GraphicalModel | None:
        """A tree over the pairs that the first look finds strongest; None if none stands out."""
        strong = self._strongest(look, _STRONG)
        chosen: list[Clique] = []
        room = min(_QUICK_ROOM, int(self.plan.options["tree_cells"]))
        for answer in strong[: 3 * len(self.singles)]:
            if within_room(self.alone.layout, chosen, answer.clique, room):
                chosen.append(answer.clique)
        if not chosen:
            return None
        taken = set(chosen)
        rest = self._sums([answer for answer in look if answer.clique not in taken])
        inside = [answer for answer in look if answer.clique in taken]
        return fit(self.domain, [*self.singles, *rest, *inside], warm=self.alone, iterations=100)

    def _strongest(self, look: Sequence[NoisyMarginal], least: float) -> list[NoisyMarginal]:
        """Answers that independence explains worst, in order: squared error over noise, standardised."""
        scored = []
        for answer in look:
            error = (answer.values - self.alone.marginal(answer.clique)) / answer.sigma
            scored.append((float(np.vdot(error, error)) - error.size) / math.sqrt(2.0 * error.size))
        order = sorted(range(len(scored)), key=lambda place: -scored[place])
        return [look[place] for place in order if scored[place] >= least]

    def _mixture(self, known: Sequence[NoisyMarginal], penalty: float) -> GraphicalModel:
        more = measure_shared(self.purse, self.pairs, self.sizes, self.purse.left)
        more += self.purse.measure([self.singles[0].clique], self.purse.left) if self.purse.left else []
        targets = PairTargets(self.domain, [*self.singles, *known, *more])
        mixture = self._fit_mixture(targets, penalty, _FINAL_STEPS)
        model = as_model(targets, mixture, targets.loss(mixture.pairs()))
        self._tell("fitted the mixture", 2, model.cells)
        return model

    def _fit_mixture(self, targets: PairTargets, penalty: float, steps: int) -> Mixture:
        """Fewer steps where the public sizes make each of them dear."""
        groups = int(self.plan.options["groups"])
        share = steps / (_FINAL_STEPS + len(_PENALTIES) * _QUICK_STEPS)
        affordable = int(share * _WORK / (4.0 * groups * sum(self.domain.shape) ** 2))
        return fit_mixture(targets, groups, max(min(steps, affordable), _LEAST_STEPS), penalty)

    def _tree(self, known: Sequence[NoisyMarginal]) -> GraphicalModel:
        pairs = [answer.clique for answer in self._strongest(known[: len(self.pairs)], -math.inf)]
        return Growth(
            curator=self.curator,
            purse=self.purse,
            singles=[*self.singles, *self._sums(known)],
            pairs=pairs[: 6 * len(self.singles)],
            choices=_choices(self.domain),
            rho_choices=self.budget * _CHOOSE // 100,
            room=int(self.plan.options["tree_cells"]),
            rows_per_sigma=self.rows_per_sigma,
        ).run(self.alone)

    def _sums(self, answers: Sequence[NoisyMarginal]) -> list[NoisyMarginal]:
        """What answers about pairs say of their columns alone."""
        found = []
        for answer in answers:
            one, two = answer.clique
            counts = answer.values.reshape(self.domain.sizes(answer.clique))
            found.append(NoisyMarginal((one,), counts.sum(axis=1), answer.sigma * math.sqrt(counts.shape[1])))
            found.append(NoisyMarginal((two,), counts.sum(axis=0), answer.sigma * math.sqrt(counts.shape[0])))
        return found

    def _tell(self, step: str, done: int, cells: int) -> None:
        spent = 1.0 - self.purse.left / max(self.budget, 1)
        self.curator.tell(Progress(step, done, 3, spent, cells))


def _errors(answers: Sequence[NoisyMarginal], expected: Callable[[Clique], Array]) -> Array:
    """Noisy less expected counts in units of the noise, all answers in a row."""
    return np.concatenate([(answer.values - expected(answer.clique)) / answer.sigma for answer in answers])


def _pairs_of(targets: PairTargets, mixture: Mixture) -> Callable[[Clique], Array]:
    """Expected counts of pairs under a mixture, all from one matrix product."""
    shares = mixture.pairs()

    def expected(pair: Clique) -> Array:
        block = targets.block(shares, pair).astype(np.float64) * targets.total
        return targets.layout.outward(block, pair)

    return expected
