"""`db init` on a real PostgreSQL server: the role it makes runs everything and cannot change history."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from dpsynth.core.errors import BadInput
from dpsynth.ledger.migrate import CURRENT
from dpsynth.policy.loader import load_policy
from dpsynth.service import Platform, RequestForm
from dpsynth.service.database import init_database
from dpsynth.service.doctor import examine

POLICY = Path(__file__).parents[2] / "policies" / "rand-health.yaml"
WORDS = "Teaching health economics: students compare visit counts by plan, without looking at anybody at all."


@pytest.fixture
def server(postgres_server: Callable[[], str]) -> Iterator[tuple[str, str, str]]:
    """An empty database: the owner's URL, the service's, and the role that `db init` has made."""
    owner, role = postgres_server(), f"service_{uuid.uuid4().hex[:12]}"
    assert init_database(owner, role) == CURRENT
    yield owner, owner.replace("postgres:@", f"{role}:@"), role
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {role}")  # type: ignore[arg-type]
        connection.execute(f"DROP ROLE {role}")  # type: ignore[arg-type]


def table(folder: Path) -> Path:
    path = folder / "rand.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([spec.name for spec in load_policy(POLICY).columns])
        for row in range(300):
            writer.writerow([row % 2 for _ in load_policy(POLICY).columns])
    return path


def test_the_service_role_walks_from_registration_to_publication(
    server: tuple[str, str, str], tmp_path: Path
) -> None:
    platform = Platform.open(tmp_path / "state", database=server[1])
    for person, role in (("sam", "data_scientist"), ("carol", "compliance_officer"), ("dana", "data_owner")):
        platform.add_person(person, person.title(), (role,))
    policy = tmp_path / "policy.yaml"  # so few rows leave the attacks inconclusive
    policy.write_text(POLICY.read_text().replace("on_inconclusive: block", "on_inconclusive: officer_reason"))
    platform.register_dataset("dana", policy, table(tmp_path))
    form = RequestForm("rand-health", "independent", WORDS, "students", epsilon="0.5")
    request = platform.submit("sam", form).id
    platform.run_once("worker")
    for person in ("carol", "dana"):
        found = platform.dossier(person, request)
        words = "It was read and discussed."
        platform.approve(person, request, found.sha256, words, tuple(found.body["must_tick"]))
    assert platform.publish("carol", request).is_dir()
    assert platform.verify_ledger()
    checks = {check.checked: check.state for check in examine(tmp_path / "state", server[1])}
    assert (checks["database"], checks["database rights"], checks["clock"]) == ("ok", "ok", "ok")
    platform._store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET body = '{}'",
        "DELETE FROM entry",
        "TRUNCATE entry",
        "ALTER TABLE entry DISABLE TRIGGER ALL",
        "DROP TRIGGER entry_append_only ON entry",
        "DROP TABLE charge",
        "DELETE FROM head",
        "DELETE FROM charge",
        "DELETE FROM balance",
        "DELETE FROM request",
        "DELETE FROM person",
        "UPDATE decision SET reason = ''",
        "DELETE FROM decision",
        "UPDATE alembic_version SET version_num = '0001'",
        "CREATE TABLE more (id integer)",
        "CREATE ROLE another",
    ],
)
def test_the_service_role_cannot_change_history_or_the_schema(
    server: tuple[str, str, str], statement: str
) -> None:
    with psycopg.connect(server[1]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)  # type: ignore[arg-type]


def test_set_up_again_changes_nothing_and_tables_of_a_later_migration_are_the_services_too(
    server: tuple[str, str, str],
) -> None:
    owner, service, role = server
    assert init_database(owner, role) == CURRENT
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CREATE TABLE later (number serial PRIMARY KEY, words text)")
    with psycopg.connect(service) as connection:
        connection.execute("INSERT INTO later (words) VALUES ('x')")
        assert connection.execute("SELECT number FROM later").fetchall() == [(1,)]


def test_the_owner_is_told_to_connect_as_the_service(server: tuple[str, str, str], tmp_path: Path) -> None:
    Platform.open(tmp_path / "state", database=server[0])._store.close()
    found = {check.checked: check for check in examine(tmp_path / "state", server[0])}["database rights"]
    assert found.state == "warning"
    assert "db init" in found.remedy


def test_what_cannot_be_set_up_is_bad_input_and_names_no_password(
    server: tuple[str, str, str], postgres_server: Callable[[], str]
) -> None:
    with pytest.raises(BadInput, match="no server"):
        init_database("", "role")
    with pytest.raises(BadInput, match="name of a database role"):
        init_database(server[0], "role; DROP TABLE entry")
    with pytest.raises(BadInput, match="with this account") as told:
        init_database(server[1].replace(f"{server[2]}:@", f"{server[2]}:918273645@"), "another_role")
    assert "918273645" not in told.value.text()
