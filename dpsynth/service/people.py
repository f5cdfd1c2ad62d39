"""People, their roles and their keys. Roles are read from the database at each call, never remembered.

A key speaks for the roles that stand in its public file, for good. Where roles change, the key changes: the
old private half is destroyed, the old public half stays, so that what was signed before still verifies.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from sqlalchemy import Connection, Row, select, update

from dpsynth.core.errors import BadInput, Conflict, PolicyRefusal
from dpsynth.ledger.chain import append
from dpsynth.ledger.store import Store
from dpsynth.publish.keys import new_key, write_public_key
from dpsynth.service.access_tables import entries_of
from dpsynth.service.tables import people
from dpsynth.service.views import Person

__all__ = [
    "ADMIN",
    "ROLES",
    "SERVICE",
    "add_person",
    "all_people",
    "ensure_service_key",
    "person",
    "renew_key",
    "require_role",
    "set_up_is_over",
]

ADMIN = "admin"
ROLES = ("data_scientist", "compliance_officer", "data_owner", "auditor", ADMIN)
SERVICE = "dpsynth-service"
_ID = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")


def _person(row: Row[tuple[object, ...]]) -> Person:
    return Person(row.id, row.name, tuple(json.loads(row.roles)), row.key_id)


def set_up_is_over(connection: Connection) -> bool:
    """Whether two people have ever been admins: from then on nobody gives a role alone."""
    told = entries_of(connection, "person")
    return len({entry.body["person"] for entry in told if ADMIN in entry.body["roles"]}) > 1


def add_person(
    store: Store,
    home: Path,
    person_id: str,
    name: str,
    roles: tuple[str, ...],
    actor: str = "",
    served: bool = False,
) -> Person:
    """Add a person and, with roles, their signing key. Raises BadInput, Conflict or PolicyRefusal.

    Until two people are admins, whoever can open the state adds people with roles. After that an admin adds
    people without any; roles are proposed by one admin and confirmed by another. Pages (``served``) never
    set up anything.
    """
    unknown = set(roles).difference(ROLES)
    if not _ID.fullmatch(person_id) or not name.strip() or len(name) > 100 or unknown:
        raise BadInput(
            "A person needs an id, a name and roles that exist",
            allowed="id: lower-case letters, digits, dashes; roles: " + ", ".join(ROLES),
            remedy="correct the command",
        )
    with store.write() as connection:
        _refuse_alone(connection, roles, actor, served)
        if connection.execute(select(people.c.id).where(people.c.id == person_id)).first():
            raise Conflict(f"{person_id} exists already", remedy="choose another id")
        return _insert(connection, home, person_id, name, roles, actor)


def _refuse_alone(connection: Connection, roles: tuple[str, ...], actor: str, served: bool) -> None:
    over = served or set_up_is_over(connection)
    if over:
        require_role(connection, actor, ADMIN)
    if over and roles:
        raise PolicyRefusal(
            "Nobody gives a role alone",
            allowed="adding a person without roles; then one admin proposes a role and another confirms it",
            remedy="add the person without roles and propose each with `dpsynth people grant`",
        )
    if not over and not roles:
        raise BadInput(
            "A person needs at least one role",
            allowed="roles: " + ", ".join(ROLES),
            remedy="name a role with --role",
        )
    if ADMIN in roles and len(roles) > 1:
        raise PolicyRefusal(
            "An admin holds no other role",
            allowed="admin alone, or any other roles",
            remedy="name two people",
        )


def _insert(
    connection: Connection, home: Path, person_id: str, name: str, roles: tuple[str, ...], actor: str = ""
) -> Person:
    values = {"id": person_id, "name": name, "roles": "[]", "key_id": ""}
    connection.execute(people.insert().values(**values))
    told = {"actor": actor} if actor else {}
    return renew_key(connection, home, person_id, roles, **told)


def renew_key(
    connection: Connection, home: Path, person_id: str, roles: tuple[str, ...], **told: str
) -> Person:
    """Give a person these roles and a new key that speaks for them; without roles they have no key.

    The files change before the transaction ends: after a crash between the two the person signs with a key
    of the roles that they were about to get, or with none, and the change is made again.

    Args:
        connection: the caller's transaction.
        home: the state directory.
        person_id: somebody who is in the database.
        roles: all roles that the person has from now on.
        told: what the entry of the chain says beside person, roles and key.
    """
    private = home / "secrets" / f"{person_id}.pem"
    kept = private.with_suffix(".before")
    if private.exists():
        private.replace(kept)
    public: list[Path] = []
    try:
        key_id = _write_key(home, person_id, roles, public) if roles else ""
        values = {"roles": json.dumps(list(roles)), "key_id": key_id}
        connection.execute(update(people).where(people.c.id == person_id).values(**values))
        append(connection, "person", person=person_id, roles=list(roles), key_id=key_id, **told)
    except BaseException:
        # Nobody has this key: left where it is, it would forbid to add the person later.
        private.unlink(missing_ok=True)
        if kept.exists():
            kept.replace(private)
        for path in public:
            path.unlink()
        raise
    kept.unlink(missing_ok=True)
    return person(connection, person_id, service=True)


def _write_key(home: Path, person_id: str, roles: tuple[str, ...], written: list[Path]) -> str:
    """The first public key of a person has their name; later ones also the key's."""
    key = new_key(home / "secrets" / f"{person_id}.pem", person_id, roles)
    path = home / "keys" / f"{person_id}.json"
    if path.exists():
        path = path.with_name(f"{person_id}.{key.key_id[:16]}.json")
    write_public_key(path, key)
    written.append(path)
    return key.key_id


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


def person(connection: Connection, person_id: str, *, service: bool = False) -> Person:
    """The person with this id (or the service, if asked for). Raises PolicyRefusal when there is none."""
    row = connection.execute(select(people).where(people.c.id == person_id)).first()
    if row is None or (row.id == SERVICE and not service):
        raise PolicyRefusal(
            "Nobody with this id is known here",
            allowed="people that were added with `dpsynth people add`",
            remedy="check the id you act as",
        )
    return _person(row)


def require_role(connection: Connection, person_id: str, *roles: str) -> Person:
    """The person, if one of the roles is theirs. Raises PolicyRefusal otherwise."""
    someone = person(connection, person_id)
    alone = ADMIN in someone.roles and ADMIN not in roles  # an admin decides on nothing but people
    if alone or not set(roles) & set(someone.roles):
        raise PolicyRefusal(
            f"{someone.id} may not do this",
            allowed="people with the role " + " or ".join(roles),
            remedy="ask one of them",
        )
    return someone
