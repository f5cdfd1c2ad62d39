"""Fit any integer-coded table with a registered synthesizer, and count again what it spent.

    python -m benchmarks.fit --table coded.csv --domain domain.json --synthesizer aim \\
        --epsilon 1 --delta 1e-9 --out synthetic.csv --report report.json

The table is a CSV with a header line and codes 0..size-1; the domain is JSON, {column: number of codes}, and
public. Each row is its own privacy unit, under adding or removing one; the number of rows is private, so
as many rows are written as the model estimates. The report times a run on private rows: it is for benchmarks.

Exit codes: 0 done; 2 bad input; 3 refused from public facts (no such synthesizer, domain too large for the
limit); 7 the independent recount exceeds epsilon, or is not what was charged: no rows are written.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.budget import ACCOUNTINGS, Budget, budget_for, rho_nano_for
from benchmarks.marginals.tables import read_codes, read_domain
from benchmarks.progress import ProgressLine
from dpsynth.accounting.events import event_to_json
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.accounting.numbers import parse_decimal, parse_delta
from dpsynth.accounting.statement import state
from dpsynth.core.domain import Column, Domain
from dpsynth.core.errors import BadInput, DpsynthError, PolicyRefusal
from dpsynth.core.table import SyntheticTable
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.synthesizers.auto import AUTO, Choice, choose
from dpsynth.synthesizers.diffusion import Diffusion
from dpsynth.synthesizers.gan import GAN
from dpsynth.synthesizers.registry import available, load_synthesizer
from dpsynth.synthesizers.structure import StructuredSynthesizer
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.table import SensitiveTable

__all__ = ["MAX_MODEL_CELLS", "PARTS", "RecountFailed", "main"]

PARTS = {
    "gan-marginals": GAN(critic_percent=0, name="gan-marginals"),
    "gan-critic": GAN(critic_percent=95, guided=False, name="gan-critic"),
    "diffusion-marginals": Diffusion(training_percent=0, name="diffusion-marginals"),
}
"""gan and diffusion without some of their parts, to measure what each is worth; no policy can name them."""

MAX_MODEL_CELLS = 1_000_000
"""Default room for the model, in cells of eight bytes: a public constant, 8 MB where AIM's authors use 80."""

_PACKAGES = ("numpy", "scipy", "opendp", "dp-accounting", "dpsynth-platform")


class RecountFailed(DpsynthError):
    """The independent recount disagrees with the charge or exceeds the epsilon that was asked for."""

    exit_code = 7
    kind = "recount"


@dataclass(frozen=True)
class _Fit:
    """A finished fit: why this synthesizer, its budget, filter, rows, seconds and the size of the model."""

    choice: Choice
    budget: Budget
    spent: PrivacyFilter
    rows: SyntheticTable
    seconds: float
    model_cells: int | None


def main(arguments: list[str] | None = None) -> int:
    """Run the door; returns the exit code."""
    options = _options(arguments)
    try:
        with ExitStack() as stack:
            _run(options, stack)
    except DpsynthError as error:
        print(error.text().replace("\n", " "), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Stopped: nothing was written.", file=sys.stderr)
        return 130
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--table", type=Path, required=True, help="CSV of codes with a header line")
    parser.add_argument("--domain", type=Path, required=True, help="JSON: {column: number of codes}")
    parser.add_argument("--synthesizer", required=True, help="registered name, such as aim, or auto")
    parser.add_argument("--epsilon", required=True, help="decimal, above 0")
    parser.add_argument("--delta", required=True, help="decimal, between 0 and 1")
    parser.add_argument("--out", type=Path, required=True, help="CSV of synthetic codes")
    parser.add_argument("--report", type=Path, required=True, help="JSON of what was spent and used")
    parser.add_argument(
        "--max-model-cells",
        type=int,
        default=MAX_MODEL_CELLS,
        help=f"room for the model ({MAX_MODEL_CELLS:,})",
    )
    parser.add_argument("--accounting", choices=ACCOUNTINGS, help="default: whichever grants the plan more")
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace, stack: ExitStack) -> None:
    started = time.perf_counter()
    out, report = (stack.enter_context(_Draft(path)) for path in (options.out, options.report))
    sizes = read_domain(options.domain)
    domain = _domain(sizes, options.max_model_cells)
    fit = _fit(options, domain, read_codes(options.table, sizes))
    names = fit.rows.domain.names
    pd.DataFrame({name: fit.rows.codes[name] for name in names}).to_csv(out.path, index=False)
    used = {"cpu_s": time.process_time(), "wall_s": time.perf_counter() - started, "rss_mb": _peak_mb()}
    counted = _recount(fit, options)
    facts = _facts(options, fit) | {name: round(value, 3) for name, value in used.items()}
    report.path.write_text(json.dumps(facts | {"recount": counted}, indent=1) + "\n")
    report.keep()
    if not (counted["within"] and counted["equals_charge"]):
        raise RecountFailed(
            f"dp-accounting counts epsilon {counted['epsilon']:.6f} where {options.epsilon} was asked for, "
            f"with a difference of {counted['charge_gap']:.1e} to the charge",
            remedy="the report holds the events; no rows were written",
        )
    out.keep()


def _domain(sizes: dict[str, int], room: int) -> Domain:
    """The public domain. Raises PolicyRefusal where the columns alone need more cells than there is room."""
    if room < 1:
        raise BadInput("--max-model-cells leaves no room for a model", allowed="1 or more")
    if sum(sizes.values()) > room:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
        blamed = ", ".join(f"{name} ({sizes[name]:,})" for name in largest)
        raise PolicyRefusal(
            f"The columns of this domain have {sum(sizes.values()):,} codes in all; the largest are {blamed}",
            allowed=f"at most {room:,}, the room for the model",
            remedy="use coarser codes or raise --max-model-cells",
        )
    return Domain(
        tuple(
            Column(name, "categorical", values=tuple(map(str, range(size)))) for name, size in sizes.items()
        )
    )


def _fit(options: argparse.Namespace, domain: Domain, codes: pd.DataFrame) -> _Fit:
    if ":" in options.synthesizer:
        raise PolicyRefusal(
            f"{options.synthesizer} is given rows by an engine, which this door has none of",
            allowed="a synthesizer that asks the curator",
            remedy="measure it as a peer: python -m benchmarks.marginals",
        )
    choice = _choice(options, domain)
    if options.synthesizer == AUTO:
        print(choice.words(), file=sys.stderr)
    parts = {name: StructuredSynthesizer(kind) for name, kind in PARTS.items()}
    synthesizer = parts.get(choice.name) or load_synthesizer(choice.name)
    budget = budget_for(
        options.epsilon,
        options.delta,
        lambda rho: synthesizer.plan(domain, rho, options.max_model_cells),
        options.accounting,
    )
    columns = {name: codes[name].to_numpy() for name in domain.names}
    table = SensitiveTable(domain, columns, np.arange(len(codes), dtype=np.int64))
    spent = PrivacyFilter(budget.cost)
    with ProgressLine(sys.stderr) as line:
        curator = TableCurator(
            table, PrivacyUnit("row", None, 1, "add_remove"), spent, OpenDPNoise(), line.show
        )
        start = time.perf_counter()
        model = synthesizer.fit(budget.plan, curator)
        seconds = time.perf_counter() - start
    rows: Any = model  # a fitted model promises samples; size and total are its own
    drawn = model.sample(max(round(rows.total), 0), os_generator())
    return _Fit(choice, budget, spent, drawn, seconds, getattr(model, "cells", None))


def _choice(options: argparse.Namespace, domain: Domain) -> Choice:
    """What was named; for ``auto`` what public facts speak for, at the rho of the usual conversion."""
    if options.synthesizer != AUTO:
        return Choice(options.synthesizer, "it was asked for")
    parse_delta(options.delta)
    epsilon = format(parse_decimal(options.epsilon, "epsilon"), "f")
    return choose(available(), domain, rho_nano_for(epsilon, options.delta), options.max_model_cells)


def _recount(fit: _Fit, options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.recount import recount  # imported late: its seconds are not the fit's

    before = time.process_time()
    counted = recount(fit.spent.events, fit.spent.spent, float(options.epsilon), float(options.delta))
    return counted | {"cpu_s": round(time.process_time() - before, 3)}


def _facts(options: argparse.Namespace, fit: _Fit) -> dict[str, Any]:
    plan, spent = fit.budget.plan, fit.spent.spent
    stated = state(spent, options.delta)
    events = Counter(json.dumps(event_to_json(event)) for event in fit.spent.events)
    return {
        "synthesizer": plan.synthesizer,
        "synthesizer_version": plan.version,
        "chosen_because": fit.choice.reason,
        "epsilon": options.epsilon,
        "delta": options.delta,
        "unit": "one row, added or removed",
        "accounting": fit.budget.accounting,
        "rho": _decimal(fit.budget.rho_nano),
        "plan": list(plan.steps),
        "max_model_cells": options.max_model_cells,
        "model_cells": fit.model_cells,
        "rows_out": fit.rows.rows,
        "fit_s": round(fit.seconds, 3),
        "charge": {"rho": _decimal(spent.rho), "mu2": None if spent.undominated else _decimal(spent.mu2)},
        "stated_epsilon": {"curve": stated.epsilon, "gaussian": stated.gaussian},
        "events": [{"event": json.loads(event), "count": count} for event, count in events.items()],
        "versions": {name: version(name) for name in _PACKAGES} | {"python": sys.version.split()[0]},
    }


def _decimal(nano: int) -> str:
    return f"{nano // 10**9}.{nano % 10**9:09d}"


def _peak_mb() -> int:
    """VmHWM; ru_maxrss would inherit what the parent held before it called exec."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024)


class _Draft:
    """A file that takes its name only when it is kept; otherwise nothing is left of it."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.path = target.with_name(f".{target.name}.part")

    def __enter__(self) -> _Draft:
        if self._target.is_dir():
            raise BadInput(f"{self._target} is a folder", remedy="name a file")
        try:
            self.path.write_text("")
        except OSError as error:
            raise BadInput(
                f"{self._target} cannot be written ({error.strerror})", remedy="name a file"
            ) from None
        return self

    def keep(self) -> None:
        """Rename it into place."""
        self.path.replace(self._target)

    def __exit__(self, *_: object) -> None:
        self.path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
