"""The gate: whether a charge fits under a cap. Integers only.

A Renyi filter: with spent(a) + charge(a) <= a * rho at *every* order a <= omega before anything is drawn,
whatever was released satisfies R(a) <= a * rho at those orders, even when each charge was chosen after
seeing earlier answers (Feldman and Zrnic 2021, Theorem 4.3, order by order). That is (rho, omega)-truncated
CDP (Bun, Dwork, Rothblum, Steinke 2018), in which marginals (zCDP) and DP-SGD share one book.

The mass of approximate DP adds up beside it: an entrusted run is randomized response that, with a
probability delta fixed before it, tells all. Let none of them tell all: that changes the distribution of
everything released, adaptive choices included, by at most the sum of their deltas (a union bound), and what
is left satisfies the Renyi filter. For zCDP lines this is the filter of Whitehouse, Ramdas, Rogers, Wu 2023.

Where all events of a scope are Gaussian-dominated the sum of mu squared has a cap of its own as a second
gate; see :mod:`dpsynth.accounting.gaussian_dp` for the theorem.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from functools import lru_cache

from dpsynth.accounting.conversion import offset
from dpsynth.accounting.cost import ATTO, Cost
from dpsynth.accounting.curves import NANO, ORDERS
from dpsynth.accounting.gaussian_dp import largest_mu2
from dpsynth.accounting.numbers import atto_down, parse_decimal, parse_delta, parse_rho_nano
from dpsynth.core.errors import BadInput

__all__ = ["Cap", "compile_cap", "fits", "how_many", "rho_cap", "rho_left", "share"]

# The default decimal context keeps 28 digits; what it rounds off is below this many nano-units.
_LAST_DIGITS = Decimal("1e-12")


@dataclass(frozen=True)
class Cap:
    """A gate.

    Attributes:
        rho: nano-rho; spent(a) <= a * rho at every order a <= omega.
        omega: largest gated order; above it nothing is promised and nothing gated.
        delta: approximate-DP mass in all, atto-units.
        mu2: sum of mu squared while every event is Gaussian-dominated, nano-units; None: no second gate.
    """

    rho: int
    omega: int
    delta: int = 0
    mu2: int | None = None


def rho_cap(rho: str, entrusted_delta: str = "0") -> Cap:
    """A cap stated as rho: a line at every order of the grid, rounded down. It promises no epsilon."""
    return Cap(parse_rho_nano(rho, up=False), ORDERS[-1], atto_down(entrusted_delta))


@lru_cache(maxsize=1024)
def compile_cap(epsilon: str, delta: str, entrusted_delta: str = "0") -> Cap:
    """Compile an (epsilon, delta) cap to (rho, omega), downwards.

    ``delta`` is the whole promise: what entrusted libraries may fail with is taken off it first. omega is
    the order at which the cap's own conversion is tightest; rho is then the largest zCDP parameter with
    epsilon(delta) <= epsilon. Raises BadInput where no order of the grid can promise it.
    """
    mass = atto_down(entrusted_delta)
    target, rest = parse_decimal(epsilon, "epsilon"), parse_delta(delta) - Decimal(mass) / ATTO
    if rest <= 0:
        raise BadInput(
            "Entrusted delta leaves nothing of delta",
            allowed="an entrusted delta below delta",
            remedy="correct one of them",
        )
    rho, omega = max(((target - offset(a, rest)) / a, a) for a in ORDERS)
    rho_nano = int((rho * NANO - _LAST_DIGITS).to_integral_value(rounding=ROUND_FLOOR))
    if rho_nano <= 0:
        raise BadInput(
            f"epsilon {epsilon} at delta {delta} leaves no room for any mechanism",
            allowed="a larger epsilon, or a larger delta",
            remedy="state the budget as rho if it must be this small",
        )
    return Cap(rho_nano, omega, mass, largest_mu2(target, rest))


def fits(taken: Cost, charge: Cost, cap: Cap) -> bool:
    """Whether ``charge`` may be accepted beside what is ``taken`` (spent and held)."""
    after = taken + charge
    orders = all(used <= a * cap.rho for a, used in zip(ORDERS, after.rdp, strict=True) if a <= cap.omega)
    second = cap.mu2 is None or after.undominated > 0 or after.mu2 <= cap.mu2
    return orders and after.delta <= cap.delta and second


def rho_left(taken: Cost, cap: Cap) -> int:
    """Largest nano-rho line that still fits beside ``taken`` at every gated order, >= 0."""
    gated = [(a, used) for a, used in zip(ORDERS, taken.rdp, strict=True) if a <= cap.omega]
    return max(0, min((a * cap.rho - used) // a for a, used in gated))


def share(charge: Cost, cap: Cap) -> Fraction:
    """Share of the cap that a charge takes: the largest over its gates (may exceed 1).

    Of a gate of nothing a charge takes 0, or 2 if it asks for anything: at most 1 always means that it fits.
    """
    gated = zip(ORDERS, charge.rdp, strict=True)
    parts = [(used, a * cap.rho) for a, used in gated if a <= cap.omega]
    parts.append((charge.delta, cap.delta))
    if cap.mu2 is not None and not charge.undominated:
        parts.append((charge.mu2, cap.mu2))
    return max(Fraction(used, most) if most else Fraction(2 if used else 0) for used, most in parts)


def how_many(taken: Cost, charge: Cost, cap: Cap) -> int:
    """How many such charges still fit, one after the other. ValueError if it adds nothing to any gate."""
    added = [charge.delta, *(used for a, used in zip(ORDERS, charge.rdp, strict=True) if a <= cap.omega)]
    if cap.mu2 is not None and not (taken + charge).undominated:
        added.append(charge.mu2)
    if not any(added):
        raise ValueError("a charge that adds nothing to what is gated fits any number of times")
    low, high = 0, 1
    while fits(taken, charge.times(high), cap):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(taken, charge.times(middle), cap) else (low, middle)
    return low
