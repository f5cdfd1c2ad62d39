"""The twelve invariants of the ledger, one test each.

Two have files of their own: 5 (kill -9 at each numbered point: tests/service/test_torture.py) and 11 (no
visible output differs between neighbouring tables: tests/service/test_neighbours.py); here it is only seen
that these files are there and hold what their names say.
"""

from __future__ import annotations

import ast
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.cost import ATTO, ZERO, Cost, cost_of, total, zcdp_cost
from dpsynth.accounting.curves import NANO, ORDERS
from dpsynth.accounting.events import DiscreteGaussian, event_from_json
from dpsynth.accounting.gate import Cap
from dpsynth.accounting.numbers import parse_rho_nano
from dpsynth.accounting.recount import recount_epsilon, recount_rho
from dpsynth.core.errors import BudgetExceeded, Conflict, IntegrityError
from dpsynth.ledger import charges
from dpsynth.ledger.scopes import part_of
from dpsynth.service import Platform, RequestForm, jobs, pipeline

TESTS = Path(__file__).parents[1]
POLICY = TESTS.parent / "policies" / "rand-health.yaml"
WORDS = "Teaching health economics: students compare visit counts by plan, without looking at anybody at all."


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """A small governed table, with the real policy of the demo and a few made-up rows."""
    import csv

    from dpsynth.policy.loader import load_policy

    source, policy = tmp_path / "rand.csv", load_policy(POLICY)
    with source.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([spec.name for spec in policy.columns])
        for row in range(300):
            writer.writerow([row % 2 for _ in policy.columns])
    made = Platform.open(tmp_path / "state", lease_seconds=1)
    for person, role in (("sam", "data_scientist"), ("carol", "compliance_officer"), ("dana", "data_owner")):
        made.add_person(person, person.title(), (role,))
    made.register_dataset("dana", POLICY, source)
    return made


def ask(platform: Platform, **more: str) -> Any:
    values = {"epsilon": "0.5", "purpose": WORDS, "recipients": "students", **more}
    return platform.submit("sam", RequestForm("rand-health", "independent", **values))


def test_invariant_1_whole_plus_largest_part_is_within_the_cap_after_every_step(book: Any) -> None:
    parts = ["", part_of("t@1", "N"), part_of("t@1", "S"), part_of("t@2", "N")]
    for number in range(40):
        try:
            book.reserve(f"k{number}", 7 + number % 5, part=parts[number % 4])
        except BudgetExceeded:
            continue
        if number % 3 == 0:
            book.commit(f"k{number}")
        elif number % 7 == 0:
            book.release(f"k{number}")
        balance = book.balance()
        whole = balance.parts[""].taken
        first = [balance.parts[p].taken for p in parts[1:3] if p in balance.parts]
        second = [balance.parts[p].taken for p in parts[3:] if p in balance.parts]
        for at, order in enumerate(ORDERS[:63]):
            used = whole.rdp[at] + sum(max((c.rdp[at] for c in g), default=0) for g in (first, second))
            assert used <= order * 100
    assert book.balance().rho("taken") > 90  # the cap was really pressed


def test_invariant_2_balances_are_the_replay_of_the_entries(book: Any) -> None:
    book.spend("a", 20)
    book.reserve("b", 10, part=part_of("t@1", "N"))
    assert book.complaints() == []
    book.tamper("UPDATE balance SET spent = held")
    assert any("balances differ" in sentence for sentence in book.complaints())


def test_invariant_3_spent_is_monotone(book: Any) -> None:
    moves: list[Callable[[], None]] = [
        lambda: book.reserve("a", 10),
        lambda: book.reserve("b", 10),
        lambda: book.commit("a"),
        lambda: book.release("b"),
        lambda: book.forfeit("a"),
        lambda: book.reserve("c", 10),
        lambda: book.commit("c"),
        lambda: book.settle("c"),
    ]
    seen = [0]
    for move in moves:
        move()
        seen.append(book.balance().rho("spent"))
    assert seen == sorted(seen)
    assert seen[-1] == 20
    for move in (lambda: book.release("a"), lambda: book.release("c")):
        with pytest.raises(Conflict):
            move()


def test_invariant_4_no_data_is_read_without_a_committed_charge(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, seen = ask(platform), []
    read = pipeline.read_bytes

    def hook(*arguments: Any) -> bytes:
        # Another connection: what it sees is durable, not merely written.
        with platform._store.read() as connection:
            seen.append(charges.charge(connection, request.id).state)
        return read(*arguments)

    monkeypatch.setattr(pipeline, "read_bytes", hook)
    platform.run_once("worker")
    assert seen == ["COMMITTED"]

    def refuses(*_: Any) -> None:
        raise OSError("the disk is full")

    again = ask(platform, purpose=WORDS + " Again.")
    monkeypatch.setattr(pipeline, "commit_charge", refuses)
    platform.run_once("worker")
    assert seen == ["COMMITTED"]
    assert platform.request("sam", again.id).state == "failed"
    assert platform.budget("carol")[0].held_nano == 0


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("service/test_torture.py", "test_a_worker_killed_at_any_numbered_point_has_paid_for_what_it_drew"),
        ("service/test_neighbours.py", "test_one_more_row_however_strange_changes_nothing_but_the_answers"),
    ],
    ids=["invariant_5", "invariant_11"],
)
def test_invariants_5_and_11_have_files_of_their_own(file: str, name: str) -> None:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    tests = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert name in tests


def test_invariant_6_duplicate_delivery_and_retry_after_a_lost_reply_are_one_charge(
    platform: Platform,
) -> None:
    first = ask(platform, key="one key")
    for _ in range(3):
        assert ask(platform, key="one key") == first
    with pytest.raises(Conflict):
        ask(platform, key="one key", epsilon="0.4")
    kinds = [entry.kind for entry in platform.ledger_entries("carol")]
    assert kinds.count("reserve") == kinds.count("request") == 1
    platform.run_once("worker")
    assert platform.run_once("worker") is None
    assert ask(platform, key="one key").id == first.id
    assert [entry.kind for entry in platform.ledger_entries("carol")].count("committed") == 1


@given(st.integers(1, 10**19).map(lambda atto: Decimal(atto).scaleb(-18)), st.integers(1, 50))
@settings(max_examples=200)
def test_invariant_7_n_charges_of_x_are_never_less_than_n_times_x(rho: Decimal, count: int) -> None:
    charged = sum(parse_rho_nano(format(rho, "f"), up=True) for _ in range(count))
    assert count * Fraction(rho) <= Fraction(charged, NANO) < count * (Fraction(rho) + Fraction(1, NANO))


@given(st.floats(min_value=5e-324, max_value=1e-300) | st.floats(1e-9, 1e9))
def test_invariant_7_holds_for_subnormal_floats(sigma: float) -> None:
    cost = cost_of(DiscreteGaussian(sigma))
    exact = 1 / (2 * Fraction(sigma) ** 2) * NANO
    assert total([cost] * 10).rdp[0] >= 10 * ORDERS[0] * exact


def test_invariant_8_the_event_trace_recomposed_by_another_accountant_is_within_the_charge(
    platform: Platform,
) -> None:
    request = ask(platform)
    platform.run_once("worker")
    settled = [e for e in platform.ledger_entries("carol") if e.kind == "settled"]
    events = [event_from_json(one) for one in settled[0].body["events"]]
    assert 0.99 * request.rho_nano <= recount_rho(events) * NANO <= request.rho_nano + 1e-3
    assert recount_epsilon(events, 1e-6) <= float(request.epsilon) + 1e-6


def test_invariant_9_same_inputs_write_the_same_entries_on_both_databases(
    tmp_path: Path,
    postgres_server: Callable[[], str],
    make_book: Callable[..., Any],
    make_scope: Callable[..., Any],
    dp_sgd_cost: Cost,
) -> None:
    def history(where: Path | str) -> list[tuple[int, str, dict[str, Any]]]:
        book = make_book(where).open(make_scope("people", Cap(10**9, 22, 10**9, 10**9)))
        book.spend("a", 123)
        book.reserve("b", dp_sgd_cost, part=part_of("t@1", "Nordland – ø"), attempt="p", allowed=3)
        book.release("b")
        book.reserve("c", cost_of(DiscreteGaussian(50.0)))
        book.commit("c")
        book.forfeit("c")
        with pytest.raises(BudgetExceeded):
            book.reserve("d", 10**10)
        assert book.complaints() == []
        return [(entry.seq, entry.kind, entry.body) for entry in book.entries()]

    assert history(tmp_path / "a.sqlite") == history(postgres_server())


def test_invariant_10_a_restored_backup_is_refused_at_start(platform: Platform, tmp_path: Path) -> None:
    def copy(source: Path, target: Path) -> None:
        with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
            one.backup(other)

    sink, database, backup = tmp_path / "sink", tmp_path / "state" / "ledger.sqlite", tmp_path / "backup"
    sink.mkdir()
    copy(database, backup)
    witnessed = Platform.open(tmp_path / "state", checkpoints=f"dir:{sink}")
    ask(witnessed)
    assert Platform.open(tmp_path / "state", checkpoints=f"dir:{sink}").alarm == ""
    copy(backup, database)
    restored = Platform.open(tmp_path / "state", checkpoints=f"dir:{sink}")
    assert "older copy" in restored.alarm
    with pytest.raises(IntegrityError, match="read-only"):
        ask(restored)
    assert platform.verify_ledger() > 0  # without the checkpoint the copy looks whole


def test_invariant_12_a_clock_that_goes_backwards_frees_no_committed_charge(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ask(platform)
    with platform._store.write() as connection:
        charges.commit(connection, request.id, int(time.time()) + 60)
    monkeypatch.setattr(jobs, "unix_now", lambda: 0)
    jobs.recover(platform._store)
    with platform._store.read() as connection:
        assert charges.charge(connection, request.id).state == "COMMITTED"
    assert platform.budget("carol")[0].spent_nano == request.rho_nano
    monkeypatch.setattr(jobs, "unix_now", lambda: 2**40)
    jobs.recover(platform._store)
    with platform._store.read() as connection:
        assert charges.charge(connection, request.id).state == "FORFEITED"
    assert platform.budget("carol")[0].spent_nano == request.rho_nano


def test_a_cost_never_goes_below_zero() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        _ = ZERO - zcdp_cost(1)
    assert ATTO == 10**18
