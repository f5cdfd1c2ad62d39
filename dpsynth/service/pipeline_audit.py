"""Audits of anybody's synthesizer on made-up rows: no table, no state, no budget.

A synthesizer that asks the curator gets every mechanism test of the plan; a library that takes rows gets
those that can be made from outside, and the report lists the others as not tested.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from dpsynth.audit.blackbox.claim import Declared, Outside
from dpsynth.audit.blackbox.run import audit_outside
from dpsynth.audit.gallery import Beside
from dpsynth.audit.pages import write_report
from dpsynth.audit.plan import AuditPlan, load_plan
from dpsynth.audit.plan_blackbox import BlackBoxSection
from dpsynth.audit.report import AuditReport
from dpsynth.core.canonical import sha256_hex
from dpsynth.core.errors import BadInput, EngineFailure
from dpsynth.engines.catalog import ENGINES, method_of
from dpsynth.engines.fits import Boundary, EngineFits, Fitter, ForeignFits
from dpsynth.engines.sandbox import Limits
from dpsynth.engines.store import engine_of
from dpsynth.mechanisms.rng import os_generator
from dpsynth.service.pipeline_inside import InsideTask, audit_inside, read_domain
from dpsynth.service.plans import plans_directory
from dpsynth.synthesizers.registry import load_synthesizer

__all__ = ["Answered", "Wanted", "audit_pipeline"]

_LOOK_SECONDS = 120


@dataclass(frozen=True)
class Wanted:
    """What is to be audited, and how.

    Attributes:
        synthesizer: a registered name, ``engine:method`` or ``package.module:Name``.
        plan: name of a shipped plan, or path of a plan file.
        epsilon, delta: the claim, decimal strings.
        adjacency: of the claim of a library that takes rows.
        domain: file of a public domain, a JSON object of column names and numbers of codes; or
        policy: a policy file, of which only public facts are used; None for a public synthetic domain.
        rows: made-up rows of a fit behind the curator; None: as the plan says.
        fits: fits on each side of the game from outside; None: as the plan says.
        game_rows: rows of the game's table; None: as the plan says.
        replay_fits: fits on random rows, for copies; None: as the plan says.
        jobs: fits from outside that are made at the same time.
        home: state directory, for engines; audited code does not reach it.
    """

    synthesizer: str
    plan: str = "quick"
    epsilon: str = "1"
    delta: str = "1e-6"
    adjacency: Literal["add_remove", "replace_one"] = "add_remove"
    domain: Path | None = None
    policy: Path | None = None
    rows: int | None = None
    fits: int | None = None
    game_rows: int | None = None
    replay_fits: int | None = None
    jobs: int = 1
    home: Path = Path(".state")


@dataclass(frozen=True)
class Answered:
    """What an audit left.

    Attributes:
        folder: with ``report.json`` and ``statement.json``.
        outcome: of the verdict.
        why: every reason, one sentence each.
        could_have_found: the smallest leak that would have been found.
        tests: id, outcome and plain words of each test.
    """

    folder: Path
    outcome: str
    why: tuple[str, ...]
    could_have_found: str
    tests: tuple[tuple[str, str, str], ...]


def audit_pipeline(wanted: Wanted, out: Path, tell: Callable[[str], None] = lambda words: None) -> Answered:
    """Audit and write the report into ``out``, which must be new or empty.

    Raises BadInput for a synthesizer, plan, claim or domain that cannot be understood; PolicyRefusal for an
    engine that was not added.
    """
    file = _plan_file(wanted.plan)
    plan = _varied(wanted, load_plan(file.parent, file.stem))
    _require_claim(wanted)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out} is not empty", allowed="a new or empty folder", remedy="name another one")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dpsynth-audit-") as place:
        hidden = (wanted.home,) if wanted.home.exists() else ()
        boundary = Boundary(_limits(plan.limits), Path(place), hidden)
        fitter, subject = _target(wanted, boundary)
        if fitter is None:
            report = audit_inside(_task(wanted), plan, subject, boundary, tell)
            audited: dict[str, Any] = {"name": wanted.synthesizer, "kind": "asks the curator"}
        else:
            declared = Declared(wanted.epsilon, wanted.delta, wanted.adjacency)
            report = audit_outside(
                Outside(fitter, declared, wanted.jobs, tell), plan, subject, os_generator()
            )
            audited = {"name": fitter.name, "version": fitter.version, "kind": "takes rows"}
            audited["apart"] = fitter.apart
    audited |= {"epsilon": wanted.epsilon, "delta": wanted.delta, "adjacency": wanted.adjacency}
    return _written(report, {**audited, "rows": "made up; no person's row was read"}, out)


def _plan_file(name: str) -> Path:
    path = Path(name)
    return path.absolute() if path.suffix == ".yaml" else plans_directory() / f"{name}.yaml"


def _task(wanted: Wanted) -> InsideTask:
    return InsideTask(
        target=wanted.synthesizer,
        path=import_path(),
        plan=str(_plan_file(wanted.plan)),
        epsilon=wanted.epsilon,
        delta=wanted.delta,
        adjacency=wanted.adjacency,
        domain={} if wanted.policy else read_domain(wanted.domain),
        policy=str(wanted.policy.absolute()) if wanted.policy else "",
        rows=wanted.rows,
    )


def _varied(wanted: Wanted, plan: AuditPlan) -> AuditPlan:
    """The plan with the numbers that were asked for; its name says that it is no longer the shipped one."""
    asked = {"game_fits": wanted.fits, "game_rows": wanted.game_rows, "replay_fits": wanted.replay_fits}
    changed = {name: value for name, value in asked.items() if value is not None}
    if wanted.game_rows:
        # A library that needs so many rows needs them in the tables of the replay, too.
        changed["replay_rows"] = max(plan.limits.replay_rows, 3 * wanted.game_rows)
    update: dict[str, Any] = {}
    if changed:
        update["blackbox"] = plan.limits.model_copy(update=changed)
    if wanted.rows is not None:
        update["surrogate_rows"] = wanted.rows
    if (wanted.fits or 6) < 6 or (wanted.game_rows or 2) < 2 or (wanted.rows or 1) < 1:
        raise BadInput("That is too few", allowed="6 fits, 2 rows of the game, 1 row of a fit, or more")
    return plan.model_copy(update={**update, "name": f"{plan.name}-varied"}) if update else plan


def _require_claim(wanted: Wanted) -> None:
    number = r"(\d+(\.\d+)?|\.\d+)(e-?\d+)?"
    plain = all(re.fullmatch(number, one) for one in (wanted.epsilon, wanted.delta))
    if not plain or not 0 < float(wanted.epsilon) <= 50 or not 0 <= float(wanted.delta) < 1:
        raise BadInput(
            "The claim cannot be read",
            allowed="an epsilon above 0 and up to 50, a delta from 0 to below 1",
            remedy="write, say, --epsilon 1 --delta 1e-6",
        )
    if wanted.jobs < 1:
        raise BadInput("There must be a job at least", allowed="1 or more")


def _target(wanted: Wanted, boundary: Boundary) -> tuple[Fitter | None, dict[str, str]]:
    """The library behind its boundary, None for one that asks the curator; and digests of its files."""
    module, colon, _ = wanted.synthesizer.partition(":")
    if not colon:
        made = load_synthesizer(wanted.synthesizer)
        return None, {f"{made.name} {made.version}": sha256_hex(f"{made.name} {made.version}".encode())}
    if module in ENGINES:
        kind, method, _ = method_of(wanted.synthesizer)
        files = {path.name: sha256_hex(path.read_bytes()) for path in (kind.pins, kind.program)}
        return EngineFits(engine_of(wanted.home, kind.name), method, boundary.limits), files
    said = _look(wanted, boundary)
    file = Path(said.get("file", ""))
    subject = {wanted.synthesizer: sha256_hex(file.read_bytes() if file.is_file() else b"")}
    if said.get("kind") == "curator":
        return None, subject
    if said.get("kind") != "rows":
        raise BadInput(
            f"{wanted.synthesizer} is no synthesizer",
            allowed="plan and fit, as behind the curator, or fit_sample, as of a row taker",
            remedy="see dpsynth.core.curator.Synthesizer and dpsynth.core.row_taker.RowTaker",
        )
    return ForeignFits(wanted.synthesizer, said["name"], said["version"], import_path(), boundary), subject


def _limits(section: BlackBoxSection) -> Limits:
    return Limits(section.fit_seconds, section.fit_memory_mb * 2**20)


def import_path() -> tuple[str, ...]:
    """Where audited modules are looked for: as here, with the working directory first."""
    return (str(Path.cwd()), *(one for one in sys.path if one))


def _look(wanted: Wanted, boundary: Boundary) -> dict[str, str]:
    """What the target says of itself, asked in a process of its own."""
    request = {"target": wanted.synthesizer, "path": list(import_path())}
    short = replace(boundary, limits=replace(boundary.limits, seconds=_LOOK_SECONDS))
    try:
        answer = short.run(request, b"", 2**20)
    except EngineFailure:
        raise BadInput(
            f"{wanted.synthesizer} cannot be loaded",
            allowed="package.module:Name, a class or function without arguments, or an instance",
            remedy="check that it imports and that it is made without arguments",
        ) from None
    return {name: str(value) for name, value in answer.document.items()}


def _written(report: AuditReport, audited: dict[str, Any], out: Path) -> Answered:
    document = {**report.as_json(), "audited": audited}
    for name, body in (("report.json", document), ("statement.json", report.public_json())):
        (out / name).write_text(json.dumps(body, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    write_report(document, out, beside=Beside(mutants=_planted()))
    verdict = report.verdict
    tests = tuple((one.id, one.outcome, f"{one.name}: {one.plain}") for one in report.results)
    return Answered(out, verdict.outcome, verdict.why, verdict.could_have_found, tests)


def _planted() -> dict[str, Any] | None:
    """The record of planted faults beside the plans, if there is one."""
    try:
        found = json.loads((plans_directory().parent / "reports" / "mutants.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
