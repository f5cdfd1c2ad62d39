"""Decisions of people: look, approve, reject, publish. Two of n, never the requester."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select, update

from dpsynth.core.canonical import digest, sha256_hex
from dpsynth.core.errors import AuditBlocked, BadInput, Conflict, IntegrityError, PolicyRefusal
from dpsynth.ledger.chain import append, entries_about
from dpsynth.ledger.store import Store
from dpsynth.policy.model import Policy
from dpsynth.service.access_tables import objections
from dpsynth.service.clock import iso_now
from dpsynth.service.gate import decide
from dpsynth.service.outbox import post
from dpsynth.service.pausing import refuse_withdrawn
from dpsynth.service.people import person, require_role
from dpsynth.service.plans import within_release_cap
from dpsynth.service.proving import proof_of
from dpsynth.service.records import dossier_body, reason_sha256
from dpsynth.service.registry import dataset_row, parsed_policy
from dpsynth.service.requests import request_row, show
from dpsynth.service.signing import bundle, bundle_path, rehearse, sign, words_to_sign
from dpsynth.service.signins import SignedIn
from dpsynth.service.tables import decisions, requests
from dpsynth.service.views import Dossier, Person, RequestView

__all__ = ["approve", "audit_report", "dossier", "publish", "refuse_requester", "reject", "signed_dossier"]

_WAITING = ("awaiting_decision", "blocked")
_REASON_CHARS = 10
_LONGEST = 4000
_PUBLISHED = "Published. Anyone can verify it."


def dossier(store: Store, actor: str, request_id: str) -> Dossier:
    """The dossier as it will be signed. For officers, owners and auditors; requesters see the request."""
    with store.read() as connection:
        require_role(connection, actor, "compliance_officer", "data_owner", "auditor")
        row = request_row(connection, actor, request_id)
        refuse_requester(row, actor)
        return signed_dossier(connection, row)


def refuse_requester(row: Row[tuple[object, ...]], actor: str) -> None:
    """Whatever else their roles, requesters learn nothing of the attacks on their own request."""
    if row.requester == actor:
        raise PolicyRefusal(
            "Nobody reviews or decides on their own request",
            allowed="people other than the requester",
            remedy="ask a colleague",
        )


def signed_dossier(connection: Connection, row: Row[tuple[object, ...]]) -> Dossier:
    """The dossier, if it is the one that the chain names. Raises IntegrityError for any other."""
    if not row.dossier:
        raise Conflict(
            "The request has no dossier yet",
            allowed="requests whose run has ended",
            remedy="wait for the worker",
        )
    body = dossier_body(row)
    found = Dossier(digest(body), body)
    told = [one.body["dossier_sha256"] for one in entries_about(connection, row.id) if one.kind == "dossier"]
    if told != [found.sha256]:
        raise IntegrityError(
            "The dossier is not the one that the ledger names",
            allowed="the dossier that the worker wrote",
            remedy="stop all work on this state and run `dpsynth ledger verify`",
        )
    return found


def audit_report(
    store: Store, home: Path, actor: str, request_id: str, what: str = "exact audit report"
) -> dict[str, Any]:
    """The exact report, or what ended a failed run. Each look is written to the chain before it is shown."""
    with store.write() as connection:
        require_role(connection, actor, "compliance_officer", "auditor")
        row = request_row(connection, actor, request_id)
        refuse_requester(row, actor)
        if row.state != "failed":
            signed_dossier(connection, row)
        append(connection, "view", actor=actor, request=request_id, what=what)
    if row.state == "failed":
        notes = sorted((home / "review").glob(f"{request_id}.error-*.txt"))
        return {"failed": row.message, "notes": [note.read_text() for note in notes]}
    report: dict[str, Any] = json.loads((home / "review" / f"{request_id}.json").read_text())
    return report


def _gate(connection: Connection, row: Row[tuple[object, ...]], policy: Policy) -> str:
    current = dataset_row(connection, row.dataset_id).policy_sha256 == row.policy_sha256
    verdict = signed_dossier(connection, row).body["audit"]["verdict"]
    decision = decide(policy, within_release_cap(policy, row.cost), verdict, current)
    if decision.outcome == "blocked":
        raise AuditBlocked(
            "This release may not be approved: "
            + "; ".join(check.plain for check in decision.checks if not check.ok),
            remedy="reject it; a new run is a new request with its own charge",
        )
    return decision.outcome


def _decider(
    connection: Connection, actor: str, request_id: str, dossier_sha256: str, states: tuple[str, ...]
) -> tuple[Person, str, Row[tuple[object, ...]], Policy]:
    """Who decides, in which role, on what; every rule that holds for approving and for rejecting."""
    row = request_row(connection, actor, request_id)
    policy = parsed_policy(row.policy_text, row.dataset_id)
    someone = require_role(connection, actor, *policy.approval.roles)
    refuse_requester(row, actor)
    made = connection.execute(select(decisions).where(decisions.c.request_id == request_id)).all()
    if any(decision.person == actor for decision in made):
        raise Conflict("You have already decided on this request", remedy="nothing more to do")
    if row.state not in states:
        raise Conflict(
            f"The request is {row.state}; there is nothing to decide",
            allowed="requests that await a decision",
            remedy="look at the request",
        )
    if signed_dossier(connection, row).sha256 != dossier_sha256:
        raise Conflict(
            "The dossier changed since you opened it",
            allowed="signing the dossier as it is now",
            remedy="open it again and read what changed",
        )
    taken = {decision.role for decision in made}
    mine = [role for role in policy.approval.roles if role in someone.roles]
    return someone, next((role for role in mine if role not in taken), mine[0]), row, policy


def approve(
    store: Store,
    home: Path,
    actor: str,
    request_id: str,
    dossier_sha256: str,
    reason: str,
    ticks: tuple[str, ...],
    by: SignedIn,
) -> RequestView:
    """Sign the statement that names the dossier's hash and every file. The last signature approves."""
    with store.write() as connection:
        someone, role, row, policy = _decider(connection, actor, request_id, dossier_sha256, _WAITING)
        known = by.proof(connection, actor)
        refuse_withdrawn(connection, row.dataset_id)
        _refuse_objected(connection, request_id)
        if iso_now() > row.due:
            raise PolicyRefusal(
                "The time to decide on this request is over",
                allowed=f"approval until {row.due}",
                remedy="reject it; a new run is a new request with its own charge",
            )
        outcome = _gate(connection, row, policy)
        read = signed_dossier(connection, row)
        _check_words(outcome, reason, ticks, read.body["must_tick"])
        signature = sign(home, words_to_sign(home, row, read), actor)
        _record(connection, someone, role, row, "approve", (reason, json.dumps(signature)), known)
        complete = _complete(connection, request_id, policy)
        if complete:
            values = {"state": "approved", "message": "Approved. It can be published."}
            connection.execute(update(requests).where(requests.c.id == request_id).values(**values))
            append(connection, "approved", request=request_id)
        post(connection, "decided" if complete else "your_turn", request_id)
    return show(store, actor, request_id)


def _refuse_objected(connection: Connection, request_id: str) -> None:
    query = select(objections.c.id).where(objections.c.request_id == request_id, objections.c.state == "open")
    if connection.execute(query).first():
        raise PolicyRefusal(
            "An auditor objects to this release",
            allowed="releases without an open objection",
            remedy="settle it with the auditor, who may withdraw it, or reject the release",
        )


def _check_words(outcome: str, reason: str, ticks: tuple[str, ...], must: list[str]) -> None:
    if set(must) - set(ticks):
        raise BadInput(
            "Not every check that only a person can make is ticked",
            allowed="all of them: " + " | ".join(must),
            remedy="tick each one that is true, or reject",
        )
    if outcome == "eligible_with_reason" and len(reason.strip()) < _REASON_CHARS:
        raise BadInput(
            "Approving this release needs a written reason, because the audit did not simply pass",
            allowed=f"at least {_REASON_CHARS} characters",
            remedy="write why it may be released all the same, or reject",
        )


def _record(
    connection: Connection,
    someone: Person,
    role: str,
    row: Row[tuple[object, ...]],
    what: str,
    said: tuple[str, str],
    known: dict[str, str],
) -> None:
    """Write a decision down: reason and signature, and how it is known who decided."""
    reason, signature = said
    if len(reason) > _LONGEST:
        raise BadInput(
            "The reason is too long", allowed=f"at most {_LONGEST} characters", remedy="shorten it"
        )
    made = {"role": role, "decision": what, "reason": reason.strip(), "signature": signature}
    connection.execute(
        decisions.insert().values(request_id=row.id, person=someone.id, time=iso_now(), **made)
    )
    read = signed_dossier(connection, row)
    told = {"dossier_sha256": read.sha256, "reason_sha256": reason_sha256(made["reason"], read.body)}
    append(connection, what, request=row.id, actor=someone.id, role=role, **told, **known)


def _complete(connection: Connection, request_id: str, policy: Policy) -> bool:
    """Whether enough people have signed who still have the role in which they signed."""
    query = select(decisions).where(decisions.c.request_id == request_id, decisions.c.decision == "approve")
    made = [d for d in connection.execute(query).all() if d.role in person(connection, d.person).roles]
    roles = {decision.role for decision in made}
    return len({d.person for d in made}) >= policy.approval.approvers and roles >= set(policy.approval.roles)


def reject(
    store: Store, actor: str, request_id: str, dossier_sha256: str, reason: str, by: SignedIn
) -> RequestView:
    """One person is enough to say no, until it is published. The budget stays spent."""
    with store.write() as connection:
        until = (*_WAITING, "approved")
        someone, role, row, _ = _decider(connection, actor, request_id, dossier_sha256, until)
        known = by.proof(connection, actor)
        if len(reason.strip()) < _REASON_CHARS:
            raise BadInput(
                "Rejecting needs a reason",
                allowed=f"at least {_REASON_CHARS} characters",
                remedy="write what the requester should know",
            )
        _record(connection, someone, role, row, "reject", (reason, ""), known)
        values = {
            "state": "rejected",
            "message": "Rejected. The budget stays spent; the data were looked at.",
        }
        connection.execute(update(requests).where(requests.c.id == request_id).values(**values))
        post(connection, "decided", request_id)
    return show(store, actor, request_id)


def publish(store: Store, home: Path, actor: str, request_id: str) -> Path:
    """Build the bundle from the very files that were signed. Whole or absent; verified before it appears.

    The ledger says so first: the bundle holds its word for it. A publish that died between the two is done
    again, and ends what it began.
    """
    with store.write() as connection:
        row = request_row(connection, actor, request_id)
        policy = parsed_policy(row.policy_text, row.dataset_id)
        require_role(connection, actor, *policy.approval.roles)
        words = None if row.state == "published" else _announce(connection, home, actor, row, policy)
    target = bundle_path(home, row)
    if words is None and target.exists():
        return target
    with store.read() as connection:
        words = words or words_to_sign(home, row, signed_dossier(connection, row))
        proof = proof_of(connection, home, request_id)
        return bundle(home, row, words, _signatures(connection, request_id), proof)


def _announce(
    connection: Connection, home: Path, actor: str, row: Row[tuple[object, ...]], policy: Policy
) -> bytes:
    """Write down that the release is published, after a rehearsal; the words that were signed."""
    if row.state in {"blocked", "awaiting_decision"}:
        refuse_requester(row, actor)
        _gate(connection, row, policy)
    if row.state != "approved":
        raise PolicyRefusal(
            f"The request is {row.state} and cannot be published",
            allowed="requests that all approvers have signed",
            remedy="collect the missing signatures",
        )
    _gate(connection, row, policy)
    refuse_withdrawn(connection, row.dataset_id)
    _refuse_objected(connection, row.id)
    if not _complete(connection, row.id, policy):
        raise PolicyRefusal(
            "A signature no longer counts: the role in which it was given was taken away",
            allowed="signatures of people who still have the role",
            remedy="have somebody in that role, who has not decided yet, reject it",
        )
    words = words_to_sign(home, row, signed_dossier(connection, row))
    manifest = rehearse(home, row, words, _signatures(connection, row.id))
    values = {"state": "published", "bundle": str(bundle_path(home, row)), "message": _PUBLISHED}
    connection.execute(update(requests).where(requests.c.id == row.id).values(**values))
    append(connection, "publish", request=row.id, actor=actor, manifest_sha256=sha256_hex(manifest))
    return words


def _signatures(connection: Connection, request_id: str) -> list[dict[str, str]]:
    made = connection.execute(
        select(decisions.c.signature).where(
            decisions.c.request_id == request_id, decisions.c.decision == "approve"
        )
    )
    return [json.loads(decision.signature) for decision in made]
