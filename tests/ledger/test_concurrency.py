"""Eight processes, room for exactly a hundred charges: exactly a hundred are accepted, on both databases.

The counter-example is kept beside it: the same race with a check that is made before the lock is taken.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dpsynth.accounting.gate import Cap
from dpsynth.core.errors import Conflict

PROCESSES, TRIES, ROOM = 8, 20, 100

PROGRAM = """
import sys, time
from pathlib import Path
from sqlalchemy import select, update
from dpsynth.accounting.cost import zcdp_cost
from dpsynth.accounting.gate import fits
from dpsynth.core.errors import BudgetExceeded
from dpsynth.ledger import charges
from dpsynth.ledger.scopes import Amounts, WHOLE, balances, write_amounts
from dpsynth.ledger.store import Store

where, how, name, tries = sys.argv[1:5]
store = Store.open(where if where.startswith("postgresql") else Path(where))
cost = zcdp_cost(10)

def locked(key):
    with store.write() as connection:
        hold = charges.Hold(key, "p", ["people", "sam"], cost)
        return charges.reserve(connection, hold, 10**10)

def naive(key):
    # What a platform does that checks first and deducts after: two short transactions, no lock between.
    with store.read() as connection:
        (before,) = balances(connection, ["people"])
    taken = before.parts[WHOLE].held
    if not fits(taken, cost, before.scope.cap):
        raise BudgetExceeded("no room")
    time.sleep(0.001)
    with store.write() as connection:
        write_amounts(connection, "people", WHOLE, Amounts(held=taken + cost), new=False)
    return True

print("ready", flush=True)
sys.stdin.readline()
accepted = 0
for number in range(int(tries)):
    try:
        accepted += {"locked": locked, "naive": naive}[how](f"{name}-{number}")
    except BudgetExceeded:
        pass
print(accepted, flush=True)
store.close()
"""


def race(where: Path | str, how: str) -> int:
    """How many charges the processes together were told were accepted."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(where), how, f"w{number}", str(TRIES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    told = [int(worker.communicate()[0]) for worker in workers]
    assert all(worker.returncode == 0 for worker in workers)
    return sum(told)


@pytest.fixture
def crowded(database: Path | str, make_book: Callable[..., Any], make_scope: Callable[..., Any]) -> Any:
    cap = Cap(10 * ROOM, 64)
    return make_book(database).open(make_scope("people", cap), make_scope("sam", cap, "requester"))


def test_eight_processes_get_exactly_the_hundred_charges_there_is_room_for(
    crowded: Any, database: Path | str
) -> None:
    assert race(database, "locked") == ROOM
    for scope in ("people", "sam"):
        assert crowded.balance(scope).rho("held") == 10 * ROOM
    assert len([entry for entry in crowded.entries() if entry.kind == "reserve"]) == ROOM
    assert crowded.complaints() == []


def test_the_same_race_with_check_then_deduct_overspends(crowded: Any, database: Path | str) -> None:
    assert race(database, "naive") > ROOM


def test_a_writer_that_cannot_get_the_lock_changes_nothing_and_says_so(
    book: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    from dpsynth.ledger import store

    def always_locked(_: object) -> None:
        raise OperationalError("BEGIN", {}, Exception("database is locked"))

    monkeypatch.setattr(store, "_begin_write", always_locked)
    monkeypatch.setattr(store, "_PAUSE_SECONDS", 0.0)
    with pytest.raises(Conflict, match="busy"):
        book.reserve("a", 1)


def test_serialization_faults_are_retried_before_the_work_begins(
    book: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    from dpsynth.ledger import store

    class Fault(Exception):
        sqlstate = "40001"

    begin, faults = store._begin_write, [1, 2, 3]

    def faulty(connection: Any) -> None:
        if faults:
            faults.pop()
            raise OperationalError("SELECT", {}, Fault())
        begin(connection)

    monkeypatch.setattr(store, "_begin_write", faulty)
    monkeypatch.setattr(store, "_PAUSE_SECONDS", 0.0)
    assert book.reserve("a", 1)
    assert len([entry for entry in book.entries() if entry.kind == "reserve"]) == 1


def test_a_fault_that_is_no_race_is_not_retried(book: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    from dpsynth.ledger import store

    tries: list[int] = []

    def disk_full(_: object) -> None:
        tries.append(1)
        raise OperationalError("BEGIN", {}, Exception("disk I/O error"))

    monkeypatch.setattr(store, "_begin_write", disk_full)
    with pytest.raises(OperationalError):
        book.reserve("a", 1)
    assert len(tries) == 1
