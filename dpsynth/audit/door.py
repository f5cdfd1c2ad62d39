"""The door to surrogate rows: the real curator, over rows that never were people's, with a witness in it.

Protocols only: the vault implements them, and the two rooms meet in the service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.cost import Cost
from dpsynth.accounting.events import Event, SampledGaussian
from dpsynth.core.curator import Curator, Progress
from dpsynth.core.domain import Clique, Domain
from dpsynth.core.unit import PrivacyUnit

__all__ = [
    "Recorded",
    "RecordedTraining",
    "Rehearsed",
    "SurrogateDoor",
    "SurrogateRun",
    "Tape",
    "TrainingProbe",
]


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


class TrainingProbe(Protocol):
    """Asks a training for clipped sums again, at the weights that its model has now; none of it is a read."""

    @property
    def units(self) -> NDArray[np.int64]:
        """Labels of the units in the table, ascending."""

    @property
    def usual(self) -> int:
        """Units of a sample on average, at least 1."""

    @property
    def repeats(self) -> bool:
        """Whether the same question has the same answer: not where a loss draws random numbers."""

    def rows_of(self, unit: int) -> int:
        """How many rows the unit has."""

    def summed(
        self, units: NDArray[np.int64], loud: int | None = None, norm: float = 0.0
    ) -> NDArray[np.float64]:
        """Clipped sum over these units, shape (parameters,).

        Args:
            units: labels.
            loud: a unit whose loss is multiplied until its gradient has ``norm`` (by ``norm`` itself where
                that is not finite).
            norm: without ``loud`` every loss is multiplied by it; 0: the losses as they are.
        """

    def moved(self, base: Any, other: Any, norm: float = 0.0) -> float:
        """L2 distance of the clipped sums over two tables' usual samples; same coins, the changed unit in.

        Args:
            norm: as in :meth:`summed`, for the changed unit.
        """


class RecordedTraining(Protocol):
    """What was seen of one training by DP-SGD on surrogate rows."""

    @property
    def event(self) -> SampledGaussian:
        """The event charged for all of its steps."""

    @property
    def clip(self) -> float:
        """The most that one unit may add to a sum."""

    @property
    def scale(self) -> float:
        """Standard deviation of the noise that is declared."""

    @property
    def steps(self) -> int:
        """Steps that were answered."""

    @property
    def reads(self) -> int:
        """Reads of the rows that these steps needed."""

    @property
    def coins(self) -> NDArray[np.bool_]:
        """Who was in each sample, shape (steps, units)."""

    @property
    def categories(self) -> NDArray[np.int64]:
        """Codes of each unit's first row, shape (units, columns)."""

    @property
    def residuals(self) -> Sequence[NDArray[np.float64]]:
        """Noisy less clipped sum of each step on some fixed parameters, one array a step."""

    @property
    def squares(self) -> NDArray[np.float64]:
        """Squared L2 norm of each step's noisy less clipped sum, all parameters; shape (steps,)."""

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of trained parameters at each step, shape (steps,)."""

    @property
    def canary(self) -> NDArray[np.float64] | None:
        """The canary at each step, shape (steps, 3); None where no canary was named.

        Columns: its coin (0 or 1; 0 where it is not in the table); the norm by which it moves, or would move,
        the clipped sum; and the noisy sum less everyone else's part, along that move.
        """

    @property
    def probe(self) -> TrainingProbe | None:
        """Asks again, at the weights of the last step; None before the first step."""


class SurrogateRun(Protocol):
    """One attempt: a curator over a surrogate table, and what passed through it."""

    @property
    def curator(self) -> Curator:
        """What the synthesizer is given."""

    @property
    def records(self) -> Sequence[Recorded]:
        """Every answered mechanism so far, in order."""

    @property
    def trainings(self) -> Sequence[RecordedTraining]:
        """Every training so far, in order."""

    @property
    def holds_canary(self) -> bool:
        """Whether the run's table holds the canary that the run was opened with."""

    @property
    def reads(self) -> int:
        """Every read of this run's table since the run was opened, by anyone; requeries left out."""

    @property
    def charged(self) -> Sequence[Event]:
        """Every event charged to the run's filter, in order."""


class Rehearsed(Protocol):
    """One fit of a rehearsal: its curator, and what passed it but for the answers."""

    @property
    def curator(self) -> Curator:
        """What the synthesizer is given."""

    @property
    def domain(self) -> Domain:
        """The domain that the curator shows."""

    @property
    def questions(self) -> Sequence[str]:
        """Everything that was asked, in order."""

    @property
    def told(self) -> Sequence[Progress]:
        """Progress that was passed on."""

    @property
    def charged(self) -> Sequence[object]:
        """Events that were charged."""


class Tape(Protocol):
    """Answers and coins of one fit, for fits on other rows to hear again."""

    def played(self, table: Any, cost: Cost) -> AbstractContextManager[Rehearsed]:
        """A run with ``cost`` to spend: the first is taped, later ones hear the tape.

        Inside, all randomness that the program hands out is the same for each run of a tape.
        """


class SurrogateDoor(Protocol):
    """Builds surrogate tables by the same bounding and opens the same curator as for people's rows."""

    @property
    def domain(self) -> Domain:
        """The public domain."""

    @property
    def unit(self) -> PrivacyUnit:
        """The privacy unit."""

    def over(self, domain: Domain) -> SurrogateDoor:
        """The same door, unit and mechanisms over another public domain, for small games."""

    def table(self, codes: dict[str, NDArray[np.int64]], units: NDArray[np.int64]) -> Any:
        """An opaque surrogate table after contribution bounding.

        Every table of one door is bounded with the same key, so that neighbours stay neighbours.
        """

    def intake(
        self, texts: Mapping[str, Sequence[str]], ids: Sequence[str], labels: NDArray[np.int64]
    ) -> Any:
        """A surrogate table from texts, by the path of people's rows. Raises what that path raises.

        Args:
            texts: a list of texts for each column of the domain; a surrogate escape is a byte of no text.
            ids: the unit's id in each row, for policies with an id column.
            labels: what the auditor calls the unit of each row, shape (rows,).
        """

    def same(self, one: Any, other: Any, units: NDArray[np.int64] | None = None) -> bool:
        """Whether two tables hold the same rows, in any order, of ``units`` (None: of all units)."""

    def tape(self) -> Tape:
        """An empty tape."""

    def open(self, table: Any, cost: Cost, canary: Any = None) -> SurrogateRun:
        """A witnessed run with ``cost`` to spend.

        Args:
            canary: a table of one unit's rows, watched in trainings whether ``table`` holds the unit or not.
        """
