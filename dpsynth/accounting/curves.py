"""Renyi-DP curves on a fixed grid of integer orders, in integer nano-units, rounded up.

Sums of curves are what the gate compares; no float takes part. Transcendental values are computed in
60-digit decimals rounded towards +infinity at every step, so each entry is an upper bound of the true
divergence that exceeds it by less than two nano-units.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from functools import lru_cache

from dpsynth.accounting.events import exact

__all__ = [
    "NANO",
    "ORDERS",
    "Curve",
    "randomized_response_curve",
    "rho_of",
    "sampled_gaussian_at",
    "sampled_gaussian_curve",
    "zcdp_curve",
]

ORDERS: tuple[int, ...] = (
    *range(2, 65),
    *(72, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 1024),
)
"""The grid of Renyi orders. A scope gates on those up to its own omega."""

NANO = 10**9

Curve = tuple[int, ...]
"""Renyi divergence bound at each order of :data:`ORDERS`, in 1e-9, rounded up."""

_UP = Context(prec=60, rounding=ROUND_CEILING, Emax=MAX_EMAX, Emin=MIN_EMIN)
_DOWN = Context(prec=60, rounding=ROUND_FLOOR, Emax=MAX_EMAX, Emin=MIN_EMIN)
_EXACT = Context(prec=2000, Emax=MAX_EMAX, Emin=MIN_EMIN)


def _ceil(value: Fraction) -> int:
    return -((-value.numerator) // value.denominator)


def zcdp_curve(rho: Fraction) -> Curve:
    """Curve a * rho of rho-zCDP (Bun and Steinke 2016, Definition 1.1), rho >= 0 exact, rounded up."""
    if rho < 0:
        raise ValueError("rho must not be negative")
    return tuple(_ceil(order * rho * NANO) for order in ORDERS)


def rho_of(curve: Curve, omega: int = ORDERS[-1]) -> int:
    """Smallest rho (nano) whose line a * rho lies above the curve up to omega."""
    return max(-(-value // order) for order, value in zip(ORDERS, curve, strict=True) if order <= omega)


def _exp_up(value: Decimal) -> Decimal:
    # The library's exp and ln are correctly rounded to nearest whatever the mode: one step up is a bound.
    return _UP.next_plus(_UP.exp(value))


def _ln_up(value: Decimal) -> Decimal:
    return _UP.next_plus(_UP.ln(value))


def _nano_up(value: Decimal) -> int:
    return int((_UP.multiply(value, Decimal(NANO))).to_integral_value(rounding=ROUND_CEILING))


@lru_cache(maxsize=4096)
def sampled_gaussian_curve(rate: float, sigma: float, steps: int) -> Curve:
    """Curve of ``steps`` Poisson-subsampled Gaussian mechanisms, add/remove neighbours.

    At integer order a: log(sum_k C(a, k) (1-q)^(a-k) q^k exp(k(k-1) / (2 sigma^2))) / (a-1), which is exact
    and covers both directions (Mironov, Talwar, Zhang 2019, section 3.3 and Theorem 5).
    """
    return _sampled(ORDERS, rate, sigma, steps)


def sampled_gaussian_at(order: int, rate: float, sigma: float, steps: int) -> int:
    """:func:`sampled_gaussian_curve` at one order (>= 2), which is much quicker where that is low."""
    return _sampled((order,), rate, sigma, steps)[0]


def _sampled(orders: Sequence[int], rate: float, sigma: float, steps: int) -> Curve:
    if rate == 1.0:
        return tuple(_ceil(order * steps / (2 * exact(sigma) ** 2) * NANO) for order in orders)
    q = Decimal(rate)
    rest = _EXACT.subtract(Decimal(1), q)
    odds = _UP.divide(q, rest)
    variance = _EXACT.multiply(Decimal(sigma), Decimal(sigma))
    growth = _exp_up(_UP.divide(Decimal(1), variance))
    powers = [Decimal(1)]
    for _ in range(orders[-1]):
        powers.append(_UP.multiply(powers[-1], growth))
    return tuple(_sampled_order(order, rest, odds, powers, steps) for order in orders)


def _sampled_order(order: int, rest: Decimal, odds: Decimal, powers: list[Decimal], steps: int) -> int:
    """One order, in nano-units. ``powers[k]`` bounds exp(k / sigma^2)."""
    times = _UP.multiply
    term = Decimal(1)
    for _ in range(order):
        term = times(term, rest)
    total = term
    for k in range(order):
        term = times(times(term, odds), _UP.divide(times(powers[k], Decimal(order - k)), Decimal(k + 1)))
        total = _UP.add(total, term)
    return max(0, _nano_up(_UP.divide(times(_ln_up(total), Decimal(steps)), Decimal(order - 1))))


@lru_cache(maxsize=4096)
def randomized_response_curve(epsilon: Decimal) -> Curve:
    """Curve of randomized response, the worst of all epsilon-DP mechanisms.

    log((exp(a epsilon) + exp((1-a) epsilon)) / (1 + exp(epsilon))) / (a-1) at order a (Mironov 2017,
    Proposition 5, with p = exp(epsilon) / (1 + exp(epsilon))).
    """
    below = _DOWN.add(Decimal(1), _DOWN.next_minus(_DOWN.exp(epsilon)))
    values = []
    for order in ORDERS:
        high = _exp_up(_UP.multiply(epsilon, Decimal(order)))
        low = _exp_up(_UP.multiply(epsilon, Decimal(1 - order)))
        ratio = _UP.divide(_UP.add(high, low), below)
        values.append(_nano_up(_UP.divide(_ln_up(ratio), Decimal(order - 1))))
    return tuple(values)
