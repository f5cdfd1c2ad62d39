"""People, their roles and their keys. Roles are read from the database at each call, never remembered."""

from __future__ import annotations

import json
import re
from pathlib import Path

from sqlalchemy import Connection, Row, select

from dpsynth.core.errors import BadInput, Conflict, PolicyRefusal
from dpsynth.ledger.chain import append
from dpsynth.ledger.store import Store
from dpsynth.publish.keys import new_key, write_public_key
from dpsynth.service.tables import people
from dpsynth.service.views import Person

__all__ = ["ROLES", "SERVICE", "add_person", "all_people", "ensure_service_key", "person", "require_role"]

ROLES = ("data_scientist", "compliance_officer", "data_owner", "auditor")
SERVICE = "dpsynth-service"
_ID = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")


def _person(row: Row[tuple[object, ...]]) -> Person:
    return Person(row.id, row.name, tuple(json.loads(row.roles)), row.key_id)


def add_person(store: Store, home: Path, person_id: str, name: str, roles: tuple[str, ...]) -> Person:
    """Add a person with roles and make a signing key. Raises BadInput or Conflict."""
    unknown = set(roles).difference(ROLES)
    if not _ID.fullmatch(person_id) or not name.strip() or len(name) > 100 or not roles or unknown:
        raise BadInput(
            "A person needs an id, a name and at least one role",
            allowed="id: lower-case letters, digits, dashes; roles: " + ", ".join(ROLES),
            remedy="correct the command",
        )
    with store.write() as connection:
        if connection.execute(select(people.c.id).where(people.c.id == person_id)).first():
            raise Conflict(f"{person_id} exists already", remedy="choose another id")
        return _insert(connection, home, person_id, name, roles)


def _insert(connection: Connection, home: Path, person_id: str, name: str, roles: tuple[str, ...]) -> Person:
    private, public = home / "secrets" / f"{person_id}.pem", home / "keys" / f"{person_id}.json"
    key = new_key(private, person_id, roles)
    try:
        write_public_key(public, key)
        connection.execute(
            people.insert().values(id=person_id, name=name, roles=json.dumps(list(roles)), key_id=key.key_id)
        )
        append(connection, "person", person=person_id, roles=list(roles), key_id=key.key_id)
    except BaseException:
        # Nobody has this key: left where it is, it would forbid to add the person later.
        private.unlink()
        public.unlink(missing_ok=True)
        raise
    return Person(person_id, name, roles, key.key_id)


def ensure_service_key(store: Store, home: Path) -> None:
    """The service's own signing key, made once."""
    with store.write() as connection:
        if not connection.execute(select(people.c.id).where(people.c.id == SERVICE)).first():
            _insert(connection, home, SERVICE, "the dpsynth service", ("service",))


def all_people(store: Store) -> list[Person]:
    """Everyone but the service, in order of id."""
    with store.read() as connection:
        rows = connection.execute(select(people).where(people.c.id != SERVICE).order_by(people.c.id))
        return [_person(row) for row in rows]


def person(connection: Connection, person_id: str) -> Person:
    """The person with this id. Raises PolicyRefusal when there is none."""
    row = connection.execute(select(people).where(people.c.id == person_id, people.c.id != SERVICE)).first()
    if row is None:
        raise PolicyRefusal(
            "Nobody with this id is known here",
            allowed="people that were added with `dpsynth people add`",
            remedy="check the id you act as",
        )
    return _person(row)


def require_role(connection: Connection, person_id: str, *roles: str) -> Person:
    """The person, if one of the roles is theirs. Raises PolicyRefusal otherwise."""
    someone = person(connection, person_id)
    if not set(roles) & set(someone.roles):
        raise PolicyRefusal(
            f"{someone.id} may not do this",
            allowed="people with the role " + " or ".join(roles),
            remedy="ask one of them",
        )
    return someone
