"""f-DP in one run (Mahloujifar, Melis, Chaudhuri 2024, "Auditing f-Differential Privacy in One Run").

The same coins and guesses as in :mod:`dpsynth.attacks.one_run`; the claim is a whole trade-off curve, which
refutes much sooner than its one point (epsilon, delta).
"""

from __future__ import annotations

import math

import numpy as np

from dpsynth.attacks.trade_off import TradeOff

__all__ = ["fdp_one_run_p_value", "fdp_refuted", "fewest_right"]

_LEAST = 1e-15


def fdp_refuted(m: int, r: int, v: int, curve: TradeOff, alpha: float) -> bool:
    """Whether v right out of r guesses about m fair coins refute the curve at level alpha.

    The paper's recursion with abstentions: from r_v = alpha v / m and h_v = alpha (r - v) / m down,
    h_i = max(h_(i+1), f(1 - r_(i+1))) and r_i = r_(i+1) + i / (r - i) (h_i - h_(i+1)); refuted if
    r_0 + h_0 > r / m.

    Args:
        m: coins (>= r).
        r: guesses made (>= 0).
        v: right guesses (0 .. r).
        curve: what is claimed.
        alpha: level, 0 .. 1.

    Raises:
        ValueError: the counts contradict each other.
    """
    if not 0 <= v <= r <= m:
        raise ValueError("need 0 <= right guesses <= guesses <= coins")
    if r == 0:
        return False
    right, wrong = alpha * v / m, alpha * (r - v) / m
    for i in range(v - 1, -1, -1):
        least = float(curve(np.array(1.0 - right)))
        grown = max(wrong, least)
        right, wrong = right + i / (r - i) * (grown - wrong), grown
        if right + wrong > r / m:
            return True
    return False


def fdp_one_run_p_value(m: int, r: int, v: int, curve: TradeOff) -> float:
    """The least alpha at which :func:`fdp_refuted` holds, 1e-15 .. 1. Arguments as there."""
    if not fdp_refuted(m, r, v, curve, 1.0):
        return 1.0
    if fdp_refuted(m, r, v, curve, _LEAST):
        return _LEAST
    low, high = math.log(_LEAST), 0.0
    while high - low > 1e-4:
        middle = (low + high) / 2.0
        low, high = (low, middle) if fdp_refuted(m, r, v, curve, math.exp(middle)) else (middle, high)
    return math.exp(high)


def fewest_right(m: int, r: int, curve: TradeOff, alpha: float) -> int | None:
    """Fewest right guesses out of r that refute the curve; None if even r right guesses would not."""
    if r == 0 or not fdp_refuted(m, r, r, curve, alpha):
        return None
    low, high = 0, r
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fdp_refuted(m, r, middle, curve, alpha) else (middle, high)
    return high
