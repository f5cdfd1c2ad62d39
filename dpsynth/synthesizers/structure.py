"""Public structure for every synthesizer: columns that follow from others are neither measured nor modelled.

A synthesizer is wrapped, plans and fits over the columns that are free, and never learns of the others; they
are filled in after sampling. Structural zeros are told to it in the domain. Rows in impossible cells that a
model draws all the same are drawn again (rejection sampling: the model's own distribution, given the
structure), so that whatever the synthesizer, no row breaks a rule. All of it is post-processing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.curator import (
    Candidate,
    Curator,
    Dense,
    Entrustment,
    FittedModel,
    NoisyMarginal,
    Plan,
    Progress,
    Synthesizer,
)
from dpsynth.core.domain import Clique, Domain
from dpsynth.core.errors import IntegrityError
from dpsynth.core.gradient import GradientPlan, GradientSource
from dpsynth.core.merging import Merging
from dpsynth.core.structure import follow, over_parents, violating
from dpsynth.core.table import SyntheticTable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dpsynth.core.gradient import PerExampleLoss

__all__ = ["ReducedCurator", "StructuredModel", "StructuredSynthesizer", "reduced"]

_MOST_DRAWS = 100
_LARGEST_DRAW = 1_000_000


def reduced(domain: Domain) -> Domain:
    """The domain without determined columns, what is said of them said of the columns they follow from.

    A column weighs as much as the heaviest of itself and those that follow from it.
    """
    if not domain.determined:
        return domain
    away = {rule.column for rule in domain.determined}
    columns = tuple(column for column in domain.columns if column.name not in away)
    weights: tuple[float, ...] = ()
    if domain.weights:
        by_name = dict(zip(domain.names, domain.weights, strict=True))
        for rule in domain.determined:
            by_name[rule.by] = max(by_name[rule.by], by_name[rule.column])
        weights = tuple(by_name[column.name] for column in columns)
    return Domain(columns, impossible=over_parents(domain), weights=weights)


class ReducedCurator:
    """A curator seen through ``reduced(domain)``: it answers, charges and is spent as the one behind it."""

    def __init__(self, behind: Curator) -> None:
        self.behind = behind
        self._domain = reduced(behind.domain)

    @property
    def domain(self) -> Domain:
        """The free columns."""
        return self._domain

    @property
    def remaining(self) -> int:
        """What this run may still spend, in nano-rho."""
        return self.behind.remaining

    def count(self, sigma: float) -> NoisyMarginal:
        """As the curator's own."""
        return self.behind.count(sigma)

    def measure(
        self, cliques: Sequence[Clique], sigma: float, merging: Merging | None = None
    ) -> list[NoisyMarginal]:
        """As the curator's own; cliques of free columns stand in the same order in both domains."""
        return self.behind.measure(cliques, sigma, merging)

    def select(
        self,
        candidates: Sequence[Candidate],
        estimates: Mapping[Clique, NDArray[np.float64]],
        epsilon: float,
    ) -> int:
        """As the curator's own."""
        return self.behind.select(candidates, estimates, epsilon)

    def gradient(self, plan: GradientPlan) -> GradientSource:
        """As the curator's own; losses see the free columns."""
        names = self.behind.domain.names
        free = [names.index(name) for name in self._domain.names]
        return _FreeColumns(self.behind.gradient(plan), free)

    def entrust(self, trust: Entrustment, rows: int) -> SyntheticTable:
        """As the curator's own: a library that is given rows sees all columns; free ones are passed on."""
        table = self.behind.entrust(trust, rows)
        return SyntheticTable(self._domain, {name: table.codes[name] for name in self._domain.names})

    def tell(self, progress: Progress) -> None:
        """As the curator's own."""
        self.behind.tell(progress)


class _FreeColumns:
    """A training whose losses are shown some of the columns."""

    def __init__(self, behind: GradientSource, columns: Sequence[int]) -> None:
        self._behind, self._columns = behind, list(columns)
        self._shown: tuple[PerExampleLoss, PerExampleLoss] | None = None

    @property
    def left(self) -> int:
        """Steps that have not been asked for."""
        return self._behind.left

    def step(self, model: nn.Module, loss: PerExampleLoss) -> list[Tensor]:
        """As the training's own."""
        if self._shown is None or self._shown[0] != loss:
            self._shown = loss, lambda model, rows: loss(model, rows[:, self._columns])
        return self._behind.step(model, self._shown[1])


@dataclass(frozen=True)
class StructuredModel:
    """A fitted model over free columns, and what makes its rows whole.

    Attributes:
        inner: the model, over ``reduced(domain)``: it is asked about free columns.
        domain: the whole public domain.
    """

    inner: FittedModel
    domain: Domain

    def expand(self, table: SyntheticTable) -> SyntheticTable:
        """Rows of the inner model with the determined columns filled in, in the order of the domain."""
        return SyntheticTable(self.domain, follow(self.domain, table.codes))

    def log_density(self, codes: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """The inner model's, -inf where a column does not follow; None where rows may have to be drawn again.

        Args:
            codes: shape (rows, columns), in domain order.
        """
        if self.domain.impossible or not isinstance(self.inner, Dense):
            return None
        names = self.domain.names
        free = [names.index(name) for name in reduced(self.domain).names]
        found = self.inner.log_density(codes[:, free])
        columns = {name: codes[:, at] for at, name in enumerate(names)}
        return None if found is None else np.where(violating(self.domain, columns), -np.inf, found)

    def sample(self, rows: int, rng: np.random.Generator) -> SyntheticTable:
        """Draw ``rows`` (>= 0) synthetic rows, none of which breaks the structure.

        Raises IntegrityError if the model finds hardly any row that the structure allows.
        """
        codes = dict(self.expand(self.inner.sample(rows, rng)).codes)
        bad = np.flatnonzero(violating(self.domain, codes))
        if bad.size:
            codes = {name: column.copy() for name, column in codes.items()}
        kept = 1.0 - bad.size / max(rows, 1)
        for _ in range(_MOST_DRAWS):
            if not bad.size:
                return SyntheticTable(self.domain, codes)
            size = min(int(1.2 * bad.size / max(kept, 0.01)) + 100, max(rows, _LARGEST_DRAW))
            fresh = self.expand(self.inner.sample(size, rng)).codes
            possible = np.flatnonzero(~violating(self.domain, fresh))
            good = rng.permutation(possible)[: bad.size]
            for name, column in codes.items():
                column[bad[: good.size]] = fresh[name][good]
            bad, kept = bad[good.size :], possible.size / size
        raise IntegrityError(
            "The model puts nearly all rows into combinations that the policy calls impossible",
            remedy="choose another synthesizer, or check the structure section of the policy",
        )


class StructuredSynthesizer:
    """A synthesizer, spared the columns that follow from others.

    Attributes:
        inner: the synthesizer itself.
        name, version: those of the inner one.
    """

    def __init__(self, inner: Synthesizer) -> None:
        self.inner, self.name, self.version = inner, inner.name, inner.version

    def plan(self, domain: Domain, rho_nano: int, max_model_cells: int) -> Plan:
        """The inner plan over the free columns, after lines that say what is public. Raises as it does."""
        plan = self.inner.plan(reduced(domain), rho_nano, max_model_cells)
        return replace(plan, steps=(*_words(domain), *plan.steps))

    def fit(self, plan: Plan, curator: Curator) -> FittedModel:
        """Fit the inner synthesizer; its model comes back as it is where no structure is declared."""
        domain = curator.domain
        if not domain.determined and not domain.impossible:
            return self.inner.fit(plan, curator)
        seen = ReducedCurator(curator) if domain.determined else curator
        return StructuredModel(self.inner.fit(plan, seen), domain)


def _words(domain: Domain) -> list[str]:
    lines = [
        f"Column {rule.column} follows from {rule.by} by public knowledge: filled in, never counted, no cost."
        for rule in domain.determined
    ]
    if domain.impossible:
        cells = sum(len(rule.cells) for rule in domain.impossible)
        among = "; ".join(" x ".join(rule.clique) for rule in domain.impossible)
        lines.append(f"{cells} combinations are impossible by public knowledge, no cost: {among}.")
    return lines
