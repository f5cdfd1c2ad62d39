"""What public structure is worth: the same rows and budget, told and not told what is known of them.

    python -m benchmarks.structure [--quick] [--only made|rand|rand-false] [--out benchmarks/results]

*made* is a made-up table with two columns that follow from others and with zeros in several pairs. *rand* is
the RAND table with what its public variable notes say of health: one rating a person. *rand-false* is told
what the same notes say of the maximum expenditure, which a fifth of the file's rows contradict: what a false
fact costs. Told and untold fits take turns on the same rows; both have the whole budget, and their error is
against all rows. Every charge is counted again by dp-accounting.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs import rand_table
from benchmarks.quality import Reference
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.accounting.gate import compile_cap
from dpsynth.accounting.recount import recount_epsilon, recount_rho
from dpsynth.accounting.reserve import marginal_cost
from dpsynth.cli.demo_table import find_policy
from dpsynth.core.domain import Column, Determined, Domain, Impossible
from dpsynth.core.structure import follow, violating
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.policy.loader import load_policy_text
from dpsynth.synthesizers.registry import load_synthesizer
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.table import SensitiveTable

DELTA = "1e-6"
ROOM = 1_000_000
EPSILONS = ("0.1", "1", "10")
SYNTHESIZERS = ("independent", "mst", "aim")
UNIT = PrivacyUnit("row", None, 1, "add_remove")

RAND_RATINGS = """\
structure:
  impossible:
    - {when: {hlthg: "1"}, never: {hlthf: "1"}, because: "variable notes: one rating of health"}
    - {when: {hlthg: "1"}, never: {hlthp: "1"}, because: "variable notes: one rating of health"}
    - {when: {hlthf: "1"}, never: {hlthp: "1"}, because: "variable notes: one rating of health"}
synthesis:
"""
RAND_DEDUCTIBLE = """\
structure:
  impossible:
    - {when: {idp: "1"}, never: {fmde: ">= 1"}, because: "variable notes: fmde is 0 if idp is 1"}
synthesis:
"""


@dataclass(frozen=True)
class Told:
    """Rows, and the domain with what is publicly known of them.

    Attributes:
        name: of the table.
        domain: with its structure.
        codes: the rows.
        against: rows that break what is stated; they stay in the table, and in the truth compared with.
    """

    name: str
    domain: Domain
    codes: dict[str, NDArray[np.int64]]

    @property
    def against(self) -> int:
        return int(violating(self.domain, self.codes).sum())

    @property
    def rows(self) -> int:
        return len(next(iter(self.codes.values())))

    def table(self, told: bool) -> SensitiveTable:
        domain = self.domain if told else Domain(self.domain.columns)
        return SensitiveTable(domain, self.codes, np.arange(self.rows, dtype=np.int64))


@dataclass(frozen=True)
class Fit:
    """One fit: its error against the rows, and what it charged."""

    table: str
    synthesizer: str
    epsilon: str
    told: bool
    turn: int
    tvd2: float
    tvd3: float
    violating_share: float
    cpu_seconds: float
    rho_reserved: float
    rho_recounted: float
    epsilon_recounted: float


def rand(name: str = "rand", notes: str = RAND_RATINGS) -> Told:
    """The training rows of the RAND table, told these notes."""
    text = find_policy(None).read_text(encoding="utf-8").replace("synthesis:\n", notes)
    table = rand_table().train
    codes = {name: column.astype(np.int64) for name, column in table._rows().items()}
    return Told(name, load_policy_text(text, "rand-health.yaml").domain(), codes)


def made(rows: int = 30_000) -> Told:
    """Made-up people: age, schooling, work and household; the seed is part of the table's definition."""
    rng = np.random.default_rng(20261125)  # noqa: TID251
    age = rng.choice(9, rows, p=[0.16, 0.04, 0.12, 0.14, 0.14, 0.14, 0.12, 0.09, 0.05])
    child = age < 2
    place = rng.choice(18, rows, p=(weights := np.linspace(1, 4, 18)) / weights.sum())
    school = np.clip(age * 2 + rng.integers(-3, 4, rows), 0, 15)
    job = np.where(rng.random(rows) < 0.75, (school // 3) % 6, rng.integers(0, 6, rows))
    job = np.where(child | ((age == 8) & (rng.random(rows) < 0.9)), 5, job)
    hours = np.where(job == 5, 0, np.clip(rng.normal(4 - job % 3, 1.2, rows).round(), 1, 7)).astype(np.int64)
    income = np.clip((hours + school // 2 + rng.integers(-2, 3, rows)) * (job != 5) // 1, 0, 11)
    married = np.where(
        child, 0, (rng.random(rows) < 0.2 + 0.06 * age).astype(np.int64) * rng.integers(1, 4, rows)
    )
    housing = np.where(rng.random(rows) < 0.6, np.minimum(income // 3, 3), rng.integers(0, 4, rows))
    health = np.clip(age // 2 + rng.integers(-1, 2, rows), 0, 4)
    raw = {
        "age": age, "stage": age, "place": place, "region": place, "school": school, "job": job,
        "hours": hours, "income": income, "married": married, "housing": housing, "health": health,
    }  # fmt: skip
    sizes = {
        "age": 9, "stage": 4, "place": 18, "region": 5, "school": 16, "job": 6,
        "hours": 8, "income": 12, "married": 4, "housing": 4, "health": 5,
    }  # fmt: skip
    columns = tuple(
        Column(name, "categorical", values=tuple(str(code) for code in range(size)))
        for name, size in sizes.items()
    )
    plain = Domain(columns)
    zeros = (
        _zeros(plain, ("age", "job"), lambda age, job: (age < 2) & (job != 5)),
        _zeros(plain, ("job", "hours"), lambda job, hours: (job == 5) != (hours == 0)),
        _zeros(plain, ("age", "married"), lambda age, married: (age < 2) & (married > 0)),
        _zeros(plain, ("job", "income"), lambda job, income: (job == 5) & (income > 0)),
    )
    follows = (
        Determined("stage", "age", (0, 0, 1, 1, 2, 2, 2, 3, 3)),
        Determined("region", "place", tuple(code * 5 // 18 for code in range(18))),
    )
    domain = Domain(columns, zeros, follows)
    codes = follow(domain, {name: column.astype(np.int64) for name, column in raw.items()})
    return Told("made", domain, codes)


Codes = NDArray[np.int64]


def _zeros(
    domain: Domain, clique: tuple[str, str], forbidden: Callable[[Codes, Codes], NDArray[np.bool_]]
) -> Impossible:
    grid = np.indices(domain.sizes(clique)).reshape(2, -1)
    return Impossible(clique, tuple(np.flatnonzero(forbidden(*grid)).tolist()))


def fit(data: Told, truth: Reference, synthesizer: str, epsilon: str, told: bool, turn: int) -> Fit:
    """Plan and fit as in production, and draw as many rows as the table has."""
    table, rho_nano = data.table(told), compile_cap(epsilon, DELTA).rho
    loaded = load_synthesizer(synthesizer)
    plan = loaded.plan(table.domain, rho_nano, ROOM)
    budget = PrivacyFilter(marginal_cost(rho_nano, plan.choices_nano, DELTA))
    start = time.process_time()
    model = loaded.fit(plan, TableCurator(table, UNIT, budget, OpenDPNoise()))
    seconds = time.process_time() - start
    drawn = model.sample(data.rows, os_generator())
    error = truth.mean_tvd(drawn)
    return Fit(
        data.name, synthesizer, epsilon, told, turn, error["tvd2"], error["tvd3"],
        float(violating(data.domain, drawn.codes).mean()), seconds, rho_nano / 1e9,
        recount_rho(budget.events), recount_epsilon(budget.events, float(DELTA)),
    )  # fmt: skip


def measure(data: Told, epsilons: tuple[str, ...], turns: int) -> list[Fit]:
    """Told and untold in turn, so that what else the machine does falls on both."""
    truth, fits = Reference(data.table(False)), []
    for synthesizer in SYNTHESIZERS:
        for epsilon in epsilons:
            for turn in range(turns):
                for told in (True, False):
                    fits.append(one := fit(data, truth, synthesizer, epsilon, told, turn))
                    words = "told  " if told else "untold"
                    figures = f"tvd2 {one.tvd2:.4f} tvd3 {one.tvd3:.4f} against {one.violating_share:.4%}"
                    print(
                        f"{data.name} {synthesizer} eps {epsilon} {words} {figures} {one.cpu_seconds:.1f} s"
                    )
    return fits


def summary(fits: list[Fit]) -> list[dict[str, object]]:
    """Means over turns, told beside untold, and the ratio of their errors."""
    lines: list[dict[str, object]] = []
    for key in dict.fromkeys((one.table, one.synthesizer, one.epsilon) for one in fits):
        same = [one for one in fits if (one.table, one.synthesizer, one.epsilon) == key]
        line: dict[str, object] = dict(zip(("table", "synthesizer", "epsilon"), key, strict=True))
        for name in ("tvd2", "tvd3", "violating_share", "cpu_seconds"):
            told, untold = (
                float(np.mean([getattr(one, name) for one in same if one.told is side]))
                for side in (True, False)
            )
            line |= {f"{name}_told": told, f"{name}_untold": untold}
            if name.startswith("tvd"):
                line[f"{name}_ratio"] = told / untold
        lines.append(line)
    return lines


TABLES: dict[str, Callable[[], Told]] = {
    "made": made,
    "rand": rand,
    "rand-false": lambda: rand("rand-false", RAND_DEDUCTIBLE),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="epsilon 1 only, one turn")
    parser.add_argument("--only", choices=TABLES, help="this table and no other")
    parser.add_argument("--turns", type=int, default=3, help="fits of each kind")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    turns = 1 if options.quick else options.turns
    tables, fits = list[Told](), list[Fit]()
    for name, build in TABLES.items():
        if options.only in (None, name):
            tables.append(data := build())
            few = options.quick or name == "rand-false"
            fits += measure(data, ("1",) if few else EPSILONS, turns)
            _write(options.out, tables, fits, turns)


def _write(folder: Path, tables: list[Told], fits: list[Fit], turns: int) -> None:
    """What is measured so far; refused where a promise was broken."""
    if any(one.violating_share for one in fits if one.told):
        raise SystemExit("a model that was told of the structure drew a row against it")
    if any(one.rho_recounted > one.rho_reserved * (1 + 1e-9) for one in fits):
        raise SystemExit("a run drew more than it reserved")
    result = {
        "tables": [
            {
                "name": data.name,
                "rows": data.rows,
                "columns": len(data.domain.columns),
                "against": data.against,
            }
            for data in tables
        ],
        "delta": DELTA,
        "max_model_cells": ROOM,
        "python": platform.python_version(),
        "turns": turns,
        "summary": summary(fits),
        "fits": [asdict(one) for one in fits],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "structure.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
