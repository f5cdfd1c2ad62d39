"""From counts of errors to lower bounds: what two samples of scores prove against a claim.

A distinguisher saw ``outs`` fits without the target, of which it took ``alarms`` for fits with it, and
``ins`` fits with the target, of which it missed ``misses``. Its rule must be fixed before these fits, or
chosen on others (:func:`best_threshold`): the largest bound over thresholds on the same scores is none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from dpsynth.attacks.trade_off import TradeOff

__all__ = [
    "Errors",
    "bayesian_estimate",
    "best_threshold",
    "curve_p_value",
    "epsilon_bound",
    "errors_at",
    "mu_bound",
    "rate_bounds",
    "violates",
]

_LEAST_P = 1e-15
_EDGE = 1e-12


@dataclass(frozen=True)
class Errors:
    """Counts of both kinds of errors.

    Attributes:
        alarms, outs: fits without the target that were taken for fits with it; all without it.
        misses, ins: fits with the target that were not; all with it.
    """

    alarms: int
    outs: int
    misses: int
    ins: int


def rate_bounds(errors: Errors, alpha: float) -> tuple[float, float]:
    """Upper bounds (u, v) of the rates of alarms and of misses, both right with probability 1 - alpha.

    Clopper and Pearson 1934, alpha / 2 each.
    """
    u = _upper(np.array([errors.alarms]), errors.outs, alpha / 2.0)
    v = _upper(np.array([errors.misses]), errors.ins, alpha / 2.0)
    return float(u[0]), float(v[0])


def _upper(hits: NDArray[np.int64], trials: int, tail: float) -> NDArray[np.float64]:
    bound = special.betainccinv(hits + 1.0, np.maximum(trials - hits, 0.5), tail)
    return np.asarray(np.where(hits >= trials, 1.0, bound))


def epsilon_bound(errors: Errors, delta: float, alpha: float) -> float:
    """Clopper-Pearson bound: the claim (epsilon, delta) is refuted for every smaller epsilon.

    max(0, ln((1 - v - delta) / u), ln((1 - u - delta) / v)); assumes nothing about the mechanism.
    """
    u, v = rate_bounds(errors, alpha)
    return max(0.0, *(math.log(max(1.0 - a - delta, _LEAST_P) / b) for a, b in ((v, u), (u, v))))


def mu_bound(errors: Errors, alpha: float) -> float:
    """Gaussian-DP bound (Nasr et al. 2023, section 4): mu-GDP is refuted for every smaller mu; >= 0.

    It refutes a Gaussian claim, not a bare (epsilon, delta) one.
    """
    u, v = rate_bounds(errors, alpha)
    return max(0.0, float(special.ndtri(1.0 - u) - special.ndtri(v)))


def violates(errors: Errors, curve: TradeOff, alpha: float) -> bool:
    """Whether the whole claimed curve is refuted with confidence 1 - alpha: v < f(u)."""
    u, v = rate_bounds(errors, alpha)
    return v < float(curve(np.array([u]))[0])


def curve_p_value(errors: Errors, curve: TradeOff) -> float:
    """The least alpha at which :func:`violates` holds, 1e-15 .. 1."""
    if not violates(errors, curve, 1.0):
        return 1.0
    low, high = math.log(_LEAST_P), 0.0
    if violates(errors, curve, _LEAST_P):
        return _LEAST_P
    while high - low > 1e-6:
        middle = (low + high) / 2.0
        low, high = (low, middle) if violates(errors, curve, math.exp(middle)) else (middle, high)
    return math.exp(high)


def bayesian_estimate(errors: Errors, delta: float, alpha: float, points: int = 1000) -> float:
    """Epsilon that a joint Beta posterior puts ``alpha`` below (Zanella-Beguelin et al. 2023; Jeffreys).

    An estimate for people, never a bound: it is too large in more than ``alpha`` of runs where both kinds of
    errors count, because it is a maximum of two ratios.
    """
    grid = (np.arange(points) + 0.5) / points
    alarms = stats.beta.ppf(grid, errors.alarms + 0.5, errors.outs - errors.alarms + 0.5)[:, None]
    misses = stats.beta.ppf(grid, errors.misses + 0.5, errors.ins - errors.misses + 0.5)[None, :]
    ratios = [(1.0 - misses - delta) / alarms, (1.0 - alarms - delta) / misses]
    epsilon = np.log(np.maximum(np.maximum(*ratios), 1.0))
    return float(np.quantile(epsilon, alpha))


def errors_at(inside: NDArray[np.float64], outside: NDArray[np.float64], threshold: float) -> Errors:
    """Errors of the rule "a score above the threshold means that the target was there"."""
    alarms, misses = int((outside > threshold).sum()), int((inside <= threshold).sum())
    return Errors(alarms, len(outside), misses, len(inside))


def best_threshold(
    inside: NDArray[np.float64], outside: NDArray[np.float64], curve: TradeOff, alpha: float
) -> tuple[float, float]:
    """The threshold that comes furthest beyond the claimed curve on validation scores, and how far.

    How far is measured between normal quantiles of f(u) and v, so that for a Gaussian claim it is the
    bound on mu less the claimed mu.

    Args:
        inside, outside: validation scores with and without the target, at least one each; finite.
        curve: what is claimed.
        alpha: level of the bounds that are compared.
    """
    values = np.unique(np.concatenate([inside, outside]))
    between = (values[:-1] + values[1:]) / 2.0 if len(values) > 1 else values
    alarms = len(outside) - np.searchsorted(np.sort(outside), between, side="right")
    misses = np.searchsorted(np.sort(inside), between, side="right")
    u, v = _upper(alarms, len(outside), alpha / 2.0), _upper(misses, len(inside), alpha / 2.0)
    far = [special.ndtri(np.clip(rate, _EDGE, 1.0 - _EDGE)) for rate in (curve(u), v)]
    beyond = far[0] - far[1]
    # Of equally good thresholds the middle one: the next scores may fall a little elsewhere.
    best = np.flatnonzero(beyond >= beyond.max() - 1e-9)
    at = best[len(best) // 2]
    return float(between[at]), float(beyond[at])
