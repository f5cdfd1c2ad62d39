"""Measure the synthesizers and the counting; see README.md beside this file for the definitions."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.budget import gate_rho_nano, rho_nano_for
from benchmarks.counting import count_all_pairs
from benchmarks.fits import FitResult, timed_fit
from benchmarks.inputs import BenchTable, coded_table, rand_table, resample
from benchmarks.quality import Reference, bootstrap_of, shuffled
from benchmarks.report import console_table
from dpsynth.mechanisms.rng import os_generator

SYNTHESIZERS = ("independent", "mst", "aim")
EPSILONS = ("0.1", "1", "10")
COUNTED_ROWS = 50_000
PACKAGES = ("numpy", "scipy", "pandas", "opendp", "statsmodels")
console = Console()


def main() -> None:
    options = _options()
    epsilons = ("1",) if options.quick else EPSILONS
    _warm_up()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.only or (("rand", "adult") if options.data else ("rand",)):
        console.print(f"[bold]{name}[/bold]: reading and encoding")
        table = rand_table() if name == "rand" else coded_table(options.data, name)
        start = time.perf_counter()
        measured = _measure(table, epsilons, options.repeats)
        facts = _facts(options, table, time.perf_counter() - start)
        path = options.out / f"{name}.json"
        path.write_text(json.dumps(facts | measured, indent=1) + "\n")
        console.print(console_table(facts | measured))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="epsilon 1 only, one fit each")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of adult.csv and adult-domain.json")
    parser.add_argument("--only", choices=("rand", "adult"), nargs=1, help="this table and no other")
    parser.add_argument("--repeats", type=int, default=3, help="fits of each row, averaged (3)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="result folder")
    options = parser.parse_args()
    if options.quick:
        options.repeats = 1
    if options.only == ["adult"] and not options.data:
        parser.error("--only adult needs --data")
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    return options


def _warm_up() -> None:
    """Load the libraries and the native samplers once, so that the first row does not pay for them."""
    table = rand_table()
    for name in SYNTHESIZERS:
        timed_fit(name, table.train, table.unit, 1_000_000, table.max_model_cells)


def _measure(table: BenchTable, epsilons: tuple[str, ...], repeats: int) -> dict[str, Any]:
    reference, rng = Reference(table.train), os_generator()
    makers = {"bootstrap": bootstrap_of, "one-way floor": shuffled}
    baselines = [
        {"name": name} | _mean_of([reference.mean_tvd(make(table.train, rng)) for _ in range(repeats)])
        for name, make in makers.items()
    ]
    fits = [_fit_row(table, reference, name, e, repeats) for e in epsilons for name in SYNTHESIZERS]
    return {"baselines": baselines, "fits": fits, "counting": _counting(table, rng)}


def _fit_row(
    table: BenchTable, reference: Reference, name: str, epsilon: str, repeats: int
) -> dict[str, Any]:
    rho = rho_nano_for(epsilon, table.delta)
    rows = []
    for turn in range(repeats):
        result = timed_fit(name, table.train, table.unit, rho, table.max_model_cells)
        rows.append(_figures(result) | reference.mean_tvd(result.sample))
        console.print(
            f"  {name}, epsilon {epsilon}, {turn + 1} of {repeats}: {rows[-1]['fit_seconds']:.2f} s, "
            f"counting {rows[-1]['counting_share']:.1%}, 3-way TVD {rows[-1]['tvd3']:.4f}"
        )
    public = {"rho_nano": rho, "gate_rho_nano": gate_rho_nano(epsilon, table.delta)}
    tvd3 = [row["tvd3"] for row in rows]
    spread = {"tvd3_lowest": min(tvd3), "tvd3_highest": max(tvd3)}
    return {"name": name, "epsilon": epsilon} | public | _mean_of(rows) | spread


def _figures(result: FitResult) -> dict[str, float]:
    return {
        "fit_seconds": result.seconds,
        "fit_cpu_seconds": result.cpu_seconds,
        "counting_share": result.counting_seconds / result.seconds,
        "noise_share": result.noise_seconds / result.seconds,
        "marginals_counted": result.marginals_counted,
        "model_cells": result.model_cells,
        "budget_spent": result.spent,
        "sample_seconds": result.sample_seconds,
    }


def _counting(table: BenchTable, rng: np.random.Generator) -> dict[str, Any]:
    """Counting at one size for every table: its engines, and its share of one fit each at epsilon 1."""
    rows = resample(table.train, COUNTED_ROWS, rng)
    seconds = count_all_pairs(rows)
    console.print(f"  all two-way marginals of {COUNTED_ROWS} rows: {seconds['vault']:.3f} s")
    rho, room = rho_nano_for("1", table.delta), table.max_model_cells
    shares = {}
    for name in SYNTHESIZERS:
        result = timed_fit(name, rows, table.unit, rho, room)
        shares[name] = _figures(result)
        console.print(f"  {name} on {COUNTED_ROWS} rows: counting {shares[name]['counting_share']:.1%}")
    ratios = {engine: value / seconds["vault"] for engine, value in seconds.items() if engine != "vault"}
    return {"rows": COUNTED_ROWS, "all_pairs_seconds": seconds, "times_the_vault": ratios, "fits": shares}


def _mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: mean(row[key] for row in rows) for key in rows[0]}


def _facts(options: argparse.Namespace, table: BenchTable, seconds: float) -> dict[str, Any]:
    domain = table.train.domain
    return {
        "table": table.name,
        "command": _command(options),
        "rows": table.rows,
        "train_rows": table.train_rows,
        "columns": dict(zip(domain.names, domain.shape, strict=True)),
        "delta": table.delta,
        "max_model_cells": table.max_model_cells,
        "repeats": options.repeats,
        "seconds": seconds,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "processor": platform.machine()},
    }


def _command(options: argparse.Namespace) -> str:
    """The command again, with folders left out: they are no one else's."""
    threads = os.environ.get("OMP_NUM_THREADS")
    words = [f"OMP_NUM_THREADS={threads}"] if threads else []
    words += [".venv/bin/python", "benchmarks/run.py", *(["--quick"] if options.quick else [])]
    words += [] if options.quick else ["--repeats", str(options.repeats)]
    words += ["--only", *options.only] if options.only else []
    return " ".join(words + (["--data", "DIR"] if options.data else []))


if __name__ == "__main__":
    main()
