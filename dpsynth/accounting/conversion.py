"""From Renyi to approximate DP: Canonne, Kamath, Steinke 2020, Proposition 12.

epsilon(delta) = min over orders a of  R(a) + log(1 - 1/a) - log(delta a) / (a - 1), in 60-digit decimals.
"""

from __future__ import annotations

from decimal import Context, Decimal
from functools import lru_cache

__all__ = ["offset"]

_DIGITS = Context(prec=60)
# The error of the four operations below is under 1e-55; this slack always falls against the spender.
_SLACK = Decimal("1e-50")


@lru_cache(maxsize=4096)
def offset(order: int, delta: Decimal) -> Decimal:
    """What the conversion adds to R(a) at this order, rounded up."""
    first = _DIGITS.ln(_DIGITS.divide(Decimal(order - 1), Decimal(order)))
    second = _DIGITS.divide(_DIGITS.ln(_DIGITS.multiply(delta, Decimal(order))), Decimal(order - 1))
    return _DIGITS.add(_DIGITS.subtract(first, second), _SLACK)
