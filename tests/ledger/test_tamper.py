"""Nothing stored in a ledger can change unnoticed: not one byte of one value, not an entry, not a history."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Table, select, text, update
from sqlalchemy.exc import DBAPIError

from dpsynth.accounting.cost import cost_of, cost_to_json, zcdp_cost
from dpsynth.accounting.events import DiscreteGaussian, event_to_json
from dpsynth.accounting.gate import Cap
from dpsynth.core.errors import IntegrityError
from dpsynth.ledger import charges
from dpsynth.ledger.chain import append, read_head, verify_chain
from dpsynth.ledger.replay import replay
from dpsynth.ledger.schema import metadata
from dpsynth.ledger.scopes import part_of

LEDGER = ("scope", "balance", "charge", "lease", "attempt", "entry", "head")


@pytest.fixture
def used(sqlite_book: Any) -> Any:
    """A small ledger in which every kind of row, state and amount is there."""
    sqlite_book.spend("settled", 10, scopes=("people", "sam"))
    sqlite_book.reserve("held", 5, attempt="purpose", allowed=3)
    sqlite_book.reserve("released", 5)
    sqlite_book.release("released")
    sqlite_book.reserve("forfeited", 5, part=part_of("t@1", "N"))
    sqlite_book.commit("forfeited")
    sqlite_book.forfeit("forfeited")
    sqlite_book.tamper("SELECT 1")
    return sqlite_book


def flips(value: object) -> Iterator[object]:
    """The value with each of its bytes changed, one at a time; of a number, each of its low bits."""
    if isinstance(value, int):
        yield from (value ^ (1 << bit) for bit in range(20))
    elif isinstance(value, str):
        data = value.encode()
        for at in range(len(data)):
            for mask in (0x01, 0x10):
                changed = bytes([*data[:at], data[at] ^ mask, *data[at + 1 :]])
                yield changed.decode("latin-1")
        yield value + " "
        yield value[:-1] if value else "x"


def sound(connection: Connection) -> bool:
    found: list[str] = []
    try:
        verify_chain(connection)
        replay(connection, found.append)
    except IntegrityError:
        return False
    return not found


def cells(connection: Connection, table: Table) -> Iterator[tuple[Any, str, object]]:
    key = list(table.primary_key)
    for row in connection.execute(select(table)).all():
        where = [column == row._mapping[column.name] for column in key]
        for column in table.columns:
            yield where, column.name, row._mapping[column.name]


@pytest.mark.parametrize("name", LEDGER)
def test_every_stored_byte_that_is_flipped_is_found(used: Any, name: str) -> None:
    table, tried = metadata.tables[name], 0
    with used.store.write() as connection:
        assert sound(connection)
        for where, column, value in list(cells(connection, table)):
            # One value of each long column is enough of each sort of row; the first rows differ in kind.
            for other in flips(value):
                trial = connection.begin_nested()
                try:
                    connection.execute(update(table).where(*where).values({column: other}))
                except DBAPIError:
                    trial.rollback()  # the database itself refused it
                    continue
                assert not sound(connection), (name, column, value, other)
                tried += 1
                trial.rollback()
        assert sound(connection)
    assert tried > 10


@pytest.mark.parametrize("name", LEDGER)
def test_every_row_that_is_removed_is_found(used: Any, name: str) -> None:
    table = metadata.tables[name]
    with used.store.write() as connection:
        rows = connection.execute(select(table)).all()
        assert rows
        for row in rows:
            trial = connection.begin_nested()
            where = [column == row._mapping[column.name] for column in table.primary_key]
            connection.execute(table.delete().where(*where))
            assert not sound(connection), row
            trial.rollback()


def test_a_flipped_byte_of_the_database_file_is_found_or_carries_nothing(used: Any) -> None:
    """Raw bytes of the file, every 97th: either verification fails, or what is stored reads the same."""
    import sqlite3

    def dump(data: bytes) -> tuple[bool, list[str]]:
        raw = sqlite3.connect(":memory:")
        try:
            raw.deserialize(data)
            return True, list(raw.iterdump())
        except sqlite3.Error:
            return False, []
        finally:
            raw.close()

    with used.store.read() as connection:
        source = connection.connection.dbapi_connection
        clean = sqlite3.connect(":memory:")
        source.backup(clean)
        clean.execute("VACUUM")
        data = clean.serialize()
        clean.close()
    # A file in WAL mode cannot be opened from memory: the two version bytes say rollback journal here.
    data = data[:18] + b"\x01\x01" + data[20:]
    readable, truth = dump(data)
    assert readable
    loud = silent = 0
    for at in range(0, len(data), 97):
        readable, told = dump(data[:at] + bytes([data[at] ^ 0x04]) + data[at + 1 :])
        if readable and told != truth:
            assert _differs_where_it_is_checked(told, truth), at
        loud += not readable or told != truth
        silent += readable and told == truth
    assert loud > 20
    assert silent > 20


def _differs_where_it_is_checked(told: list[str], truth: list[str]) -> bool:
    """A changed line belongs to the schema, or to a table of which every byte is checked above."""
    changed = set(told) ^ set(truth)
    tables = tuple(f'INSERT INTO "{name}"' for name in (*LEDGER, "alembic_version"))
    return all(line.startswith(tables) or not line.startswith("INSERT") for line in changed)


def test_an_entry_changed_behind_the_triggers_breaks_the_chain(book: Any) -> None:
    with book.store.read() as connection:
        assert verify_chain(connection) == 3
    book.tamper("UPDATE entry SET body = replace(body, '100', '900') WHERE seq = 1")
    with pytest.raises(IntegrityError, match="broken at entry 1"):
        book.complaints()


def test_the_chain_cannot_be_changed_through_the_database(book: Any) -> None:
    for statement in ("UPDATE entry SET body = '{}'", "DELETE FROM entry"):
        with pytest.raises(DBAPIError, match="append-only"), book.store.write() as connection:
            connection.execute(text(statement))


def test_an_entry_cut_off_with_its_row_is_found_only_by_a_checkpoint_from_outside(book: Any) -> None:
    from dpsynth.ledger.checkpoint import compare, now

    book.reserve("a", 30)
    with book.store.read() as connection:
        outside = now(connection, "2026-01-01T00:00:00+00:00")
        before = read_head(connection).seq - 1
    book.tamper(f"DELETE FROM entry WHERE seq > {before}")
    for statement in (
        f"UPDATE head SET seq = {before}, hash = (SELECT hash FROM entry WHERE seq = {before})",
        "DELETE FROM charge",
        "DELETE FROM lease",
        "UPDATE balance SET held = forfeited",
    ):
        book.tamper(statement)
    assert book.complaints() == []
    with book.store.read() as connection:
        assert "older copy" in compare(connection, outside)


def test_an_entry_commits_to_everything_before_it(book: Any) -> None:
    with book.store.write() as connection:
        one = append(connection, "note", what="a")
        two = append(connection, "note", what="a")
    assert one.hash != two.hash


def test_a_history_that_the_ledger_would_never_write_is_found_though_its_hashes_are_right(book: Any) -> None:
    book.spend("a", 30)
    with book.store.write() as connection:
        append(connection, "released", charge="a", reason="a gift")
        connection.execute(text("UPDATE charge SET state = 'RELEASED'"))
    assert any("against the rules" in sentence for sentence in book.complaints())


def test_a_charge_that_was_let_in_without_room_is_found_though_its_hashes_are_right(
    book: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.spend("a", 80)
    assert book.complaints() == []
    monkeypatch.setattr(charges, "fits", lambda *_: True)  # a gate that is broken, or was gone round
    book.spend("b", 30)
    assert any("no room" in sentence for sentence in book.complaints())


def test_a_charge_in_a_scope_that_was_never_opened_is_found(book: Any) -> None:
    told = {"payload_sha256": "", "part": "", "attempt": "", "cost": cost_to_json(zcdp_cost(1))}
    with book.store.write() as connection:
        append(connection, "reserve", charge="x", scopes=["nowhere"], **told)
    assert any("no room" in sentence for sentence in book.complaints())


def test_a_run_that_drew_more_than_it_had_reserved_is_found(book: Any, make_scope: Any) -> None:
    cost, event = cost_of(DiscreteGaussian(50.0)), event_to_json(DiscreteGaussian(50.0))
    book.open(make_scope("wide", Cap(10**9, 64)))
    for key, times in (("within", 1), ("beyond", 2)):
        book.reserve(key, cost, ("wide",))
        book.commit(key)
        with book.store.write() as connection:
            charges.settle(connection, key, [event] * times)
        assert any("drew more" in sentence for sentence in book.complaints()) == (times > 1)


def test_a_cap_raised_by_one_person_is_found_though_its_hashes_are_right(book: Any) -> None:
    caps = {"rho_cap": "900", "omega": "64", "delta_cap": "1000000000", "mu2_cap": ""}
    with book.store.write() as connection:
        append(connection, "cap", id="people", policy_sha256="0" * 64, approvers=["dana"], **caps)
        connection.execute(text("UPDATE scope SET rho_cap = 900 WHERE id = 'people'"))
    assert any("against the rules" in sentence for sentence in book.complaints())


def test_an_entry_that_is_no_canonical_json_is_not_a_link(sqlite_book: Any) -> None:
    from dpsynth.core.canonical import sha256_hex

    with sqlite_book.store.read() as connection:
        last = connection.execute(text("SELECT * FROM entry ORDER BY seq DESC")).first()
    assert last is not None
    body = json.dumps({**json.loads(last.body), "seq": last.seq + 1}, indent=1)
    link = sha256_hex(last.hash.encode() + body.encode())
    values = {"seq": last.seq + 1, "body": body, "prev": last.hash, "hash": link}
    with sqlite_book.store.write() as connection:
        connection.execute(text("INSERT INTO entry VALUES (:seq, :body, :prev, :hash)"), values)
        connection.execute(text("UPDATE head SET seq = :seq, hash = :hash"), values)
    with pytest.raises(IntegrityError, match="broken at entry"):
        sqlite_book.complaints()
