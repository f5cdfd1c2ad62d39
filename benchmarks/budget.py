"""Epsilon to rho: by the exact Gaussian conversion, and by the usual one of zCDP."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from scipy.optimize import minimize_scalar

from dpsynth.accounting.cost import Cost, zcdp_cost
from dpsynth.accounting.gate import compile_cap
from dpsynth.accounting.gaussian_dp import largest_mu2
from dpsynth.accounting.numbers import parse_decimal, parse_delta
from dpsynth.accounting.reserve import plan_cost
from dpsynth.core.curator import Plan
from dpsynth.core.errors import BadInput

__all__ = ["ACCOUNTINGS", "Budget", "budget_for", "gate_rho_nano", "rho_nano_for"]

ACCOUNTINGS = ("gaussian", "zcdp")
# The independent recount rounds each loss up: asking for a little less keeps it at or under epsilon.
_ROOM = Decimal("0.9999")


@dataclass(frozen=True)
class Budget:
    """What a run reserves, and what it was planned with.

    Attributes:
        accounting: "gaussian": mu squared is what the filter enforces; "zcdp": the curve.
        cost: the filter's cap.
        plan: made for ``rho_nano``.
    """

    accounting: str
    cost: Cost
    plan: Plan

    @property
    def rho_nano(self) -> int:
        """Nano-rho that the plan was made for."""
        return self.plan.rho_nano


def budget_for(
    epsilon: str, delta: str, plan: Callable[[int], Plan], accounting: str | None = None
) -> Budget:
    """The budget of (epsilon, delta) by whichever accounting grants the plan more rho, or by the one named.

    Both keep (epsilon, delta), and which one grants more follows from the plan, a public fact: exact Gaussian
    counts gain by the Gaussian conversion, choices lose. Raises BadInput for an epsilon or a delta that
    buys nothing, and passes on what ``plan`` raises.
    """
    asked, probability = parse_decimal(epsilon, "epsilon") * _ROOM, parse_delta(delta)
    found = [
        budget
        for budget in (
            _by_gaussian(largest_mu2(asked, probability), delta, plan) if accounting != "zcdp" else None,
            _by_zcdp(rho_nano_for(format(asked, "f"), delta), delta, plan)
            if accounting != "gaussian"
            else None,
        )
        if budget is not None
    ]
    if not found:
        raise BadInput(
            f"Epsilon {epsilon} at delta {delta} buys no plan by {accounting or 'any'} accounting",
            allowed="a larger epsilon or delta",
        )
    return max(found, key=lambda budget: budget.rho_nano)


def _by_zcdp(rho: int, delta: str, plan: Callable[[int], Plan]) -> Budget | None:
    if rho <= 0:
        return None
    made = plan(rho)
    return Budget("zcdp", zcdp_cost(rho) if made.gradient is None else plan_cost(made, delta), made)


def _by_gaussian(mu2: int, delta: str, plan: Callable[[int], Plan]) -> Budget | None:
    """The largest rho whose reservation, as the platform makes it, stays within ``mu2``."""
    rho = mu2 // 2
    while rho > 0:
        made = plan(rho)
        reserved = plan_cost(made, delta)
        if reserved.undominated:
            return None
        if reserved.mu2 <= mu2:
            return Budget("gaussian", Cost(reserved.rdp, mu2=mu2), made)
        rho = min(rho * mu2 // reserved.mu2, rho - 1)  # mu squared grows at least as fast as rho
    return None


def rho_nano_for(epsilon: str, delta: str) -> int:
    """Largest nano-rho with epsilon(delta) <= epsilon, over all real Renyi orders.

    Canonne, Kamath, Steinke 2020, Proposition 12. Given the order a, the best rho is in closed form:
    rho(a) = (epsilon - log(1 - 1/a) + log(delta a) / (a - 1)) / a.
    """
    target, probability = float(epsilon), float(delta)

    def loss(log_excess: float) -> float:
        excess = math.exp(log_excess)
        order = 1.0 + excess
        gain = target - math.log(excess / order) + math.log(probability * order) / excess
        return -gain / order

    best = minimize_scalar(loss, bounds=(math.log(1e-3), math.log(1e7)), method="bounded")
    return math.floor(-float(best.fun) * 1e9)


def gate_rho_nano(epsilon: str, delta: str) -> int | None:
    """What the platform's own cap compilation grants (its orders stop at 64); None where it refuses."""
    try:
        return compile_cap(epsilon, delta).rho
    except BadInput:
        return None
