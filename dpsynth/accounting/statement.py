"""From curves to statements people read, and from stated caps to gates; each rounded against the spender.

Conversion from Renyi to approximate DP: Canonne, Kamath, Steinke 2020, Proposition 12:
epsilon(delta) = min over a of  R(a) + log(1 - 1/a) - log(delta a) / (a - 1).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from dpsynth.accounting.curves import NANO, ORDERS, Curve
from dpsynth.core.errors import BadInput

__all__ = ["Cap", "compile_cap", "epsilon_at", "parse_decimal", "parse_rho_nano"]

_NUMBER = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_SMALLEST, _LARGEST = Decimal("1e-30"), Decimal("1e6")
_DIGITS = Decimal("0.000001")
# Float error of the conversion is below 1e-13; this slack always falls against the spender.
_SLACK = 1e-12


@dataclass(frozen=True)
class Cap:
    """A gate: spent(a) <= a * rho at every order a <= omega. rho in nano units."""

    rho_nano: int
    omega: int


def parse_decimal(text: str, name: str) -> Decimal:
    """A positive finite decimal written as text. Raises BadInput otherwise."""
    value = Decimal(text) if _NUMBER.fullmatch(text) else Decimal(0)
    if not _SMALLEST <= value <= _LARGEST:
        raise BadInput(
            f"{name} is not a positive decimal number of a sensible size",
            allowed="a number written like 1 or 0.5 or 1e-6, from 1e-30 to 1000000",
            remedy=f"correct {name}",
        )
    return value


def parse_rho_nano(text: str, up: bool) -> int:
    """rho as text to integer nano-rho, rounded up (a charge) or down (a cap)."""
    value = parse_decimal(text, "rho") * NANO
    return int(value.to_integral_value(rounding=ROUND_CEILING if up else ROUND_FLOOR))


def _parse_delta(delta: str) -> float:
    value = float(parse_decimal(delta, "delta"))
    if not 0.0 < value < 1.0:
        raise BadInput("delta is not a probability", allowed="0 < delta < 1", remedy="correct delta")
    return value


def _offset(order: int, delta: float) -> float:
    """What the conversion adds to R(a) at this order."""
    return math.log1p(-1.0 / order) - math.log(delta * order) / (order - 1)


def epsilon_at(curve: Curve, delta: str) -> str:
    """Epsilon at delta for a curve; decimal string with six digits, rounded up. Never negative."""
    probability = _parse_delta(delta)
    best = min(value / NANO + _offset(order, probability) for order, value in zip(ORDERS, curve, strict=True))
    rounded = Decimal(max(0.0, best + _SLACK)).quantize(_DIGITS, rounding=ROUND_CEILING)
    return format(rounded.normalize(), "f")


def compile_cap(epsilon: str, delta: str) -> Cap:
    """Compile an (epsilon, delta) cap to (rho, omega), downwards.

    omega is the order at which the cap's own conversion is tightest; rho is then the largest zCDP
    parameter with epsilon(delta) <= epsilon. Raises BadInput where no order of the grid can promise it.
    """
    target, probability = float(parse_decimal(epsilon, "epsilon")), _parse_delta(delta)
    rho, omega = max(((target - _SLACK - _offset(a, probability)) / a, a) for a in ORDERS)
    rho_nano = math.floor(rho * NANO)
    if rho_nano <= 0:
        raise BadInput(
            f"epsilon {epsilon} at delta {delta} leaves no room for any mechanism",
            allowed="a larger epsilon, or a larger delta",
            remedy="state the budget as rho if it must be this small",
        )
    return Cap(rho_nano, omega)
