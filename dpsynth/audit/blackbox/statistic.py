"""Whether counts of hits contradict a claim: the one statistic that every test from outside is decided by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from scipy import stats

from dpsynth.attacks.intervals import clopper_pearson

__all__ = ["Counts", "epsilon_bound", "needed_share", "refuting_p"]

_LEAST_P = 1e-12


@dataclass(frozen=True)
class Counts:
    """How often a guess "the target is in" was made.

    Attributes:
        hits_out, out: among releases of tables without the target, and how many there were.
        hits_in, held: among releases of tables with it, and how many there were.
    """

    hits_out: int
    out: int
    hits_in: int
    held: int


def _gap(counts: Counts, epsilon: float, delta: float, alpha: float) -> float:
    """By how much the claimed curve is left at total error alpha; above 0 the claim is refuted.

    u and v are upper Clopper-Pearson bounds of both error rates, alpha / 2 each; f is the trade-off curve of
    (epsilon, delta), max(0, 1 - delta - e^eps a, e^-eps (1 - delta - a)), and the claim needs v >= f(u).
    """
    confidence = 1.0 - alpha  # two-sided, so that each side errs by alpha / 2
    u = clopper_pearson(counts.hits_out, counts.out, confidence).high
    v = clopper_pearson(counts.held - counts.hits_in, counts.held, confidence).high
    return max(1.0 - delta - math.exp(epsilon) * u, math.exp(-epsilon) * (1.0 - delta - u)) - v


def refuting_p(counts: Counts, epsilon: float, delta: float) -> float:
    """Smallest total error at which these counts refute (epsilon, delta)-DP; 1.0 if none does.

    The guess must have been fixed before, or chosen on other releases. Valid for any mechanism (Clopper and
    Pearson 1934; Kairouz, Oh, Viswanath 2015 for the curve).

    Args:
        counts: guesses on independent releases.
        epsilon, delta: the claim.
    """
    if min(counts.out, counts.held) == 0 or _gap(counts, epsilon, delta, 0.999) <= 0.0:
        return 1.0
    low, high = math.log(_LEAST_P), math.log(0.999)
    while high - low > 1e-3:
        middle = (low + high) / 2.0
        if _gap(counts, epsilon, delta, math.exp(middle)) > 0.0:
            high = middle
        else:
            low = middle
    return math.exp(high)


def epsilon_bound(counts: Counts, delta: float, alpha: float) -> float:
    """Largest epsilon that the counts refute at total error alpha, 0.0 if none (Jagielski et al. 2020)."""
    if min(counts.out, counts.held) == 0:
        return 0.0
    u = clopper_pearson(counts.hits_out, counts.out, 1.0 - alpha).high
    v = clopper_pearson(counts.held - counts.hits_in, counts.held, 1.0 - alpha).high
    ratios = [(1.0 - v - delta) / u, (1.0 - u - delta) / v]
    return max(0.0, *(math.log(ratio) for ratio in ratios if ratio > 0.0), 0.0)


@lru_cache(maxsize=256)
def needed_share(fits: int, epsilon: float, delta: float, alpha: float, power: float) -> float | None:
    """Smallest leak that is found with probability ``power``: a tell that is never seen without the target.

    Args:
        fits: releases on each side that decide.

    Returns:
        the share of releases with the target that must show the tell, 0 .. 1; None: not even a sure one.
    """
    least = next(
        (
            hits
            for hits in range(fits + 1)
            if refuting_p(Counts(0, fits, hits, fits), epsilon, delta) <= alpha
        ),
        None,
    )
    if least is None:
        return None
    return float(stats.beta.ppf(power, least, fits - least + 1))
