"""What a request would cost and whether it would be accepted: from public facts and balances, free."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from dpsynth.accounting.curves import zcdp_curve, zero
from dpsynth.accounting.statement import epsilon_at, parse_decimal
from dpsynth.core.errors import BadInput, BudgetExceeded, PolicyRefusal
from dpsynth.ledger.charges import Balance, Scope, balances, check_room
from dpsynth.ledger.store import Store
from dpsynth.policy.model import Policy
from dpsynth.service.datasets import cap_of, dataset, lifetime_scope, requester_scope
from dpsynth.service.people import require_role
from dpsynth.service.plans import requested_rho, run_plan
from dpsynth.service.tables import requests
from dpsynth.service.views import DatasetInfo, Quote, RequestForm, ScopeView

__all__ = ["check_attempts", "check_form", "quote", "scope_view", "touched_scopes"]

_LONGEST = 4000


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


def check_form(form: RequestForm, policy: Policy) -> int:
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


def touched_scopes(found: DatasetInfo, requester: str) -> list[Scope]:
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
        rho_nano = check_form(form, found.policy)
        touched = _touched(connection, touched_scopes(found, actor))
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
        check_attempts(connection, actor, form, policy)
        for balance in touched:
            check_room(balance, zcdp_curve(rho_nano))
    except (BudgetExceeded, PolicyRefusal) as error:
        return error.text()
    return ""


def check_attempts(connection: Connection, actor: str, form: RequestForm, policy: Policy) -> None:
    """Raises PolicyRefusal when this purpose has been tried as often as the policy allows."""
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
