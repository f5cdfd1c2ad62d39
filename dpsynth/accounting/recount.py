"""An independent recount of events by the dp-accounting library. Never used for the gate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dpsynth.accounting.curves import ORDERS
from dpsynth.accounting.events import (
    Composed,
    DiscreteGaussian,
    Entrusted,
    Event,
    Gaussian,
    NoisyMax,
    SampledGaussian,
)

__all__ = ["pld_epsilon", "recount_curve", "recount_epsilon", "recount_rho"]


def _foreign_event(event: Event) -> Any:
    import dp_accounting as dpa  # imported late: it costs two seconds

    match event:
        case Gaussian(sigma) | DiscreteGaussian(sigma):
            return dpa.GaussianDpEvent(sigma)
        case NoisyMax(epsilon):
            return dpa.ZCDpEvent(epsilon**2 / 8)
        case SampledGaussian(rate, sigma, steps):
            sampled = dpa.PoissonSampledDpEvent(rate, dpa.GaussianDpEvent(sigma))
            return dpa.SelfComposedDpEvent(sampled, steps)
        case Entrusted():
            return dpa.UnsupportedDpEvent()
        case Composed(events, times):
            return dpa.SelfComposedDpEvent(dpa.ComposedDpEvent([_foreign_event(e) for e in events]), times)


def _single(events: Iterable[Event], times: int = 1) -> Iterator[tuple[Event, int]]:
    for event in events:
        if isinstance(event, Composed):
            yield from _single(event.events, times * event.times)
        else:
            yield event, times


def _curve(events: Sequence[Event], orders: Sequence[float] | None) -> tuple[Any, Any]:
    """Orders and the Renyi divergence at each.

    If none are given, the library's own and those of our statements: the library's leave out all between 64
    and 1024 but three, where small losses have their best, and a recount on them alone would be too large.
    """
    import dp_accounting as dpa
    from dp_accounting import rdp

    orders = orders or sorted({*rdp.rdp_privacy_accountant.DEFAULT_RDP_ORDERS, *ORDERS})
    noisy = rdp.RdpAccountant(orders)
    # The library knows randomized response for a replaced answer only, which sampling does not go with.
    entrusted = rdp.RdpAccountant(orders, dpa.NeighboringRelation.REPLACE_ONE)
    for event, times in _single(events):
        if isinstance(event, Entrusted):
            odds = math.exp(-event.epsilon)
            entrusted.compose(dpa.RandomizedResponseDpEvent(2 * odds / (1 + odds), 2), times)
        else:
            noisy.compose(_foreign_event(event), times)
    return noisy.orders, noisy.rdp + entrusted.rdp


def recount_epsilon(events: Sequence[Event], delta: float) -> float:
    """Epsilon at delta by ``dp_accounting.rdp.RdpAccountant`` over the same events; 0.0 for none.

    The mass of entrusted libraries is taken off delta; infinite where it uses delta up.
    """
    if not events:
        return 0.0
    from dp_accounting import rdp

    rest = delta - sum(
        times * float(event.delta) for event, times in _single(events) if isinstance(event, Entrusted)
    )
    return float(rdp.compute_epsilon(*_curve(events, None), rest)[0]) if rest > 0 else math.inf


def recount_rho(events: Sequence[Event], omega: int = 2) -> float:
    """Smallest rho whose line lies over the RdpAccountant's curve at orders 2 to ``omega``; 0.0 for none.

    Order 2 tells of zCDP mechanisms all (R(a) = a rho); trainings rise above their line at larger orders.
    """
    orders = range(2, omega + 1)
    return max(value / order for order, value in zip(orders, recount_curve(events, orders), strict=True))


def recount_curve(events: Sequence[Event], orders: Sequence[float]) -> list[float]:
    """Renyi divergence at each order by the RdpAccountant; 0.0 for no events."""
    if not events:
        return [0.0] * len(orders)
    return [float(value) for value in _curve(events, orders)[1]]


def pld_epsilon(events: Sequence[Event], delta: float) -> float | None:
    """Epsilon at delta by privacy-loss distributions; None where an event has none in the library.

    Tight, but only for parameters fixed in advance, and it takes discrete Gaussian noise for continuous,
    which understates it a little at small scales: so it is shown as "not used for decisions".
    """
    from dp_accounting import pld

    accountant = pld.PLDAccountant()
    for event in events:
        foreign = _foreign_event(event)
        if not accountant.supports(foreign):
            return None
        accountant.compose(foreign)
    return float(accountant.get_epsilon(delta))
