"""The run's privacy filter: charges each event before anything is drawn (Feldman and Zrnic 2021)."""

from __future__ import annotations

import math
import threading

from dpsynth.accounting.cost import ZERO, Cost, cost_of, total
from dpsynth.accounting.curves import NANO, ORDERS
from dpsynth.accounting.events import Event
from dpsynth.accounting.gaussian_dp import discrete_gaussian_mu2
from dpsynth.core.errors import BudgetExceeded

__all__ = ["PrivacyFilter"]

_SMALL = NANO // 10
_LARGEST = 3 * NANO
"""Of more rho no Gaussian dominates a discrete one."""

_TOO_MUCH = 1 << 62


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
        """Nano-rho that a further discrete Gaussian mechanism may cost: all that is left, rounded down."""
        curve = zip(ORDERS, self._cap.rdp, self._spent.rdp, strict=True)
        left = min((cap - used) // order for order, cap, used in curve)
        return left if self._cap.undominated else _within(left, self._cap.mu2 - self._spent.mu2)

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


def _within(rho_nano: int, room: int) -> int:
    """Of so many nano-rho those whose mu squared, as one discrete Gaussian count, is within ``room``.

    To one part in a million; never too many.
    """
    high = min(rho_nano, room // 2, _LARGEST)
    # mu squared is 2 rho (1 + rho / 6 + ...): the long way is taken only near the end.
    if high < 1 or (high <= _SMALL and room >= 2 * high + high * high // (2 * NANO) + 2):
        return max(high, 0)
    if (cost := _mu2(high)) <= room:
        return high
    low = high * room // cost  # within, because mu squared grows faster than rho
    while high - low > 1 + low // 10**6:
        middle = (low + high) // 2
        low, high = (middle, high) if _mu2(middle) <= room else (low, middle)
    return low


def _mu2(rho_nano: int) -> int:
    found = discrete_gaussian_mu2(math.sqrt(0.5 * NANO / rho_nano) * (1 - 1e-12))
    return _TOO_MUCH if found is None else found
