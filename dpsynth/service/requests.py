"""Requests: submit, show, cancel. Refused here whatever can be refused from public facts."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from dpsynth.core.canonical import digest
from dpsynth.core.errors import BadInput, BudgetExceeded, Conflict, PolicyRefusal
from dpsynth.ledger.chain import append
from dpsynth.ledger.charges import Hold, charge, release, reserve
from dpsynth.ledger.scopes import cost_text, open_scope
from dpsynth.ledger.store import Store
from dpsynth.service.budgets import touched_scopes
from dpsynth.service.clock import iso_in, iso_now, unix_now
from dpsynth.service.entrusting import engine_for
from dpsynth.service.outbox import post_if_low
from dpsynth.service.pausing import require_open
from dpsynth.service.people import person, require_role
from dpsynth.service.quotes import Price, price, purpose_counter, refuse_looser, touched_balances
from dpsynth.service.records import asked_sha256
from dpsynth.service.registry import dataset, dataset_row, parsed_policy
from dpsynth.service.tables import decisions, requests
from dpsynth.service.views import (
    DecisionView,
    RequestForm,
    RequestView,
)
from dpsynth.synthesizers.auto import AUTO

__all__ = ["by_id", "cancel", "list_requests", "request_row", "show", "submit", "told_state", "view"]

_DAY = 86_400


def submit(store: Store, home: Path, actor: str, form: RequestForm) -> RequestView:
    """Hold the budget and queue the job, in one transaction. Same key and same form: same answer.

    A request for which there is no room is written down as refused, so that it can be explained later.
    """
    key = form.key or secrets.token_hex(16)
    request_id = "r-" + digest({"actor": actor, "key": key})[:12]
    try:
        with store.write() as connection:
            _hold(connection, home, actor, form, request_id)
    except BudgetExceeded as error:
        with store.write() as connection:
            _refuse(connection, actor, form, request_id, error)
        raise BudgetExceeded(
            error.what,
            allowed=error.allowed,
            remedy=f"{error.remedy}; `dpsynth ledger explain {request_id}` says what would fit",
        ) from error
    return show(store, actor, request_id)


def _hold(connection: Connection, home: Path, actor: str, form: RequestForm, request_id: str) -> None:
    require_role(connection, actor, "data_scientist", "data_owner")
    known = connection.execute(by_id(request_id)).first()
    if known is not None:
        _answer_again(connection, known, form, actor)
        return
    require_open(connection, form.dataset_id)
    found = dataset(connection, form.dataset_id)
    policy = found.policy
    asked = price(form, policy)
    engine_for(home, asked.plan)
    scopes = touched_scopes(policy, found.policy_sha256, actor)
    touched = touched_balances(connection, scopes)
    refuse_looser(scopes, touched)
    for balance in touched:
        open_scope(connection, balance.scope)
    hold = Hold(
        key=request_id,
        payload_sha256=_payload(form, actor),
        scopes=[scope.id for scope in scopes],
        cost=asked.cost,
        part=asked.part,
        attempt=purpose_counter(found, form),
        attempts_allowed=policy.budget.max_attempts_per_purpose,
    )
    if reserve(connection, hold, unix_now() + policy.approval.decide_within_days * _DAY):
        why = f" {asked.plan.steps[-1]}" if form.synthesizer == AUTO else ""
        state = ("queued", "queued", f"The budget is held. Nothing is spent yet.{why}")
        _insert(connection, request_id, actor, form, asked, state)
        post_if_low(connection, form.dataset_id, touched)


def _answer_again(
    connection: Connection, known: Row[tuple[object, ...]], form: RequestForm, actor: str
) -> None:
    """The same answer to the same request, whatever has changed since; Conflict for another one."""
    refused = known.state == "refused"
    same = charge(connection, known.id).payload_sha256 == _payload(form, actor)
    if refused:
        policy = parsed_policy(known.policy_text, known.dataset_id)
        before = (known.dataset_id, known.synthesizer, known.part, known.purpose, known.recipients)
        words = (form.purpose.strip(), form.recipients.strip())
        again = price(form, policy)
        asked = (form.dataset_id, again.plan.synthesizer, form.partition, *words)
        same = before == asked and known.cost == cost_text(again.cost)
    if not same:
        raise Conflict(
            "This idempotency key was used for a different request" + (", which was refused" * refused),
            allowed="one key per request",
            remedy="send the request again with a new key",
        )
    if refused:
        raise BudgetExceeded(known.message, remedy="send it again with a new key")


def _payload(form: RequestForm, actor: str) -> str:
    """Digest of everything that was asked; the key is what names it, so it is no part of it."""
    body = {name: value for name, value in form.__dict__.items() if name != "key"}
    return digest({**body, "actor": actor})


def _refuse(
    connection: Connection, actor: str, form: RequestForm, request_id: str, error: BudgetExceeded
) -> None:
    """Write down a request for which there was no room. It holds nothing and counts as no attempt."""
    if connection.execute(by_id(request_id)).first() is not None:
        return
    asked = price(form, dataset(connection, form.dataset_id).policy)
    _insert(connection, request_id, actor, form, asked, ("refused", "done", error.what))
    append(connection, "refused", request=request_id, reason=error.what)


def _insert(
    connection: Connection,
    request_id: str,
    actor: str,
    form: RequestForm,
    asked: Price,
    state: tuple[str, str, str],
) -> None:
    row = dataset_row(connection, form.dataset_id)
    policy = parsed_policy(row.policy_text, row.id)
    values: dict[str, Any] = {
        "id": request_id,
        "dataset_id": form.dataset_id,
        "requester": actor,
        "synthesizer": asked.plan.synthesizer,
        "part": form.partition,
        "rho": asked.plan.rho_nano,
        "cost": cost_text(asked.cost),
        "epsilon": asked.epsilon,
        "delta": asked.delta,
        "purpose": form.purpose.strip(),
        "recipients": form.recipients.strip(),
        "policy_text": row.policy_text,
        "policy_sha256": row.policy_sha256,
        "created": iso_now(),
        "due": iso_in(policy.approval.decide_within_days),
    }
    mutable = dict(zip(("state", "stage", "message"), state, strict=True))
    empty = dict.fromkeys(("worker", "verdict", "dossier", "bundle"), "")
    connection.execute(requests.insert().values(**values, **mutable, **empty, lease_until=0, attempts=0))
    told = {"asked_sha256": asked_sha256(values), "policy_sha256": row.policy_sha256}
    append(connection, "request", request=request_id, actor=actor, **told)


def request_row(connection: Connection, actor: str, request_id: str) -> Row[tuple[object, ...]]:
    """The request, if this person may see it; otherwise the same answer as if it did not exist."""
    someone = person(connection, actor)
    row = connection.execute(by_id(request_id)).first()
    sees_all = set(someone.roles) & {"compliance_officer", "data_owner", "auditor"}
    if row is None or not (sees_all or row.requester == actor):
        raise BadInput(
            "There is no request with this id that you may see",
            allowed="your own requests, or any as an officer, data owner or auditor",
            remedy="list them with `dpsynth request list`",
        )
    return row


def by_id(request_id: str) -> Select[tuple[object, ...]]:
    """The query for one request."""
    return select(requests).where(requests.c.id == request_id)


def show(store: Store, actor: str, request_id: str) -> RequestView:
    """One request."""
    with store.read() as connection:
        return view(connection, request_row(connection, actor, request_id), actor)


def list_requests(store: Store, actor: str) -> list[RequestView]:
    """The requests that this person may see, newest first."""
    with store.read() as connection:
        someone = person(connection, actor)
        query = select(requests).order_by(requests.c.number.desc())
        if not set(someone.roles) & {"compliance_officer", "data_owner", "auditor"}:
            query = query.where(requests.c.requester == actor)
        return [view(connection, row, actor) for row in connection.execute(query).all()]


def view(connection: Connection, row: Row[tuple[object, ...]], actor: str | None) -> RequestView:
    """A row as this person sees it.

    How the attacks ended is a fact about the rows that nobody paid for: the requester, and a worker's
    console (``actor`` None), see only that people are deciding, and the reason of a refusal.
    """
    told = actor is not None and actor != row.requester
    state = row.state if told else told_state(row)
    query = select(decisions).where(decisions.c.request_id == row.id).order_by(decisions.c.time)
    made = tuple(
        DecisionView(d.person, d.role, d.decision, d.reason if told or d.decision == "reject" else "", d.time)
        for d in connection.execute(query)
    )
    return RequestView(
        id=row.id,
        dataset_id=row.dataset_id,
        requester=row.requester,
        synthesizer=row.synthesizer,
        partition=row.part,
        rho_nano=row.rho,
        epsilon=row.epsilon,
        delta=row.delta,
        purpose=row.purpose,
        recipients=row.recipients,
        state=state,
        stage=row.stage,
        message=row.message,
        created=row.created,
        due=row.due,
        decisions=made,
        waiting_for=_waiting_for(row, state, made),
        verdict=row.verdict if told else "",
        dossier_sha256=json.loads(row.dossier)["sha256"] if row.dossier else "",
        bundle=row.bundle,
        utility=_utility(row),
    )


def told_state(row: Row[tuple[object, ...]]) -> str:
    """The state for anybody: whether a check blocks a release is for those who decide on it."""
    return "awaiting_decision" if row.state == "blocked" else str(row.state)


def _utility(row: Row[tuple[object, ...]]) -> tuple[str, ...]:
    """Paid measures, once people have agreed that they go out: they are part of what was signed."""
    if row.state not in ("published", "revoked"):
        return ()
    return tuple(json.loads(row.dossier)["body"].get("utility", {}).get("sentences", ()))


def _waiting_for(row: Row[tuple[object, ...]], state: str, made: tuple[DecisionView, ...]) -> tuple[str, ...]:
    if state != "awaiting_decision":
        return ()
    policy = parsed_policy(row.policy_text, row.dataset_id)
    roles = {decision.role for decision in made}
    open_roles = tuple(role for role in policy.approval.roles if role not in roles)
    return open_roles or ("another approver",)


def cancel(store: Store, actor: str, request_id: str) -> RequestView:
    """Take a queued request back; its hold is released. Not possible once the budget is committed."""
    with store.write() as connection:
        row = request_row(connection, actor, request_id)
        if row.requester != actor:
            raise PolicyRefusal("Only its requester can cancel a request", remedy="reject it instead")
        if row.state != "queued":
            raise Conflict(
                f"The request is {told_state(row)} and can no longer be cancelled",
                allowed="cancelling while it is queued",
                remedy="nothing was changed",
            )
        release(connection, request_id, "cancelled by its requester")
        values = {"state": "cancelled", "stage": "done", "message": "Cancelled before anything was spent."}
        connection.execute(update(requests).where(requests.c.id == request_id).values(**values))
    return show(store, actor, request_id)
