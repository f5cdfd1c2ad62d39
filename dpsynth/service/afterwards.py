"""What the chain and the tables say of what came after: revoked releases, paused datasets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select

from dpsynth.ledger.chain import read_chain
from dpsynth.service.tables import pauses, revocations

__all__ = ["stored_afterwards", "told_afterwards"]

Facts = dict[str, set[tuple[Any, ...]]]

_REVOKED = ("request", "number", "actor", "role", "reason", "moment", "reason_sha256")


def told_afterwards(connection: Connection) -> Facts:
    """Revocations and pauses as the chain tells them."""
    revoked, paused = set(), {}
    for entry in read_chain(connection):
        body = entry.body
        if entry.kind == "revoke":
            revoked.add(tuple(body[name] for name in _REVOKED))
        elif entry.kind == "pause":
            paused[body["dataset"]] = (body["dataset"], body["actor"], body["reason"])
        elif entry.kind == "resume":
            paused.pop(body["dataset"], None)
    return {"revoke": revoked, "pause": set(paused.values())}


def stored_afterwards(connection: Connection, hidden: Callable[[str, str], str]) -> Facts:
    """The same as they are stored; ``hidden`` gives the digest of a request's reason."""
    return {
        "revoke": {
            (r.request_id, r.number, r.person, r.role, r.kind, r.time, hidden(r.request_id, r.reason))
            for r in connection.execute(select(revocations))
        },
        "pause": {(p.dataset_id, p.person, p.reason) for p in connection.execute(select(pauses))},
    }
