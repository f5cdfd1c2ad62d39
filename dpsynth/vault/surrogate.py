"""Surrogate tables and the recording curator: the real mechanisms on made-up rows, fully witnessed.

Structural audits stand here. Only a :class:`SurrogateTable` can be recorded, and it can only be built
from codes that the auditor made up from the public domain; a table of people does not fit in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.cost import Cost
from dpsynth.accounting.events import Event
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.core.curator import NoisyMarginal
from dpsynth.core.domain import Clique, Domain
from dpsynth.core.merging import Merging, merged_counts
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.marginal import MarginalMechanism
from dpsynth.mechanisms.noise import Noise
from dpsynth.mechanisms.select import SelectMechanism
from dpsynth.policy.model import Policy
from dpsynth.vault.bounding import bound_contributions
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.surrogate_intake import SURROGATE_KEY, taken_in
from dpsynth.vault.surrogate_table import SurrogateTable, uncounted
from dpsynth.vault.surrogate_tape import Tape

if TYPE_CHECKING:
    from dpsynth.core.gradient import GradientSource
    from dpsynth.mechanisms.gradient import GradientMechanism
    from dpsynth.vault.surrogate_training import RecordedTraining

__all__ = ["Door", "Recorded", "SurrogateRun", "SurrogateTable"]


@dataclass(frozen=True)
class Recorded:
    """One answered mechanism on a surrogate table.

    Attributes:
        kind: count, marginal or select.
        cliques: the columns counted: one clique, or every candidate's for select.
        event: its privacy event.
        true: true answer: counts, or scores for select; float64.
        noisy: noisy answer, or one element holding the chosen index.
        sigma: declared noise parameter in rows per cell; 0.0 for select.
        sensitivity: declared L2 sensitivity; for select the declared change of any score.
        requery: the same true answer on another surrogate table, estimates held fixed.
        reads: reads of the rows that this answer needed (0 when its counts were known).
    """

    kind: Literal["count", "marginal", "select"]
    cliques: tuple[Clique, ...]
    event: Event
    true: NDArray[np.float64]
    noisy: NDArray[np.float64]
    sigma: float
    sensitivity: float
    requery: Callable[[SurrogateTable], NDArray[np.float64]]
    reads: int


def _uncounted(table: SurrogateTable, names: Clique, merging: Merging) -> NDArray[np.int64]:
    """True counts for the auditor's own arithmetic, left out of the taint count."""
    with uncounted(table):
        counts = table._marginal(names)
    return merged_counts(counts, table.domain, names, merging)


class RecordingCurator(TableCurator):
    """The curator of production, with a witness beside each answer."""

    def __init__(
        self,
        table: SurrogateTable,
        unit: PrivacyUnit,
        budget: PrivacyFilter,
        noise: Noise,
        canary: SurrogateTable | None = None,
    ) -> None:
        """Canary: one unit's rows, watched at every step of a training; see WitnessedGradients."""
        if not isinstance(table, SurrogateTable):
            raise TypeError("only surrogate tables can be recorded")
        super().__init__(table, unit, budget, noise)
        self._surrogate = table
        self._canary = canary
        self.records: list[Recorded] = []
        self.trainings: list[RecordedTraining] = []

    def _train(self, mechanism: GradientMechanism) -> GradientSource:
        from dpsynth.mechanisms.keystream import KeyStream
        from dpsynth.vault.surrogate_training import WitnessedGradients

        noise = self._gradient_noise or KeyStream()
        training = WitnessedGradients(self._surrogate, mechanism, noise, self._canary)
        self.trainings.append(training.record)
        return training

    def _answer(self, mechanism: MarginalMechanism) -> NoisyMarginal:
        before = self._surrogate.reads
        answer = super()._answer(mechanism)
        asked = (mechanism.clique, mechanism.merging)
        self.records.append(
            Recorded(
                kind="marginal" if mechanism.clique else "count",
                cliques=(mechanism.clique,),
                event=mechanism.event,
                true=_uncounted(self._surrogate, *asked).astype(np.float64),
                noisy=answer.values,
                sigma=answer.sigma,
                sensitivity=mechanism.l2_sensitivity,
                requery=lambda table: _uncounted(table, *asked).astype(np.float64),
                reads=self._surrogate.reads - before,
            )
        )
        return answer

    def _choose(self, mechanism: SelectMechanism, estimates: Mapping[Clique, NDArray[np.int64]]) -> int:
        before = self._surrogate.reads
        chosen = super()._choose(mechanism, estimates)
        reads = self._surrogate.reads - before
        frozen = [
            merged_counts(np.array(estimates[c.clique]), self.domain, c.clique, c.merging)
            for c in mechanism.candidates
        ]

        def requery(table: SurrogateTable) -> NDArray[np.float64]:
            errors = [
                mechanism.l1_error(_uncounted(table, c.clique, c.merging), estimate)
                for c, estimate in zip(mechanism.candidates, frozen, strict=True)
            ]
            return mechanism.scores(errors).astype(np.float64)

        self.records.append(
            Recorded(
                kind="select",
                cliques=tuple(candidate.clique for candidate in mechanism.candidates),
                event=mechanism.event,
                true=requery(self._surrogate),
                noisy=np.array([float(chosen)]),
                sigma=0.0,
                sensitivity=float(mechanism.sensitivity),
                requery=requery,
                reads=reads,
            )
        )
        return chosen


@dataclass
class SurrogateRun:
    """One witnessed run: the curator to hand to a synthesizer, and what was seen."""

    _table: SurrogateTable
    _budget: PrivacyFilter
    _noise: Noise
    _unit: PrivacyUnit
    _canary: SurrogateTable | None = None
    curator: RecordingCurator = field(init=False)
    _reads_before: int = field(init=False)

    def __post_init__(self) -> None:
        self._reads_before = self._table.reads
        self.curator = RecordingCurator(self._table, self._unit, self._budget, self._noise, self._canary)

    @property
    def records(self) -> list[Recorded]:
        """Answers in order."""
        return self.curator.records

    @property
    def trainings(self) -> list[RecordedTraining]:
        """Trainings in order."""
        return self.curator.trainings

    @property
    def holds_canary(self) -> bool:
        """Whether the table holds the canary's unit."""
        return self._canary is not None and bool(np.isin(self._canary._units, self._table._units).any())

    @property
    def reads(self) -> int:
        """Reads of the rows since the run began, by anyone."""
        return self._table.reads - self._reads_before

    @property
    def charged(self) -> tuple[Event, ...]:
        """Events charged to the run's filter."""
        return self._budget.events


@dataclass(frozen=True)
class Door:
    """Opens surrogate tables with the mechanisms, the intake and the contribution bounding of production.

    Attributes:
        policy: rules of intake for texts; None: what follows from the domain.
    """

    domain: Domain
    unit: PrivacyUnit
    noise: Noise
    policy: Policy | None = None

    def over(self, domain: Domain) -> Door:
        """The same unit and noise over another public domain."""
        return replace(self, domain=domain, policy=None)

    def table(self, codes: Mapping[str, NDArray[np.int64]], units: NDArray[np.int64]) -> SurrogateTable:
        """Made-up codes after contribution bounding; the key is public because the rows are."""
        keep = bound_contributions(units, self.unit.max_rows, SURROGATE_KEY)
        return SurrogateTable(self.domain, {n: codes[n][keep] for n in self.domain.names}, units[keep])

    def intake(
        self, texts: Mapping[str, Sequence[str]], ids: Sequence[str], labels: NDArray[np.int64]
    ) -> SurrogateTable:
        """Made-up texts, taken in as people's rows are: see :func:`taken_in`; raises what production does."""
        return taken_in(self.domain, self.policy, self.unit, texts, ids, labels)

    def same(
        self, one: SurrogateTable, other: SurrogateTable, units: NDArray[np.int64] | None = None
    ) -> bool:
        """Whether tables hold the same rows, in any order, of ``units`` (None: of all); no read counts."""
        return one.domain == other.domain and _sorted_rows(one, units) == _sorted_rows(other, units)

    def open(self, table: SurrogateTable, cost: Cost, canary: SurrogateTable | None = None) -> SurrogateRun:
        """A witnessed run that may spend ``cost``; ``canary``: one unit's rows, in the table or not."""
        return SurrogateRun(table, PrivacyFilter(cost), self.noise, self.unit, canary)

    def tape(self) -> Tape:
        """An empty tape for rehearsals over these tables."""
        return Tape(self.unit, self.noise)


def _sorted_rows(table: SurrogateTable, units: NDArray[np.int64] | None) -> list[tuple[int, ...]]:
    keep = np.ones(len(table._units), dtype=np.bool_) if units is None else np.isin(table._units, units)
    with uncounted(table):
        columns = [column[keep].tolist() for column in table._rows().values()]
    return sorted(zip(table._units[keep].tolist(), *columns, strict=True))
