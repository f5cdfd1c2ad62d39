"""The Curator over a SensitiveTable: charges first, then touches the rows, then answers in noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.accounting.reserve import entrusted_event
from dpsynth.core.curator import Candidate, Entrustment, NoisyMarginal, Progress
from dpsynth.core.domain import Clique, Domain
from dpsynth.core.errors import PolicyRefusal
from dpsynth.core.gradient import GradientPlan, GradientSource
from dpsynth.core.merging import Merging, checked_merging, merged_counts
from dpsynth.core.table import SyntheticTable
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.marginal import MarginalMechanism
from dpsynth.mechanisms.noise import Noise
from dpsynth.mechanisms.select import SelectMechanism, checked_estimate
from dpsynth.vault.counts import KnownCounts
from dpsynth.vault.entrusting import Trustee
from dpsynth.vault.table import SensitiveTable

if TYPE_CHECKING:
    from dpsynth.mechanisms.gradient import GradientMechanism
    from dpsynth.mechanisms.keystream import GradientNoise
    from dpsynth.mechanisms.workers import Workers

__all__ = ["TableCurator"]


class TableCurator:
    """Implements :class:`dpsynth.core.curator.Curator` for one run on one table."""

    def __init__(
        self,
        table: SensitiveTable,
        unit: PrivacyUnit,
        budget: PrivacyFilter,
        noise: Noise,
        watch: Callable[[Progress], None] | None = None,
        trustee: Trustee | None = None,
        gradient_noise: GradientNoise | None = None,
        workers: Workers | None = None,
    ) -> None:
        """Workers: processes whose tables hold the other units of the same training, for DP-SGD alone."""
        self._table = table
        self._unit = unit
        self._filter = budget
        self._noise = noise
        self._watch = watch
        self._trustee = trustee
        self._gradient_noise, self._workers = gradient_noise, workers
        self._counts = KnownCounts(table)

    @property
    def domain(self) -> Domain:
        """The public domain."""
        return self._table.domain

    @property
    def remaining(self) -> int:
        """Nano-rho that this run may still spend."""
        return self._filter.remaining_rho

    def count(self, sigma: float) -> NoisyMarginal:
        """Noisy number of rows."""
        return self.measure([()], sigma)[0]

    def measure(
        self, cliques: Sequence[Clique], sigma: float, merging: Merging | None = None
    ) -> list[NoisyMarginal]:
        """Noisy marginals, charged together before any is counted."""
        ordered = [self.domain.clique(clique) for clique in cliques]
        said = [checked_merging(self.domain, clique, merging or {}) for clique in ordered]
        sensitivity = self._unit.l2_sensitivity()
        mechanisms = [
            MarginalMechanism(clique, sigma, sensitivity, groups)
            for clique, groups in zip(ordered, said, strict=True)
        ]
        self._filter.charge(*(mechanism.event for mechanism in mechanisms))
        self._counts.want(mechanism.clique for mechanism in mechanisms)
        return [self._answer(mechanism) for mechanism in mechanisms]

    def select(
        self,
        candidates: Sequence[Candidate],
        estimates: Mapping[Clique, NDArray[np.float64]],
        epsilon: float,
    ) -> int:
        """Index of a worst-fitted candidate, charged before any score is computed."""
        sizes = {candidate.clique: self.domain.size(candidate.clique) for candidate in candidates}
        lattice = {clique: checked_estimate(estimates[clique], size) for clique, size in sizes.items()}
        # Copies: what was checked and charged is what is scored.
        checked = tuple(
            replace(c, merging=checked_merging(self.domain, c.clique, c.merging)) for c in candidates
        )
        mechanism = SelectMechanism(checked, epsilon, self._unit.l1_sensitivity())
        self._filter.charge(mechanism.event)
        self._counts.want(sizes)
        return self._choose(mechanism, lattice)

    def gradient(self, plan: GradientPlan) -> GradientSource:
        """A training by DP-SGD, charged whole before the rows are touched."""
        from dpsynth.mechanisms.gradient import GradientMechanism  # late: torch takes seconds

        if self._unit.adjacency != "add_remove":
            raise PolicyRefusal(
                "What DP-SGD costs is known for units that are added or removed",
                allowed="a policy under add_remove",
                remedy="choose a synthesizer that asks for counts",
            )
        mechanism = GradientMechanism(plan, self._unit.max_rows)
        self._filter.charge(mechanism.event)
        return self._train(mechanism)

    def entrust(self, trust: Entrustment, rows: int) -> SyntheticTable:
        """Rows that the run's own library makes, its whole declared budget charged before it is given any."""
        if self._trustee is None or self._trustee.trust != trust:
            raise PolicyRefusal(
                "This run may not give rows to that library",
                allowed="the library that its request, its policy and its plan name, or none",
                remedy="report this synthesizer to its author",
            )
        if self._unit.max_rows != 1 or self._unit.adjacency != "add_remove":
            raise PolicyRefusal(
                "An entrusted library promises its budget for one row that is added or removed",
                allowed="a policy whose unit is one row, under add_remove",
                remedy="choose a synthesizer that asks the curator",
            )
        self._filter.charge(entrusted_event(trust.epsilon, trust.delta))
        return self._trustee.run(self._table, rows)

    def tell(self, progress: Progress) -> None:
        """Pass progress on to whoever watches this run."""
        if self._watch is not None:
            self._watch(progress)

    def _train(self, mechanism: GradientMechanism) -> GradientSource:
        from dpsynth.mechanisms.keystream import KeyStream
        from dpsynth.vault.gradients import TableGradients

        return TableGradients(self._table, mechanism, self._gradient_noise or KeyStream(), self._workers)

    def _answer(self, mechanism: MarginalMechanism) -> NoisyMarginal:
        counts = self._counts.of(mechanism.clique, mechanism.merging)
        return mechanism.release(counts, self._noise)

    def _choose(self, mechanism: SelectMechanism, estimates: Mapping[Clique, NDArray[np.int64]]) -> int:
        return mechanism.release(self._scores(mechanism, estimates), self._noise)

    def _scores(
        self, mechanism: SelectMechanism, estimates: Mapping[Clique, NDArray[np.int64]]
    ) -> NDArray[np.int64]:
        errors = [
            mechanism.l1_error(
                self._counts.of(c.clique, c.merging),
                merged_counts(estimates[c.clique], self.domain, c.clique, c.merging),
            )
            for c in mechanism.candidates
        ]
        return mechanism.scores(errors)
