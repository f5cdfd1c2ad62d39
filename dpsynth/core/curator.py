"""The Curator: the only door between a synthesizer and people's rows, and what passes through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Clique, Domain
from dpsynth.core.gradient import GradientPlan, GradientSource
from dpsynth.core.merging import Merging

__all__ = [
    "Candidate",
    "Curator",
    "Dense",
    "Entrustment",
    "FittedModel",
    "NoisyMarginal",
    "Plan",
    "Progress",
    "Synthesizer",
]

from dpsynth.core.table import SyntheticTable


@dataclass(frozen=True)
class NoisyMarginal:
    """A curator's answer: noisy counts.

    Attributes:
        clique: the columns, in domain order; the empty tuple for the total count.
        values: noisy counts, float64, shape (cells,), C order over the clique, over groups of codes where
            they were merged.
        sigma: standard deviation of the noise in each cell, in rows.
        merging: group of each code, for those of its columns whose codes were merged.
    """

    clique: Clique
    values: NDArray[np.float64]
    sigma: float
    merging: Merging = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """A marginal that may be selected, with public scoring facts.

    The curator scores it as ``weight * (L1(true - estimate) - offset)``, over groups of codes where
    ``merging`` merges them.
    """

    clique: Clique
    weight: float
    offset: float
    merging: Merging = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """How far a fit is, from public facts and noisy answers alone.

    Attributes:
        step: what is being done, in plain words.
        done: rounds done.
        most: the most rounds there can be; 0 if that is not known.
        spent: share of the run's budget that is used, 0..1.
        model_cells: cells of the current model; 0 before there is one.
    """

    step: str
    done: int
    most: int
    spent: float
    model_cells: int


@dataclass(frozen=True)
class Entrustment:
    """A library that is to be given rows, and the whole budget that it declares to spend on them.

    Attributes:
        engine: the environment that it runs in.
        library, version: what the guarantee relies on.
        method: its synthesizer.
        epsilon, delta: what it declares, exact decimals; delta may be ``0``.
        faults: what is known to be wrong with its claim, one sentence each.
    """

    engine: str
    library: str
    version: str
    method: str
    epsilon: str
    delta: str
    faults: tuple[str, ...] = ()


class Curator(Protocol):
    """Holds the rows and answers only in noise. Every call is charged before the rows are touched.

    ``sigma`` is always the *noise multiplier*: noise standard deviation in units of the L2 sensitivity
    that the policy's privacy unit implies. Its zCDP cost is rho = 1 / (2 sigma^2) per marginal.
    """

    @property
    def domain(self) -> Domain:
        """Public columns with their values or bins."""

    @property
    def remaining(self) -> int:
        """What this run may still spend, in nano-rho (1e-9 zCDP), rounded down."""

    def count(self, sigma: float) -> NoisyMarginal:
        """Noisy number of rows (clique ``()``). Costs rho = 1 / (2 sigma^2)."""

    def measure(
        self, cliques: Sequence[Clique], sigma: float, merging: Merging | None = None
    ) -> list[NoisyMarginal]:
        """Noisy marginals, exact discrete Gaussian noise. Costs rho = 1 / (2 sigma^2) for each clique.

        With ``merging`` they are counted over groups of codes, at the same cost.
        """

    def select(
        self,
        candidates: Sequence[Candidate],
        estimates: Mapping[Clique, NDArray[np.float64]],
        epsilon: float,
    ) -> int:
        """Index of a worst-fitted candidate by noisy max. Costs rho = epsilon^2 / 8."""

    def gradient(self, plan: GradientPlan) -> GradientSource:
        """A training by DP-SGD, all of its steps charged now, whether they are asked for or not.

        Costs what Poisson-subsampled Gaussian noise costs (:class:`~dpsynth.accounting.events
        .SampledGaussian`). PolicyRefusal under replace_one, where that cost is not known to hold.
        """

    def entrust(self, trust: Entrustment, rows: int) -> SyntheticTable:
        """Have a library that insists on rows make ``rows`` synthetic ones, apart from everything.

        Its whole declared (epsilon, delta) is charged before it is given anything. Only the library that
        the plan of this run names is ever given rows: PolicyRefusal otherwise. EngineFailure where it
        fails or its answer is not ``rows`` rows of the public domain; the charge stays.
        """

    def tell(self, progress: Progress) -> None:
        """Pass on how far the fit is, for people who wait. Costs nothing and answers nothing."""


@dataclass(frozen=True)
class Plan:
    """What a synthesizer intends, from public facts only.

    Attributes:
        synthesizer: registered name.
        version: version of the synthesizer.
        rho_nano: the most it may spend, nano-rho.
        steps: one plain line per planned step, for people.
        options: public parameters, JSON values.
        choices_nano: the most of ``rho_nano`` that goes into private choices; None if that is not known.
        least_spent: fraction of ``rho_nano`` that the run is promised to use at least (0..1).
        why_less: the reason when ``least_spent`` is below 0.99, else empty.
        entrusted: the library that is given rows and the budget it declares; None for a synthesizer that
            asks the curator. ``rho_nano`` is then the smallest line above the curve of that budget.
        gradient: the training by DP-SGD, if there is one.
        gradient_nano: the part of ``rho_nano`` that pays for it.
    """

    synthesizer: str
    version: str
    rho_nano: int
    steps: tuple[str, ...]
    options: Mapping[str, int | str]
    choices_nano: int | None = None
    least_spent: float = 0.99
    why_less: str = ""
    entrusted: Entrustment | None = None
    gradient: GradientPlan | None = None
    gradient_nano: int = 0


@runtime_checkable
class Dense(Protocol):
    """A fitted model that may know how likely it is to draw a row. Post-processing, as all of it."""

    def log_density(self, codes: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Natural log of the probability of each row, shape (rows,); None where the model cannot tell.

        Args:
            codes: shape (rows, columns), in domain order.
        """


class FittedModel(Protocol):
    """A model that has only ever seen noisy answers; everything asked of it is post-processing."""

    def sample(self, rows: int, rng: np.random.Generator) -> SyntheticTable:
        """Draw ``rows`` synthetic rows (``rows`` >= 0)."""


class Synthesizer(Protocol):
    """A synthesizer: plans from public facts, then fits with a curator. Plug-ins implement this."""

    name: str
    version: str

    def plan(self, domain: Domain, rho_nano: int, max_model_cells: int) -> Plan:
        """Every mechanism's shape and the total cost, from public facts.

        Raises PolicyRefusal if it is infeasible.
        """

    def fit(self, plan: Plan, curator: Curator) -> FittedModel:
        """Ask the curator and fit. Never sees a row."""
