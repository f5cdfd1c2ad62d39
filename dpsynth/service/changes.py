"""New versions of a policy: what tightens takes effect at once, what loosens needs a second person.

Raising a cap is never a reset: what is spent stays, and the old cap stays in the chain for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, Row, select, update

from dpsynth.accounting.stated import cap_of
from dpsynth.core.canonical import digest
from dpsynth.core.errors import BadInput, Conflict, PolicyRefusal
from dpsynth.ledger.chain import append, read_chain
from dpsynth.ledger.scopes import Scope, balances, loosens, open_scope, recap
from dpsynth.ledger.store import Store
from dpsynth.policy.change import Change
from dpsynth.policy.diff import diff_policies
from dpsynth.policy.model import Cap, Policy
from dpsynth.service.bindings import binding, refuse_second_budget, told_mac
from dpsynth.service.budgets import requester_scope, shared_scopes
from dpsynth.service.clock import iso_now
from dpsynth.service.outbox import post
from dpsynth.service.pausing import refuse_withdrawn
from dpsynth.service.people import require_role
from dpsynth.service.policy_texts import keep_text
from dpsynth.service.registry import dataset, dataset_info, parsed_policy
from dpsynth.service.signins import SignedIn
from dpsynth.service.tables import datasets, policy_changes
from dpsynth.service.views import DatasetInfo, PolicyChange

__all__ = [
    "Submission",
    "announce",
    "approve_change",
    "change_view",
    "changes_between",
    "list_changes",
    "put_in_force",
    "renew",
]

_REASON_CHARS = 20
_LABELS = frozenset({"version", "title", "source.snapshot", "owner.team", "owner.contact"})
"""Keys whose change protects nobody less, whatever the direction."""


@dataclass(frozen=True)
class Submission:
    """A policy and a file as a data owner handed them in, both checked.

    ``source_mac`` is the keyed hash by which the chain knows the file, ``source_key`` the digest of its key;
    both are empty until intake has the key.
    """

    policy: Policy
    text: str
    sha256: str
    source_path: str
    source_sha256: str
    actor: str
    reason: str
    source_mac: str = ""
    source_key: str = ""

    def columns(self, time: str) -> dict[str, str]:
        """The columns of a registration."""
        return {
            "policy_text": self.text,
            "policy_sha256": self.sha256,
            "source_path": self.source_path,
            "source_sha256": self.source_sha256,
            "registered": time,
            "owner": self.actor,
        }


def _compiled(cap: Cap) -> tuple[int, int]:
    gate = cap_of(cap)
    return gate.rho, gate.omega


def changes_between(old: Policy, new: Policy) -> list[Change]:
    """What changes, in plain words; caps in other terms are compared by what they compile to."""
    return diff_policies(old, new, _compiled)


def renew(connection: Connection, row: Row[tuple[object, ...]], given: Submission) -> DatasetInfo:
    """A new version of a registered policy: in force at once, or proposed. Raises Conflict or BadInput."""
    old = parsed_policy(row.policy_text, row.id)
    if old.version == given.policy.version:
        raise Conflict(
            f"Version {old.version} of {row.id} is registered already, with other words or another file",
            allowed="the same policy and file any number of times, or a new version of the policy",
            remedy="give the policy a new version (and a new file a new source.snapshot)",
        )
    if row.source_sha256 != given.source_sha256 and old.source.snapshot == given.policy.source.snapshot:
        raise Conflict(
            "The file is another one, and source.snapshot is the same",
            allowed="one file for one snapshot",
            remedy="name the new snapshot in the policy",
        )
    if given.policy.source.snapshot in _snapshots(connection, row.id) - {old.source.snapshot}:
        raise Conflict(
            "source.snapshot names a snapshot that another one has replaced",
            allowed="the snapshot in force, or a new one: a name stands for one file for good",
            remedy="give the snapshot a new name",
        )
    found = changes_between(old, given.policy)
    looser = [change for change in found if change.effect != "TIGHTER" and change.key not in _LABELS]
    if looser:
        return _propose(connection, row, given, [*looser, *_untold(connection, old, given.policy)])
    values = given.columns(iso_now())
    connection.execute(update(datasets).where(datasets.c.id == row.id).values(**values))
    return put_in_force(connection, given, approvers=[given.actor])


def _snapshots(connection: Connection, dataset_id: str) -> set[str]:
    """Names of all snapshots under which this table was ever in force."""
    bodies = [entry.body for entry in read_chain(connection) if entry.kind == "dataset"]
    return {body.get("snapshot", "") for body in bodies if body["dataset"] == dataset_id}


def _untold(connection: Connection, old: Policy, new: Policy) -> list[Change]:
    """Caps that the new version would loosen though a comparison of the two texts does not tell.

    Another policy about the same people tightened them; a second person must see that they would go back.
    """
    known = {balance.scope.id: balance.scope for balance in balances(connection)}
    stated = {scope.id: scope.cap for scope in _scopes(old, "", list(known.values()))}
    found = []
    for scope in _scopes(new, "", list(known.values())):
        in_force = known.get(scope.id)
        if in_force is None or in_force.cap == stated.get(scope.id) or not loosens(in_force.cap, scope.cap):
            continue
        before, after = (f"{Decimal(cap.rho).scaleb(-9).normalize():f}" for cap in (in_force.cap, scope.cap))
        text = f"{scope.title} rho {before} in force to {after}: LOOSER"
        found.append(Change(scope.id, before, after, "LOOSER", text))
    return found


def _change_id(connection: Connection, dataset_id: str, given: Submission) -> str:
    """Id of a proposal: bound to what people compare it with, the registration and the caps in force."""
    about = (e for e in read_chain(connection) if e.kind == "dataset" and e.body["dataset"] == dataset_id)
    since = max(entry.seq for entry in about)
    caps = _elsewhere(connection, dataset(connection, dataset_id).policy, given.policy)
    told = {"policy": given.sha256, "source": given.source_sha256, "since": since, "caps": caps}
    return "p-" + digest(told)[:12]


def _elsewhere(connection: Connection, old: Policy, new: Policy) -> dict[str, list[str]]:
    """Caps in force of the scopes that the new version touches, but those that the old one states.

    Those are as the registration in force tells; left out, a requester's first question makes no proposal
    stale.
    """
    known = {balance.scope.id: balance.scope for balance in balances(connection)}
    stated = {scope.id: scope.cap for scope in _scopes(old, "", list(known.values()))}
    ids = {scope.id for scope in _scopes(new, "", list(known.values()))} & known.keys()
    caps = {name: known[name].cap for name in ids if known[name].cap != stated.get(name)}
    return {name: [str(part) for part in (c.rho, c.omega, c.delta, c.mu2)] for name, c in caps.items()}


def _propose(
    connection: Connection, row: Row[tuple[object, ...]], given: Submission, looser: Sequence[Change]
) -> DatasetInfo:
    if len(given.reason.strip()) < _REASON_CHARS:
        raise BadInput(
            "This version loosens the policy: " + "; ".join(change.text for change in looser),
            allowed=f"a reason of at least {_REASON_CHARS} characters, and a second person's approval",
            remedy="register it again with --reason, or take the change back",
        )
    name = _change_id(connection, row.id, given)
    if connection.execute(select(policy_changes).where(policy_changes.c.id == name)).first() is None:
        values = given.columns(iso_now())
        told = {"proposer": values.pop("owner"), "proposed": values.pop("registered")}
        connection.execute(
            policy_changes.insert().values(
                id=name, dataset_id=row.id, reason=given.reason.strip(), state="proposed", **told, **values
            )
        )
        keep_text(connection, given.sha256, given.text)
        append(
            connection,
            "policy proposed",
            change=name,
            dataset=row.id,
            policy_sha256=given.sha256,
            actor=given.actor,
            reason=given.reason.strip(),
            effects=[change.text for change in looser],
            **binding(given.policy, given.source_mac, given.source_key),
        )
        post(connection, "your_turn", name)
    found = dataset_info(row)
    return DatasetInfo(found.dataset_id, found.policy, found.policy_sha256, found.registered, name)


def put_in_force(connection: Connection, given: Submission, approvers: Sequence[str]) -> DatasetInfo:
    """Give the scopes of a renewed policy its caps. Raises Conflict where one person would loosen one."""
    known = {balance.scope.id: balance.scope for balance in balances(connection)}
    for scope in _scopes(given.policy, given.sha256, list(known.values())):
        if scope.id not in known:
            open_scope(connection, scope)
        elif known[scope.id].cap != scope.cap:
            recap(connection, scope.id, scope.cap, given.sha256, approvers)
    return announce(connection, given, approvers)


def announce(connection: Connection, given: Submission, approvers: Sequence[str]) -> DatasetInfo:
    """Write down that a policy is in force, and who made it so."""
    policy = given.policy
    keep_text(connection, given.sha256, given.text)
    append(
        connection,
        "dataset",
        dataset=policy.id,
        id_space=policy.privacy_unit.id_space,
        snapshot=policy.source.snapshot,
        policy_sha256=given.sha256,
        owner=given.actor,
        approvers=sorted(approvers),
        **binding(policy, given.source_mac, given.source_key),
    )
    return dataset(connection, policy.id)


def _scopes(policy: Policy, sha256: str, known: Sequence[Scope]) -> list[Scope]:
    """The shared scopes, and the ceilings of all who have asked already."""
    shared = shared_scopes(policy, sha256)
    ids = {scope.id for scope in shared}
    ceilings = (scope.id for scope in known if scope.kind == "requester" and scope.parent in ids)
    people = [name.rpartition(":")[2] for name in ceilings]
    return [*shared, *(requester_scope(policy, sha256, each) for each in people)]


def list_changes(store: Store) -> list[PolicyChange]:
    """Proposed versions, oldest first, with what each changes in plain words."""
    with store.read() as connection:
        rows = connection.execute(select(policy_changes).order_by(policy_changes.c.proposed)).all()
        return [change_view(connection, row) for row in rows]


def change_view(connection: Connection, row: Row[tuple[object, ...]]) -> PolicyChange:
    """A proposed version, against the one in force."""
    current = dataset(connection, row.dataset_id).policy
    proposed = parsed_policy(row.policy_text, row.id)
    lines = changes_between(current, proposed)
    if row.state == "proposed":
        lines += _untold(connection, current, proposed)
    told = tuple(change.text for change in lines)
    return PolicyChange(row.id, row.dataset_id, row.proposer, row.proposed, row.reason, row.state, told)


def approve_change(store: Store, actor: str, change_id: str, by: SignedIn) -> DatasetInfo:
    """The second person: puts a proposed version in force. Never its proposer."""
    with store.write() as connection:
        row = connection.execute(select(policy_changes).where(policy_changes.c.id == change_id)).first()
        if row is None or row.state != "proposed":
            raise Conflict(
                "No proposed policy version with this id waits for approval",
                allowed="ids that `dpsynth policy changes` lists as proposed",
                remedy="nothing was changed",
            )
        require_role(connection, actor, "compliance_officer")
        if actor == row.proposer:
            raise PolicyRefusal("Nobody approves their own change", remedy="ask a compliance officer")
        refuse_withdrawn(connection, row.dataset_id)
        known = by.proof(connection, actor)
        given = _as_proposed(connection, row)
        _refuse_stale(connection, row, given)
        # Others may have bound the file or its people elsewhere since.
        refuse_second_budget(connection, given.policy, given.source_sha256, given.source_mac)
        values = given.columns(iso_now())
        connection.execute(update(datasets).where(datasets.c.id == row.dataset_id).values(**values))
        connection.execute(
            update(policy_changes).where(policy_changes.c.id == change_id).values(state="in force")
        )
        append(connection, "policy approved", change=change_id, dataset=row.dataset_id, actor=actor, **known)
        post(connection, "decided", change_id)
        return put_in_force(connection, given, approvers=[row.proposer, actor])


def _as_proposed(connection: Connection, row: Row[tuple[object, ...]]) -> Submission:
    policy = parsed_policy(row.policy_text, row.id)
    told = (row.policy_text, row.policy_sha256, row.source_path, row.source_sha256, row.proposer, row.reason)
    return Submission(policy, *told, *told_mac(connection, row.id))


def _refuse_stale(connection: Connection, row: Row[tuple[object, ...]], given: Submission) -> None:
    """A version that was proposed when other rules or caps were in force is not what people compared."""
    if row.id != _change_id(connection, row.dataset_id, given):
        raise Conflict(
            "The policy in force, or a cap of a budget it shares, changed since this version was proposed",
            allowed="versions that were proposed against the rules and caps in force",
            remedy="have the data owner register it again",
        )
