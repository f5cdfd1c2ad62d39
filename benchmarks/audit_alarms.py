"""How often release attacks accuse correct releases, and how often they see planted leaks.

    python -m benchmarks.audit_alarms [--runs 60] [--planted 20] [--only NAME]

Made-up people get coins, MST is fitted behind the curator, and its release is attacked; six times with new
coins on the same people, so that each release has an earlier one, then with new people. Correct: MST at
epsilon about 1 on six, four and two columns, and MST without noise to speak of, the caption case: a model of
marginals that over-fits, whose people density ratios and differences of releases may well tell. Planted:
rows of members copied, members' rows with one column redrawn and the rest true, rows carried over from the
earlier release, and releases with the same noise.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.cost import zcdp_cost
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.audit.evidence import EarlierRelease, ReleaseEvidence
from dpsynth.audit.plan import AuditPlan, load_plan
from dpsynth.audit.plan_release import ReleaseSection
from dpsynth.audit.release import attack_release
from dpsynth.audit.result import CheckResult, Claim
from dpsynth.core.domain import Column, Domain
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import Noise, OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.synthesizers.registry import load_synthesizer
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.table import SensitiveTable

__all__ = ["CORRECT", "PLANTED", "SECTION", "attacks", "main"]

Rows = NDArray[np.int64]
TESTS = ("R2", "R4", "R5", "R6", "R7", "R8", "L1")
SECTION = ReleaseSection.model_validate(
    {
        "targets_per_side": 2000,
        "density_targets_per_side": 1000,
        "most_rows": 50_000,
        "distance_rows": 2000,
        "neighbours": 5,
        "kernel_mismatch": "0.2",
        "auc_needed": "0.65",
        "splits": 3,
        "isolated_share": "0.1",
        "small_cell": 5,
        "common_cell": "0.02",
        "distinct_needed": "0.5",
    }
)
_WIDE, _FOUR, _TWO = (12, 5, 3, 11, 20, 4), (12, 5, 11, 13), (8, 5)
_RHO, _NO_NOISE = 20_000_000, 10**13
_SIDE, _REFERENCE = 400, 2400
_SERIES = 6
_UNIT = PrivacyUnit("person", None, 1, "add_remove")


class RepeatedNoise:
    """Noise that comes out the same for the same calls: what a fixed seed does."""

    def __init__(self) -> None:
        self._calls = 0

    def _rng(self) -> np.random.Generator:
        self._calls += 1
        return np.random.Generator(np.random.Philox(self._calls))  # noqa: TID251 - the planted fault itself

    def gaussian(self, values: Rows, scale: float) -> Rows:
        return values + np.rint(self._rng().normal(0.0, scale, values.shape)).astype(np.int64)

    def noisy_max(self, scores: Rows, scale: float) -> int:
        return int(np.argmax(scores + self._rng().gumbel(0.0, scale, scores.shape)))


@dataclass(frozen=True)
class Case:
    """One kind of release.

    Attributes:
        sizes: codes of each column.
        rho_nano: budget of each fit.
        noise: a new noise source.
        tamper: (release, members, earlier release, rng) to the release that is attacked.
        sees: tests of which one must accuse; empty for a correct release.
    """

    sizes: tuple[int, ...]
    rho_nano: int = _RHO
    noise: Callable[[], Noise] = OpenDPNoise
    tamper: Callable[[Rows, Rows, Rows, np.random.Generator], Rows] | None = None
    sees: tuple[str, ...] = ()


def people(count: int, sizes: tuple[int, ...], rng: np.random.Generator) -> Rows:
    """One hidden trait moves all columns; low codes are common, high ones rare."""
    trait = rng.random(count)
    columns = [np.where(rng.random(count) < 0.6, trait, rng.random(count)) ** 2 * size for size in sizes]
    return np.minimum(np.column_stack(columns).astype(np.int64), np.array(sizes) - 1)


def fit(rows: Rows, domain: Domain, rho_nano: int, noise: Noise) -> Rows:
    """An MST release of as many rows, as production makes it."""
    synthesizer = load_synthesizer("mst")
    columns = {name: rows[:, at] for at, name in enumerate(domain.names)}
    table = SensitiveTable(domain, columns, np.arange(len(rows)))
    curator = TableCurator(table, _UNIT, PrivacyFilter(zcdp_cost(rho_nano)), noise)
    model = synthesizer.fit(synthesizer.plan(domain, rho_nano, 20_000), curator)
    return model.sample(len(rows), os_generator()).matrix()


def _copies(share: float) -> Callable[[Rows, Rows, Rows, np.random.Generator], Rows]:
    return lambda release, members, earlier, rng: np.concatenate(
        [release[int(share * len(members)) :], members[: int(share * len(members))]]
    )


def _attached(release: Rows, members: Rows, earlier: Rows, rng: np.random.Generator) -> Rows:
    """Three members of ten stand in the release with one column redrawn and the others true."""
    taken = members[: len(members) * 3 // 10].copy()
    taken[:, 1] = rng.choice(release[:, 1], len(taken))
    return np.concatenate([release[len(taken) :], taken])


def _carried(release: Rows, members: Rows, earlier: Rows, rng: np.random.Generator) -> Rows:
    return np.concatenate([release[len(release) // 10 :], earlier[: len(release) // 10]])


CORRECT = {
    "mst, six columns": Case(_WIDE),
    "mst, four columns": Case(_FOUR),
    "mst, two columns": Case(_TWO),
    "mst without noise": Case(_WIDE, _NO_NOISE),
}
PLANTED = {
    "5 % of members copied": Case(_WIDE, tamper=_copies(0.05), sees=("R6",)),
    "15 % of members copied": Case(_WIDE, tamper=_copies(0.15), sees=("R2", "R4", "R5", "R6", "L1")),
    "30 % of members copied": Case(_WIDE, tamper=_copies(0.30), sees=("R2", "R4", "R5", "R6", "L1")),
    "members with one column redrawn": Case(_WIDE, tamper=_attached, sees=("R2", "R4", "R5", "L1")),
    "rows carried over": Case(_WIDE, tamper=_carried, sees=("R8",)),
    "the same noise twice": Case(_WIDE, noise=RepeatedNoise, sees=("R8",)),
}


def attacks(
    case: Case, plan: AuditPlan, runs: int, rng: np.random.Generator
) -> Iterator[dict[str, CheckResult]]:
    """Results by test of ``runs`` releases, each after an earlier one of the same people with other coins."""
    domain = Domain(
        tuple(
            Column(f"c{at}", "categorical", tuple(map(str, range(size))))
            for at, size in enumerate(case.sizes)
        )
    )
    claim, units = Claim(_RHO, "1.0", "1e-6"), np.arange(2 * _SIDE)
    rows, earlier = people(0, case.sizes, rng), people(0, case.sizes, rng)
    for run in range(runs):
        if run % _SERIES == 0:
            rows = people(2 * _SIDE + _REFERENCE, case.sizes, rng)
            earlier = fit(rows[rng.permutation(len(rows))[_SIDE:]], domain, case.rho_nano, case.noise())
        members, controls, reference = np.split(rng.permutation(rows), [_SIDE, 2 * _SIDE])
        drawn = fit(np.concatenate([members, reference]), domain, case.rho_nano, case.noise())
        release = drawn if case.tamper is None else case.tamper(drawn, members, earlier, rng)
        evidence = ReleaseEvidence(
            release,
            members,
            controls,
            units[:_SIDE],
            units[_SIDE:],
            reference,
            domain,
            claim,
            (EarlierRelease("before", claim, earlier),),
        )
        yield {result.id: result for result in attack_release(evidence, plan, rng)}
        earlier = drawn


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=60, help="runs of each correct release")
    parser.add_argument("--planted", type=int, default=20, help="runs of each planted leak")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/audit_alarms.json"))
    asked = parser.parse_args(words)
    plan = load_plan(Path("audits/plans"), "quick").model_copy(update={"tests": TESTS, "release": SECTION})
    found = {}
    for runs, cases in ((asked.runs, CORRECT), (asked.planted, PLANTED)):
        for name, case in cases.items():
            if asked.only in name:
                found[name] = counted(case, plan, runs)
                print(name, json.dumps(found[name]), flush=True)
    asked.out.write_text(json.dumps(found, indent=1) + "\n")


def counted(case: Case, plan: AuditPlan, runs: int) -> dict[str, Any]:
    """Outcomes of ``runs`` runs, by test."""
    outcomes: dict[str, Counter[str]] = {test: Counter() for test in TESTS}
    start, rng = time.perf_counter(), os_generator()
    for results in attacks(case, plan, runs, rng):
        for test, result in results.items():
            outcomes[test][result.outcome] += 1
    seconds = round(time.perf_counter() - start, 1)
    return {"runs": runs, "seconds": seconds} | {test: dict(each) for test, each in outcomes.items()}


if __name__ == "__main__":
    main()
