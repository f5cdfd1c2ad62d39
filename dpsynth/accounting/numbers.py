"""Budget numbers as text: exact decimals in, integers out, each rounded against the spender by name."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from dpsynth.accounting.cost import ATTO
from dpsynth.accounting.curves import NANO
from dpsynth.core.errors import BadInput

__all__ = ["atto_down", "parse_decimal", "parse_delta", "parse_rho_nano"]

_NUMBER = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_SMALLEST, _LARGEST = Decimal("1e-30"), Decimal("1e6")
# A number has 60 digits at most; the default context would round to 28, in either direction.
_EXACT = Context(prec=100)


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


def parse_delta(text: str, name: str = "delta") -> Decimal:
    """A probability above 0 and below 1 written as text. Raises BadInput otherwise."""
    value = parse_decimal(text, name)
    if value >= 1:
        raise BadInput(f"{name} is not a probability", allowed=f"0 < {name} < 1", remedy=f"correct {name}")
    return value


def atto_down(text: str) -> int:
    """A probability as integer atto-units, rounded down (a cap); ``0`` is allowed."""
    if _NUMBER.fullmatch(text) and Decimal(text) == 0:
        return 0
    return _whole(parse_delta(text), ATTO, ROUND_FLOOR)


def parse_rho_nano(text: str, up: bool) -> int:
    """rho as text to integer nano-rho, rounded up (a charge) or down (a cap)."""
    return _whole(parse_decimal(text, "rho"), NANO, ROUND_CEILING if up else ROUND_FLOOR)


def _whole(value: Decimal, units: int, rounding: str) -> int:
    return int(_EXACT.multiply(value, Decimal(units)).to_integral_value(rounding=rounding))
