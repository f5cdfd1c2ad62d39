"""Registration: a policy and the file it governs. The data owner sees every fault of the file here.

A new version of a policy, with a new snapshot or without, takes effect at once if it only tightens; anything
looser waits for a second person (see :mod:`dpsynth.service.changes`). Budgets continue either way.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, select

from dpsynth.core.errors import BadInput, Conflict, IntegrityError
from dpsynth.ledger.chain import append, read_chain
from dpsynth.ledger.scopes import open_scope
from dpsynth.ledger.store import Store
from dpsynth.policy.loader import load_policy_text, policy_sha256
from dpsynth.policy.model import Policy
from dpsynth.publish.rows import assert_exportable
from dpsynth.service.bindings import keys_told, refuse_second_budget
from dpsynth.service.budgets import check_caps, shared_scopes
from dpsynth.service.changes import Submission, announce, renew
from dpsynth.service.clock import iso_now
from dpsynth.service.pausing import is_withdrawn
from dpsynth.service.people import require_role
from dpsynth.service.plans import audit_plan
from dpsynth.service.registry import dataset_info, policies_of_space
from dpsynth.service.tables import datasets
from dpsynth.service.views import DatasetInfo
from dpsynth.vault.cohorts import file_mac, keep_cohort, key_sha256
from dpsynth.vault.sources import RawTable, fingerprint, parse, read_bytes

__all__ = ["register"]


@dataclass(frozen=True)
class _Intake:
    """A checked policy and its file, as the owner handed them in; rows stay in the vault's own type."""

    submission: Submission
    raw: RawTable
    home: Path


def register(
    store: Store, home: Path, actor: str, policy_path: Path, source_path: Path, reason: str
) -> DatasetInfo:
    """Register a file under a policy, or a new version of one. It is checked in full.

    Nothing about its rows is kept but a hash, a keyed hash for good in the chain, and, under
    ``new_units_only``, keyed hashes of the ids.
    """
    with store.read() as connection:
        require_role(connection, actor, "data_owner")
    text = _read_policy(policy_path)
    policy = load_policy_text(text, policy_path.name)
    audit_plan(policy)
    assert_exportable(policy.domain())
    check_caps(policy)
    data = read_bytes(source_path, policy.source.max_bytes)
    raw = parse(data, policy)
    submission = Submission(
        policy, text, policy_sha256(policy), str(source_path.absolute()), fingerprint(data), actor, reason
    )
    with store.write() as connection:
        return _record(connection, _Intake(submission, raw, home))


def _read_policy(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"The policy file {path.name} cannot be read",
            allowed="a UTF-8 YAML file",
            remedy="check the path and the encoding",
        ) from error


def _record(connection: Connection, intake: _Intake) -> DatasetInfo:
    given = intake.submission
    row = connection.execute(select(datasets).where(datasets.c.id == given.policy.id)).first()
    if is_withdrawn(connection, given.policy.id):
        raise Conflict(
            f"{given.policy.id} was withdrawn and is closed for good",
            allowed="a policy with another id; the same people keep their one budget",
            remedy="register the new table under a policy of its own",
        )
    if row is not None and (row.policy_sha256, row.source_sha256) == (given.sha256, given.source_sha256):
        return dataset_info(row)
    key = _secret(intake.home, keys_told(connection))
    given = replace(given, source_mac=file_mac(key, given.source_sha256), source_key=key_sha256(key))
    refuse_second_budget(connection, given.policy, given.source_sha256, given.source_mac)
    info = _first(connection, given) if row is None else renew(connection, row, given)
    _prove_new_units(connection, intake, key)
    return info


def _first(connection: Connection, given: Submission) -> DatasetInfo:
    """The first version of a policy."""
    _refuse_disagreement(connection, given.policy)
    for scope in shared_scopes(given.policy, given.sha256):
        open_scope(connection, scope)
    connection.execute(datasets.insert().values(id=given.policy.id, **given.columns(iso_now())))
    return announce(connection, given, approvers=[given.actor])


def _refuse_disagreement(connection: Connection, policy: Policy) -> None:
    """A new table of a dataset starts with the ceilings of the tables that are there."""
    for other in policies_of_space(connection, policy.privacy_unit.id_space, but=policy.id):
        if other.source.dataset_id != policy.source.dataset_id:
            continue
        for name in ("per_dataset", "per_requester"):
            if getattr(other.budget, name) != getattr(policy.budget, name):
                raise Conflict(
                    f"budget.{name} differs from that of {other.id}, which is a table of the same dataset",
                    allowed="one rule for the same people",
                    remedy=f"write the same budget.{name} in both policies",
                )


def _prove_new_units(connection: Connection, intake: _Intake, key: bytes) -> None:
    """Under new_units_only: compare the ids with earlier snapshots, then record them in file and chain."""
    policy = intake.submission.policy
    if policy.budget.refresh != "new_units_only":
        return
    told = [entry.body for entry in read_chain(connection) if entry.kind == "cohort"]
    space, snapshot = policy.privacy_unit.id_space, policy.source.snapshot
    records = {body["snapshot"]: body["sha256"] for body in told if body["id_space"] == space}
    sha256 = keep_cohort(intake.raw, policy, key, intake.home, records)
    if records.get(snapshot) != sha256:
        about = {"id_space": space, "snapshot": snapshot, "key": key_sha256(key)}
        append(connection, "cohort", sha256=sha256, **about)


def _secret(home: Path, used: set[str]) -> bytes:
    """Key of the hashes; made once, readable by its owner only. With another one, nothing would be known.

    Args:
        used: digests of the keys of all records and files that the chain speaks of.
    """
    path = home / "secrets" / "units.key.json"
    if not path.exists() and not used:
        draft = path.with_suffix(".part")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            json.dump({"key": secrets.token_hex(32)}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    try:
        key = bytes.fromhex(json.loads(path.read_text())["key"])
    except (OSError, ValueError, KeyError, TypeError):
        key = b""
    if not key or used - {key_sha256(key)}:
        raise IntegrityError(
            "The key of the records of earlier units and files is lost or not the one that made them",
            remedy="register nothing new; restore the key from a backup",
        )
    return key
