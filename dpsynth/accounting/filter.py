"""The run's privacy filter: charges each event before anything is drawn (Feldman and Zrnic 2021)."""

from __future__ import annotations

import threading

from dpsynth.accounting.curves import ORDERS, Curve, add, curve_of, zero
from dpsynth.accounting.events import Event
from dpsynth.core.errors import BudgetExceeded

__all__ = ["PrivacyFilter"]


class PrivacyFilter:
    """Accepts events while their sum stays under the reserved curve at every order.

    Valid when each event is chosen after seeing the answers to earlier ones.
    """

    def __init__(self, cap: Curve) -> None:
        self._cap = cap
        self._spent = zero()
        self._events: list[Event] = []
        self._lock = threading.Lock()  # a synthesizer may ask from several threads

    @property
    def spent(self) -> Curve:
        """Sum of the accepted events."""
        return self._spent

    @property
    def events(self) -> tuple[Event, ...]:
        """Accepted events, in order."""
        return tuple(self._events)

    @property
    def remaining_rho(self) -> int:
        """Largest nano-rho that a further zCDP event may cost, rounded down."""
        return min(
            (cap - used) // order for order, cap, used in zip(ORDERS, self._cap, self._spent, strict=True)
        )

    def charge(self, *events: Event) -> None:
        """Accept all events together or none. Raises BudgetExceeded before anything is drawn."""
        with self._lock:
            after = self._spent
            for event in events:
                after = add(after, curve_of(event))
            if any(used > cap for used, cap in zip(after, self._cap, strict=True)):
                raise BudgetExceeded(
                    "A mechanism asked for more privacy budget than this run has left",
                    allowed=f"at most {self.remaining_rho} nano-rho more",
                    remedy="this is a fault of the synthesizer: report it to its author",
                )
            self._spent = after
            self._events.extend(events)
