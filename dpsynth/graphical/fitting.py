"""Fit a graphical model to noisy marginals (McKenna, Sheldon & Miklau 2019, arXiv 1901.09136, section 4).

Minimises sum over measurements of |total * p_c - y_c|^2 / (2 sigma_c^2) over all distributions p by entropic
mirror descent: the potentials move against the gradient with respect to the marginals. Steps are
extrapolated (Nesterov) with a restart and a shorter step whenever the loss rises (O'Donoghue & Candes 2015).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dpsynth.core.curator import NoisyMarginal
from dpsynth.core.domain import Domain
from dpsynth.graphical.factor import Array, Factor, Ids, expand
from dpsynth.graphical.inference import BeliefTree, calibrate
from dpsynth.graphical.junction_tree import JunctionTree, junction_tree
from dpsynth.graphical.layout import Layout
from dpsynth.graphical.measurements import Target, estimate_total, group_targets, merge
from dpsynth.graphical.model import GraphicalModel

__all__ = ["fit"]

Potentials = dict[Ids, Array]


def fit(
    domain: Domain,
    measured: Sequence[NoisyMarginal],
    *,
    warm: GraphicalModel | None = None,
    iterations: int = 1000,
    tolerance: float = 1e-5,
) -> GraphicalModel:
    """The model that best explains noisy marginals; pure post-processing.

    Args:
        domain: public domain; columns without a measurement come out uniform, its impossible cells empty.
        measured: answers of a curator, over any cliques, in any order, repeats allowed.
        warm: an earlier model of the same domain, whose potentials are the starting point.
        iterations: most calibrations of the tree, >= 1.
        tolerance: stop when twenty steps together improve the loss by less than this fraction.
    """
    layout = warm.layout if warm is not None else Layout(domain)
    targets = merge(layout, measured)
    total = estimate_total(targets)
    groups = group_targets([target for target in targets if target.ids])
    tree = junction_tree(layout.sizes, [*groups, *layout.zeros])
    problem = _Problem(layout, tree, groups, total)
    start = problem.start(warm.potentials if warm is not None else {})
    stride = warm.stride if warm is not None else 0.0
    # A probing step may leave what floats can hold; its loss is then not a number and the step is refused.
    with np.errstate(over="ignore", invalid="ignore"):
        best, stride = _descend(problem, start, stride, max(iterations, 1), tolerance)
    return GraphicalModel(layout, best.potentials, best.beliefs, total, best.loss, stride)


@dataclass(frozen=True)
class _Point:
    potentials: Potentials
    beliefs: BeliefTree
    loss: float
    gradient: Potentials


@dataclass(frozen=True)
class _Problem:
    layout: Layout
    tree: JunctionTree
    groups: dict[Ids, list[Target]]
    total: float

    def start(self, old: Mapping[Ids, Array]) -> Potentials:
        """Zero potentials, plus every old potential put on a measured clique that contains it."""
        sizes = self.layout.sizes
        fresh = {ids: np.zeros([sizes[column] for column in ids]) for ids in self.groups}
        for ids, values in old.items():
            holder = next((each for each in fresh if set(ids).issubset(each)), None)
            if holder is not None:
                fresh[holder] += expand(values, ids, holder)
        return fresh

    def evaluate(self, potentials: Potentials) -> _Point:
        """Loss and its gradient with respect to the marginal probabilities."""
        beliefs = calibrate(self.tree, self.layout.sizes, potentials, self.layout.zeros)
        loss, gradient = 0.0, {}
        for ids, targets in self.groups.items():
            counts = Factor(ids, beliefs.marginal(ids) * self.total)
            slope = np.zeros(counts.values.shape)
            for target in targets:
                error = target.error(counts.marginal(target.ids).values)
                loss += 0.5 * float(np.vdot(error, error)) / target.variance
                pull = target.spread(error * (self.total / target.variance), self.layout.sizes)
                slope += expand(pull, target.ids, ids)
            gradient[ids] = slope
        return _Point(potentials, beliefs, loss, gradient)

    def first_step(self) -> float:
        """A step that cannot overshoot: one over the curvature of the loss along one cell."""
        curvature = sum(1.0 / target.variance for targets in self.groups.values() for target in targets)
        return 1.0 / max(curvature * self.total**2, 1e-300)


def _descend(
    problem: _Problem, start: Potentials, stride: float, iterations: int, tolerance: float
) -> tuple[_Point, float]:
    """Best point found, and the last step in units of the safe first one.

    Without a ``stride`` from an earlier fit, plain steps double until one fails; only then is momentum used.
    """
    best = problem.evaluate(start)
    if not math.isfinite(best.loss):  # old potentials on a new tree may leave what floats can hold
        start, stride = problem.start({}), 0.0
        best = problem.evaluate(start)
    safe = problem.first_step()
    probing, step = stride <= 0.0, safe * (stride if stride > 0.0 else 1.0)
    momentum, point, past, history = 1.0, best, start, [best.loss]
    for _ in range(iterations - 1):
        ahead = _move(point.potentials, point.gradient, -step)
        faster = 1.0 if probing else 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * momentum**2))
        drift = (momentum - 1.0) / faster
        trial = problem.evaluate({ids: new + drift * (new - past[ids]) for ids, new in ahead.items()})
        if trial.loss <= point.loss * (1.0 + 1e-9):
            step *= 2.0 if probing else 1.01
            momentum, point, past = faster, trial, ahead
            best = min(best, trial, key=lambda each: each.loss)
        else:  # also when the loss is not a number: the step left what floats can hold
            step *= 0.5 if momentum > 1.0 else 0.25
            probing, momentum, point, past = False, 1.0, best, best.potentials
        history.append(best.loss)
        if len(history) > 20 and history[-21] - best.loss <= tolerance * best.loss:
            break
    return best, step / safe


def _move(values: Potentials, direction: Potentials, length: float) -> Potentials:
    return {ids: value + length * direction[ids] for ids, value in values.items()}
