"""What a number of test fits could have found, exactly, before anything is looked at."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from dpsynth.attacks.bounds import Errors, violates
from dpsynth.attacks.trade_off import TradeOff

__all__ = ["noise_ratio_found", "tell_found"]

_THRESHOLDS = 25
_WEAKEST, _STEPS = 0.01, 14


def _most_misses(outs: int, ins: int, curve: TradeOff, alpha: float) -> NDArray[np.int64]:
    """For each number of alarms: the most misses with which the claim is still refuted; -1 for none."""
    most = np.full(outs + 1, -1, dtype=np.int64)
    misses = ins
    for alarms in range(outs + 1):
        while misses >= 0 and not violates(Errors(alarms, outs, misses, ins), curve, alpha):
            misses -= 1
        if misses < 0:
            break
        most[alarms] = misses
    return most


def tell_found(outs: int, ins: int, curve: TradeOff, alpha: float, power: float) -> float | None:
    """Smallest share of fits with the target that must show a sign which no fit without it shows.

    None where even a sign in every fit would not refute the claim.

    Args:
        outs, ins: test fits without and with the target.
        curve, alpha: claim, level.
        power: probability with which it would be found.
    """
    misses = ins
    while misses >= 0 and not violates(Errors(0, outs, misses, ins), curve, alpha):
        misses -= 1
    if misses < 0:
        return None
    # P[Bin(ins, 1 - share) <= misses] = power, by the beta quantile.
    return float(1.0 - special.betainccinv(misses + 1.0, float(ins - misses), power)) if misses < ins else 0.0


def noise_ratio_found(
    outs: int, ins: int, mu: float, curve: TradeOff, alpha: float, power: float
) -> float | None:
    """Largest share of the declared noise that would be found by the optimal score; None for none above 1 %.

    The threshold is the best of a grid, as validation chooses it but for its error.

    Args:
        outs, ins, curve, alpha, power: as in :func:`tell_found`.
        mu: by which the target moves the score under the declared noise.
    """
    most = _most_misses(outs, ins, curve, alpha)
    useful = np.flatnonzero(most >= 0)
    if not len(useful):
        return None

    def chance(ratio: float) -> float:
        shift = mu / ratio
        at = np.linspace(0.0, 1.0, _THRESHOLDS) * max(shift, 3.0)
        alarms = stats.binom.pmf(useful[:, None], outs, stats.norm.sf(at))
        caught = stats.binom.cdf(most[useful][:, None], ins, stats.norm.cdf(at - shift))
        return float((alarms * caught).sum(axis=0).max())

    low, high = math.log(_WEAKEST), 0.0
    if chance(_WEAKEST) < power:
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if chance(math.exp(middle)) >= power else (low, middle)
    return math.exp(low)
