"""The database: tables, connections and transactions. SQLite on a local disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    select,
    text,
)
from sqlalchemy.exc import DatabaseError, OperationalError

from dpsynth.core.errors import BadInput, IntegrityError

__all__ = ["SCHEMA_VERSION", "Store", "charges", "entries", "metadata", "scopes"]

SCHEMA_VERSION = 1

metadata = MetaData()

scopes = Table(
    "scope",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("title", String, nullable=False),
    Column("rho_cap", BigInteger, nullable=False),
    Column("omega", Integer, nullable=False),
    Column("policy_sha256", String, nullable=False),
)

charges = Table(
    "charge",
    metadata,
    Column("key", String, primary_key=True),
    Column("payload_sha256", String, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("curve", Text, nullable=False),
    Column("rho", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Column("reason", String, nullable=False),
)

entries = Table(
    "entry",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    Column("prev", String, nullable=False),
    Column("hash", String, nullable=False),
)

_schema = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

_APPEND_ONLY = [
    f"CREATE TRIGGER IF NOT EXISTS entry_no_{verb.lower()} BEFORE {verb} ON entry "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    for verb in ("UPDATE", "DELETE")
]
_NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "afs", "9p"}


class Store:
    """One SQLite database. Every write transaction is ``BEGIN IMMEDIATE``, durable on return."""

    def __init__(self, path: Path) -> None:
        _refuse_network_share(path)
        self._engine = _engine(path)

    @classmethod
    def create_or_open(cls, path: Path) -> Store:
        """Open the database, making it first if it is not there. Refuses a newer schema."""
        store = cls(path)
        try:
            store._prepare()
        except DatabaseError as error:
            if isinstance(error, OperationalError):
                raise
            raise IntegrityError(
                f"{path.name} is not a ledger database",
                remedy="name another state directory, or put the ledger's own file back",
            ) from error
        return store

    def _prepare(self) -> None:
        with self.write() as connection:
            found = _found_version(connection)
            if found is None:
                metadata.create_all(connection)
                for trigger in _APPEND_ONLY:
                    connection.execute(text(trigger))
                connection.execute(_schema.insert().values(version=SCHEMA_VERSION))
            elif found != SCHEMA_VERSION:
                raise IntegrityError(
                    f"The database has schema version {found}, this program knows {SCHEMA_VERSION}",
                    remedy="use the program version that belongs to the database",
                )

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction: all or nothing, fsynced when it returns."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: one consistent snapshot."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.rollback()


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        # The driver must not open transactions by itself: BEGIN IMMEDIATE is ours to say.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _found_version(connection: Connection) -> int | None:
    names = connection.execute(text("SELECT name FROM sqlite_master WHERE name = 'schema_version'"))
    if names.first() is None:
        return None
    return int(connection.execute(select(_schema.c.version)).scalar_one())


def _mounts() -> list[tuple[str, str]]:
    """(mount point, file system) pairs; empty where the system does not tell."""
    table = Path("/proc/mounts")
    if not table.exists():
        return []
    fields = (line.split(" ") for line in table.read_text().splitlines())
    return [(point, system) for _, point, system, *_ in fields]


def _refuse_network_share(path: Path) -> None:
    """SQLite's locks do not hold on network shares; refuse to start there."""
    holding = [
        (len(point), system)
        for point, system in _mounts()
        if os.path.commonpath([point, path.absolute()]) == point
    ]
    if holding and max(holding)[1] in _NETWORK_FILE_SYSTEMS:
        raise BadInput(
            "The ledger's database would lie on a network share",
            allowed="a local disk (SQLite's locks do not hold elsewhere)",
            remedy="choose another state directory",
        )
