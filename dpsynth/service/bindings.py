"""What a file and its people are bound to for good, so that no second registration gives them a fresh budget.

The chain keeps a keyed hash of every file that was ever registered or proposed: its plain hash would let
whoever reads the chain confirm a guess of a small table.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from dpsynth.core.errors import Conflict
from dpsynth.ledger.chain import read_chain
from dpsynth.ledger.schema import scopes
from dpsynth.policy.model import Policy
from dpsynth.service.budgets import people_of
from dpsynth.service.registry import parsed_policy, policies_of_space
from dpsynth.service.tables import datasets

__all__ = ["binding", "keys_told", "refuse_second_budget", "told_mac"]

_BINDING = frozenset({"dataset", "policy proposed"})
"""Kinds of entries that bind a file."""


def binding(policy: Policy, mac: str, key: str) -> dict[str, str]:
    """What an entry tells of the file of a policy: its keyed hash, the key's digest, and whom it is about."""
    return {
        "source_mac": mac,
        "key": key,
        "people": people_of(policy),
        "source_dataset": policy.source.dataset_id,
        "id_column": policy.privacy_unit.id_column or "",
    }


def keys_told(connection: Connection) -> set[str]:
    """Digests of the keys of all keyed hashes that the chain speaks of."""
    kinds = _BINDING | {"cohort"}
    bodies = (entry.body for entry in read_chain(connection) if entry.kind in kinds)
    return {body["key"] for body in bodies if "key" in body}


def told_mac(connection: Connection, change: str) -> tuple[str, str]:
    """Keyed hash of the file of a proposal, and the key's digest, as the chain tells."""
    bodies = (entry.body for entry in read_chain(connection) if entry.kind == "policy proposed")
    # A proposal that is older than keyed hashes is stale by its id.
    found = (body for body in bodies if body["change"] == change)
    return next(((body.get("source_mac", ""), body.get("key", "")) for body in found), ("", ""))


def refuse_second_budget(connection: Connection, policy: Policy, source_sha256: str, mac: str) -> None:
    """Raises Conflict where a registration would give people, or one of their tables, a fresh budget."""
    _refuse_other_refresh(connection, policy)
    _refuse_other_id_column(connection, policy)
    bound = _bound(connection, source_sha256, mac)
    if any(people != people_of(policy) for people, _, _ in bound):
        raise Conflict(
            "This file is registered or proposed with another id_space, or for other people of it",
            allowed="one id_space (under new_units_only: and one source.snapshot) for the same people; "
            "their budget is for life",
            remedy="write the id_space and the snapshot of the earlier registration",
        )
    for _, table, dataset in bound:
        if table != policy.id:
            same = dataset == policy.source.dataset_id
            raise Conflict(
                f"This file is bound to policy {table}" + ("" if same else f" of dataset_id {dataset}"),
                allowed="one policy id and one source.dataset_id for one file: others bring fresh ceilings",
                remedy=f"keep source.dataset_id {dataset}, and register the file as a version of {table}",
            )


def _bound(connection: Connection, source_sha256: str, mac: str) -> list[tuple[str, str, str]]:
    """(people, policy id, dataset_id) of all that this file was ever registered or proposed for."""
    bodies = (entry.body for entry in read_chain(connection) if entry.kind in _BINDING)
    told = [
        (body["people"], body["dataset"], body["source_dataset"])
        for body in bodies
        if body.get("source_mac") == mac
    ]
    # Entries that are older than keyed hashes name no file; what is in force is known by its plain hash.
    rows = connection.execute(select(datasets).where(datasets.c.source_sha256 == source_sha256)).all()
    found = [parsed_policy(row.policy_text, row.id) for row in rows]
    return told + [(people_of(policy), policy.id, policy.source.dataset_id) for policy in found]


def _refuse_other_refresh(connection: Connection, policy: Policy) -> None:
    """One refresh rule for the same people, for good: another one would open a fresh budget for them."""
    space, rule = policy.privacy_unit.id_space, policy.budget.refresh
    for name in connection.execute(select(scopes.c.id).where(scopes.c.kind == "id_space")).scalars():
        people, _, snapshot = str(name).removeprefix("id-space:").partition("@")
        if people == space and rule != ("new_units_only" if snapshot else "none"):
            raise Conflict(
                "budget.refresh differs from the rule under which the budget of these people was opened",
                allowed="one rule for the same people; their budget is for life",
                remedy="write the rule of the earlier registrations",
            )


def _refuse_other_id_column(connection: Connection, policy: Policy) -> None:
    """Ids of another column are never those of earlier snapshots: everybody would look new."""
    unit = policy.privacy_unit
    if policy.budget.refresh != "new_units_only":
        return
    bodies = (entry.body for entry in read_chain(connection) if entry.kind == "dataset")
    columns = {
        body["id_column"] for body in bodies if body["id_space"] == unit.id_space and "id_column" in body
    }
    columns |= {
        other.privacy_unit.id_column or "" for other in policies_of_space(connection, unit.id_space, but="")
    }
    if columns - {unit.id_column or ""}:
        raise Conflict(
            "privacy_unit.id_column differs from that of an earlier registration of this id_space",
            allowed="one id_column for one id_space under new_units_only",
            remedy="write the id_column of the earlier registrations, and name the file's column so",
        )
