"""Requests: quote, submit, show, cancel. Refused here whatever can be refused from public facts."""

from __future__ import annotations

import json
import secrets
import unicodedata
from collections.abc import Sequence

from sqlalchemy import Connection, Row, Select, func, select, update

from dpsynth.accounting.curves import zcdp_curve, zero
from dpsynth.accounting.statement import epsilon_at, parse_decimal
from dpsynth.core.canonical import digest
from dpsynth.core.errors import BadInput, BudgetExceeded, Conflict, PolicyRefusal
from dpsynth.ledger.chain import append
from dpsynth.ledger.charges import Balance, Scope, balances, check_room, open_scope, release, reserve
from dpsynth.ledger.store import Store
from dpsynth.policy.model import Policy
from dpsynth.service.clock import iso_in, iso_now, unix_now
from dpsynth.service.datasets import (
    cap_of,
    dataset,
    dataset_row,
    lifetime_scope,
    parsed_policy,
    requester_scope,
)
from dpsynth.service.people import person, require_role
from dpsynth.service.plans import requested_rho, run_plan
from dpsynth.service.tables import decisions, requests
from dpsynth.service.views import (
    DatasetInfo,
    DecisionView,
    Quote,
    RequestForm,
    RequestView,
    ScopeView,
)

__all__ = ["by_id", "cancel", "list_requests", "quote", "request_row", "scope_view", "show", "submit", "view"]

_LONGEST = 4000
_DAY = 86_400


def scope_view(balance: Balance) -> ScopeView:
    """A balance for people, with the cap also as epsilon at delta 1e-6."""
    scope = balance.scope
    epsilon = epsilon_at(zcdp_curve(scope.rho_cap), "1e-6")
    return ScopeView(
        scope.id,
        scope.kind,
        scope.title,
        scope.rho_cap,
        balance.rho("spent"),
        balance.rho("held"),
        balance.rho("forfeited"),
        scope.omega,
        f"epsilon {epsilon} at delta 1e-6",
    )


def _check_text(name: str, text: str, least: int) -> None:
    hidden = [c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs"} and c not in "\n\t"]
    if not least <= len(text.strip()) or len(text) > _LONGEST or hidden:
        raise BadInput(
            f"The {name} cannot be accepted",
            allowed=f"{least} to {_LONGEST} characters of plain text, without control characters",
            remedy=f"write the {name} so that an officer can judge it",
        )


def _check(form: RequestForm, policy: Policy) -> int:
    """Everything that public facts can refuse. Returns the charge in nano-rho."""
    _check_text("purpose", form.purpose, policy.approval.justification_min_chars)
    _check_text("list of recipients", form.recipients, 1)
    most = policy.budget.report_delta
    if form.delta is not None and parse_decimal(form.delta, "delta") > parse_decimal(most, "delta"):
        raise PolicyRefusal(
            f"A delta above {most} is not what policy {policy.id} reports at",
            allowed=f"delta at most {most}",
            remedy="leave delta out",
        )
    rho_nano = requested_rho(form, policy)
    cap = cap_of(policy.budget.per_release)
    if rho_nano > cap.rho_nano:
        raise PolicyRefusal(
            f"The request needs rho {rho_nano / 1e9:.6f}, more than {policy.id} allows for one release",
            allowed=f"rho at most {cap.rho_nano / 1e9:.6f}",
            remedy="ask for a smaller epsilon",
        )
    run_plan(policy, form.synthesizer, rho_nano)
    return rho_nano


def _scopes(found: DatasetInfo, requester: str) -> list[Scope]:
    """The scopes that a request touches."""
    policy, sha256 = found.policy, found.policy_sha256
    return [lifetime_scope(policy, sha256), requester_scope(policy, sha256, requester)]


def _touched(connection: Connection, scopes: Sequence[Scope]) -> list[Balance]:
    """Their balances; a scope that was never used is empty."""
    known = {balance.scope.id: balance for balance in balances(connection, [scope.id for scope in scopes])}
    return [known.get(scope.id, Balance(scope, zero(), zero(), zero())) for scope in scopes]


def quote(store: Store, actor: str, form: RequestForm) -> Quote:
    """What the request would cost and whether it fits. Holds nothing."""
    with store.read() as connection:
        require_role(connection, actor, "data_scientist", "data_owner")
        found = dataset(connection, form.dataset_id)
        rho_nano = _check(form, found.policy)
        touched = _touched(connection, _scopes(found, actor))
        refusal = _refusal(connection, touched, actor, form, found.policy, rho_nano)
    delta = form.delta or found.policy.budget.report_delta
    _, plan = run_plan(found.policy, form.synthesizer, rho_nano)
    return Quote(
        rho_nano,
        epsilon_at(zcdp_curve(rho_nano), delta),
        delta,
        not refusal,
        tuple(scope_view(balance) for balance in touched),
        plan.steps,
        refusal,
    )


def _refusal(
    connection: Connection,
    touched: Sequence[Balance],
    actor: str,
    form: RequestForm,
    policy: Policy,
    rho_nano: int,
) -> str:
    try:
        _check_attempts(connection, actor, form, policy)
        for balance in touched:
            check_room(balance, zcdp_curve(rho_nano))
    except (BudgetExceeded, PolicyRefusal) as error:
        return error.text()
    return ""


def _check_attempts(connection: Connection, actor: str, form: RequestForm, policy: Policy) -> None:
    query = (
        select(func.count())
        .select_from(requests)
        .where(
            requests.c.requester == actor,
            requests.c.dataset_id == form.dataset_id,
            requests.c.purpose == form.purpose.strip(),
            requests.c.state != "cancelled",
        )
    )
    if connection.execute(query).scalar_one() >= policy.budget.max_attempts_per_purpose:
        raise PolicyRefusal(
            "This purpose has used all its attempts",
            allowed=f"{policy.budget.max_attempts_per_purpose} attempts for one purpose",
            remedy="use a release that is published already; that costs nothing",
        )


def submit(store: Store, actor: str, form: RequestForm) -> RequestView:
    """Hold the budget and queue the job, in one transaction. Same key and same form: same answer."""
    key = form.key or secrets.token_hex(16)
    with store.write() as connection:
        require_role(connection, actor, "data_scientist", "data_owner")
        found = dataset(connection, form.dataset_id)
        policy = found.policy
        rho_nano = _check(form, policy)
        payload = digest(
            {**form.__dict__, "key": key, "actor": actor, "policy": found.policy_sha256, "rho": str(rho_nano)}
        )
        scopes = _scopes(found, actor)
        for scope in scopes:
            open_scope(connection, scope)
        request_id = "r-" + digest({"actor": actor, "key": key})[:12]
        known = connection.execute(select(requests.c.id).where(requests.c.id == request_id)).first()
        lease = unix_now() + policy.approval.decide_within_days * _DAY
        if known is None:
            _check_attempts(connection, actor, form, policy)
        if reserve(
            connection, request_id, payload, [scope.id for scope in scopes], zcdp_curve(rho_nano), lease
        ):
            _insert(connection, request_id, actor, form, policy, rho_nano)
    return show(store, actor, request_id)


def _insert(
    connection: Connection, request_id: str, actor: str, form: RequestForm, policy: Policy, rho_nano: int
) -> None:
    row = dataset_row(connection, form.dataset_id)
    delta = form.delta or policy.budget.report_delta
    connection.execute(
        requests.insert().values(
            id=request_id,
            dataset_id=form.dataset_id,
            requester=actor,
            synthesizer=form.synthesizer,
            rho=rho_nano,
            epsilon=epsilon_at(zcdp_curve(rho_nano), delta),
            delta=delta,
            purpose=form.purpose.strip(),
            recipients=form.recipients.strip(),
            policy_text=row.policy_text,
            policy_sha256=row.policy_sha256,
            state="queued",
            stage="queued",
            message="The budget is held. Nothing is spent yet.",
            created=iso_now(),
            due=iso_in(policy.approval.decide_within_days),
            worker="",
            lease_until=0,
            attempts=0,
            verdict="",
            dossier="",
            bundle="",
        )
    )
    append(connection, "request", request=request_id, actor=actor, policy_sha256=row.policy_sha256)


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
    state = "awaiting_decision" if row.state == "blocked" and not told else row.state
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
    )


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
                f"The request is {row.state} and can no longer be cancelled",
                allowed="cancelling while it is queued",
                remedy="nothing was changed",
            )
        release(connection, request_id, "cancelled by its requester")
        values = {"state": "cancelled", "stage": "done", "message": "Cancelled before anything was spent."}
        connection.execute(update(requests).where(requests.c.id == request_id).values(**values))
    return show(store, actor, request_id)
