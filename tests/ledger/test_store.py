"""Where a ledger may lie, which schema it has, and what the databases are asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, inspect, text

from dpsynth.core.errors import BadInput, IntegrityError
from dpsynth.ledger import migrate, places
from dpsynth.ledger.schema import metadata
from dpsynth.ledger.store import Store


def set_revision(book: Any, revision: str) -> None:
    with book.store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})


def test_a_newer_schema_is_refused_and_never_migrated(book: Any, database: Path | str) -> None:
    set_revision(book, "9999")
    with pytest.raises(IntegrityError, match="9999, which this program does not know"):
        Store.open(database)
    with pytest.raises(IntegrityError, match="9999"):
        Store.migrated(database)


def test_an_older_schema_waits_for_a_person_to_migrate_it(database: Path | str) -> None:
    from alembic import command
    from alembic.config import Config

    from dpsynth.ledger import store as store_module

    config = Config()
    config.set_main_option("script_location", str(migrate._scripts()))
    engine = store_module._engine(database)
    with store_module._locked(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    with pytest.raises(IntegrityError, match="dpsynth db migrate"):
        Store.open(database)
    store = Store.migrated(database)
    with store.read() as connection:
        assert migrate.found_revision(connection) == migrate.CURRENT
        assert {"request", "decision", "entry"} <= set(inspect(connection).get_table_names())
    store.close()


def test_the_program_reads_the_newest_schema_it_has_a_migration_for() -> None:
    assert migrate.known_revisions()[0] == migrate.CURRENT


def test_the_migrated_schema_is_the_one_the_program_works_with(book: Any) -> None:
    import dpsynth.service.tables  # noqa: F401 - registers the service's tables

    with book.store.read() as connection:
        found = inspect(connection)
        assert set(metadata.tables) == set(found.get_table_names()) - {"alembic_version"}
        for name, table in metadata.tables.items():
            columns = {one["name"]: one for one in found.get_columns(name)}
            assert set(columns) == {column.name for column in table.columns}
            for column in table.columns:
                assert columns[column.name]["nullable"] == column.nullable, (name, column.name)
                assert columns[column.name]["default"] is None or column.autoincrement is True
            stored = {index["name"] for index in found.get_indexes(name) if not index["unique"]}
            assert stored == {index.name for index in table.indexes}


def test_no_column_of_the_ledger_holds_a_float_or_has_a_default() -> None:
    for table in metadata.tables.values():
        for column in table.columns:
            assert column.default is column.server_default is None, column
            assert not re.search("FLOAT|REAL|NUMERIC|DOUBLE", str(column.type).upper()), column


def test_a_network_share_is_refused_and_a_local_disk_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_book: Callable[..., Any]
) -> None:
    monkeypatch.setattr(places, "_mounts", lambda: [("/", "ext4"), (str(tmp_path), "nfs4")])
    with pytest.raises(BadInput, match="network share"):
        Store.open(tmp_path / "ledger.sqlite")
    monkeypatch.setattr(places, "_mounts", lambda: [("/", "nfs4"), (str(tmp_path), "ext4")])
    assert make_book(tmp_path / "ledger.sqlite")


def test_a_file_that_is_no_database_is_an_integrity_error(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is not a database at all, only text" * 100)
    with pytest.raises(IntegrityError, match="not a ledger"):
        Store.open(path)


def test_a_database_of_something_else_is_refused_untouched(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE orders (id INTEGER)")
    other.close()
    with pytest.raises(IntegrityError, match="schema none"):
        Store.open(path)
    with sqlite3.connect(path) as other:
        assert [row[0] for row in other.execute("SELECT name FROM sqlite_master")] == ["orders"]
    other.close()


@pytest.mark.parametrize("address", ["mysql://host/db", "not an address", "", "sqlite:///x"])
def test_an_address_that_is_no_postgresql_server_is_bad_input(address: str) -> None:
    with pytest.raises(BadInput, match="database address"):
        Store.open(address)


def test_a_commit_is_durable_whatever_the_servers_own_setting(
    postgres_server: Callable[[], str], make_book: Callable[..., Any]
) -> None:
    url = postgres_server()
    name = url.split("?")[0].rsplit("/", 1)[1]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit TO off")
    book = make_book(url)
    with book.store.read() as connection:
        assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"


def test_a_file_is_written_in_wal_mode_with_full_sync(sqlite_book: Any) -> None:
    with sqlite_book.store.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2  # FULL


def test_a_service_role_without_rights_on_entries_can_run_the_ledger(
    postgres_server: Callable[[], str], make_book: Callable[..., Any], make_scope: Callable[..., Any]
) -> None:
    from sqlalchemy.exc import ProgrammingError

    from dpsynth.accounting.gate import Cap

    url = postgres_server()
    make_book(url).open(make_scope("people", Cap(100, 64)))
    role = "service_" + url.split("?")[0].rsplit("_", 1)[1]
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN")
        owner.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
        owner.execute(f"REVOKE UPDATE, DELETE ON entry FROM {role}")
        owner.execute(f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {role}")
    book = make_book(url.replace("postgres:@", f"{role}:@"))
    book.spend("a", 30)
    assert book.complaints() == []
    with pytest.raises(ProgrammingError, match="permission denied"), book.store.write() as connection:
        connection.execute(text("DELETE FROM entry"))


def test_what_a_charge_costs_the_database_does_not_grow_with_history(book: Any) -> None:
    """Statements are counted, not seconds: the same number at the first charge and after fifty."""
    statements: list[str] = []
    engine = book.store._engine

    @event.listens_for(engine, "before_cursor_execute")
    def _count(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    def cost(key: str) -> int:
        statements.clear()
        book.spend(key, 1, scopes=("people", "sam"))
        return len(statements)

    first = cost("first")
    for number in range(50):
        book.spend(f"k{number}", 1)
    assert cost("last") == first


def test_no_statement_of_a_charge_reads_a_whole_table_of_history(sqlite_book: Any) -> None:
    """SQLite's own plan of every statement of a charge: entries, charges and leases by key or index only."""
    plans: list[str] = []
    engine = sqlite_book.store._engine

    @event.listens_for(engine, "before_cursor_execute")
    def _explain(_c: Any, cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.split()[0] in {"SELECT", "UPDATE", "DELETE"}:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[3] for row in cursor.fetchall())

    sqlite_book.spend("a", 1)
    assert [plan for plan in plans if "USING" in plan]
    scans = [plan for plan in plans if re.match(r"SCAN (entry|charge|lease|balance|attempt)\b", plan)]
    assert scans == []
