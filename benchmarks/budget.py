"""Epsilon to rho by the zCDP conversion that marginal synthesizers are usually compared under."""

from __future__ import annotations

import math

from scipy.optimize import minimize_scalar

from dpsynth.accounting.gate import compile_cap
from dpsynth.core.errors import BadInput

__all__ = ["gate_rho_nano", "rho_nano_for"]


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
