"""From a target to the least noise that keeps it, by search; the answer is always on the safe side."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from dpsynth.accounting.cost import ZERO, cost_of
from dpsynth.accounting.events import Event
from dpsynth.accounting.gate import Cap, fits
from dpsynth.accounting.statement import state
from dpsynth.core.errors import BadInput

__all__ = ["SIGMA_STEP", "least_sigma", "sigma_for_cap", "sigma_for_epsilon"]

SIGMA_STEP = 2.0**-20
"""Grid of the search: about 1e-6. Powers of two, so that every candidate is exact in binary."""

_SMALLEST, _LARGEST = 2**13, 2**50


def least_sigma(keeps: Callable[[float], bool]) -> float:
    """Smallest noise multiplier on the grid, from 2^-7, that keeps a target which more noise never breaks.

    The value returned was itself tried and kept the target. Raises BadInput if even sigma of 2^30 does not.
    """
    high = _SMALLEST
    while not keeps(high * SIGMA_STEP):
        high *= 2
        if high > _LARGEST:
            raise BadInput(
                "No amount of noise keeps this target",
                allowed="a larger epsilon or delta, or fewer steps",
                remedy="relax the target",
            )
    low = high // 2 if high > _SMALLEST else high - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(middle * SIGMA_STEP) else (middle, high)
    return high * SIGMA_STEP


def sigma_for_cap(event_at: Callable[[float], Event], cap: Cap) -> float:
    """Least sigma whose event fits an empty scope with this cap."""
    return least_sigma(lambda sigma: fits(ZERO, cost_of(event_at(sigma)), cap))


def sigma_for_epsilon(event_at: Callable[[float], Event], epsilon: str, delta: str) -> float:
    """Least sigma whose event may be stated as at most epsilon at delta, by either conversion."""
    target = Decimal(epsilon)
    return least_sigma(lambda sigma: Decimal(state(cost_of(event_at(sigma)), delta).smallest) <= target)
