"""Seconds and memory of each release attack on tables of 50,000 rows and 15 columns.

    python -m benchmarks.audit_speed [--rows 50000] [--out PATH]

Each attack runs in a fresh process on one thread, in wall and in CPU seconds; the peak memory is that of the
whole process, its made-up tables included. Two lines have targets, best of three passes, in the seconds that
one core is busy, so that other work on the machine does not decide: the scores of R1 on as many targets as
rows, and distances of 2,000 rows to the whole table. The others are one pass of a whole check with 2,000
coined units on each side, or 1,000 in R2. The last line is the whole quick plan on a release by aim: its
structural tests on made-up rows of 15 columns and its attacks on the table, without the seconds of the fits.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.audit_alarms import SECTION
from dpsynth.attacks.cells import small_pairs
from dpsynth.attacks.marginal_ratio import marginal_ratio_scores
from dpsynth.attacks.nearest import nearest_agreement
from dpsynth.audit.evidence import EarlierRelease, ReleaseEvidence
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.plan import load_plan
from dpsynth.audit.release import attack_release
from dpsynth.audit.result import Claim
from dpsynth.audit.run import run_structural
from dpsynth.core.curator import Curator, FittedModel, Plan, Synthesizer
from dpsynth.core.domain import Column, Domain
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.synthesizers.aim import AIM
from dpsynth.vault.surrogate import Door

__all__ = ["TARGETS", "main", "measure"]

_SIZES = (8,) * 15
_REPEATS = 3
_NEAR = 2000
_COINED = 0.05
_SCORES, _DISTANCES = "R1 scores, 105 pairs", "DCR of 2,000 rows"
_GATE = "quick plan, no fits"
_CHECKS = ("R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "L1")
TARGETS = {_SCORES: 1.0, _DISTANCES: 2.0, _GATE: 60.0}
"""Most CPU seconds of one thread."""
_MOST_MB = 2000.0
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def _table(rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Made-up codes; one trait moves all columns."""
    trait = rng.random((rows, 1))
    mixed = np.where(rng.random((rows, len(_SIZES))) < 0.5, trait, rng.random((rows, len(_SIZES))))
    return np.minimum((mixed**2 * 8).astype(np.int64), 7)


def _evidence(rows: int, rng: np.random.Generator) -> ReleaseEvidence:
    side = int(rows * _COINED)
    codes = tuple(map(str, range(8)))
    domain = Domain(tuple(Column(f"c{at:02}", "categorical", codes) for at in range(len(_SIZES))))
    claim, units = Claim(20_000_000, "1.0", "1e-6"), np.arange(2 * side)
    release, earlier, real = (_table(count, rng) for count in (rows, rows, rows + side))
    members, controls, reference = np.split(real, [side, 2 * side])
    before = (EarlierRelease("before", claim, earlier),)
    return ReleaseEvidence(
        release, members, controls, units[:side], units[side:], reference, domain, claim, before
    )


@dataclass(frozen=True)
class _Timed:
    """A synthesizer that remembers for how long it fitted."""

    inner: Synthesizer
    spent: list[float] = field(default_factory=list)
    name: str = "aim"
    version: str = "timed"

    def plan(self, domain: Domain, rho_nano: int, max_model_cells: int) -> Plan:
        return self.inner.plan(domain, rho_nano, max_model_cells)

    def fit(self, plan: Plan, curator: Curator) -> FittedModel:
        start = time.process_time()
        try:
            return self.inner.fit(plan, curator)
        finally:
            self.spent.append(time.process_time() - start)


def _gate(rows: int, synthesizer: Synthesizer) -> Callable[[], object]:
    """The quick plan's structural tests and attacks, at epsilon 1."""
    evidence, rng = _evidence(rows, os_generator()), os_generator()
    door = Door(evidence.domain, PrivacyUnit("person", None, 1, "add_remove"), OpenDPNoise())
    pipeline = Pipeline(synthesizer, door, evidence.claim, 10**6)
    plan = load_plan(Path(__file__).parents[1] / "audits" / "plans", "quick")
    return lambda: (run_structural(pipeline, plan, rng), attack_release(evidence, plan, rng))


def _work(attack: str, rows: int, synthesizer: Synthesizer) -> Callable[[], object]:
    rng = os_generator()
    if attack == _GATE:
        return _gate(rows, synthesizer)
    if attack == _SCORES:
        tables, pairs = [_table(rows, rng) for _ in range(3)], small_pairs(_SIZES, 10_000)
        return lambda: marginal_ratio_scores(*tables, _SIZES, pairs)
    if attack == _DISTANCES:
        near, table = _table(min(_NEAR, rows), rng), _table(rows, rng)
        return lambda: nearest_agreement(near, table, _SIZES)
    evidence = _evidence(rows, rng)
    plan = load_plan(Path(__file__).parents[1] / "audits" / "plans", "quick")
    plan = plan.model_copy(update={"tests": (attack,), "release": SECTION})
    return lambda: attack_release(evidence, plan, rng)


def one(attack: str, rows: int) -> dict[str, Any]:
    """Seconds in this process: best of three passes, or one pass of a whole check."""
    synthesizer, walls, cpus = _Timed(AIM()), [], []
    work = _work(attack, rows, synthesizer)
    for _ in range(_REPEATS if attack in (_SCORES, _DISTANCES) else 1):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu - sum(synthesizer.spent))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {
        "attack": attack,
        "rows": rows,
        "seconds": round(min(walls), 3),
        "cpu_seconds": round(min(cpus), 3),
        "peak_mb": round(peak, 1),
    }
    if synthesizer.spent:
        found |= {"fits": len(synthesizer.spent), "fit_seconds": round(sum(synthesizer.spent), 3)}
    return found


def measure(rows: int) -> list[dict[str, Any]]:
    """Every attack, each in a process of its own on one thread."""
    print(f"{'attack':24}{'rows':>8}{'seconds':>10}{'CPU s':>10}{'peak MB':>10}")
    found = []
    for attack in (_SCORES, _DISTANCES, *_CHECKS, _GATE):
        words = [sys.executable, "-m", "benchmarks.audit_speed", "--rows", str(rows), "--one", attack]
        env = os.environ | dict.fromkeys(_ONE_THREAD, "1")
        root = Path(__file__).resolve().parents[1]
        done = subprocess.run(words, env=env, cwd=root, stdout=subprocess.PIPE, text=True, check=True)
        row = json.loads(done.stdout)
        print(f"{attack:24}{row['rows']:8}{row['seconds']:10.3f}{row['cpu_seconds']:10.3f}", end="")
        print(f"{row['peak_mb']:10.0f}", flush=True)
        found.append(row)
    return found


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Seconds and memory of the release attacks.")
    parser.add_argument("--rows", type=int, default=50_000, help="rows of each table, at least 4,000")
    parser.add_argument("--one", default="", help="measure this attack in this process")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "audit.json")
    asked = parser.parse_args(words)
    if asked.one:
        print(json.dumps(one(asked.one, asked.rows)))
        return
    rows = measure(asked.rows)
    by_name = {row["attack"]: row for row in rows}
    targets = [
        {"target": f"{name}: below {most:g} CPU s", "met": by_name[name]["cpu_seconds"] < most}
        for name, most in TARGETS.items()
    ]
    met = max(row["peak_mb"] for row in rows) < _MOST_MB
    targets.append({"target": f"every attack below {_MOST_MB:g} MB", "met": met})
    for target in targets:
        print(f"{'met' if target['met'] else 'NOT MET'}: {target['target']}")
    facts = {
        "command": f"python -m benchmarks.audit_speed --rows {asked.rows}",
        "sizes": _SIZES,
        "threads": 1,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("numpy", "scipy")},
        "machine": {"cores": os.cpu_count(), "processor": platform.machine()},
    }
    asked.out.write_text(json.dumps(facts | {"attacks": rows, "targets": targets}, indent=1) + "\n")


if __name__ == "__main__":
    main()
