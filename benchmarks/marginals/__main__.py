"""Measure ours and peers on one coded table, then write its page and plots.

    python -m benchmarks.marginals --table adult.csv            # adult-domain.json lies beside it

Runs that are in the results file for the same version of a system are not repeated.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from benchmarks.marginals.page import write_page
from benchmarks.marginals.process import Limits
from benchmarks.marginals.session import Session
from benchmarks.marginals.systems import HOMES, build_home, choose
from dpsynth.accounting.numbers import parse_decimal, parse_delta
from dpsynth.core.errors import DpsynthError

_HERE = Path(__file__).resolve().parent
_RESULTS = _HERE.parent / "results" / "marginals"


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that a run in progress ends with this one
    try:
        if options.build_envs:
            for project in HOMES:
                build_home(project, options.envs, options.python)
        if options.table is None:
            return 0
        if not options.page_only:
            _measure(options)
        print(write_page(options.results, options.table.stem))
    except DpsynthError as error:
        print(error.text(), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Stopped: what was finished is kept.", file=sys.stderr)
        return 130
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, help="CSV of codes, its domain beside it as NAME-domain.json")
    parser.add_argument("--target", help="column that models are trained to predict, positive from code 1 on")
    parser.add_argument(
        "--systems", default="ours,peers", help="comma list: ours, peers, dpmm, dpsynth:aim, ..."
    )
    parser.add_argument("--epsilons", default="0.1,1,10")
    parser.add_argument(
        "--turns", type=_turns, default=[0, 1, 2], help="comma list; also seeds peers that take a seed"
    )
    parser.add_argument("--delta", default="1e-9")
    parser.add_argument("--cpu-limit", type=int, default=3600, help="processor seconds of one run")
    parser.add_argument("--memory-limit", type=int, default=12_000, help="resident MB of one run")
    parser.add_argument(
        "--core", type=int, default=max(os.sched_getaffinity(0)), help="what everything runs on"
    )
    parser.add_argument("--again", action="store_true", help="repeat runs that are there already")
    parser.add_argument(
        "--envs", type=Path, default=_HERE.parent / ".envs", help="folder of the peers' homes"
    )
    parser.add_argument("--build-envs", action="store_true", help="create the peers' environments first")
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter that the environments are made from"
    )
    parser.add_argument("--results", type=Path, default=_RESULTS, help="folder of the results")
    parser.add_argument("--page-only", action="store_true", help="write the page from what is there")
    options = parser.parse_args()
    if options.table is None and not options.build_envs:
        parser.error("--table is needed")
    return options


def _turns(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _measure(options: argparse.Namespace) -> None:
    systems, epsilons = choose(options.systems), options.epsilons.split(",")
    for epsilon in epsilons:
        parse_decimal(epsilon, "epsilon")
    parse_delta(options.delta)
    session = Session(
        options.table.resolve(),
        options.delta,
        Limits(options.cpu_limit, options.memory_limit, options.core),
        options.envs.resolve(),
        options.results / f"{options.table.stem}.jsonl",
        target=options.target,
        again=options.again,
    )
    with session:
        session.baselines()
        for turn in options.turns:
            for epsilon in epsilons:
                for system in systems:
                    session.run(system, epsilon, turn)


if __name__ == "__main__":
    sys.exit(main())
