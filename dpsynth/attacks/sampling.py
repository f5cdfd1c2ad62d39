"""Statistics of who was in which sample: what Poisson sampling leaves behind, and what shuffling does.

Each statistic is mapped to normal scores by its exact discrete law and a dither (Brockwell 2007), so that the
tests keep their level at any size: no variance at all is as visible as too much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

__all__ = [
    "SampleTest",
    "binomial_scores",
    "hypergeometric_scores",
    "mean_test",
    "most_alike",
    "overlap_scores",
    "range_p_value",
    "spread_test",
]

_LEAST = 1e-300


@dataclass(frozen=True)
class SampleTest:
    """One test: what it looked at, in words, and its p-value."""

    name: str
    p: float


def _scores(
    below: NDArray[np.float64], at: NDArray[np.float64], above: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Normal scores from P[X < x], P[X = x], P[X > x]; the nearer tail is used, so that none saturates."""
    dither = rng.random(len(at))
    low, high = below + dither * at, above + (1.0 - dither) * at
    near = special.ndtri(np.clip(np.minimum(low, high), _LEAST, 0.5))
    return np.asarray(np.where(low <= high, near, -near), dtype=np.float64)


def binomial_scores(
    hits: NDArray[np.int64], trials: int | NDArray[np.int64], rate: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Standard normal scores of counts that are Binomial(trials, rate); shape (counts,)."""
    law = stats.binom(trials, rate)
    return _scores(law.cdf(hits - 1), law.pmf(hits), law.sf(hits), rng)


def hypergeometric_scores(
    hits: NDArray[np.int64],
    total: int,
    marked: NDArray[np.int64],
    drawn: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Standard normal scores of how many of ``drawn`` out of ``total`` units were among ``marked`` ones."""
    cases, back = np.unique(np.stack([hits, marked, drawn]), axis=1, return_inverse=True)
    law = stats.hypergeom(total, cases[1], cases[2])
    parts = law.cdf(cases[0] - 1), law.pmf(cases[0]), law.sf(cases[0])
    below, at, above = (part[back.reshape(-1)] for part in parts)
    return _scores(below, at, above, rng)


def overlap_scores(coins: NDArray[np.bool_], lag: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Scores of how many units two samples ``lag`` steps apart share, given both sizes.

    Independent across steps: given one sample, the next is any set of its size.

    Args:
        coins: shape (steps, units), more steps than ``lag``.
    """
    sizes = coins.sum(axis=1).astype(np.int64)
    shared = (coins[lag:] & coins[:-lag]).sum(axis=1).astype(np.int64)
    return hypergeometric_scores(shared, coins.shape[1], sizes[lag:], sizes[:-lag], rng)


def mean_test(name: str, scores: NDArray[np.float64]) -> SampleTest:
    """Two-sided: scores that are all a little high or low."""
    total = abs(float(scores.sum())) / math.sqrt(len(scores))
    return SampleTest(name, float(2.0 * stats.norm.sf(total)))


def spread_test(name: str, scores: NDArray[np.float64]) -> SampleTest:
    """Two-sided chi-square of the scores: too alike, or too different."""
    total, freedom = float(scores @ scores), len(scores)
    tails = float(stats.chi2.cdf(total, freedom)), float(stats.chi2.sf(total, freedom))
    return SampleTest(name, min(1.0, 2.0 * min(tails)))


def range_p_value(sizes: NDArray[np.int64], trials: int, rate: float) -> float:
    """Chance that as many Binomial(trials, rate) sizes differ by at most as much as these do; exact.

    Sum over the smallest size m of P[all in m .. m + r] less P[all in m + 1 .. m + r]. For sizes that never
    change it is the chance of that.
    """
    law, reach = stats.binom(trials, rate), int(sizes.max() - sizes.min())
    least = np.arange(trials + 1)
    top = law.cdf(least + reach)
    wide, narrow = top - law.cdf(least - 1), top - law.cdf(least)
    return float(min(1.0, np.sum(wide ** len(sizes) - np.clip(narrow, 0.0, None) ** len(sizes))))


def most_alike(coins: NDArray[np.bool_]) -> float:
    """p-value of the two steps whose samples share the most units, given their sizes.

    One-sided, times the number of pairs: valid whatever the dependence between pairs.
    """
    steps, units = coins.shape
    kept = coins.astype(np.float32)
    shared = np.rint(kept @ kept.T).astype(np.int64)
    one, two = np.triu_indices(steps, 1)
    sizes, found = coins.sum(axis=1).astype(np.int64), shared[one, two]
    if not len(found):
        return 1.0
    cases = np.unique(np.stack([found, sizes[one], sizes[two]]), axis=1)
    cases = cases[:, cases[0] > 0]
    if not cases.shape[1]:
        return 1.0
    tails = stats.hypergeom(units, cases[1], cases[2]).sf(cases[0] - 1)
    return float(min(1.0, tails.min() * len(found)))
