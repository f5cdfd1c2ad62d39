"""The trade-off curve that a claim promises, from its mu or its Renyi line."""

from __future__ import annotations

import math
from decimal import Decimal
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.cost import Cost
from dpsynth.accounting.curves import NANO, ORDERS
from dpsynth.accounting.statement import epsilon_at, gaussian_epsilon_at
from dpsynth.attacks.trade_off import TradeOff, from_deltas, gaussian
from dpsynth.audit.result import Claim

__all__ = ["claimed_curve", "claimed_mu", "epsilon_of"]

_POINTS, _LEAST_DELTA = 400, 1e-30


def claimed_mu(claim: Claim) -> float:
    """mu of the claim; where it states none, that of Gaussian noise with the same rho: sqrt(2 rho)."""
    return math.sqrt((claim.mu2_nano or 2 * claim.rho_nano) / NANO)


def claimed_curve(claim: Claim, scale: float = 1.0) -> TradeOff:
    """The claim's own curve, of ``scale`` times its budget (> 0).

    Where mu squared was reserved it is the Gaussian one. Otherwise it follows from delta(epsilon) of the
    Renyi line up to the claim's order, which is looser: what refutes it refutes rho.
    """
    if claim.mu2_nano is not None:
        return gaussian(math.sqrt(scale * claim.mu2_nano / NANO))
    return _by_line(scale * claim.rho_nano / NANO, claim.omega or ORDERS[-1])


@lru_cache(maxsize=256)
def _by_line(rho: float, omega: int) -> TradeOff:
    # Beyond this epsilon delta is of no use to any test here.
    last = rho + 2.0 * math.sqrt(rho * math.log(1.0 / _LEAST_DELTA))
    epsilons = np.linspace(0.0, last, _POINTS)
    return from_deltas(epsilons, _deltas(epsilons, rho, omega))


def _deltas(epsilons: NDArray[np.float64], rho: float, omega: int) -> NDArray[np.float64]:
    """Least over orders a of exp((a - 1)(a rho - epsilon)) (1 - 1/a)^a / (a - 1).

    Canonne, Kamath, Steinke 2020, Proposition 12.
    """
    orders = np.array([order for order in ORDERS if order <= omega], dtype=np.float64)[:, None]
    logs = (orders - 1.0) * (orders * rho - epsilons) + orders * np.log1p(-1.0 / orders) - np.log(orders - 1)
    return np.asarray(np.exp(np.minimum(logs.min(axis=0), 0.0)))


def epsilon_of(claim: Claim, delta: str, scale: float = 1.0) -> float:
    """Epsilon at ``delta`` along the claim's curve, of ``scale`` times its budget; rounded up.

    Args:
        claim: what is promised.
        delta: decimal text, above 0 and below 1.
        scale: > 0.
    """
    rho, mu2 = (math.ceil(scale * nano) for nano in (claim.rho_nano, claim.mu2_nano or 0))
    cost: Cost = Claim(max(rho, 1), claim.epsilon, claim.delta, mu2 if claim.mu2_nano else None).cost
    by_curve = epsilon_at(cost, delta, claim.omega or ORDERS[-1])
    by_mu = gaussian_epsilon_at(cost, delta) if claim.mu2_nano else ""
    return float(min(by_curve, by_mu or by_curve, key=Decimal))
