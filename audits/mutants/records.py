"""Single audits of planted faults and of correct pipelines, one line each, and what they come to."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scipy import stats

from audits.mutants.mutant import Mutant
from dpsynth.audit.plan import AuditPlan

__all__ = ["Run", "all_mutants", "append", "code_sha256", "current", "read", "summary", "upper_bound"]

_ROOT = Path(__file__).parents[2]
_MODULES = ("intake", "marginal", "training", "games")
_CONFIDENCE = 0.95
_ROOMS = (
    "accounting", "attacks", "audit", "core", "graphical", "mechanisms", "neural", "synthesizers", "vault"
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One audit.

    Attributes:
        kind: ``mutant`` or ``correct``.
        id: of the mutant, or the name of the correct pipeline.
        name: what was broken; empty for a correct pipeline.
        tier: the plan that was followed.
        failed: tests that failed.
        verdict: of a correct pipeline's whole audit, else empty.
        seconds: wall time.
        plan_sha256, code_sha256: what was followed, and what was run.
    """

    kind: str
    id: str
    name: str
    tier: str
    failed: tuple[str, ...]
    verdict: str
    seconds: float
    plan_sha256: str
    code_sha256: str


def all_mutants() -> list[tuple[str, int, Mutant]]:
    """(module, place in it, mutant) of every list of mutants that there is."""
    found = []
    for module in _MODULES:
        if find_spec(f"audits.mutants.{module}") is not None:
            mutants = import_module(f"audits.mutants.{module}").MUTANTS
            found += [(module, place, mutant) for place, mutant in enumerate(mutants)]
    return found


def code_sha256() -> str:
    """Digest of the sources that an audit of a mutant runs; pictures and pages do not enter."""
    folders = [*(f"dpsynth/{room}" for room in _ROOMS), "audits/mutants"]
    paths = [path for folder in folders for path in sorted((_ROOT / folder).rglob("*.py"))]
    whole = hashlib.sha256()
    for path in paths:
        if path.parent.name != "pictures" and "page" not in path.stem:
            whole.update(str(path.relative_to(_ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()


def append(path: Path, run: Run) -> None:
    """Add a line; earlier ones are never touched."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = not path.exists() or path.read_bytes()[-1:] in (b"", b"\n")
    with path.open("a", encoding="utf-8") as stream:
        stream.write(("" if whole else "\n") + json.dumps(asdict(run), sort_keys=True) + "\n")


def read(path: Path) -> list[Run]:
    """All whole lines; one that was cut off is left out."""
    if not path.exists():
        return []
    runs = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            known = json.loads(line)
            runs.append(Run(**{**known, "failed": tuple(known["failed"])}))
        except (ValueError, TypeError, KeyError):
            continue
    return runs


def current(runs: Iterable[Run], plans: Mapping[str, str], code: str) -> list[Run]:
    """Runs of these sources under these plans (SHA-256 by tier); all others are stale."""
    return [run for run in runs if run.code_sha256 == code and run.plan_sha256 == plans.get(run.tier)]


def upper_bound(hits: int, trials: int) -> float:
    """One-sided 95 % Clopper-Pearson bound of a rate; 1 without trials."""
    return float(stats.beta.ppf(_CONFIDENCE, hits + 1, trials - hits)) if trials > hits else 1.0


def summary(
    runs: Sequence[Run],
    mutants: Sequence[Mutant],
    plans: Mapping[str, tuple[str, AuditPlan]],
    code: str,
) -> dict[str, Any]:
    """What the runs come to: JSON value, of which the page is written.

    A run counts as flagged where every test that owes the mutant a flag failed; else it is a miss.

    Args:
        runs: all lines.
        mutants: all that there are; one without a current run is listed with none.
        plans: (SHA-256, plan) by tier.
        code: digest of the sources.
    """
    fresh = current(runs, {tier: sha for tier, (sha, _) in plans.items()}, code)
    correct = sorted({(run.id, run.tier) for run in runs if run.kind == "correct"})
    return {
        "code_sha256": code,
        "plans": {tier: sha for tier, (sha, _) in plans.items()},
        "mutants": [_mutant(mutant, fresh, runs, plans) for mutant in mutants],
        "correct": [_correct(name, tier, fresh, runs) for name, tier in correct],
    }


def _mutant(
    mutant: Mutant, fresh: Sequence[Run], runs: Sequence[Run], plans: Mapping[str, tuple[str, AuditPlan]]
) -> dict[str, Any]:
    key = ("mutant", mutant.id, mutant.name, mutant.tier)
    mine = [run for run in fresh if (run.kind, run.id, run.name, run.tier) == key]
    every = [run for run in runs if (run.kind, run.id, run.name, run.tier) == key]
    flagged = sum(set(mutant.caught_by) <= set(run.failed) for run in mine)
    also = Counter(test for run in mine for test in run.failed if test not in mutant.caught_by)
    return {
        "id": mutant.id,
        "name": mutant.name,
        "tier": mutant.tier,
        "caught_by": list(mutant.caught_by),
        "in_plan": _in_plan(mutant, plans),
        "fits": _fits(mutant, plans),
        "runs": len(mine),
        "flagged": flagged,
        "misses": len(mine) - flagged,
        "also": dict(sorted(also.items())),
        "stale": len(every) - len(mine),
        "seconds": round(sum(run.seconds for run in mine) / max(len(mine), 1), 1),
    }


def _in_plan(mutant: Mutant, plans: Mapping[str, tuple[str, AuditPlan]]) -> bool:
    """Whether its tier's plan holds the tests that owe it a flag."""
    return mutant.tier in plans and set(mutant.caught_by) <= set(plans[mutant.tier][1].due(trained=True))


def _fits(mutant: Mutant, plans: Mapping[str, tuple[str, AuditPlan]]) -> int | None:
    """Fits that the test looks at, by the plan."""
    if not _in_plan(mutant, plans):
        return None
    plan = plans[mutant.tier][1]
    if "S9" in mutant.caught_by and plan.structural is not None:
        return plan.structural.copy_fits
    return plan.noise_fits + (4 if "S5" in mutant.caught_by else 0)


def _correct(name: str, tier: str, fresh: Sequence[Run], runs: Sequence[Run]) -> dict[str, Any]:
    mine = [run for run in fresh if (run.kind, run.id, run.tier) == ("correct", name, tier)]
    every = [run for run in runs if (run.kind, run.id, run.tier) == ("correct", name, tier)]
    blocks = sum(run.verdict in ("block", "stop") for run in mine)
    return {
        "name": name,
        "tier": tier,
        "runs": len(mine),
        "blocks": blocks,
        "upper": upper_bound(blocks, len(mine)),
        "verdicts": dict(sorted(Counter(run.verdict for run in mine).items())),
        "failed": dict(sorted(Counter(test for run in mine for test in run.failed).items())),
        "stale": len(every) - len(mine),
        "seconds": round(sum(run.seconds for run in mine) / max(len(mine), 1), 1),
    }
