"""The door to surrogate rows: the real curator, over rows that never were people's, with a witness in it.

Protocols only: the vault implements them, and the two rooms meet in the service.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.cost import Cost
from dpsynth.accounting.events import Event
from dpsynth.core.curator import Curator
from dpsynth.core.domain import Clique, Domain
from dpsynth.core.unit import PrivacyUnit

__all__ = ["Recorded", "SurrogateDoor", "SurrogateRun"]


class Recorded(Protocol):
    """One answered mechanism on surrogate rows."""

    @property
    def kind(self) -> str:
        """``count``, ``marginal`` or ``select``."""

    @property
    def cliques(self) -> tuple[Clique, ...]:
        """``((),)`` for a count, ``(clique,)`` for a marginal, every candidate's for a select."""

    @property
    def event(self) -> Event:
        """The event charged for it."""

    @property
    def true(self) -> NDArray[np.float64]:
        """True counts, shape (cells,); for a select the weighted scores, shape (candidates,)."""

    @property
    def noisy(self) -> NDArray[np.float64]:
        """Noisy counts, shape (cells,); for a select the chosen index, shape (1,)."""

    @property
    def sigma(self) -> float:
        """Declared noise parameter in rows; 0.0 for a select."""

    @property
    def sensitivity(self) -> float:
        """Declared L2 sensitivity in rows; for a select the declared largest change of any score."""

    @property
    def requery(self) -> Callable[[Any], NDArray[np.float64]]:
        """The same true answer, without noise, on another surrogate table (estimates held fixed)."""

    @property
    def reads(self) -> int:
        """Reads of the rows while it was being answered; 0 when its counts were known already."""


class SurrogateRun(Protocol):
    """One attempt: a curator over a surrogate table, and what passed through it."""

    @property
    def curator(self) -> Curator:
        """What the synthesizer is given."""

    @property
    def records(self) -> Sequence[Recorded]:
        """Every answered mechanism so far, in order."""

    @property
    def reads(self) -> int:
        """Every read of this run's table since the run was opened, by anyone; requeries left out."""

    @property
    def charged(self) -> Sequence[Event]:
        """Every event charged to the run's filter, in order."""


class SurrogateDoor(Protocol):
    """Builds surrogate tables by the same bounding and opens the same curator as for people's rows."""

    @property
    def domain(self) -> Domain:
        """The public domain."""

    @property
    def unit(self) -> PrivacyUnit:
        """The privacy unit."""

    def table(self, codes: dict[str, NDArray[np.int64]], units: NDArray[np.int64]) -> Any:
        """An opaque surrogate table after contribution bounding.

        Every table of one door is bounded with the same key, so that neighbours stay neighbours.
        """

    def open(self, table: Any, cost: Cost) -> SurrogateRun:
        """A witnessed run with ``cost`` to spend."""
