"""A run's recorded events counted again by the dp-accounting library, from the events alone.

Two numbers, both upper bounds on epsilon; neither uses the platform's conversions:

- *rdp*: the library's Renyi curve of the events, converted by the library over many orders.
- *pld*: privacy-loss distributions of the Gaussians that dominate the events, composed by the library.
  Discrete Gaussian noise is dominated at mu = 2 PhiInv((1 + P[noise = 0]) / 2), a choice of bounded range
  epsilon at mu = 2 PhiInv(e^(epsilon/2) / (1 + e^(epsilon/2))): see dpsynth/accounting/gaussian_dp.py.
  The library's own distribution for a training by DP-SGD.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import norm

from dpsynth.accounting.cost import Cost
from dpsynth.accounting.curves import NANO, ORDERS
from dpsynth.accounting.events import DiscreteGaussian, Event, Gaussian, NoisyMax, SampledGaussian
from dpsynth.accounting.recount import recount_curve

__all__ = ["recount"]

_AGREES = 1e-8
_MU_STEP = 1e-7
_RDP_ORDERS = tuple(1.0 + excess for excess in np.geomspace(1e-2, 1e5, 4001))
_SAMPLED_ORDERS = tuple(
    1.0 + excess for excess in np.geomspace(1e-1, 1e3, 200)
)  # each takes the library longer


def recount(events: Sequence[Event], charged: Cost, epsilon: float, delta: float) -> dict[str, Any]:
    """Epsilon by the library, and how far its curve is from what was charged.

    ``epsilon``: the smaller of both bounds; ``within``: it is at most what was asked. ``charge_gap``: the
    largest relative difference between the charged Renyi curve and the library's; ``equals_charge``: no order
    differs by more than 1e-8 of it and, for each event, the 1e-9 that a charge is rounded up by.
    """
    by_rdp, by_pld = _rdp_epsilon(events, delta), _pld_epsilon(events, epsilon, delta)
    smaller = min(by_rdp, by_pld)
    theirs = np.array(recount_curve(events, ORDERS))
    ours = np.array(charged.rdp, dtype=np.float64) / NANO
    difference = np.abs(ours - theirs)
    return {
        "library": "dp-accounting",
        "epsilon": smaller,
        "epsilon_rdp": by_rdp,
        "epsilon_pld": by_pld,
        "within": smaller <= epsilon,
        "charge_gap": float(np.max(difference / np.maximum(theirs, 1.0 / NANO))),
        "equals_charge": bool(np.all(difference <= _AGREES * theirs + len(events) / NANO)),
    }


def _rdp_epsilon(events: Sequence[Event], delta: float) -> float:
    from dp_accounting import rdp

    if not events:
        return 0.0
    trained = any(isinstance(event, SampledGaussian) for event in events)
    orders = _SAMPLED_ORDERS if trained else _RDP_ORDERS
    return float(rdp.compute_epsilon(orders, recount_curve(events, orders), delta)[0])


def _pld_epsilon(events: Sequence[Event], epsilon: float, delta: float) -> float:
    import dp_accounting as dpa
    from dp_accounting import pld

    accountant = pld.PLDAccountant(value_discretization_interval=min(1e-4, 1e-4 * epsilon))
    trainings = [event for event in events if isinstance(event, SampledGaussian)]
    for one in trainings:
        sampled = dpa.PoissonSampledDpEvent(one.rate, dpa.GaussianDpEvent(one.sigma))
        accountant.compose(sampled, one.steps)
    others = [event for event in events if not isinstance(event, SampledGaussian)]
    for mu, times in sorted(Counter(_rounded_up(_dominating_mu(event)) for event in others).items()):
        accountant.compose(dpa.GaussianDpEvent(1.0 / mu), times)
    return float(accountant.get_epsilon(delta))


def _dominating_mu(event: Event) -> float:
    match event:
        case Gaussian(sigma):
            return 1.0 / sigma
        case DiscreteGaussian(sigma):
            # P[noise = 0] is below the continuous density at 0 (Canonne, Kamath, Steinke 2020, section 2.1).
            return float(2.0 * norm.ppf(0.5 + 0.5 / (sigma * math.sqrt(2.0 * math.pi))))
        case NoisyMax(epsilon):
            return float(2.0 * norm.ppf(1.0 / (1.0 + math.exp(-epsilon / 2.0))))
    raise TypeError(f"no Gaussian is known to dominate {type(event).__name__}")


def _rounded_up(mu: float) -> float:
    """To seven digits, so that equal shares of a budget that differ by rounding are one event."""
    step = _MU_STEP * 10.0 ** math.floor(math.log10(mu))
    return math.ceil(mu / step) * step
