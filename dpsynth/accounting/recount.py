"""An independent recount of events by the dp-accounting library. Never used for the gate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dpsynth.accounting.events import DiscreteGaussian, Event

__all__ = ["recount_epsilon", "recount_rho"]


def _foreign_event(event: Event) -> Any:
    import dp_accounting  # imported late: it costs two seconds

    if isinstance(event, DiscreteGaussian):
        return dp_accounting.GaussianDpEvent(event.sigma)
    return dp_accounting.ZCDpEvent(event.epsilon**2 / 8)


def recount_epsilon(events: Sequence[Event], delta: float) -> float:
    """Epsilon at delta by ``dp_accounting.rdp.RdpAccountant`` over the same events; 0.0 for none."""
    if not events:
        return 0.0
    from dp_accounting import rdp

    accountant = rdp.RdpAccountant()
    for event in events:
        accountant.compose(_foreign_event(event))
    return float(accountant.get_epsilon(delta))


def recount_rho(events: Sequence[Event]) -> float:
    """zCDP cost read off the RdpAccountant's curve at order 2 (here R(a) = a rho); 0.0 for none."""
    if not events:
        return 0.0
    from dp_accounting import rdp

    accountant = rdp.RdpAccountant([2.0])
    for event in events:
        accountant.compose(_foreign_event(event))
    delta = 1e-9
    # Undo the library's conversion at its single order (Canonne, Kamath, Steinke 2020, Proposition 12).
    return float((accountant.get_epsilon(delta) - math.log1p(-0.5) + math.log(delta * 2.0)) / 2.0)
