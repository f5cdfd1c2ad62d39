"""The service's own records, compared with the chain: people and keys, policies, requests, decisions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, select

from dpsynth.core.canonical import digest
from dpsynth.core.errors import IntegrityError
from dpsynth.ledger.chain import Entry, read_chain
from dpsynth.ledger.schema import charges
from dpsynth.policy.loader import policy_sha256
from dpsynth.service import access_records, afterwards
from dpsynth.service.access_records import reason_sha256
from dpsynth.service.budgets import part_for, touched_scopes
from dpsynth.service.outbox import settings, settings_sha256
from dpsynth.service.registry import parsed_policy
from dpsynth.service.tables import datasets, decisions, policy_changes, requests

__all__ = ["asked_sha256", "dossier_body", "reason_sha256", "reconcile"]

Fail = Callable[[str], None]
Facts = dict[str, set[tuple[Any, ...]]]

_ASKED = (
    "id", "dataset_id", "requester", "synthesizer", "part", "rho", "cost", "epsilon", "delta", "purpose",
    "recipients", "policy_text", "policy_sha256", "created", "due",
)  # fmt: skip
"""Columns of a request that never change once it is asked."""

_KINDS = (
    ("person", "People, roles or keys"),
    ("account", "Linked accounts"),
    ("sign in", "Sign-ins"),
    ("proposal", "Proposed changes of roles, keys or accounts"),
    ("objection", "Objections"),
    ("review", "Reviews"),
    ("dataset", "Registered policies"),
    ("change", "Proposed policies"),
    ("request", "Requests or the policies they are bound to"),
    ("decision", "Decisions"),
    ("dossier", "Dossiers"),
    ("publish", "Published releases"),
    *afterwards.KINDS,
)

_ALLOWED = {
    "refused": {"refused"},
    "reserve": {"queued", "running"},
    "released": {"cancelled", "failed"},
    "committed": {"running"},
    "forfeited": {"failed"},
    "settled": {"running", "failed"},
    "reject": {"rejected"},
    "approved": {"approved"},
    "publish": {"published"},
    "revoke": {"revoked"},
}
"""States that a request may be in after the newest of these entries; after a dossier its gate decides."""


def asked_sha256(values: Mapping[str, Any]) -> str:
    """Digest of what was asked, for the chain: every column of the request that never changes."""
    return digest({name: str(values[name]) for name in _ASKED})


def dossier_body(row: Row[tuple[object, ...]]) -> dict[str, Any]:
    """The stored dossier. Raises IntegrityError unless its own digest and the stored verdict fit it."""
    body: dict[str, Any] = {}
    try:
        stored = json.loads(row.dossier)
        body = stored["body"]
        whole = (stored["sha256"], row.verdict) == (digest(body), body["audit"]["verdict"])
    except (KeyError, TypeError, ValueError):
        whole = False
    if not whole:
        raise IntegrityError(
            f"The dossier or the verdict of request {row.id} was changed",
            allowed="what the worker wrote",
            remedy="stop all work on this state and compare it with a backup",
        )
    return body


def reconcile(connection: Connection, fail: Fail) -> None:
    """Calls ``fail`` with a sentence for each kind of record that is not what the chain says.

    Raises IntegrityError for a dossier that is not whole.
    """
    told = _told(connection) | afterwards.told_afterwards(connection)
    stored = _stored(connection)
    for kind, words in _KINDS:
        if told[kind] != stored[kind]:
            fail(f"{words} differ from the chain")
    _check_states(connection, fail)
    _check_charges(connection, fail)
    _check_notices(connection, fail)


def _check_states(connection: Connection, fail: Fail) -> None:
    """Each request must be in a state to which its newest entry can have led."""
    newest: dict[str, str] = {}
    for entry in read_chain(connection):
        if entry.kind in _ALLOWED or entry.kind == "dossier":
            newest[_about(entry)] = entry.kind
    for row in connection.execute(select(requests)):
        kind = newest.get(row.id, "")
        if kind == "dossier":
            allowed = {"blocked" if dossier_body(row)["gate"] == "blocked" else "awaiting_decision"}
        else:
            allowed = _ALLOWED.get(kind, set())
        if row.state not in allowed:
            fail(f"The state of request {row.id} differs from the chain")


def _about(entry: Entry) -> str:
    """The request of an entry: its charge has the same name."""
    return str(entry.body.get("request") or entry.body.get("charge"))


def _check_charges(connection: Connection, fail: Fail) -> None:
    """What a request costs, and whom, must be what its charge holds. Charges are replayed elsewhere."""
    query = select(requests, charges.c.cost.label("held"), charges.c.scopes, charges.c.part.label("of"))
    for row in connection.execute(query.join(charges, charges.c.key == requests.c.id)):
        policy = parsed_policy(row.policy_text, row.dataset_id)
        touched = {scope.id for scope in touched_scopes(policy, row.policy_sha256, row.requester)}
        asked = (row.cost, touched, part_for(policy, row.part))
        if asked != (row.held, set(json.loads(row.scopes)), row.of):
            fail(f"The cost or the budgets of request {row.id} differ from its charge")


def _check_notices(connection: Connection, fail: Fail) -> None:
    told = [entry.body["settings_sha256"] for entry in read_chain(connection) if entry.kind == "notices"]
    if settings_sha256(settings(connection)) != (told or [""])[-1]:
        fail("Where notices go differs from the chain")


def _told(connection: Connection) -> Facts:
    facts: Facts = {name: set() for name, _ in _KINDS} | access_records.told(connection)
    in_force: dict[str, str] = {}
    proposed: dict[str, tuple[Any, ...]] = {}
    for entry in read_chain(connection):
        body = entry.body
        match entry.kind:
            case "dataset":
                in_force[body["dataset"]] = body["policy_sha256"]
            case "policy proposed":
                about = (body["dataset"], body["policy_sha256"], body["actor"], body["reason"])
                proposed[body["change"]] = (*about, "proposed")
            case "policy approved":
                proposed[body["change"]] = (*proposed[body["change"]][:-1], "in force")
            case "request":
                facts["request"].add((body["request"], body["actor"], body["asked_sha256"]))
            case "approve" | "reject":
                made = (body["role"], entry.kind, body.get("reason_sha256", ""))
                facts["decision"].add((body["request"], body["actor"], *made))
            case "dossier":
                facts["dossier"].add((body["request"], body["dossier_sha256"]))
            case "publish":
                facts["publish"].add((body["request"],))
    facts["dataset"] = set(in_force.items())
    facts["change"] = {(name, *about) for name, about in proposed.items()}
    return facts


def _stored(connection: Connection) -> Facts:
    asked = connection.execute(select(requests)).all()
    registered = connection.execute(select(datasets)).all()
    proposed = connection.execute(select(policy_changes)).all()
    read = {r.id: dossier_body(r) for r in asked if r.dossier or r.verdict}
    return access_records.stored(connection, read) | {
        "dataset": {(d.id, policy_sha256(parsed_policy(d.policy_text, d.id))) for d in registered},
        "change": {
            (
                c.id,
                c.dataset_id,
                policy_sha256(parsed_policy(c.policy_text, c.id)),
                c.proposer,
                c.reason,
                c.state,
            )
            for c in proposed
        },
        "request": {(r.id, r.requester, asked_sha256(r._asdict())) for r in asked},
        "decision": {
            (d.request_id, d.person, d.role, d.decision, _reason(d.reason, read.get(d.request_id)))
            for d in connection.execute(select(decisions))
        },
        "dossier": {(name, digest(body)) for name, body in read.items()},
        "publish": {(r.id,) for r in asked if r.state in ("published", "revoked")},
        **afterwards.stored_afterwards(
            connection, lambda request, reason: _reason(reason, read.get(request))
        ),
    }


def _reason(reason: str, body: Mapping[str, Any] | None) -> str:
    """Digest of a stored reason; of a decision without a dossier there is none, and no chain has one."""
    return "no dossier" if body is None else reason_sha256(reason, body)
