"""How often each planted fault is found, and how often a correct pipeline is accused, with fresh entropy.

From the top directory: python -m audits.mutants.scoreboard --tier quick --rounds 20 --jobs 2. It goes on
where it was stopped: every audit is a line of audits/reports/mutants.jsonl.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from joblib import Parallel, delayed

from audits.mutants.gate import correct_pipeline, gated
from audits.mutants.page import page, picture
from audits.mutants.records import Run, all_mutants, append, code_sha256, current, read, summary
from dpsynth.audit.plan import AuditPlan, load_plan, plan_sha256
from dpsynth.audit.run import run_structural
from dpsynth.mechanisms.rng import os_generator

__all__ = ["audited", "main", "write"]

_AUDITS = Path(__file__).parents[1]
_TIERS = ("quick", "standard", "deep")


def audited(module: str, place: int, plan: AuditPlan, code: str) -> Run:
    """One audit of a mutant: the structural tests of a plan, with fresh entropy."""
    mutant = import_module(f"audits.mutants.{module}").MUTANTS[place]
    start = time.monotonic()
    results = run_structural(mutant.pipeline(), plan, os_generator())
    failed = tuple(result.id for result in results if result.outcome == "fail")
    seconds = round(time.monotonic() - start, 1)
    return Run("mutant", mutant.id, mutant.name, mutant.tier, failed, "", seconds, plan_sha256(plan), code)


def gate_run(name: str, tier: str, plan: AuditPlan, code: str) -> Run:
    """One whole audit of a correct pipeline."""
    start = time.monotonic()
    report = gated(correct_pipeline(name), plan, os_generator())
    failed = tuple(result.id for result in report.results if result.outcome == "fail")
    seconds = round(time.monotonic() - start, 1)
    return Run("correct", name, "", tier, failed, report.verdict.outcome, seconds, plan_sha256(plan), code)


def write(folder: Path, plans: Path) -> None:
    """Summarise all lines: ``mutants.json``, and from it ``mutants.md`` and ``mutants.svg``."""
    known = {tier: load_plan(plans, tier) for tier in _TIERS if (plans / f"{tier}.yaml").exists()}
    mutants = [mutant for _, _, mutant in all_mutants()]
    by_tier = {tier: (plan_sha256(plan), plan) for tier, plan in known.items()}
    found = summary(read(folder / "mutants.jsonl"), mutants, by_tier, code_sha256())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mutants.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    found = json.loads((folder / "mutants.json").read_text(encoding="utf-8"))
    (folder / "mutants.md").write_text(page(found), encoding="utf-8")
    (folder / "mutants.svg").write_text(picture(found), encoding="utf-8")


def _due(said: argparse.Namespace, plan: AuditPlan, code: str) -> list[Callable[[], Run]]:
    """Audits that are not in the record yet, in turns, so that a stopped evening has some of each."""
    done = current(read(said.reports / "mutants.jsonl"), {said.tier: plan_sha256(plan)}, code)
    counted = Counter((run.kind, run.id, run.name) for run in done)
    due: list[tuple[int, Callable[[], Run]]] = []
    for module, place, mutant in all_mutants():
        if mutant.tier == said.tier and (not said.only or mutant.id in said.only):
            had = counted["mutant", mutant.id, mutant.name]
            due += [(turn, partial(audited, module, place, plan, code)) for turn in range(had, said.rounds)]
    for name in said.correct:
        had = counted["correct", name, ""]
        due += [(turn, partial(gate_run, name, said.tier, plan, code)) for turn in range(had, said.runs)]
    return [audit for _, audit in sorted(due, key=lambda pair: pair[0])]


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    def listed(text: str) -> list[str]:
        return [each for each in text.split(",") if each]

    parser = argparse.ArgumentParser(prog="python -m audits.mutants.scoreboard", description=__doc__)
    parser.add_argument("--tier", choices=_TIERS, default="quick", help="whose mutants, and which plan")
    parser.add_argument("--rounds", type=int, default=20, help="audits of each mutant")
    parser.add_argument("--only", type=listed, default=[], help="ids of mutants, such as P1,P3")
    parser.add_argument(
        "--correct", type=listed, default=[], help="correct pipelines, such as independent,mst"
    )
    parser.add_argument("--runs", type=int, default=0, help="whole audits of each correct pipeline")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes")
    parser.add_argument("--plans", type=Path, default=_AUDITS / "plans", help="folder of the plans")
    parser.add_argument("--reports", type=Path, default=_AUDITS / "reports", help="folder of the record")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the audits that are missing, one line each as they end, then write the page."""
    said = _arguments(arguments)
    plan, code = load_plan(said.plans, said.tier), code_sha256()
    due = _due(said, plan, code)
    ended = Parallel(n_jobs=said.jobs, return_as="generator_unordered")(delayed(audit)() for audit in due)
    for number, run in enumerate(ended, 1):
        append(said.reports / "mutants.jsonl", run)
        what = f"{run.id} {run.name}".strip()
        end = run.verdict or f"failed {', '.join(run.failed) or 'nothing'}"
        sys.stdout.write(f"{number} of {len(due)}: {what}: {end}, {run.seconds} s\n")
        sys.stdout.flush()
    write(said.reports, said.plans)


if __name__ == "__main__":
    main()
