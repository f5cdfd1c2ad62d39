"""The quick audit: fits on surrogate rows, structural tests, then everything weighed into one report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dpsynth.accounting.reserve import plan_cost
from dpsynth.audit.door import SurrogateDoor, SurrogateRun
from dpsynth.audit.g5_gradient import check_gradient_game
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.report import AuditReport
from dpsynth.audit.result import CheckResult, Claim
from dpsynth.audit.s1_ledger import check_ledger
from dpsynth.audit.s3_sensitivity import check_sensitivity
from dpsynth.audit.s4_noise import check_noise
from dpsynth.audit.s7_sampling import check_sampling
from dpsynth.audit.s8_clip import check_clipping
from dpsynth.audit.surrogate import PLANTED, SurrogateRows, make_surrogate, neighbours
from dpsynth.audit.untested import untested
from dpsynth.audit.verdict import judge
from dpsynth.core.curator import Entrustment, Synthesizer

__all__ = ["run_quick", "run_structural"]


def run_structural(
    synthesizer: Synthesizer,
    door: SurrogateDoor,
    claim: Claim,
    plan: AuditPlan,
    max_model_cells: int,
    rng: np.random.Generator,
) -> tuple[CheckResult, ...]:
    """Class A evidence: the synthesizer at the release's budget on surrogate rows.

    Where it trains by DP-SGD, the plan's tests of trainings are made on the same fits. It reads
    nothing of people and may run before the budget is committed.

    Args:
        synthesizer: what made, or will make, the release.
        door: the vault's door for surrogate rows, with the policy's domain and unit.
        claim: what the release promises; its rho is what each fit may spend.
        plan: number of fits and rows, limits.
        max_model_cells: the policy's limit; the plan's own limit keeps the fits quick.
        rng: randomness of surrogate rows and tests; the noise comes from the door.
    """
    rows = make_surrogate(door.domain, door.unit, plan.surrogate_rows, rng)
    cells = min(max_model_cells, plan.surrogate_max_model_cells)
    trained = _trains(synthesizer, door, claim, cells)
    # The second fit of a training is the one without the canary; the unit of rare rows is watched.
    tables = [rows.without(PLANTED) if trained and at == 1 else rows for at in range(plan.noise_fits)]
    canary = rows.only(PLANTED) if trained else None
    runs = [_fit(synthesizer, door, each, claim, cells, rng, canary) for each in tables]
    trained = trained or any(run.trainings for run in runs)
    base = door.table(rows.codes, rows.units)
    near = {n.name: door.table(n.rows.codes, n.rows.units) for n in neighbours(rows, door.domain, door.unit)}
    checks = {
        "S1": lambda: check_ledger(runs, claim),
        "S3": lambda: check_sensitivity(runs[0].records, base, near, runs[0].trainings),
        "S4": lambda: check_noise(runs, plan, rng),
        "S7": lambda: check_sampling(runs, door.domain.names, plan, rng),
        "S8": lambda: check_clipping(runs[0].trainings),
        "G5": lambda: check_gradient_game(runs, claim, plan),
    }
    due = (*plan.tests, *(plan.training_tests if trained else ()))
    return tuple(checks[test]() for test in due if test in checks)


def _trains(synthesizer: Synthesizer, door: SurrogateDoor, claim: Claim, cells: int) -> bool:
    return synthesizer.plan(door.domain, claim.rho_nano, cells).gradient is not None


def _fit(
    synthesizer: Synthesizer,
    door: SurrogateDoor,
    rows: SurrogateRows,
    claim: Claim,
    cells: int,
    rng: np.random.Generator,
    canary: SurrogateRows | None,
) -> SurrogateRun:
    # Each fit has its own table, so that a run's reads are its own.
    plan = synthesizer.plan(door.domain, claim.rho_nano, cells)
    # Above the orders that the claim covers a training's cost follows from its plan; S1 recounts the rest.
    cost = claim.cost if plan.gradient is None else plan_cost(plan, claim.delta)
    watched = None if canary is None else door.table(canary.codes, canary.units)
    run = door.open(door.table(rows.codes, rows.units), cost, watched)
    # Sampling is part of the pipeline: a model that still reads rows then is caught by the same count.
    synthesizer.fit(plan, run.curator).sample(len(rows.units), rng)
    return run


def run_quick(
    synthesizer: Synthesizer,
    door: SurrogateDoor,
    claim: Claim,
    plan: AuditPlan,
    *,
    max_model_cells: int,
    release_results: Sequence[CheckResult],
    subject: Mapping[str, str],
    rng: np.random.Generator,
    entrusted: Entrustment | None = None,
) -> AuditReport:
    """Structural tests, the given release results, the verdict.

    Args:
        synthesizer, door, claim, plan, max_model_cells, rng: as in :func:`run_structural`.
        release_results: class B results of ``release_runner.run_release_attacks``.
        subject: name and SHA-256 (hex) of each audited file.
        entrusted: the library that was given rows, if one was: its mechanism cannot be audited here, which
            is what the structural tests then say.
    """
    trained = False
    if entrusted is None:
        cells = min(max_model_cells, plan.surrogate_max_model_cells)
        trained = _trains(synthesizer, door, claim, cells)
        structural = run_structural(synthesizer, door, claim, plan, max_model_cells, rng)
    else:
        structural = untested(plan, entrusted)
    results = (*structural, *release_results)
    verdict = judge(results, plan, trained)
    return AuditReport(plan, dict(subject), results, verdict, rng.bytes(16).hex())
