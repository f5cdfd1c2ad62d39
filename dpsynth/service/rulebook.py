"""The rulebook: policies in force with their earlier versions, what each changed, and what is proposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, select

from dpsynth.ledger.chain import Entry
from dpsynth.policy.model import Policy
from dpsynth.service import datasets as registration
from dpsynth.service.access_tables import entries_of
from dpsynth.service.changes import change_view, changes_between
from dpsynth.service.desk import Desk
from dpsynth.service.findings import Check
from dpsynth.service.pausing import is_withdrawn
from dpsynth.service.people import require_role
from dpsynth.service.policy_lint import lint
from dpsynth.service.policy_texts import kept_policy
from dpsynth.service.registry import dataset_info, parsed_policy
from dpsynth.service.roots import source_path, source_roots
from dpsynth.service.signins import SignedIn
from dpsynth.service.tables import datasets, policy_changes, withdrawals
from dpsynth.service.views import DatasetInfo, PolicyChange
from dpsynth.service.withdrawing import withdraw

__all__ = ["OwnedDataset", "PolicyProposal", "PolicyVersion", "Rulebook", "RuledDataset"]

_READERS = ("compliance_officer", "data_owner", "auditor")


@dataclass(frozen=True)
class PolicyVersion:
    """A version that is or was in force.

    Attributes:
        version: as the policy says it; "" where its text was not kept.
        sha256: digest of the policy.
        since: when it came into force, as the ledger says.
        owner: who registered it.
        approvers: who agreed; one person where nothing became looser.
        snapshot: of the file.
        lines: what it changed, in plain words; empty for the first version.
    """

    version: str
    sha256: str
    since: str
    owner: str
    approvers: tuple[str, ...]
    snapshot: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class PolicyProposal:
    """A version that waits for a second person, with the findings of its lint."""

    change: PolicyChange
    version: str
    findings: tuple[Check, ...]


@dataclass(frozen=True)
class RuledDataset:
    """A registered dataset with every version of its policy, newest first. ``text`` is the one in force."""

    info: DatasetInfo
    text: str
    findings: tuple[Check, ...]
    versions: tuple[PolicyVersion, ...]
    proposals: tuple[PolicyProposal, ...]


@dataclass(frozen=True)
class OwnedDataset:
    """A registered dataset as its data owner sees it: where its file lies, and what was checked of it.

    ``withdrawn`` says when and by whom it was withdrawn, or is empty. Nothing here depends on a row.
    """

    info: DatasetInfo
    path: str
    owner: str
    columns: tuple[tuple[str, str, str], ...]
    pending: tuple[str, ...]
    withdrawn: str
    reason: str


class Rulebook(Desk):
    """Policies and registrations as pages show them. Every method reads the actor's roles anew."""

    def policies(self, actor: str) -> list[RuledDataset]:
        """Every dataset with its versions and proposals (officers, data owners and auditors)."""
        with self._store.read() as connection:
            require_role(connection, actor, *_READERS)
            told = list(entries_of(connection, "dataset"))
            rows = connection.execute(select(datasets).order_by(datasets.c.id)).all()
            return [_ruled(connection, row, told) for row in rows]

    def owned(self, actor: str) -> list[OwnedDataset]:
        """Every registration with the path of its file (data owners)."""
        with self._store.read() as connection:
            require_role(connection, actor, "data_owner")
            rows = connection.execute(select(datasets).order_by(datasets.c.id)).all()
            return [_owned(connection, row) for row in rows]

    def roots(self, actor: str) -> tuple[str, ...]:
        """Directories that files may be registered from on a page (data owners)."""
        with self._store.read() as connection:
            require_role(connection, actor, "data_owner")
        return tuple(str(one) for one in source_roots())

    def register(
        self, actor: str, policy: str, source: str, reason: str = "", sign_in: str = ""
    ) -> DatasetInfo:
        """Register a file under a policy, both by path or ``file:`` URI (data owners).

        A page reads files only under the directories that the platform was opened with for that; anybody's
        other files are none of its business. Raises PolicyRefusal, BadInput or Conflict.
        """
        with self._store.read() as connection:
            require_role(connection, actor, "data_owner")
            SignedIn(sign_in, self._served).proof(connection, actor)
        rules, table = (source_path(text, self._home, self._served) for text in (policy, source))
        with self._witnessed():
            return registration.register(self._store, self._home, actor, rules, table, reason)

    def withdraw(self, actor: str, dataset_id: str, reason: str, sign_in: str = "") -> int:
        """Withdraw a dataset for good (data owners); how many queued requests that ended."""
        with self._witnessed():
            return withdraw(self._store, actor, dataset_id, reason, SignedIn(sign_in, self._served))


def _ruled(connection: Connection, row: Row[tuple[object, ...]], told: Sequence[Entry]) -> RuledDataset:
    mine = [entry for entry in told if entry.body["dataset"] == row.id]
    waiting = (policy_changes.c.dataset_id == row.id) & (policy_changes.c.state == "proposed")
    changes = connection.execute(select(policy_changes).where(waiting).order_by(policy_changes.c.proposed))
    info = dataset_info(row, is_withdrawn(connection, row.id))
    return RuledDataset(
        info,
        row.policy_text,
        lint(info.policy),
        _versions(connection, mine)[::-1],
        tuple(_proposal(connection, change) for change in changes.all()),
    )


def _versions(connection: Connection, told: Sequence[Entry]) -> tuple[PolicyVersion, ...]:
    found: list[PolicyVersion] = []
    before: Policy | None = None
    for place, entry in enumerate(told):
        body = entry.body
        policy = kept_policy(connection, body["policy_sha256"])
        found.append(
            PolicyVersion(
                "" if policy is None else policy.version,
                body["policy_sha256"],
                entry.time,
                body["owner"],
                tuple(body["approvers"]),
                body.get("snapshot", ""),
                _lines(before, policy) if place else (),
            )
        )
        before = policy
    return tuple(found)


def _lines(before: Policy | None, policy: Policy | None) -> tuple[str, ...]:
    if before is None or policy is None:
        return ("one of the two texts was not kept by an older program: they cannot be compared",)
    found = tuple(change.text for change in changes_between(before, policy))
    return found or ("nothing in the rules; another file",)


def _proposal(connection: Connection, row: Row[tuple[object, ...]]) -> PolicyProposal:
    policy = parsed_policy(row.policy_text, row.id)
    return PolicyProposal(change_view(connection, row), policy.version, lint(policy))


def _owned(connection: Connection, row: Row[tuple[object, ...]]) -> OwnedDataset:
    info = dataset_info(row)
    gone = connection.execute(select(withdrawals).where(withdrawals.c.dataset_id == row.id)).first()
    waiting = (policy_changes.c.dataset_id == row.id) & (policy_changes.c.state == "proposed")
    pending = connection.execute(select(policy_changes.c.id).where(waiting)).scalars()
    columns = [(one.name, one.type, "kept" if one.kept else "dropped") for one in info.policy.columns]
    return OwnedDataset(
        info,
        row.source_path,
        row.owner,
        tuple((name, str(kind), fate) for name, kind, fate in columns),
        tuple(pending),
        "" if gone is None else f"{gone.time} by {gone.person}",
        "" if gone is None else gone.reason,
    )
