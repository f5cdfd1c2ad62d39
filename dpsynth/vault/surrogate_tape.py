"""Rehearsals: fits on made-up rows that hear the same answers and the same coins, whatever the rows are.

The first fit is answered by the mechanisms and taped. Later ones, on other rows, are answered from the tape:
what then still differs did not pass through a mechanism. The curator is that of production until an answer
is due: it charges, counts and scores the rows it has, and hands out the tape's answer in place of its own.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.cost import Cost
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.core.curator import NoisyMarginal, Progress
from dpsynth.core.domain import Clique, Domain
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.marginal import MarginalMechanism
from dpsynth.mechanisms.noise import Noise
from dpsynth.mechanisms.rng import rehearsed
from dpsynth.mechanisms.select import SelectMechanism
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.surrogate_table import SurrogateTable

if TYPE_CHECKING:
    from dpsynth.core.gradient import GradientSource
    from dpsynth.mechanisms.gradient import GradientMechanism

__all__ = ["OffTape", "RehearsedRun", "Tape", "TapedCurator"]

Answer = NDArray[np.float64] | int | None


class OffTape(Exception):
    """A rehearsal asked what the taped fit did not ask. It ends there: there is no answer."""


class Tape:
    """Questions and answers of one fit on made-up rows, and the key of its coins.

    Nothing of it is kept beyond the audit; the key is drawn anew for each.
    """

    def __init__(self, unit: PrivacyUnit, noise: Noise) -> None:
        """Unit, noise: those of the door."""
        self._unit, self._noise = unit, noise
        self._key = secrets.randbits(256)
        self._said: list[tuple[str, Answer]] = []
        self._full = False

    @contextmanager
    def played(self, table: SurrogateTable, cost: Cost) -> Iterator[RehearsedRun]:
        """A run that may spend ``cost``: the first is taped, later ones hear the tape."""
        budget = PrivacyFilter(cost)
        with rehearsed(self._key):
            try:
                yield RehearsedRun(TapedCurator(table, self._unit, budget, self._noise, self), budget)
            finally:
                self._full = True


class RehearsedRun:
    """What a rehearsal showed.

    Attributes:
        curator: to hand to the synthesizer.
    """

    def __init__(self, curator: TapedCurator, budget: PrivacyFilter) -> None:
        self.curator, self._budget = curator, budget

    @property
    def domain(self) -> Domain:
        """The domain that the curator shows."""
        return self.curator.domain

    @property
    def questions(self) -> tuple[str, ...]:
        """Everything that was asked, in order, in words."""
        return tuple(self.curator.asked)

    @property
    def told(self) -> tuple[Progress, ...]:
        """Progress that was passed on."""
        return tuple(self.curator.told)

    @property
    def charged(self) -> tuple[object, ...]:
        """Events that were charged."""
        return self._budget.events


class TapedCurator(TableCurator):
    """The curator of production, whose answers are written to a tape or come from it."""

    def __init__(
        self, table: SurrogateTable, unit: PrivacyUnit, budget: PrivacyFilter, noise: Noise, tape: Tape
    ) -> None:
        if not isinstance(table, SurrogateTable):
            raise TypeError("only surrogate tables can be rehearsed")
        self.asked: list[str] = []
        self.told: list[Progress] = []
        super().__init__(table, unit, budget, noise, self.told.append)
        self._tape, self._replays = tape, tape._full

    def _answer(self, mechanism: MarginalMechanism) -> NoisyMarginal:
        question = f"count {mechanism!r}"
        if not self._replays:
            answer = super()._answer(mechanism)
            self.agree(question, answer.values)
            return answer
        self._counts.of(mechanism.clique, mechanism.merging)  # what fails or speaks on these rows, does
        values = np.array(self.agree(question, None), dtype=np.float64)
        return NoisyMarginal(mechanism.clique, values, mechanism.scale, mechanism.merging)

    def _choose(self, mechanism: SelectMechanism, estimates: Mapping[Clique, NDArray[np.int64]]) -> int:
        shown = hashlib.sha256()
        for candidate in mechanism.candidates:
            shown.update(np.ascontiguousarray(estimates[candidate.clique]).tobytes())
        question = f"choose {mechanism!r} by estimates {shown.hexdigest()}"
        if not self._replays:
            chosen = super()._choose(mechanism, estimates)
            self.agree(question, chosen)
            return chosen
        self._scores(mechanism, estimates)
        said = self.agree(question, None)
        if not isinstance(said, int):
            raise OffTape("the tape holds no choice here")
        return said

    def _train(self, mechanism: GradientMechanism) -> GradientSource:
        from dpsynth.vault.surrogate_tape_training import TapedGradients  # late: torch takes seconds

        self.agree(f"train {mechanism!r}", None)
        return TapedGradients(self._table, mechanism, lambda question: self.agree(question, None))

    def agree(self, question: str, answer: Answer) -> Answer:
        """Tape a question with its answer, or find the answer. Raises OffTape if another was taped here."""
        at, said = len(self.asked), self._tape._said
        self.asked.append(question)
        if not self._replays:
            said.append((question, answer))
            return answer
        if at >= len(said) or said[at][0] != question:
            raise OffTape("a question that the taped fit did not ask here")
        return said[at][1]
