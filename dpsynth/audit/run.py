"""The audit: fits on surrogate rows, structural tests, then everything weighed into one report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from dpsynth.audit.door import SurrogateDoor, SurrogateRun
from dpsynth.audit.g5_gradient import check_gradient_game
from dpsynth.audit.games.play import Progress, run_games
from dpsynth.audit.games.spread import Here, Spread
from dpsynth.audit.guarded import Broken, checked, fits_result, guarded_check, guarded_fit
from dpsynth.audit.odd_rows import RawRows, as_texts, one_by_one
from dpsynth.audit.pipeline import Fit, Pipeline
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.report import AuditReport
from dpsynth.audit.result import CheckResult
from dpsynth.audit.s1_ledger import check_ledger
from dpsynth.audit.s2_artefacts import check_artefacts
from dpsynth.audit.s3_sensitivity import check_sensitivity
from dpsynth.audit.s4_noise import check_noise
from dpsynth.audit.s5_repeats import check_repeats
from dpsynth.audit.s6_lattice import check_lattice
from dpsynth.audit.s7_sampling import check_sampling
from dpsynth.audit.s8_clip import check_clipping
from dpsynth.audit.s9_copies import check_copies_made
from dpsynth.audit.surrogate import PLANTED, SurrogateRows, make_surrogate, neighbours
from dpsynth.audit.untested import untested
from dpsynth.audit.verdict import judge
from dpsynth.core.curator import Entrustment

__all__ = ["Bench", "Tell", "run_audit", "run_structural"]


@dataclass(frozen=True)
class Bench:
    """What structural tests work on: the pipeline, its plan, surrogate rows and finished fits of them.

    Attributes:
        pipeline, plan: what is audited, and how.
        rows: surrogate rows.
        fits: finished fits of one configuration on ``rows``; of a training the second is without its canary.
        rng: randomness of surrogate rows and tests; the noise comes from the door.
    """

    pipeline: Pipeline
    plan: AuditPlan
    rows: SurrogateRows
    fits: tuple[Fit, ...]
    rng: np.random.Generator

    @property
    def runs(self) -> list[SurrogateRun]:
        """What passed through the curator, fit by fit."""
        return [fit.run for fit in self.fits]

    @cached_property
    def base(self) -> Any:
        """The surrogate table."""
        return self.pipeline.door.table(self.rows.codes, self.rows.units)

    @cached_property
    def near(self) -> dict[str, Any]:
        """Neighbouring tables by what was changed."""
        door = self.pipeline.door
        changed = neighbours(self.rows, door.domain, door.unit)
        return {one.name: door.table(one.rows.codes, one.rows.units) for one in changed}

    @cached_property
    def near_as_texts(self) -> tuple[Any, dict[str, Any]]:
        """The surrogate rows taken in as texts, and neighbours of that table with a unit of odd texts.

        Those that came out alike are there once; what is not taken in is S2's.
        """
        door, near = self.pipeline.door, dict[str, Any]()
        texts = as_texts(self.rows, door.domain)
        base = _taken_in(door, texts)
        for name, odd in one_by_one(texts, door.domain, door.unit).items() if base is not None else ():
            table = _taken_in(door, odd)
            if table is not None and not any(door.same(table, other) for other in (base, *near.values())):
                near[f"a unit of {name} added"] = table
        return base, near


def _taken_in(door: SurrogateDoor, rows: RawRows) -> Any:
    """The table, or None where intake does not take the rows."""
    with suppress(Exception):
        return door.intake(rows.texts, rows.ids, rows.labels)
    return None


def _sensitivity(bench: Bench) -> CheckResult:
    first = bench.runs[0]
    return check_sensitivity(first.records, bench.base, bench.near, first.trainings, bench.near_as_texts)


_CHECKS: Mapping[str, Callable[[Bench], CheckResult]] = {
    "S1": lambda bench: check_ledger(bench.runs, bench.pipeline.claim),
    "S2": lambda bench: check_artefacts(bench.pipeline, bench.rows, bench.plan),
    "S3": _sensitivity,
    "S4": lambda bench: check_noise(bench.runs, bench.plan, bench.rng),
    "S5": lambda bench: check_repeats(bench.pipeline, bench.rows, bench.fits, bench.plan, bench.rng),
    "S6": lambda bench: check_lattice(bench.pipeline.door, bench.plan, bench.pipeline.trains),
    "S7": lambda bench: check_sampling(bench.runs, bench.pipeline.door.domain.names, bench.plan, bench.rng),
    "S8": lambda bench: check_clipping(bench.runs[0].trainings),
    "S9": lambda bench: check_copies_made(bench.pipeline, bench.plan, bench.rng),
    "G5": lambda bench: check_gradient_game(bench.runs, bench.pipeline.claim, bench.plan),
}


Tell = Callable[[str, CheckResult | None], None]
"""Hears what is being done, and each result once it is there."""


def _quiet(words: str, result: CheckResult | None) -> None:
    """For those who need not wait."""


def _trains(pipeline: Pipeline) -> bool:
    """Whether it trains by DP-SGD; a pipeline that cannot even plan does not."""
    try:
        return pipeline.trains
    except Exception:
        return False


def _broken(broken: Broken, fits: int) -> CheckResult:
    plain = f"{broken.fault[:1].upper()}{broken.fault[1:]}: the tests of the mechanism could not be made."
    return fits_result("fail" if broken.grave else "inconclusive", plain, fits, {broken.fault: 1})


def run_structural(
    pipeline: Pipeline, plan: AuditPlan, rng: np.random.Generator, tell: Tell = _quiet
) -> tuple[CheckResult, ...]:
    """Class A evidence: the pipeline at the release's budget on surrogate rows.

    Where it trains by DP-SGD, the plan's tests of trainings are made on the same fits. It reads
    nothing of people and may run before the budget is committed. A fit that crashes, takes longer than the
    plan's limit or releases anything but rows of the domain ends in one result, S0; the others are missing.

    Args:
        pipeline: what is audited; the plan's limit on model cells keeps the fits quick.
        plan: tests, number of fits and rows, limits.
        rng: randomness of surrogate rows and tests; the noise comes from the door.
        tell: hears what is being done, and each result.
    """
    pipeline = pipeline.limited(plan.surrogate_max_model_cells)
    rows = make_surrogate(pipeline.door.domain, pipeline.door.unit, plan.surrogate_rows, rng)
    trained = _trains(pipeline)
    # The second fit of a training is the one without the canary; the unit of rare rows is watched.
    tables = [rows.without(PLANTED) if trained and at == 1 else rows for at in range(plan.noise_fits)]
    canary = rows.only(PLANTED) if trained else None
    fits: tuple[Fit, ...] = ()
    for number, table in enumerate(tables, start=1):
        tell(f"fit {number} of {len(tables)}", None)
        try:
            fits += (_fit(pipeline, plan, table, rng, canary),)
        except Broken as broken:
            tell("S0", result := _broken(broken, number))
            return (result,)
    trained = trained or any(fit.run.trainings for fit in fits)
    bench = Bench(pipeline, plan, rows, fits, rng)
    results: tuple[CheckResult, ...] = ()
    for test in plan.due(trained):
        if test in _CHECKS:
            tell(test, None)
            results += (guarded_check(test, lambda: _CHECKS[test](bench)),)  # noqa: B023 - called at once
            tell(test, results[-1])
    return results


def _fit(
    pipeline: Pipeline,
    plan: AuditPlan,
    rows: SurrogateRows,
    rng: np.random.Generator,
    canary: SurrogateRows | None,
) -> Fit:
    made = guarded_fit(lambda: pipeline.fit(rows, rng, canary), plan.limits.fit_seconds)
    return checked(made, pipeline.door.domain, len(rows.units))


def run_audit(
    pipeline: Pipeline,
    plan: AuditPlan,
    *,
    release_results: Sequence[CheckResult],
    subject: Mapping[str, str],
    rng: np.random.Generator,
    entrusted: Entrustment | None = None,
    spread: Spread | None = None,
    tell: Tell = _quiet,
    progress: Progress = lambda game, done, most: None,
) -> AuditReport:
    """Structural tests, the plan's games, the given release results, the verdict.

    Args:
        pipeline, plan, rng: as in :func:`run_structural`.
        release_results: class B results of ``release_runner.run_release_attacks``.
        subject: name and SHA-256 (hex) of each audited file.
        entrusted: the library that was given rows, if one was: its mechanism cannot be audited here, which
            is what the structural tests then say.
        spread: where the games' fits are made; in this process if not given.
        tell: as in :func:`run_structural`.
        progress: told of the games' units of work as they are done.
    """
    trained = False
    if entrusted is None:
        trained = _trains(pipeline.limited(plan.surrogate_max_model_cells))
        structural = run_structural(pipeline, plan, rng, tell)
        if all(result.id != "S0" for result in structural):
            structural += run_games(pipeline, plan, spread or Here(), rng, progress=progress)
    else:
        structural = untested(plan, entrusted)
    results = (*structural, *release_results)
    verdict = judge(results, plan, trained)
    return AuditReport(plan, dict(subject), results, verdict, rng.bytes(16).hex(), pipeline.claim)
