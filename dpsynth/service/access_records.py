"""The records of access, compared with the chain: people, accounts, sign-ins, proposals, objections."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from dpsynth.core.canonical import digest
from dpsynth.service.access_tables import accounts, entries_of, objections, proposals, reviews, sign_ins
from dpsynth.service.roles import told_detail
from dpsynth.service.signins import account_sha256
from dpsynth.service.tables import people

__all__ = ["reason_sha256", "stored", "told"]

Facts = dict[str, set[tuple[Any, ...]]]


def reason_sha256(reason: str, body: Mapping[str, Any]) -> str:
    """Digest of a decision's reason, for the chain; the salt of the dossier keeps it from being guessed."""
    return digest({"reason": reason, "salt": body["salt"]})


def told(connection: Connection) -> Facts:
    """What the chain says."""
    persons = {e.body["person"]: e.body for e in entries_of(connection, "person")}
    return {
        "person": {(name, tuple(body["roles"]), body["key_id"]) for name, body in persons.items()},
        "account": _told_accounts(connection),
        "sign in": _told_sign_ins(connection),
        "proposal": _told_proposals(connection),
        "objection": _told_objections(connection),
        "review": {
            (e.body["request"], e.body["actor"], e.body["dossier_sha256"])
            for e in entries_of(connection, "reviewed")
        },
    }


def _told_accounts(connection: Connection) -> set[tuple[Any, ...]]:
    linked: set[tuple[Any, ...]] = set()
    for entry in entries_of(connection, "link", "unlink"):
        fact = (entry.body["account"], entry.body["person"])
        if entry.kind == "link":
            linked.add(fact)
        else:
            linked.discard(fact)
    return linked


def _told_sign_ins(connection: Connection) -> set[tuple[Any, ...]]:
    """A sign-in that ended is told apart from one that did not; the time is the entry's own."""
    found: dict[str, tuple[Any, ...]] = {}
    for entry in entries_of(connection, "sign in", "sign out"):
        body, name = entry.body, entry.body["sign_in"]
        if entry.kind == "sign in":
            found[name] = (
                name,
                body["person"],
                body["method"],
                body["authenticated"],
                body["expires"],
                False,
            )
        else:
            found[name] = (*found[name][:-1], True)
    return set(found.values())


def _told_proposals(connection: Connection) -> set[tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for entry in entries_of(connection, "access proposed", "access confirmed", "access withdrawn"):
        body, name = entry.body, entry.body["proposal"]
        if entry.kind == "access proposed":
            about = (body["change"], body["person"], body["detail"], body["actor"])
            found[name] = (name, *about, "proposed", "")
        else:
            found[name] = (*found[name][:-2], entry.kind.removeprefix("access "), body["actor"])
    return set(found.values())


def _told_objections(connection: Connection) -> set[tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for entry in entries_of(connection, "object", "withdraw"):
        body, name = entry.body, entry.body["objection"]
        if entry.kind == "object":
            about = (body["request"], body["actor"], body["dossier_sha256"], body["reason_sha256"])
            found[name] = (name, *about, "open")
        else:
            found[name] = (*found[name][:-1], "withdrawn")
    return set(found.values())


def stored(connection: Connection, dossiers: Mapping[str, Mapping[str, Any]]) -> Facts:
    """What the tables say; ``dossiers`` by request, for the salt of the reasons."""
    return {
        "person": {(p.id, tuple(json.loads(p.roles)), p.key_id) for p in connection.execute(select(people))},
        "account": {
            (account_sha256(a.issuer, a.kind, a.name), a.person) for a in connection.execute(select(accounts))
        },
        "sign in": {
            (s.id_sha256, s.person, s.method, s.authenticated, s.expires, bool(s.ended))
            for s in connection.execute(select(sign_ins))
        },
        "proposal": {
            (p.id, p.kind, p.person, told_detail(p.kind, p.detail), p.proposer, p.state, p.decider)
            for p in connection.execute(select(proposals))
        },
        "objection": {
            (
                o.id,
                o.request_id,
                o.person,
                o.dossier_sha256,
                _reason(o.reason, dossiers.get(o.request_id)),
                o.state,
            )
            for o in connection.execute(select(objections))
        },
        "review": {(r.request_id, r.person, r.dossier_sha256) for r in connection.execute(select(reviews))},
    }


def _reason(reason: str, body: Mapping[str, Any] | None) -> str:
    """Digest of a stored reason; without a dossier there is none, and no chain has one."""
    return "no dossier" if body is None else reason_sha256(reason, body)
