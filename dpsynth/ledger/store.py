"""The database: SQLite on a local disk, or a PostgreSQL server. One writer at a time, durable on return."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, NoSuchModuleError, OperationalError

from dpsynth.core.errors import BadInput, Conflict, IntegrityError
from dpsynth.ledger import migrate
from dpsynth.ledger.places import refuse_network_share
from dpsynth.ledger.schema import head

__all__ = ["Store"]

_WAIT_SECONDS = 30
_TRIES = 20
_PAUSE_SECONDS = 0.05
# serialization_failure, deadlock_detected, lock_not_available: the other one was first; ask again.
_RETRIED = frozenset({"40001", "40P01", "55P03"})


class Store:
    """One database.

    Every write transaction first takes the one write lock (SQLite: ``BEGIN IMMEDIATE``; PostgreSQL: the row
    ``head`` ``FOR UPDATE``), so what it reads cannot change before it writes, and both databases write the
    same entries.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._frozen = ""

    @classmethod
    def open(cls, database: Path | str) -> Store:
        """Open the database, making it first if it is empty.

        Args:
            database: path of a SQLite file, or a URL such as ``postgresql://user@host/name``.

        Raises:
            BadInput: the place cannot hold a ledger.
            IntegrityError: its schema is not this program's, or it is no ledger at all.
        """
        store = cls(_engine(database))
        try:
            store._prepare()
        except BaseException as error:
            store.close()
            if not isinstance(error, DatabaseError) or isinstance(error, OperationalError):
                raise
            raise IntegrityError(
                "This is not a ledger database",
                remedy="name another state directory, or put the ledger's own file back",
            ) from error
        return store

    @classmethod
    def migrated(cls, database: Path | str) -> Store:
        """Bring an older schema up to this program's, then open it. Only ever asked for by a person."""
        engine = _engine(database)
        try:
            with _locked(engine) as connection:
                migrate.upgrade(connection)
        finally:
            engine.dispose()
        return cls.open(database)

    @classmethod
    def as_found(cls, database: Path | str) -> Store:
        """The database as it lies, whatever its schema: nothing is made. For looking at it only.

        Raises BadInput for a place that cannot hold a ledger.
        """
        return cls(_engine(database))

    @property
    def revision(self) -> str | None:
        """Revision of the database's schema; None when it is empty."""
        with self.read() as connection:
            return migrate.found_revision(connection)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    def close(self) -> None:
        """Give back the connections to the database; the store may be used again."""
        self._engine.dispose()

    def freeze(self, why: str) -> None:
        """Refuse every further write of this program, with this reason."""
        self._frozen = why

    @property
    def frozen(self) -> str:
        """Why nothing may be written, or an empty text."""
        return self._frozen

    def _prepare(self) -> None:
        found = self.revision
        if found is None:
            with _locked(self._engine) as connection:
                if migrate.found_revision(connection) is None:  # another process may have been first
                    migrate.upgrade(connection)
        else:
            migrate.require_current(found)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction: all or nothing, durable when it returns.

        Serialization faults can only meet the taking of the lock, before the caller's block begins; they
        are retried there, so a block runs at most once. Raises Conflict when the lock cannot be had,
        IntegrityError when the store is frozen.
        """
        if self._frozen:
            raise IntegrityError(
                f"The ledger is read-only: {self._frozen}",
                allowed="reading",
                remedy="stop, keep a copy, and find out with an auditor what happened to the database",
            )
        with self._engine.connect() as connection:
            self._take_lock(connection)
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    def _take_lock(self, connection: Connection) -> None:
        for _ in range(_TRIES):
            try:
                _begin_write(connection)
            except DBAPIError as error:
                connection.rollback()
                if not _was_first(error):
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                return
        raise Conflict(
            "The ledger is busy: another program holds its lock",
            allowed="one writer at a time",
            remedy="nothing was changed; try again",
        )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: one consistent snapshot."""
        with self._engine.connect() as connection:
            sqlite = connection.dialect.name == "sqlite"
            begin = "BEGIN" if sqlite else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
            connection.exec_driver_sql(begin)
            try:
                yield connection
            finally:
                connection.rollback()


def _begin_write(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    connection.execute(text(f"SET LOCAL lock_timeout = '{_WAIT_SECONDS}s'"))
    connection.execute(select(head.c.seq).with_for_update()).all()


def _was_first(error: DBAPIError) -> bool:
    code = getattr(error.orig, "sqlstate", None)
    return code in _RETRIED or "database is locked" in str(error.orig)


@contextmanager
def _locked(engine: Engine) -> Iterator[Connection]:
    """A transaction that changes the schema; the lock row may not be there yet."""
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(7164201)"))
        try:
            yield connection
            connection.commit()
        except BaseException:
            connection.rollback()
            raise


def _engine(database: Path | str) -> Engine:
    if isinstance(database, Path):
        refuse_network_share(database)
        return _sqlite(database)
    try:
        url = make_url(database)
    except ArgumentError:
        url = URL.create("")
    if url.get_backend_name() != "postgresql":
        raise BadInput(
            "The database address cannot be understood",
            allowed="postgresql://user@host/name, or no address for SQLite in the state directory",
            remedy="correct --database or DPSYNTH_DATABASE",
        )
    return _postgresql(url.set(drivername="postgresql+psycopg"))


def _sqlite(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _WAIT_SECONDS})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        # The driver must not open transactions by itself: BEGIN IMMEDIATE is ours to say.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _postgresql(url: URL) -> Engine:
    try:
        engine = create_engine(url, pool_pre_ping=True, isolation_level="READ COMMITTED")
    except (ImportError, NoSuchModuleError) as error:
        raise BadInput(
            "PostgreSQL needs a driver that is not installed",
            allowed="the extra `postgres`",
            remedy='pip install "dpsynth-platform[postgres]"',
        ) from error

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        # A commit that returns must be on disk, whatever the server's own setting says.
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit TO on")
            cursor.execute("SHOW fsync")
            durable = cursor.fetchone()[0] == "on"
        connection.commit()
        if not durable:
            raise IntegrityError(
                "This PostgreSQL server runs with fsync off: a committed charge could be lost",
                allowed="fsync = on",
                remedy="have the server's administrator switch it on",
            )

    return engine
