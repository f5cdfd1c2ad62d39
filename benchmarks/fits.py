"""One timed fit: how long it took, and how much of that went to counting and to drawing noise."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.cost import zcdp_cost
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.core.domain import Clique
from dpsynth.core.table import SyntheticTable
from dpsynth.core.unit import PrivacyUnit
from dpsynth.graphical.model import GraphicalModel
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.synthesizers.registry import load_synthesizer
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.table import SensitiveTable

__all__ = ["FitResult", "timed_fit"]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class _Stopwatch:
    seconds: float = 0.0
    calls: int = 0

    def wrap(self, function: Callable[P, T]) -> Callable[P, T]:
        """The same function, timed."""

        def timed(*args: P.args, **kwargs: P.kwargs) -> T:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - start
                self.calls += 1

        return timed


@dataclass
class _TimedNoise:
    """The real samplers, timed."""

    watch: _Stopwatch
    inner: OpenDPNoise = field(default_factory=OpenDPNoise)

    def gaussian(self, values: NDArray[np.int64], scale: float) -> NDArray[np.int64]:
        return self.watch.wrap(self.inner.gaussian)(values, scale)

    def noisy_max(self, scores: NDArray[np.int64], scale: float) -> int:
        return self.watch.wrap(self.inner.noisy_max)(scores, scale)


@contextmanager
def _counting_timed() -> Iterator[_Stopwatch]:
    """Times every count of marginals on any sensitive table while it is entered; each one is a call."""
    watch = _Stopwatch()
    timed = watch.wrap(SensitiveTable._marginals)

    def counted(table: SensitiveTable, cliques: Sequence[Clique]) -> dict[Clique, NDArray[np.int64]]:
        watch.calls += len(cliques) - 1
        return timed(table, cliques)

    with patch.object(SensitiveTable, "_marginals", counted):
        yield watch


@dataclass(frozen=True)
class FitResult:
    """Figures of one fit, and the rows drawn from it.

    Attributes:
        seconds: wall seconds of the fit, sampling left out.
        cpu_seconds: processor seconds of the fit.
        counting_seconds: of these, in SensitiveTable._marginals.
        noise_seconds: of these, in the noise samplers.
        marginals_counted: how many marginals were counted (the curator keeps what it counted).
        model_cells: cells of the fitted junction tree.
        spent: share of the budget that was charged.
        sample_seconds: wall seconds to draw the synthetic rows.
        sample: as many synthetic rows as the model's own, noisy estimate of the table's.
    """

    seconds: float
    cpu_seconds: float
    counting_seconds: float
    noise_seconds: float
    marginals_counted: int
    model_cells: int
    spent: float
    sample_seconds: float
    sample: SyntheticTable


def timed_fit(
    name: str, table: SensitiveTable, unit: PrivacyUnit, rho_nano: int, max_model_cells: int
) -> FitResult:
    """Plan and fit as in production, with stopwatches on the counting and the noise."""
    synthesizer = load_synthesizer(name)
    plan = synthesizer.plan(table.domain, rho_nano, max_model_cells)
    noise, budget = _TimedNoise(_Stopwatch()), PrivacyFilter(zcdp_cost(rho_nano))
    curator = TableCurator(table, unit, budget, noise)
    with _counting_timed() as counting:
        wall, cpu = time.perf_counter(), time.process_time()
        model = synthesizer.fit(plan, curator)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if not isinstance(model, GraphicalModel):
        raise TypeError(f"{name} did not fit a graphical model, whose size and total are reported")
    start = time.perf_counter()
    sample = model.sample(max(round(model.total), 1), os_generator())
    return FitResult(
        seconds=wall,
        cpu_seconds=cpu,
        counting_seconds=counting.seconds,
        noise_seconds=noise.watch.seconds,
        marginals_counted=counting.calls,
        model_cells=model.cells,
        spent=1.0 - budget.remaining_rho / rho_nano,
        sample_seconds=time.perf_counter() - start,
        sample=sample,
    )
