"""The run's privacy filter: charges each event before anything is drawn (Feldman and Zrnic 2021)."""

from __future__ import annotations

import threading

from dpsynth.accounting.cost import ZERO, Cost, cost_of, total
from dpsynth.accounting.curves import ORDERS
from dpsynth.accounting.events import Event
from dpsynth.core.errors import BudgetExceeded

__all__ = ["PrivacyFilter"]


class PrivacyFilter:
    """Accepts events while their sum stays under the reserved cost, in every component.

    Valid when each event is chosen after seeing the answers to earlier ones.
    """

    def __init__(self, cap: Cost) -> None:
        self._cap = cap
        self._spent = ZERO
        self._events: list[Event] = []
        self._lock = threading.Lock()  # a synthesizer may ask from several threads

    @property
    def spent(self) -> Cost:
        """Sum of the accepted events."""
        return self._spent

    @property
    def events(self) -> tuple[Event, ...]:
        """Accepted events, in order."""
        return tuple(self._events)

    @property
    def remaining_rho(self) -> int:
        """Largest nano-rho that a further Gaussian mechanism may cost, rounded down."""
        curve = zip(ORDERS, self._cap.rdp, self._spent.rdp, strict=True)
        left = min((cap - used) // order for order, cap, used in curve)
        return left if self._cap.undominated else min(left, (self._cap.mu2 - self._spent.mu2) // 2)

    def charge(self, *events: Event) -> None:
        """Accept all events together or none. Raises BudgetExceeded before anything is drawn."""
        with self._lock:
            after = total([self._spent, *(cost_of(event) for event in events)])
            if not self._cap.covers(after):
                raise BudgetExceeded(
                    "A mechanism asked for more privacy budget than this run has left",
                    allowed=f"at most {self.remaining_rho} nano-rho more",
                    remedy="this is a fault of the synthesizer: report it to its author",
                )
            self._spent = after
            self._events.extend(events)
