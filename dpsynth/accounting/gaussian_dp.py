"""Gaussian differential privacy: what a sum of mu squared says, exactly, and which events it may count.

An event is *Gaussian-dominated* with parameter mu when no test between two neighbours does better than one
between N(0, 1) and N(mu, 1) (mu-GDP: Dong, Roth, Su 2022, section 2.2). Composition adds mu squared
(their Corollary 3.3), also under full adaptivity while the sum stays under a cap set in advance: the
Gaussian-DP filter (Smith and Thakurta, "Fully Adaptive Composition for Gaussian Differential Privacy",
2022; Koskela, Tobaben, Honkela, "Individual Privacy Accounting with Gaussian Differential Privacy", 2023).

Computed by mpmath with 50 digits; each result is rounded against the spender by far more than its error.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

import mpmath

from dpsynth.accounting.curves import NANO
from dpsynth.accounting.events import exact

__all__ = [
    "MICRO",
    "bounded_range_mu2",
    "discrete_gaussian_mu2",
    "gaussian_epsilon_micro",
    "gaussian_mu2",
    "largest_mu2",
]

MICRO = 10**6
_DIGITS = 50
_SLACK = Fraction(1, 10**30)
_LARGEST_CHOICE = 60.0
_LARGEST_EPSILON = 10**6 * MICRO
_LARGEST_MU2 = 10**8 * NANO


def gaussian_mu2(sigma: float) -> int:
    """mu^2 = 1 / sigma^2 of continuous Gaussian noise, nano-units, rounded up."""
    value = NANO / exact(sigma) ** 2
    return -((-value.numerator) // value.denominator)


def _nano_up(mu: mpmath.mpf) -> int:
    return int(mpmath.ceil(mu * mu * NANO * (1 + mpmath.mpf(10) ** -30)))


@lru_cache(maxsize=4096)
def discrete_gaussian_mu2(sigma: float) -> int | None:
    """mu^2 of discrete Gaussian noise on integers, nano-units, rounded up; None if nothing dominates it.

    On the integers the noise is *not* (1/sigma)-GDP: the atom at zero is larger than the density it stands
    for. Between noise shifted by one, the test that is best relative to a Gaussian is at the middle, which
    gives mu = 2 PhiInv((1 + P[noise = 0]) / 2); P[noise = 0] <= 1 / (scale sqrt(2 pi)) by Poisson
    summation (Canonne, Kamath, Steinke 2020, section 2.1). That the middle is the worst test was checked
    numerically for scales 0.4 to 100 over all tests down to errors of 1e-190 (tests/accounting). A shift
    by d costs at most d times mu, shifts of several cells add in squares, and a larger sensitivity only
    makes scale / sensitivity = sigma finer, so ``sigma`` alone gives a bound for every integer query.
    """
    with mpmath.workdps(_DIGITS):
        atom = 1 / (mpmath.mpf(sigma) * mpmath.sqrt(2 * mpmath.pi))
        if atom >= mpmath.mpf("0.999"):
            return None
        return _nano_up(2 * mpmath.sqrt(2) * mpmath.erfinv(atom))


@lru_cache(maxsize=4096)
def bounded_range_mu2(epsilon: float) -> int | None:
    """mu^2 of a choice of bounded range epsilon, nano-units, rounded up; None above epsilon 60.

    Its privacy loss lies in an interval of length epsilon (Dong, Durfee, Rogers 2020). The
    worst such mechanism has two outcomes; of all places of the interval the symmetric one needs the largest
    mu = 2 PhiInv(e^(epsilon/2) / (1 + e^(epsilon/2))), and both chords of its trade-off curve lie above the
    Gaussian one (checked numerically in tests/accounting).
    """
    if epsilon > _LARGEST_CHOICE:
        return None
    with mpmath.workdps(_DIGITS):
        return _nano_up(2 * mpmath.sqrt(2) * mpmath.erfinv(mpmath.tanh(mpmath.mpf(epsilon) / 4)))


def _delta(epsilon: mpmath.mpf, mu: mpmath.mpf) -> mpmath.mpf:
    """delta(epsilon) of mu-GDP (Dong, Roth, Su 2022, Corollary 2.13; Balle and Wang 2018, Theorem 8)."""
    at = epsilon / mu
    return mpmath.ncdf(mu / 2 - at) - mpmath.exp(epsilon) * mpmath.ncdf(-mu / 2 - at)


def _holds(epsilon: Fraction, delta: Fraction, mu2_nano: int) -> bool:
    """Whether mu-GDP certainly implies (epsilon, delta)-DP."""
    limit = mpmath.mpf(delta.numerator) / delta.denominator
    mu = mpmath.sqrt(mpmath.mpf(mu2_nano) / NANO)
    value = _delta(mpmath.mpf(epsilon.numerator) / epsilon.denominator, mu)
    return bool(value * (1 + mpmath.mpf(_SLACK.numerator) / _SLACK.denominator) <= limit)


def gaussian_epsilon_micro(mu2_nano: int, delta: Decimal) -> int | None:
    """Smallest epsilon (in 1e-6) at ``delta`` for a sum of mu squared (nano); rounded up.

    None above an epsilon of about a million: there the digits no longer bound the error well.
    """
    if mu2_nano == 0:
        return 0
    if mu2_nano > _LARGEST_MU2:
        return None
    low, high = -1, 1
    probability = Fraction(delta)
    with mpmath.workdps(_DIGITS):
        while not _holds(Fraction(high, MICRO), probability, mu2_nano):
            low, high = high, 2 * high
            if high > _LARGEST_EPSILON:
                return None
        while high - low > 1:
            middle = (low + high) // 2
            fits = _holds(Fraction(middle, MICRO), probability, mu2_nano)
            low, high = (low, middle) if fits else (middle, high)
    return high


def largest_mu2(epsilon: Decimal, delta: Decimal) -> int:
    """Largest mu^2 (nano) whose exact conversion keeps (epsilon, delta); rounded down, 0 if none does."""
    low, high = 0, 1
    target, probability = Fraction(epsilon), Fraction(delta)
    with mpmath.workdps(_DIGITS):
        while _holds(target, probability, high):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            fits = _holds(target, probability, middle)
            low, high = (middle, high) if fits else (low, middle)
    return low
