"""The service's own records, compared with the chain: people and keys, policies, requests, decisions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select

from dpsynth.ledger.chain import read_chain
from dpsynth.policy.loader import policy_sha256
from dpsynth.service.datasets import parsed_policy
from dpsynth.service.tables import datasets, decisions, people, requests

__all__ = ["reconcile"]

Facts = dict[str, set[tuple[Any, ...]]]


def reconcile(connection: Connection, fail: Callable[[str], None]) -> None:
    """Calls ``fail`` with a sentence for each kind of record that is not what the chain says."""
    told, stored = _told(connection), _stored(connection)
    for kind, words in (
        ("person", "People, roles or keys"),
        ("dataset", "Registered policies"),
        ("request", "Requests or the policies they are bound to"),
        ("decision", "Decisions"),
        ("dossier", "Dossiers"),
        ("publish", "Published releases"),
    ):
        if told[kind] != stored[kind]:
            fail(f"{words} differ from the chain")


def _told(connection: Connection) -> Facts:
    facts: Facts = {
        name: set() for name in ("person", "dataset", "request", "decision", "dossier", "publish")
    }
    for entry in read_chain(connection):
        body = entry.body
        match entry.kind:
            case "person":
                facts["person"].add((body["person"], tuple(body["roles"]), body["key_id"]))
            case "dataset":
                facts["dataset"].add((body["dataset"], body["policy_sha256"]))
            case "request":
                facts["request"].add((body["request"], body["actor"], body["policy_sha256"]))
            case "approve" | "reject":
                facts["decision"].add((body["request"], body["actor"], body["role"], entry.kind))
            case "dossier":
                facts["dossier"].add((body["request"], body["dossier_sha256"]))
            case "publish":
                facts["publish"].add((body["request"],))
    return facts


def _stored(connection: Connection) -> Facts:
    asked = connection.execute(select(requests)).all()
    registered = connection.execute(select(datasets)).all()
    return {
        "person": {(p.id, tuple(json.loads(p.roles)), p.key_id) for p in connection.execute(select(people))},
        "dataset": {(d.id, policy_sha256(parsed_policy(d.policy_text, d.id))) for d in registered},
        "request": {
            (r.id, r.requester, policy_sha256(parsed_policy(r.policy_text, r.dataset_id))) for r in asked
        },
        "decision": {
            (d.request_id, d.person, d.role, d.decision) for d in connection.execute(select(decisions))
        },
        "dossier": {(r.id, json.loads(r.dossier)["sha256"]) for r in asked if r.dossier},
        "publish": {(r.id,) for r in asked if r.state == "published"},
    }
