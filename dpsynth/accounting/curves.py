"""Renyi-DP curves on a fixed grid of integer orders, in integer nano-units, rounded up."""

from __future__ import annotations

from fractions import Fraction

from dpsynth.accounting.events import Event

__all__ = ["NANO", "ORDERS", "Curve", "add", "curve_of", "fits", "rho_of", "zcdp_curve", "zero"]

ORDERS: tuple[int, ...] = tuple(range(2, 65))
"""The grid of Renyi orders. A scope gates on those up to its own omega."""

NANO = 10**9

Curve = tuple[int, ...]
"""Renyi divergence bound at each order of :data:`ORDERS`, in 1e-9, rounded up."""


def _ceil(value: Fraction) -> int:
    return -((-value.numerator) // value.denominator)


def zero() -> Curve:
    """The curve of having done nothing."""
    return (0,) * len(ORDERS)


def zcdp_curve(rho_nano: int) -> Curve:
    """Curve a * rho of rho-zCDP (Bun and Steinke 2016, Definition 1.1); rho in nano units, >= 0."""
    if rho_nano < 0:
        raise ValueError("rho must not be negative")
    return tuple(order * rho_nano for order in ORDERS)


def curve_of(event: Event) -> Curve:
    """Cost of one event, rounded up at every order."""
    return tuple(_ceil(order * event.rho * NANO) for order in ORDERS)


def add(left: Curve, right: Curve) -> Curve:
    """Sequential (also fully adaptive) composition: orders add (Feldman and Zrnic 2021, Theorem 4.3)."""
    return tuple(a + b for a, b in zip(left, right, strict=True))


def fits(spent: Curve, charge: Curve, rho_cap_nano: int, omega: int) -> bool:
    """Renyi filter: spent(a) + charge(a) <= a * rho_cap at every order a <= omega."""
    return all(
        used + cost <= order * rho_cap_nano
        for order, used, cost in zip(ORDERS, spent, charge, strict=True)
        if order <= omega
    )


def rho_of(curve: Curve, omega: int = ORDERS[-1]) -> int:
    """Smallest rho (nano) whose line a * rho lies above the curve up to omega."""
    return max(-(-value // order) for order, value in zip(ORDERS, curve, strict=True) if order <= omega)
