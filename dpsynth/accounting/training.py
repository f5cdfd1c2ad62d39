"""How much noise a training by DP-SGD needs, from its share of a budget in rho."""

from __future__ import annotations

import math

from dpsynth.accounting.calibrate import least_sigma
from dpsynth.accounting.curves import ORDERS, sampled_gaussian_at

__all__ = ["last_order", "training_sigma"]

_SMALLEST_DELTA = 1e-10


def last_order(rho_nano: int) -> int:
    """The Renyi order up to which a training keeps under the line of ``rho_nano`` (> 0), on the grid.

    At a delta of 1e-10 or more, epsilon of a line is read off at an order up to this one: 1 + sqrt(log(1 /
    delta) / rho) (Bun and Steinke 2016, Proposition 1.3). What lies above it no statement needs, and there
    a sample's privacy is no better than that of the whole table.
    """
    wanted = 1.0 + math.sqrt(-math.log(_SMALLEST_DELTA) / (rho_nano * 1e-9))
    return next((order for order in ORDERS if order >= wanted), ORDERS[-1])


def training_sigma(rate: float, steps: int, rho_nano: int, order: int) -> float:
    """Least noise multiplier whose Renyi divergence at ``order`` is at most order times ``rho_nano``.

    Raises BadInput where no amount of noise keeps that.
    """
    return least_sigma(lambda sigma: sampled_gaussian_at(order, rate, sigma, steps) <= order * rho_nano)
