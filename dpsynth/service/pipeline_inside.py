"""The audit of a synthesizer that asks the curator: in a process of its own, watched from this one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dpsynth.accounting.gate import compile_cap
from dpsynth.accounting.reserve import covered_order, plan_cost
from dpsynth.accounting.statement import epsilon_at
from dpsynth.audit.games.play import run_games
from dpsynth.audit.games.spread import Here
from dpsynth.audit.guarded import fits_result
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.plan import AuditPlan, load_plan
from dpsynth.audit.report import AuditReport
from dpsynth.audit.result import CheckResult, Claim
from dpsynth.audit.run import run_structural
from dpsynth.audit.verdict import judge
from dpsynth.core.curator import Synthesizer
from dpsynth.core.domain import Column, Domain
from dpsynth.core.errors import BadInput, DpsynthError, EngineFailure
from dpsynth.core.unit import PrivacyUnit
from dpsynth.engines.fits import Boundary
from dpsynth.engines.row_taker_child import load
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.policy.loader import load_policy
from dpsynth.synthesizers.registry import load_synthesizer
from dpsynth.synthesizers.structure import StructuredSynthesizer
from dpsynth.vault.surrogate import Door

__all__ = ["InsideTask", "audit_inside", "inside", "mechanism_plan", "read_domain"]

_CHILD = Path(__file__).with_name("pipeline_child.py")
_SIZES = {"a": 2, "b": 3, "c": 5, "d": 8, "e": 12, "f": 30}
_MOST_SIZE = 100_000
_MODEL_CELLS = 1_000_000
_CHECK_SECONDS = 600
"""What the tests themselves may take, each, besides the fits."""


@dataclass(frozen=True)
class InsideTask:
    """What the child is told; all of it public.

    Attributes:
        target: a registered name or ``package.module:Name``.
        path: where modules are looked for.
        plan: file of the audit plan.
        epsilon, delta: the claim.
        adjacency: of the claim, where no policy states it.
        domain: number of codes of each column, where no policy states it.
        policy: a policy file, or "".
        rows: made-up rows of a fit; None: as the plan says.
    """

    target: str
    path: tuple[str, ...]
    plan: str
    epsilon: str
    delta: str
    adjacency: str
    domain: Mapping[str, int]
    policy: str
    rows: int | None


def read_domain(file: Path | None) -> dict[str, int]:
    """Number of codes of each column, from a JSON object; a small one of mixed sizes if there is no file.

    Raises BadInput for anything else.
    """
    if file is None:
        return dict(_SIZES)
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        said = None
    good = isinstance(said, dict) and bool(said)
    if not good or not all(type(size) is int and 1 <= size <= _MOST_SIZE for size in said.values()):
        raise BadInput(
            f"{file} is no domain",
            allowed=f"a JSON object of column names and numbers of codes, 1 to {_MOST_SIZE:,}",
            remedy='write, say, {"age": 16, "smoker": 2}',
        )
    return {str(name): int(size) for name, size in said.items()}


def mechanism_plan(plan: AuditPlan) -> AuditPlan:
    """The plan without its release attacks: those need a release, and here is none."""
    tests = tuple(test for test in plan.tests if test[0] in "SG")
    return plan.model_copy(update={"tests": tests, "name": f"{plan.name}-mechanism"})


def _loaded_plan(task: Mapping[str, Any]) -> AuditPlan:
    file = Path(task["plan"])
    plan = mechanism_plan(load_plan(file.parent, file.stem))
    return plan if task["rows"] is None else plan.model_copy(update={"surrogate_rows": task["rows"]})


def _door(task: Mapping[str, Any]) -> tuple[Door, int]:
    if task["policy"]:
        policy = load_policy(Path(task["policy"]))
        return Door(policy.domain(), policy.unit(), OpenDPNoise()), policy.synthesis.max_model_cells
    columns = [
        Column(name, "categorical", tuple(map(str, range(size)))) for name, size in task["domain"].items()
    ]
    unit = PrivacyUnit("row", None, 1, task["adjacency"])
    return Door(Domain(tuple(columns)), unit, OpenDPNoise()), _MODEL_CELLS


def _synthesizer(task: Mapping[str, Any]) -> Synthesizer:
    """Wrapped as the platform wraps it."""
    if ":" not in task["target"]:
        return load_synthesizer(task["target"])
    return StructuredSynthesizer(load(dict(task)))


def inside(task: Mapping[str, Any], tell: Callable[[dict[str, object]], None]) -> None:
    """In the child: every test of the mechanism, each result told as a JSON object."""

    def heard(words: str, result: CheckResult | None) -> None:
        tell({"words": words} if result is None else {"result": result.as_json()})

    plan, (door, cells) = _loaded_plan(task), _door(task)
    rho = compile_cap(task["epsilon"], task["delta"]).rho
    try:
        synthesizer = _synthesizer(task)
        made = synthesizer.plan(door.domain, rho, min(cells, plan.surrogate_max_model_cells))
        cost = plan_cost(made, task["delta"])
        epsilon, omega = epsilon_at(cost, task["delta"]), covered_order(made)
    except Exception as error:
        heard("S0", unplanned(error))
        return
    claim = Claim(rho, epsilon, task["delta"], omega=omega)
    tell({"trained": made.gradient is not None, "claim": asdict(claim)})
    pipeline, rng = Pipeline(synthesizer, door, claim, cells), os_generator()
    if any(result.id == "S0" for result in run_structural(pipeline, plan, rng, heard)):
        return

    def played(game: str, done: int, most: int) -> None:
        tell({"words": f"{game}: {done} of {most} units of fits"})

    for result in run_games(pipeline, plan, Here(), rng, progress=played):
        heard(result.id, result)


def unplanned(error: Exception) -> CheckResult:
    """What is said where there is not even a plan."""
    said = error.text() if isinstance(error, DpsynthError) else f"{type(error).__name__}."
    return fits_result("inconclusive", f"It could not be planned: {said}", 0, {"no plan": 1})


def audit_inside(
    task: InsideTask,
    plan: AuditPlan,
    subject: Mapping[str, str],
    boundary: Boundary,
    tell: Callable[[str], None],
) -> AuditReport:
    """In the parent: the child's results, weighed. What it did not answer is missing, so never passed.

    Args:
        plan: with the limits on fits, which also limit the whole child.
        subject: name and SHA-256 (hex) of each audited file.
        boundary: how the child is kept apart; its limits are those of each fit.
        tell: hears what is being done.
    """
    own = mechanism_plan(plan)
    results: list[CheckResult] = []
    trained, claims = [False], list[Claim]()

    def heard(line: bytes) -> None:
        said = _said(line)
        if "words" in said:
            tell(str(said["words"]))
        elif "trained" in said:
            trained[0] = bool(said["trained"])
            claims.append(Claim(**said["claim"]))
        elif isinstance(said.get("result"), dict):
            result = CheckResult(**said["result"])
            results.append(result)
            tell(f"{result.id}: {result.outcome}")

    seconds = plan.limits.fit_seconds * plan.noise_fits + _CHECK_SECONDS * len(own.due(True))
    limits = replace(boundary.limits, seconds=seconds)
    request = {name: getattr(task, name) for name in task.__dataclass_fields__}
    try:
        replace(boundary, limits=limits).run(request, b"", 2**20, _CHILD, heard)
    except EngineFailure as failure:
        fault = failure.what.removeprefix("The entrusted library ")
        plain = f"The process that it ran in {fault}; what had not been tested by then was not."
        results.append(fits_result("inconclusive", plain, 0, {fault: 1}))
    verdict = judge(results, own, trained[0])
    nonce, claim = os_generator().bytes(16).hex(), claims[0] if claims else None
    return AuditReport(own, dict(subject), tuple(results), verdict, nonce, claim)


def _said(line: bytes) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
