"""Trade-off curves: the fewest misses (false negatives) that a claim allows at a rate of false alarms.

A curve f is that of Dong, Roth, Su 2022 ("Gaussian Differential Privacy", Definition 2.3): whoever tells two
neighbouring tables apart with a false alarm rate of a misses at a rate of f(a) or more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

__all__ = ["Caps", "TradeOff", "caps", "from_deltas", "gaussian", "gaussian_delta", "mu_at"]

TradeOff = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""f(a) for false alarm rates a in 0 .. 1, elementwise; symmetric (its own inverse), falling, convex."""

_GRID = 20_001


@dataclass(frozen=True)
class _Gaussian:
    mu: float

    def __call__(self, alarms: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(special.ndtr(-special.ndtri(alarms) - self.mu))


@dataclass(frozen=True)
class _FromDeltas:
    epsilons: tuple[float, ...]
    deltas: tuple[float, ...]

    def __call__(self, alarms: NDArray[np.float64]) -> NDArray[np.float64]:
        given = np.atleast_1d(np.asarray(alarms, dtype=np.float64))
        epsilon, rest = np.array(self.epsilons), 1.0 - np.array(self.deltas)
        steep = rest - np.exp(epsilon) * given[:, None]
        flat = np.exp(-epsilon) * (rest - given[:, None])
        least = np.maximum(steep.max(axis=1), flat.max(axis=1))
        return np.asarray(np.maximum(least, 0.0).reshape(np.shape(alarms)))


def gaussian(mu: float) -> TradeOff:
    """The curve of mu-GDP (mu >= 0): Phi(PhiInv(1 - a) - mu)."""
    return _Gaussian(mu)


def from_deltas(epsilons: NDArray[np.float64], deltas: NDArray[np.float64]) -> TradeOff:
    """The curve of a mechanism that is (epsilon, delta)-DP for every listed pair.

    f(a) = max over pairs of 1 - delta - e^epsilon a, e^-epsilon (1 - delta - a) and 0 (Wasserman and Zhou
    2010; Dong, Roth, Su 2022, Proposition 2.5). One pair is the bare (epsilon, delta) claim.

    Raises:
        ValueError: no pair, or an epsilon below 0.
    """
    if not len(epsilons) or len(epsilons) != len(deltas) or min(epsilons) < 0:
        raise ValueError("need as many deltas as epsilons, at least one, and no epsilon below 0")
    return _FromDeltas(tuple(map(float, epsilons)), tuple(map(float, deltas)))


def gaussian_delta(epsilon: float, mu: float) -> float:
    """delta(epsilon) of mu-GDP (Dong, Roth, Su 2022, Corollary 2.13); mu > 0."""
    first = special.ndtr(-epsilon / mu + mu / 2.0)
    return float(first - math.exp(epsilon + special.log_ndtr(-epsilon / mu - mu / 2.0)))


def mu_at(epsilon: float, delta: float) -> float:
    """The mu whose curve says exactly (epsilon, delta); 0 < delta < 1, epsilon >= 0."""
    return float(optimize.brentq(lambda mu: gaussian_delta(epsilon, mu) - delta, 1e-6, 100.0, xtol=1e-12))


@dataclass(frozen=True)
class Caps:
    """The most that any attack can reach under a claim.

    Attributes:
        auc: area under the ROC curve.
        tpr: true positive rate at the given false positive rate.
        advantage: true less false positive rate.
    """

    auc: float
    tpr: float
    advantage: float


def caps(curve: TradeOff, fpr: float = 0.01) -> Caps:
    """Caps of a claimed curve: no ROC curve lies above 1 - f."""
    # The steep end near 0 holds much of the area: half of the grid is there.
    alarms = np.unique(np.concatenate([np.linspace(0, 1, _GRID), np.logspace(-12, -1, _GRID)]))
    hits = 1.0 - curve(alarms)
    area = np.trapezoid(hits, alarms)
    at = float(1.0 - curve(np.array([fpr]))[0])
    return Caps(float(area), at, float((hits - alarms).max()))
