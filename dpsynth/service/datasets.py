"""Registration: a policy and the file it governs. The data owner sees every fault of the file here.

A new version of a policy, with a new snapshot or without, takes effect at once if it only tightens; anything
looser waits for a second person (see :mod:`dpsynth.service.changes`). Budgets continue either way.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from dpsynth.core.errors import BadInput, Conflict
from dpsynth.ledger.chain import append, read_chain
from dpsynth.ledger.scopes import open_scope
from dpsynth.ledger.store import Store
from dpsynth.policy.loader import load_policy_text, policy_sha256
from dpsynth.policy.model import Policy
from dpsynth.publish.rows import assert_exportable
from dpsynth.service.budgets import check_caps, shared_scopes
from dpsynth.service.changes import Submission, announce, renew
from dpsynth.service.clock import iso_now
from dpsynth.service.people import require_role
from dpsynth.service.plans import audit_plan
from dpsynth.service.registry import dataset_info, parsed_policy, policies_of_space
from dpsynth.service.tables import datasets
from dpsynth.service.views import DatasetInfo
from dpsynth.vault.cohorts import check_new_units, keep_cohort
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

    Nothing about its rows is kept but a hash and, under ``new_units_only``, keyed hashes of the ids.
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
    if row is not None and (row.policy_sha256, row.source_sha256) == (given.sha256, given.source_sha256):
        return dataset_info(row)
    _refuse_other_people(connection, given)
    _refuse_disagreement(connection, given.policy)
    _prove_new_units(connection, intake)
    if row is not None:
        return renew(connection, row, given)
    for scope in shared_scopes(given.policy, given.sha256):
        open_scope(connection, scope)
    connection.execute(datasets.insert().values(id=given.policy.id, **given.columns(iso_now())))
    return announce(connection, given, approvers=[given.actor])


def _refuse_other_people(connection: Connection, given: Submission) -> None:
    """The same file holds the same people: another id space for it would be a second budget for them."""
    same_file = connection.execute(
        select(datasets).where(datasets.c.source_sha256 == given.source_sha256)
    ).all()
    spaces = {parsed_policy(row.policy_text, row.id).privacy_unit.id_space for row in same_file}
    if spaces - {given.policy.privacy_unit.id_space}:
        raise Conflict(
            "This file is registered with another id_space",
            allowed="one id_space for the same people; their budget is for life",
            remedy="write the id_space of the earlier registration",
        )


def _refuse_disagreement(connection: Connection, policy: Policy) -> None:
    """Tables about the same people state one refresh rule; those of one dataset state one set of ceilings."""
    for other in policies_of_space(connection, policy.privacy_unit.id_space, but=policy.id):
        same = other.source.dataset_id == policy.source.dataset_id
        pairs = {"refresh": (other.budget.refresh, policy.budget.refresh)}
        if same:
            pairs |= {
                name: (getattr(other.budget, name), getattr(policy.budget, name))
                for name in ("per_dataset", "per_requester")
            }
        for name, (theirs, ours) in pairs.items():
            if theirs != ours:
                raise Conflict(
                    f"budget.{name} differs from that of {other.id}, which is about the same people",
                    allowed="one rule for the same people",
                    remedy=f"write the same budget.{name} in both policies",
                )


def _prove_new_units(connection: Connection, intake: _Intake) -> None:
    """Under new_units_only: compare the ids with earlier snapshots, then record them in file and chain."""
    policy = intake.submission.policy
    if policy.budget.refresh != "new_units_only":
        return
    digests = _cohorts(connection, policy.privacy_unit.id_space)
    key = _secret(intake.home)
    check_new_units(intake.raw, policy, key, intake.home, digests)
    name, sha256 = keep_cohort(intake.raw, policy, key, intake.home, digests)
    append(connection, "cohort", id_space=policy.privacy_unit.id_space, file=name, sha256=sha256)


def _cohorts(connection: Connection, id_space: str) -> dict[str, str]:
    """Records of earlier snapshots of these people, by the chain: file name to SHA-256."""
    entries = (entry for entry in read_chain(connection) if entry.kind == "cohort")
    return {e.body["file"]: e.body["sha256"] for e in entries if e.body["id_space"] == id_space}


def _secret(home: Path) -> bytes:
    """Key of the hashes; made once, readable by its owner only."""
    path = home / "secrets" / "units.key.json"
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            json.dump({"key": secrets.token_hex(32)}, stream)
            stream.flush()
            os.fsync(stream.fileno())
    return bytes.fromhex(json.loads(path.read_text())["key"])
