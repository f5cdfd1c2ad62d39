"""Why a scope has no room, and what would fit: in the words of every refusal."""

from __future__ import annotations

from dpsynth.accounting.cost import Cost
from dpsynth.accounting.curves import NANO, ORDERS, rho_of
from dpsynth.accounting.gate import fits, rho_left
from dpsynth.core.errors import BudgetExceeded
from dpsynth.ledger.scopes import Scope

__all__ = ["no_room", "why_not"]


def why_not(scope: Scope, taken: Cost, cost: Cost) -> str:
    """Which gate refuses, with the numbers of it; an empty text if none does."""
    cap = scope.cap
    if fits(taken, cost, cap):
        return ""
    after = taken + cost
    over = [a for a, used in zip(ORDERS, after.rdp, strict=True) if a <= cap.omega and used > a * cap.rho]
    if over:
        needs, left = rho_of(cost.rdp, cap.omega), rho_left(taken, cap)
        return f"this request needs rho {_up(needs)}, and rho {_down(left)} of {_down(cap.rho)} is left"
    if after.delta > cap.delta:
        return (
            f"this request may fail with probability {cost.delta / 1e18:.3g} (entrusted delta), and "
            f"{max(0, cap.delta - taken.delta) / 1e18:.3g} of {cap.delta / 1e18:.3g} is left"
        )
    most = cap.mu2 or 0
    return (
        f"this request needs mu squared {_up(cost.mu2)} (the second, Gaussian gate), and "
        f"{_down(max(0, most - taken.mu2))} of {_down(most)} is left"
    )


def _down(nano: int) -> str:
    """Six digits of a nano-amount, rounded down: what is left or allowed."""
    return f"{nano // NANO}.{nano % NANO // 1000:06d}"


def _up(nano: int) -> str:
    """Six digits of a nano-amount, rounded up: what is needed."""
    return _down(nano + 999)


def no_room(scope: Scope, taken: Cost, cost: Cost) -> BudgetExceeded:
    """The refusal itself."""
    return BudgetExceeded(
        f"{scope.title}: {why_not(scope, taken, cost)}",
        allowed="requests that fit in what is left; the budget is for life and is never refilled",
        remedy="ask for a smaller epsilon, use a release that is published already (that costs nothing), "
        "or ask the data owner for a new policy version",
    )
