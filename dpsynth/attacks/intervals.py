"""Intervals for rates: Clopper-Pearson, Wilson, Newcombe."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats

__all__ = ["Interval", "clopper_pearson", "newcombe", "normal_quantile", "wilson"]


@dataclass(frozen=True)
class Interval:
    """An estimate with its two-sided confidence interval."""

    estimate: float
    low: float
    high: float


def normal_quantile(confidence: float) -> float:
    """Two-sided standard normal quantile, 1.96 for 0.95."""
    return float(stats.norm.ppf(0.5 + confidence / 2.0))


def clopper_pearson(hits: int, trials: int, confidence: float) -> Interval:
    """Exact two-sided interval for a binomial rate (Clopper and Pearson 1934); [0, 1] for no trials."""
    if trials == 0:
        return Interval(math.nan, 0.0, 1.0)
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if hits == 0 else float(stats.beta.ppf(tail, hits, trials - hits + 1))
    high = 1.0 if hits == trials else float(stats.beta.ppf(1.0 - tail, hits + 1, trials - hits))
    return Interval(hits / trials, low, high)


def wilson(hits: int, trials: int, confidence: float) -> Interval:
    """Score interval for a binomial rate (Wilson 1927); [0, 1] for no trials."""
    if trials == 0:
        return Interval(math.nan, 0.0, 1.0)
    z = normal_quantile(confidence)
    rate = hits / trials
    centre = (rate + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials**2))
    return Interval(rate, max(0.0, centre - half), min(1.0, centre + half))


def newcombe(hits_1: int, trials_1: int, hits_2: int, trials_2: int, confidence: float) -> Interval:
    """Interval for rate 1 minus rate 2 of independent samples (Newcombe 1998, method 10)."""
    one, two = wilson(hits_1, trials_1, confidence), wilson(hits_2, trials_2, confidence)
    if trials_1 == 0 or trials_2 == 0:
        return Interval(math.nan, -1.0, 1.0)
    gap = one.estimate - two.estimate
    low = gap - math.hypot(one.estimate - one.low, two.high - two.estimate)
    high = gap + math.hypot(one.high - one.estimate, two.estimate - two.low)
    return Interval(gap, max(-1.0, low), min(1.0, high))
