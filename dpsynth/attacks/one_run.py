"""A lower bound on epsilon from one release (Steinke, Nasr, Jagielski 2023, Corollary 5.4).

m units were each put in or left out by a fair coin; the attacker, who sees only the release, guesses r of
the coins and is right v times. Too many right guesses contradict (epsilon, delta)-DP.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

__all__ = ["coin_guesses", "epsilon_lower_bound", "one_run_p_value", "smallest_flagging"]

_EPSILON_CEILING = 40.0


def one_run_p_value(m: int, r: int, v: int, epsilon: float, delta: float) -> float:
    """The probability bound p of at least v right out of r guesses under (epsilon, delta)-DP.

    p = P[Bin(r, q) >= v] + 2 m delta max_{1<=i<=v} P[v-i <= Bin(r, q) < v] / i, q = e^eps / (1 + e^eps).

    Args:
        m: units with a coin (m >= r).
        r: guesses made (>= 0).
        v: right guesses (0 .. r).
        epsilon: claimed epsilon (>= 0).
        delta: claimed delta (0 .. 1).

    Returns:
        a number in 0 .. 1; below alpha the claim is refuted at confidence 1 - alpha.

    Raises:
        ValueError: the counts contradict each other.
    """
    if not 0 <= v <= r <= m:
        raise ValueError("need 0 <= right guesses <= guesses <= coins")
    q = float(special.expit(epsilon))
    tail = float(stats.binom.sf(v - 1, r, q))
    if v == 0 or delta == 0.0:
        return min(1.0, tail)
    below = np.cumsum(stats.binom.pmf(np.arange(v)[::-1], r, q))
    worst = float(np.max(below / np.arange(1, v + 1)))
    return min(1.0, tail + 2.0 * m * delta * worst)


def epsilon_lower_bound(m: int, r: int, v: int, delta: float, alpha: float) -> float:
    """Largest epsilon refuted at confidence 1 - alpha (0.0 if none). Arguments as in one_run_p_value."""
    if one_run_p_value(m, r, v, 0.0, delta) >= alpha:
        return 0.0
    low, high = 0.0, _EPSILON_CEILING
    while high - low > 1e-7:
        middle = (low + high) / 2.0
        if one_run_p_value(m, r, v, middle, delta) < alpha:
            low = middle
        else:
            high = middle
    return low


def smallest_flagging(m: int, r: int, epsilon: float, delta: float, alpha: float) -> int | None:
    """Fewest right guesses out of r that refute the claim; None if even r right guesses would not."""
    if r == 0 or one_run_p_value(m, r, r, epsilon, delta) >= alpha:
        return None
    low, high = 0, r
    while high - low > 1:
        middle = (low + high) // 2
        if one_run_p_value(m, r, middle, epsilon, delta) < alpha:
            high = middle
        else:
            low = middle
    return high


def coin_guesses(scores: NDArray[np.float64], r: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """Guess "in" (+1) for the r/2 highest scores, "out" (-1) for the r/2 lowest, abstain (0) otherwise.

    Ties are broken by ``rng``: breaking them by position would leak the order in which coins are listed.

    Args:
        scores: one score per unit, shape (m,).
        r: number of guesses (rounded down to even, 0 .. m).
    """
    half = r // 2
    order = np.lexsort((rng.random(len(scores)), scores))
    guesses = np.zeros(len(scores), dtype=np.int8)
    if half:
        guesses[order[-half:]] = 1
        guesses[order[:half]] = -1
    return guesses
