"""Ledger promises: room in every scope or none, one way states, tamper evidence."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError as DatabaseRefusal

from dpsynth.accounting.curves import zcdp_curve
from dpsynth.core.errors import BadInput, BudgetExceeded, Conflict, IntegrityError
from dpsynth.ledger import charges as ledger
from dpsynth.ledger import store as store_module
from dpsynth.ledger.chain import append, read_chain, verify_chain
from dpsynth.ledger.replay import replay
from dpsynth.ledger.store import Store

CAP = 100
PEOPLE = ledger.Scope("id-space:p", "id_space", "People", CAP, 64, "x")
SAM = ledger.Scope("requester:sam", "requester", "Sam", 60, 64, "x")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store.create_or_open(tmp_path / "ledger.sqlite")
    with made.write() as connection:
        ledger.open_scope(connection, PEOPLE)
        ledger.open_scope(connection, SAM)
    return made


def reserve(
    store: Store, key: str, rho: int, scopes: tuple[str, ...] = ("id-space:p",), lease: int = 10
) -> bool:
    with store.write() as connection:
        return ledger.reserve(connection, key, f"payload {rho}", scopes, zcdp_curve(rho), lease)


def balance(store: Store, scope: str = "id-space:p") -> ledger.Balance:
    with store.read() as connection:
        return ledger.balances(connection, [scope])[0]


def test_a_charge_is_held_in_every_scope_it_touches_or_in_none(store: Store) -> None:
    assert reserve(store, "a", 50, ("id-space:p", "requester:sam"))
    with pytest.raises(BudgetExceeded, match="Sam"):
        reserve(store, "b", 20, ("id-space:p", "requester:sam"))
    assert balance(store).rho("held") == balance(store, "requester:sam").rho("held") == 50
    assert reserve(store, "c", 50)
    with pytest.raises(BudgetExceeded, match="People"):
        reserve(store, "d", 1)


def test_the_cap_can_be_met_exactly_and_not_passed_by_one_nano(store: Store) -> None:
    assert reserve(store, "a", CAP)
    with pytest.raises(BudgetExceeded):
        reserve(store, "b", 1)


def test_same_key_and_payload_is_one_charge_and_another_payload_a_conflict(store: Store) -> None:
    assert reserve(store, "a", 30)
    assert not reserve(store, "a", 30)
    assert balance(store).rho("held") == 30
    with pytest.raises(Conflict):
        reserve(store, "a", 31)


def test_committed_stays_spent_whatever_comes_after(store: Store) -> None:
    reserve(store, "a", 30)
    with store.write() as connection:
        ledger.commit(connection, "a", 10)
    for act in (lambda c: ledger.release(c, "a", "no"), lambda c: ledger.commit(c, "a", 10)):
        with pytest.raises(Conflict), store.write() as connection:
            act(connection)
    with store.write() as connection:
        ledger.forfeit(connection, "a", "worker died")
    assert (balance(store).rho("spent"), balance(store).rho("forfeited")) == (30, 30)
    with pytest.raises(Conflict), store.write() as connection:
        ledger.settle(connection, "a", [])


def test_a_hold_can_be_released_and_only_before_commit(store: Store) -> None:
    reserve(store, "a", 30)
    with store.write() as connection:
        ledger.release(connection, "a", "cancelled")
    assert balance(store).rho("held") == balance(store).rho("spent") == 0
    with pytest.raises(Conflict), store.write() as connection:
        ledger.commit(connection, "a", 10)


def test_settling_gives_nothing_back(store: Store) -> None:
    reserve(store, "a", 30)
    with store.write() as connection:
        ledger.commit(connection, "a", 10)
        ledger.settle(connection, "a", [])
    assert balance(store).rho("spent") == 30


def test_a_transaction_that_fails_leaves_no_trace(store: Store) -> None:
    def die_half_way() -> None:
        with store.write() as connection:
            ledger.reserve(connection, "a", "p", ["id-space:p"], zcdp_curve(5), 10)
            raise RuntimeError("the process died here")

    with pytest.raises(RuntimeError):
        die_half_way()
    assert balance(store).rho("held") == 0
    with store.read() as connection:
        assert [entry.kind for entry in read_chain(connection)] == ["scope", "scope"]


def test_a_scope_cannot_be_opened_again_with_another_cap(store: Store) -> None:
    with store.write() as connection:
        ledger.open_scope(connection, PEOPLE)
    bigger = ledger.Scope("id-space:p", "id_space", "People", CAP + 1, 64, "x")
    with pytest.raises(Conflict), store.write() as connection:
        ledger.open_scope(connection, bigger)


def test_the_chain_cannot_be_changed_through_the_database(store: Store) -> None:
    for statement in ("UPDATE entry SET body = '{}'", "DELETE FROM entry"):
        with pytest.raises(DatabaseRefusal, match="append-only"), store.write() as connection:
            connection.execute(text(statement))


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE entry SET body = replace(body, '\"100\"', '\"900\"') WHERE seq = 1",
        "DELETE FROM entry WHERE seq = 1",
        "UPDATE entry SET hash = prev WHERE seq = 2",
        "UPDATE entry SET seq = 9 WHERE seq = 2",
    ],
)
def test_an_entry_changed_behind_the_triggers_breaks_the_chain(store: Store, tamper: str) -> None:
    with store.read() as connection:
        assert verify_chain(connection) == 2
    with store.write() as connection:
        for verb in ("update", "delete"):
            connection.execute(text(f"DROP TRIGGER entry_no_{verb}"))
        connection.execute(text(tamper))
    with pytest.raises(IntegrityError, match="broken at entry"), store.read() as connection:
        verify_chain(connection)


@pytest.mark.parametrize(
    ("tamper", "what"),
    [
        ("UPDATE charge SET state = 'RELEASED'", "states"),
        ("UPDATE charge SET curve = replace(curve, '60', '6')", "amounts"),
        ("UPDATE scope SET rho_cap = 1000", "caps"),
        ("DELETE FROM charge", "states"),
    ],
)
def test_balances_that_differ_from_a_replay_of_the_chain_are_found(
    store: Store, tamper: str, what: str
) -> None:
    reserve(store, "a", 30)
    found: list[str] = []
    with store.read() as connection:
        replay(connection, found.append)
    assert found == []
    with store.write() as connection:
        connection.execute(text(tamper))
    with store.read() as connection:
        replay(connection, found.append)
    assert any(what in sentence for sentence in found)


def test_leases_that_ended_are_listed_with_their_state(store: Store) -> None:
    reserve(store, "old", 10, lease=5)
    reserve(store, "young", 10, lease=50)
    with store.read() as connection:
        assert ledger.expired(connection, 20) == [("old", "RESERVED")]


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Store.create_or_open(path).write() as connection:
        connection.execute(text("UPDATE schema_version SET version = 99"))
    with pytest.raises(IntegrityError, match="schema version 99"):
        Store.create_or_open(path)


def test_a_network_share_is_refused_and_a_local_disk_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_mounts", lambda: [("/", "ext4"), (str(tmp_path), "nfs4")])
    with pytest.raises(BadInput, match="network share"):
        Store.create_or_open(tmp_path / "ledger.sqlite")
    monkeypatch.setattr(store_module, "_mounts", lambda: [("/", "nfs4"), (str(tmp_path), "ext4")])
    assert Store.create_or_open(tmp_path / "ledger.sqlite")


def test_an_entry_commits_to_everything_before_it(store: Store) -> None:
    with store.write() as connection:
        one = append(connection, "note", what="a")
        two = append(connection, "note", what="a")
    assert one.hash != two.hash


def test_a_history_that_the_ledger_would_never_write_is_found_though_its_hashes_are_right(
    store: Store,
) -> None:
    reserve(store, "a", 30)
    with store.write() as connection:
        ledger.commit(connection, "a", 10)
        ledger.settle(connection, "a", [])
        append(connection, "released", charge="a", reason="a gift")
        connection.execute(text("UPDATE charge SET state = 'RELEASED'"))
    found: list[str] = []
    with store.read() as connection:
        assert verify_chain(connection) > 0
        replay(connection, found.append)
    assert any("against the rules" in sentence for sentence in found)


def test_a_file_that_is_no_database_is_an_integrity_error(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is not a database at all, only text" * 100)
    with pytest.raises(IntegrityError, match="not a ledger"):
        Store.create_or_open(path)
