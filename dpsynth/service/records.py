"""The service's own records, compared with the chain: people and keys, policies, requests, decisions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, select

from dpsynth.core.canonical import digest
from dpsynth.ledger.chain import read_chain
from dpsynth.policy.loader import policy_sha256
from dpsynth.service.registry import parsed_policy
from dpsynth.service.tables import datasets, decisions, people, policy_changes, requests

__all__ = ["asked_sha256", "reconcile"]

Facts = dict[str, set[tuple[Any, ...]]]

_ASKED = (
    "id", "dataset_id", "requester", "synthesizer", "part", "rho", "cost", "epsilon", "delta", "purpose",
    "recipients", "policy_text", "policy_sha256", "created", "due",
)  # fmt: skip
"""Columns of a request that never change once it is asked."""

_KINDS = (
    ("person", "People, roles or keys"),
    ("dataset", "Registered policies"),
    ("change", "Proposed policies"),
    ("request", "Requests or the policies they are bound to"),
    ("decision", "Decisions"),
    ("dossier", "Dossiers"),
    ("publish", "Published releases"),
)


def asked_sha256(values: Mapping[str, Any]) -> str:
    """Digest of what was asked, for the chain: every column of the request that never changes."""
    return digest({name: str(values[name]) for name in _ASKED})


def reconcile(connection: Connection, fail: Callable[[str], None]) -> None:
    """Calls ``fail`` with a sentence for each kind of record that is not what the chain says."""
    told, stored = _told(connection), _stored(connection)
    for kind, words in _KINDS:
        if told[kind] != stored[kind]:
            fail(f"{words} differ from the chain")


def _told(connection: Connection) -> Facts:
    facts: Facts = {name: set() for name, _ in _KINDS}
    in_force: dict[str, str] = {}
    proposed: dict[str, tuple[Any, ...]] = {}
    for entry in read_chain(connection):
        body = entry.body
        match entry.kind:
            case "person":
                facts["person"].add((body["person"], tuple(body["roles"]), body["key_id"]))
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
                facts["decision"].add((body["request"], body["actor"], body["role"], entry.kind))
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
    return {
        "person": {(p.id, tuple(json.loads(p.roles)), p.key_id) for p in connection.execute(select(people))},
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
            (d.request_id, d.person, d.role, d.decision) for d in connection.execute(select(decisions))
        },
        "dossier": {(r.id, json.loads(r.dossier)["sha256"]) for r in asked if r.dossier},
        "publish": {(r.id,) for r in asked if r.state == "published"},
    }
