"""What the chain and the tables say of what came after: revocations, extensions, pauses, withdrawals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select

from dpsynth.ledger.chain import read_chain
from dpsynth.policy.loader import policy_sha256
from dpsynth.service.registry import parsed_policy
from dpsynth.service.tables import (
    extension_signatures,
    extensions,
    pauses,
    policy_texts,
    revocations,
    withdrawals,
)

__all__ = ["KINDS", "stored_afterwards", "told_afterwards"]

KINDS = (
    ("revoke", "Revoked releases"),
    ("extension", "Extensions of releases"),
    ("extension signature", "Signatures under extensions"),
    ("pause", "Paused datasets"),
    ("withdrawal", "Withdrawn datasets"),
    ("policy text", "Kept texts of policies"),
)

Facts = dict[str, set[tuple[Any, ...]]]

_REVOKED = ("request", "number", "actor", "role", "reason", "moment", "reason_sha256")
_PROPOSED = ("extension", "request", "actor", "proposed", "until", "reason_sha256")
_STATES = {"extended": "in force", "extension withdrawn": "withdrawn"}


def told_afterwards(connection: Connection) -> Facts:
    """All of them as the chain tells them."""
    facts: Facts = {name: set() for name, _ in KINDS}
    paused, proposed = dict[str, tuple[Any, ...]](), dict[str, tuple[Any, ...]]()
    for entry in read_chain(connection):
        body = entry.body
        match entry.kind:
            case "revoke":
                facts["revoke"].add(tuple(body[name] for name in _REVOKED))
            case "extension proposed":
                proposed[body["extension"]] = (*(body[name] for name in _PROPOSED), "proposed")
            case "extension signed":
                facts["extension signature"].add((body["extension"], body["actor"], body["role"]))
            case "extended" | "extension withdrawn":
                about = proposed[body["extension"]][:-1]
                proposed[body["extension"]] = (*about, _STATES[entry.kind])
            case "pause":
                paused[body["dataset"]] = (body["dataset"], body["actor"], body["reason"])
            case "resume":
                paused.pop(body["dataset"], None)
            case "withdraw dataset":
                facts["withdrawal"].add((body["dataset"], body["actor"], body["reason"]))
    return facts | {"pause": set(paused.values()), "extension": set(proposed.values())}


def stored_afterwards(connection: Connection, hidden: Callable[[str, str], str]) -> Facts:
    """The same as they are stored; ``hidden`` gives the digest of a request's reason.

    Of texts only those that are not what their digest says, of which the chain tells none.
    """
    return {
        "revoke": {
            (r.request_id, r.number, r.person, r.role, r.kind, r.time, hidden(r.request_id, r.reason))
            for r in connection.execute(select(revocations))
        },
        "extension": {
            (
                e.id,
                e.request_id,
                e.proposer,
                e.proposed,
                e.until,
                hidden(e.request_id, e.reason),
                e.state,
            )
            for e in connection.execute(select(extensions))
        },
        "extension signature": {
            (s.extension_id, s.person, s.role) for s in connection.execute(select(extension_signatures))
        },
        "pause": {(p.dataset_id, p.person, p.reason) for p in connection.execute(select(pauses))},
        "withdrawal": {(w.dataset_id, w.person, w.reason) for w in connection.execute(select(withdrawals))},
        "policy text": {
            (t.policy_sha256,)
            for t in connection.execute(select(policy_texts))
            if policy_sha256(parsed_policy(t.policy_text, t.policy_sha256[:12])) != t.policy_sha256
        },
    }
