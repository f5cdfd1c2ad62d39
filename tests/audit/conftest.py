"""A toy curator with switches for planted leaks, behind the same door as the real one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpsynth.accounting.cost import Cost
from dpsynth.accounting.events import DiscreteGaussian, Event, NoisyMax
from dpsynth.audit.plan import AuditPlan, load_plan
from dpsynth.audit.result import Claim
from dpsynth.core.curator import Candidate, NoisyMarginal, Plan
from dpsynth.core.domain import Column, Domain
from dpsynth.core.merging import Merging
from dpsynth.core.table import SyntheticTable
from dpsynth.core.unit import PrivacyUnit

SIZES = (4, 6, 5, 3, 8)
SIGMA = 30.0
RHO_NANO = 12_000_000  # 16 answers at sigma 30 cost 8.9e-3, two choices at epsilon 0.1 cost 2.5e-3


@dataclass
class Table:
    matrix: np.ndarray
    reads: int = 0

    def marginal(self, domain: Domain, clique: tuple[str, ...], counted: bool = True) -> np.ndarray:
        self.reads += counted
        if not clique:
            return np.array([float(len(self.matrix))])
        at = [domain.names.index(name) for name in clique]
        index = np.ravel_multi_index([self.matrix[:, i] for i in at], domain.sizes(clique))
        return np.bincount(index, minlength=domain.size(clique)).astype(float)


@dataclass
class Record:
    kind: str
    cliques: tuple[tuple[str, ...], ...]
    event: Event
    true: np.ndarray
    noisy: np.ndarray
    sigma: float
    sensitivity: float
    requery: Callable[[Any], np.ndarray]
    reads: int = 1


@dataclass
class Leaks:
    """Planted faults; the defaults are a correct curator."""

    noise_factor: float = 1.0
    silent_clique: tuple[str, ...] | None = None
    sensitivity: float | None = None
    unbounded: bool = False
    fixed_noise: bool = False
    best_choice: bool = False
    uncharged_answer: bool = False
    event_factor: float = 1.0
    off_lattice: bool = False


@dataclass
class Run:
    door: Door
    table: Table
    noise: np.random.Generator
    records: list[Record] = field(default_factory=list)
    charged: list[Event] = field(default_factory=list)
    trainings: tuple[Any, ...] = ()
    holds_canary: bool = False

    @property
    def curator(self) -> Run:
        return self

    @property
    def reads(self) -> int:
        return self.table.reads

    @property
    def domain(self) -> Domain:
        return self.door.domain

    def count(self, sigma: float) -> NoisyMarginal:
        return self.measure([()], sigma)[0]

    def measure(
        self, cliques: list[tuple[str, ...]], sigma: float, merging: Merging | None = None
    ) -> list[NoisyMarginal]:
        return [self._answer(clique, sigma) for clique in cliques]

    def _answer(self, clique: tuple[str, ...], sigma: float) -> NoisyMarginal:
        leaks, domain = self.door.leaks, self.door.domain
        sensitivity = leaks.sensitivity or self.door.unit.l2_sensitivity()
        true = self.table.marginal(domain, clique)
        event = DiscreteGaussian(sigma * leaks.event_factor)
        factor = 0.0 if leaks.silent_clique == clique else leaks.noise_factor
        noisy = true + self.noise.normal(0, sigma * sensitivity, true.shape) * factor
        if not leaks.off_lattice:
            noisy = np.rint(noisy)
        if not (leaks.uncharged_answer and self.records):
            self.charged.append(event)
        kind = "marginal" if clique else "count"
        self.records.append(
            Record(
                kind,
                (clique,),
                event,
                true,
                noisy,
                sigma * sensitivity,
                sensitivity,
                lambda t: t.marginal(domain, clique, counted=False),
            )
        )
        return NoisyMarginal(clique, noisy, sigma * sensitivity)

    def select(self, candidates: list[Candidate], estimates: Any, epsilon: float) -> int:
        domain, sensitivity = self.door.domain, float(self.door.unit.l1_sensitivity())

        def scores(table: Table) -> np.ndarray:
            counts = [table.marginal(domain, c.clique, counted=False) for c in candidates]
            return np.array(
                [np.abs(n - estimates[c.clique]).sum() for n, c in zip(counts, candidates, strict=True)]
            )

        self.table.reads += 1
        true = scores(self.table)
        noise = self.noise.gumbel(0, 2 * sensitivity / epsilon, len(true))
        chosen = int(np.argmax(true + noise * (not self.door.leaks.best_choice)))
        self.charged.append(NoisyMax(epsilon))
        cliques = tuple(c.clique for c in candidates)
        self.records.append(
            Record(
                "select",
                cliques,
                NoisyMax(epsilon),
                true,
                np.array([float(chosen)]),
                0.0,
                sensitivity,
                scores,
            )
        )
        return chosen


@dataclass
class Door:
    domain: Domain
    unit: PrivacyUnit
    leaks: Leaks
    seed: int = 3
    opened: int = 0

    def table(self, codes: dict[str, np.ndarray], units: np.ndarray) -> Table:
        matrix = np.column_stack([codes[name] for name in self.domain.names])
        if self.leaks.unbounded:
            return Table(matrix)
        order = np.argsort(units, kind="stable")
        first = np.searchsorted(units[order], units[order])
        keep = np.zeros(len(units), dtype=bool)
        keep[order] = np.arange(len(units)) - first < self.unit.max_rows
        return Table(matrix[keep])

    def open(self, table: Table, cost: Cost, canary: Any = None) -> Run:
        self.opened += 1
        fit = 0 if self.leaks.fixed_noise else self.opened
        return Run(self, table, np.random.default_rng([self.seed, fit]))


@dataclass
class Model:
    domain: Domain
    on_sample: Callable[[], object] = lambda: None

    def sample(self, rows: int, rng: np.random.Generator) -> SyntheticTable:
        self.on_sample()
        return SyntheticTable(
            self.domain, {c.name: rng.integers(0, c.size, size=rows) for c in self.domain.columns}
        )


@dataclass
class ToySynthesizer:
    """Measures the total, every column and pair once, and makes two private choices."""

    misbehave: Callable[[Run], object] = lambda run: None
    late_read: bool = False
    silent: bool = False
    name: str = "toy"
    version: str = "1"

    def plan(self, domain: Domain, rho_nano: int, max_model_cells: int) -> Plan:
        return Plan("toy", "1", rho_nano, (), {})

    def fit(self, plan: Plan, curator: Any) -> Model:
        if self.silent:
            return Model(curator.domain)
        names = curator.domain.names
        pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
        curator.count(SIGMA)
        curator.measure([*((n,) for n in names), *pairs], SIGMA)
        flat = {pair: np.zeros(curator.domain.size(pair)) for pair in pairs}
        for _ in range(2):
            curator.select([Candidate(pair, 1.0, 0.0) for pair in pairs], flat, 0.1)
        self.misbehave(curator)
        late = (lambda: curator.table.marginal(curator.domain, ())) if self.late_read else (lambda: None)
        return Model(curator.domain, late)


@pytest.fixture
def domain() -> Domain:
    return Domain(
        tuple(
            Column(name, "categorical", tuple(f"v{i}" for i in range(size)))
            for name, size in zip("abcde", SIZES, strict=True)
        )
    )


@pytest.fixture
def plan() -> AuditPlan:
    """The quick plan, with the tests that the toy door can stand: it takes in no texts and keeps no tape."""
    whole = load_plan(Path(__file__).parents[2] / "audits" / "plans", "quick")
    return whole.model_copy(update={"tests": ("S1", "S3", "S4", "R1", "R3", "R6")})


@pytest.fixture
def claim() -> Claim:
    return Claim(RHO_NANO, "1.5", "1e-6")


@pytest.fixture
def make_door(domain: Domain) -> Callable[..., Door]:
    def make(max_rows: int = 1, adjacency: Any = "add_remove", seed: int = 3, **leaks: Any) -> Door:
        unit = PrivacyUnit("person", "id" if max_rows > 1 else None, max_rows, adjacency)
        return Door(domain, unit, Leaks(**leaks), seed)

    return make


@pytest.fixture
def make_synthesizer() -> Callable[..., ToySynthesizer]:
    return ToySynthesizer
