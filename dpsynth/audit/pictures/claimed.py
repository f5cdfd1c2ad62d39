"""The claim in a report, and what it allows: epsilon of other budgets, and the trade-off curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dpsynth.accounting.cost import zcdp_cost
from dpsynth.accounting.curves import NANO
from dpsynth.accounting.statement import epsilon_at

__all__ = ["Promised", "allowed_tpr", "epsilon_of", "promised"]

_ORDERS = 1.0 + np.geomspace(1e-3, 1e4, 400)
_EPSILONS = 400


@dataclass(frozen=True)
class Promised:
    """The claim as the report states it.

    Attributes:
        rho: zCDP.
        epsilon, delta: the same at one delta.
        mu: square root of the sum of mu squared, or None.
        omega: largest Renyi order that rho covers; None: every order.
    """

    rho: float
    epsilon: float
    delta: float
    mu: float | None
    omega: int | None

    @property
    def at(self) -> str:
        """Delta for people."""
        return f"{self.delta:g}".replace("e-0", "e-")


def promised(claim: Mapping[str, Any] | None) -> Promised | None:
    """The report's claim; None where the report has none."""
    if not claim:
        return None
    mu2 = claim.get("mu2_nano")
    return Promised(
        claim["rho_nano"] / NANO,
        float(claim["epsilon"]),
        float(claim["delta"]),
        None if mu2 is None else float(np.sqrt(mu2 / NANO)),
        claim.get("omega"),
    )


def epsilon_of(rho: float, delta: float) -> float:
    """Epsilon at delta of rho-zCDP, by the accountant that made the claim."""
    return float(epsilon_at(zcdp_cost(max(1, round(rho * NANO))), f"{delta:e}"))


def allowed_tpr(claim: Promised, fpr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Highest true-positive rate at each false-positive rate that the whole claimed curve allows.

    1 - f(fpr) with f(a) = sup over epsilon of max(0, 1 - delta - e^epsilon a, e^-epsilon (1 - delta - a))
    (Dong, Roth, Su 2022, Proposition 2.5), delta(epsilon) from zCDP (Canonne, Kamath, Steinke 2020,
    Proposition 12) and the claim's own point; where the claim has a mu, also its Gaussian curve.

    Args:
        claim: what is promised.
        fpr: rates in 0..1, shape (points,).

    Returns:
        rates in 0..1, shape (points,).
    """
    epsilons = np.linspace(0.0, max(4.0 * claim.epsilon, 1.0), _EPSILONS)
    orders = _ORDERS[(claim.omega or np.inf) >= _ORDERS]
    exponent = (orders - 1.0) * (orders * claim.rho - epsilons[:, None])
    exponent += orders * np.log1p(-1.0 / orders) - np.log(orders - 1.0)
    deltas = np.exp(np.minimum(exponent.min(axis=1), 0.0))
    epsilons, deltas = np.append(epsilons, claim.epsilon), np.append(deltas, claim.delta)
    rest = 1.0 - deltas
    missed = np.maximum(
        rest - np.exp(epsilons) * fpr[:, None], np.exp(-epsilons) * (rest - fpr[:, None])
    ).max(axis=1)
    if claim.mu is not None:
        missed = np.maximum(missed, stats.norm.cdf(stats.norm.isf(fpr) - claim.mu))
    return np.asarray(np.clip(1.0 - missed, fpr, 1.0), dtype=np.float64)
