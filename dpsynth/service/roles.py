"""Changes of who may do what: one admin proposes, another confirms, and neither is the person concerned.

What gives power waits for the second admin: a role, a new key, an account to sign in with, and taking the
admin role (or one admin could be left alone). Taking any other role, or an account, acts at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Row, select, update

from dpsynth.core.canonical import digest
from dpsynth.core.errors import BadInput, Conflict, PolicyRefusal
from dpsynth.ledger.chain import append, read_head
from dpsynth.service import signins
from dpsynth.service.access_tables import accounts, proposals
from dpsynth.service.clock import iso_now
from dpsynth.service.people import ADMIN, ROLES, person, renew_key, require_role, set_up_is_over
from dpsynth.service.tables import people
from dpsynth.service.views import Person

__all__ = [
    "KINDS",
    "account_text",
    "confirm",
    "link",
    "links_of",
    "propose",
    "take",
    "told_detail",
    "unlink",
    "withdraw",
]

KINDS = ("grant", "take admin", "rotate", "link")
_LONGEST = 255
_FEWEST_ADMINS = 2


def account_text(issuer: str, kind: str, name: str) -> str:
    """An account as the detail of a proposal. Raises BadInput for one that cannot be."""
    name = name.strip().casefold() if kind == "email" else name.strip()
    if not 0 < len(issuer) <= _LONGEST or not 0 < len(name) <= _LONGEST:
        raise BadInput(
            "An account needs an issuer and either a subject or an e-mail address",
            allowed=f"as the provider writes them in its tokens, up to {_LONGEST} characters each",
            remedy="name --issuer, and --subject or --email",
        )
    return json.dumps([issuer, kind, name])


def _account(text: str) -> tuple[str, str, str]:
    issuer, kind, name = json.loads(text)
    return issuer, kind, name


def told_detail(kind: str, detail: str) -> str:
    """What the chain says of a proposal's detail; of an account only its digest."""
    return signins.account_sha256(*_account(detail)) if kind == "link" else detail


def propose(
    connection: Connection, actor: str, kind: str, person_id: str, detail: str, proof: dict[str, str]
) -> str:
    """The id of a proposal that another admin may confirm. The same proposal again: the same id."""
    require_role(connection, actor, ADMIN)
    _check(connection, kind, person_id, detail, actor)
    query = select(proposals.c.id).where(
        proposals.c.state == "proposed",
        proposals.c.kind == kind,
        proposals.c.person == person_id,
        proposals.c.detail == detail,
    )
    if (known := connection.execute(query).scalar()) is not None:
        return str(known)
    told = {"person": person_id, "detail": told_detail(kind, detail)}
    name = "a-" + digest({"change": kind, **told, "after": str(read_head(connection).seq)})[:12]
    connection.execute(
        proposals.insert().values(
            id=name,
            kind=kind,
            person=person_id,
            detail=detail,
            proposer=actor,
            proposed=iso_now(),
            state="proposed",
            decider="",
        )
    )
    append(connection, "access proposed", proposal=name, change=kind, actor=actor, **told, **proof)
    return name


def _check(connection: Connection, kind: str, person_id: str, detail: str, actor: str) -> None:
    """Every rule that holds when a change is proposed and again when it is confirmed."""
    someone = person(connection, person_id)
    if someone.id == actor:
        raise PolicyRefusal(
            "Nobody changes their own roles, keys or accounts",
            allowed="two other admins: one proposes, the other confirms",
            remedy="ask them",
        )
    checks: dict[str, Callable[[], None]] = {
        "grant": lambda: _check_grant(someone, detail),
        "take admin": lambda: _check_take(connection, someone, ADMIN),
        "rotate": lambda: _check_rotate(someone),
        "link": lambda: None,
    }
    if kind not in checks:
        raise BadInput("There is no such change", allowed=", ".join(KINDS), remedy="name one of them")
    checks[kind]()


def _check_grant(someone: Person, role: str) -> None:
    if role not in ROLES:
        raise BadInput("There is no such role", allowed=", ".join(ROLES), remedy="name one of them")
    if role in someone.roles:
        raise Conflict(f"{someone.id} has this role already", remedy="nothing was changed")
    if someone.roles and ADMIN in (role, *someone.roles):
        raise PolicyRefusal(
            "An admin holds no other role",
            allowed="admin alone, or any other roles",
            remedy="take the other roles first, or name somebody else",
        )


def _check_rotate(someone: Person) -> None:
    if not someone.key_id:
        raise Conflict(f"{someone.id} has no key", remedy="a key comes with the first role")


def _check_take(connection: Connection, someone: Person, role: str) -> None:
    if role not in someone.roles:
        raise Conflict(f"{someone.id} does not have this role", remedy="nothing was changed")
    if role != ADMIN:
        return
    rows = connection.execute(select(people.c.roles)).scalars()
    if sum(ADMIN in json.loads(roles) for roles in rows) <= _FEWEST_ADMINS:
        raise PolicyRefusal(
            "Two admins must remain, or nobody could give a role again",
            allowed=f"taking the role where more than {_FEWEST_ADMINS} people have it",
            remedy="make another admin first",
        )


def confirm(connection: Connection, home: Path, actor: str, proposal: str, proof: dict[str, str]) -> str:
    """The second admin: the change takes effect. The person concerned. Raises Conflict, PolicyRefusal."""
    row = _open(connection, proposal)
    require_role(connection, actor, ADMIN)
    if actor == row.proposer:
        raise PolicyRefusal(
            "Nobody confirms their own proposal",
            allowed="an admin who did not propose it",
            remedy="ask another admin",
        )
    require_role(connection, row.proposer, ADMIN)
    _check(connection, row.kind, row.person, row.detail, actor)
    _decide(connection, row, actor, "confirmed")
    append(connection, "access confirmed", proposal=row.id, actor=actor, **proof)
    someone = person(connection, row.person)
    match row.kind:
        case "grant":
            renew_key(connection, home, someone.id, (*someone.roles, row.detail), proposal=row.id)
        case "rotate":
            renew_key(connection, home, someone.id, someone.roles, proposal=row.id)
        case "take admin":
            renew_key(connection, home, someone.id, (), proposal=row.id)
        case _:
            issuer, account, name = _account(row.detail)
            signins.link(connection, issuer, account, name, someone.id, proposal=row.id)
    return someone.id


def withdraw(connection: Connection, actor: str, proposal: str) -> None:
    """Any admin may end a proposal that was not confirmed."""
    row = _open(connection, proposal)
    require_role(connection, actor, ADMIN)
    _decide(connection, row, actor, "withdrawn")
    append(connection, "access withdrawn", proposal=row.id, actor=actor)


def _open(connection: Connection, proposal: str) -> Row[tuple[object, ...]]:
    row = connection.execute(select(proposals).where(proposals.c.id == proposal)).first()
    if row is None or row.state != "proposed":
        raise Conflict(
            "No proposal with this id waits for an admin",
            allowed="ids that `dpsynth people proposals` lists as proposed",
            remedy="nothing was changed",
        )
    return row


def _decide(connection: Connection, row: Row[tuple[object, ...]], actor: str, state: str) -> None:
    changed = update(proposals).where(proposals.c.id == row.id).values(state=state, decider=actor)
    connection.execute(changed)


def take(connection: Connection, home: Path, actor: str, person_id: str, role: str) -> Person:
    """Take a role that is not admin from somebody, at once, and with it the key that speaks for it."""
    require_role(connection, actor, ADMIN)
    someone = person(connection, person_id)
    if role == ADMIN:
        raise PolicyRefusal(
            "The admin role is taken by two admins",
            allowed="a proposal that another admin confirms",
            remedy="propose it with `dpsynth people take PERSON admin`",
        )
    _check_take(connection, someone, role)
    left = tuple(one for one in someone.roles if one != role)
    return renew_key(connection, home, person_id, left, actor=actor)


def link(
    connection: Connection, actor: str, person_id: str, account: str, proof: dict[str, str], served: bool
) -> str:
    """Link an account: at set-up at once, then by proposal. The proposal's id, or "" if it is linked."""
    if served or set_up_is_over(connection):
        return propose(connection, actor, "link", person_id, account, proof)
    issuer, kind, name = _account(account)
    signins.link(connection, issuer, kind, name, person(connection, person_id).id)
    return ""


def unlink(connection: Connection, actor: str, account: str, served: bool) -> None:
    """Take an account away, at once; what was signed in by it is over. At set-up nobody needs to be named."""
    if served or set_up_is_over(connection):
        require_role(connection, actor, ADMIN)
    signins.unlink(connection, *_account(account), **({"actor": actor} if actor else {}))


def links_of(connection: Connection, person_id: str) -> tuple[str, ...]:
    """The accounts of a person, in words."""
    rows = connection.execute(select(accounts).where(accounts.c.person == person_id)).all()
    return tuple(sorted(f"{row.issuer} {row.kind} {row.name}" for row in rows))
