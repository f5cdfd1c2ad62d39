"""What a request would cost and whether it would be accepted: from public facts and balances, free."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from sqlalchemy import Connection

from dpsynth.accounting.cost import Cost
from dpsynth.accounting.curves import rho_of
from dpsynth.accounting.numbers import parse_decimal
from dpsynth.accounting.reserve import covered_order, plan_cost
from dpsynth.accounting.stated import cap_of
from dpsynth.accounting.statement import epsilon_at, epsilon_of_cap
from dpsynth.core.curator import Plan
from dpsynth.core.errors import BadInput, BudgetExceeded, Conflict, PolicyRefusal
from dpsynth.ledger.attempts import attempt_id, check_attempts
from dpsynth.ledger.charges import check_room
from dpsynth.ledger.scopes import WHOLE, Amounts, Balance, Scope, balances, cost_text, loosens
from dpsynth.ledger.store import Store
from dpsynth.policy.model import Policy
from dpsynth.service.budgets import part_for, touched_scopes
from dpsynth.service.entrusting import asked_for, engine_for, largest_for_release
from dpsynth.service.people import require_role
from dpsynth.service.plans import run_plan, within_release_cap
from dpsynth.service.registry import dataset
from dpsynth.service.views import DatasetInfo, Quote, RequestForm, ScopeView

__all__ = [
    "DELTA_SHOWN",
    "LEVELS",
    "WIDE",
    "Price",
    "budget",
    "price",
    "purpose_counter",
    "quote",
    "refuse_looser",
    "scope_view",
    "touched_balances",
]

_LONGEST = 4000
DELTA_SHOWN = "1e-6"
LEVELS = ("id_space", "dataset", "table", "requester")
WIDE = ("compliance_officer", "data_owner", "auditor")


@dataclass(frozen=True)
class Price:
    """What a valid request costs: its plan, its cost, and the part of its scopes that it touches.

    ``epsilon`` at ``delta`` is what it promises: of its curve, or as its entrusted library declares.
    """

    plan: Plan
    cost: Cost
    part: str
    epsilon: str
    delta: str


def scope_view(balance: Balance) -> ScopeView:
    """A balance for people, with the cap and the running sum also as epsilon at delta 1e-6."""
    scope, spent = balance.scope, balance.amount("spent")
    return ScopeView(
        id=scope.id,
        kind=scope.kind,
        title=scope.title,
        rho_cap_nano=scope.cap.rho,
        spent_nano=balance.rho("spent"),
        held_nano=balance.rho("held"),
        forfeited_nano=balance.rho("forfeited"),
        omega=scope.cap.omega,
        left_nano=balance.left,
        epsilon_cap=_words(lambda: epsilon_of_cap(scope.cap, DELTA_SHOWN)),
        epsilon_spent=_words(lambda: epsilon_at(spent, DELTA_SHOWN) if spent.rho else "0"),
    )


def budget(store: Store, actor: str) -> list[ScopeView]:
    """Budgets, the widest first. A requester sees the shared ones and their own ceiling."""
    with store.read() as connection:
        someone = require_role(connection, actor, "data_scientist", *WIDE)
        found = [scope_view(balance) for balance in balances(connection)]
    found.sort(key=lambda scope: (LEVELS.index(scope.kind), scope.id))
    wide = set(someone.roles) & set(WIDE)
    return [s for s in found if wide or s.kind != "requester" or s.id.endswith(f":{actor}")]


def _words(epsilon: Callable[[], str]) -> str:
    try:
        return f"epsilon {epsilon()} at delta {DELTA_SHOWN}"
    except BadInput:  # entrusted libraries may fail with more than that
        return f"no epsilon at delta {DELTA_SHOWN}"


def _check_text(name: str, text: str, least: int) -> None:
    hidden = [c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs"} and c not in "\n\t"]
    if not least <= len(text.strip()) or len(text) > _LONGEST or hidden:
        raise BadInput(
            f"The {name} cannot be accepted",
            allowed=f"{least} to {_LONGEST} characters of plain text, without control characters",
            remedy=f"write the {name} so that an officer can judge it",
        )


def price(form: RequestForm, policy: Policy) -> Price:
    """Check everything that public facts can refuse; what the request costs."""
    _check_text("purpose", form.purpose, policy.approval.justification_min_chars)
    _check_text("list of recipients", form.recipients, 1)
    most = policy.budget.report_delta
    if form.delta is not None and parse_decimal(form.delta, "delta") > Decimal(most):
        raise PolicyRefusal(
            f"A delta above {most} is not what policy {policy.id} reports at",
            allowed=f"delta at most {most}",
            remedy="leave delta out",
        )
    part = part_for(policy, form.partition)
    _, plan = run_plan(policy, form.synthesizer, asked_for(form, policy))
    cost, trust = plan_cost(plan, most), plan.entrusted
    if not within_release_cap(policy, cost_text(cost)):
        raise _too_much(policy, plan, cost)
    if trust is not None:
        return Price(plan, cost, part, trust.epsilon, trust.delta)
    delta = form.delta or most
    return Price(plan, cost, part, epsilon_at(cost, delta), delta)


def _too_much(policy: Policy, plan: Plan, cost: Cost) -> PolicyRefusal:
    cap = cap_of(policy.budget.per_release)
    needs = rho_of(cost.rdp, cap.omega)
    what = f"The request needs rho {needs / 1e9:.6f}, more than {policy.id} allows for one release"
    allowed = f"rho at most {cap.rho / 1e9:.6f}"
    if (covered := covered_order(plan)) is not None and covered < cap.omega:
        what += f": its training keeps its rho to Renyi order {covered}, and the cap counts to {cap.omega}"
        allowed += "; a cap that is stated as epsilon at a delta counts no further than that delta needs"
    if plan.entrusted is not None:
        most = largest_for_release(policy, plan.entrusted.delta)
        what += ": a library's declared epsilon promises no more than randomized response does"
        allowed += f", which is an epsilon of at most {most}" if most else ", which is no such run at all"
    return PolicyRefusal(what, allowed=allowed, remedy="ask for a smaller epsilon")


def touched_balances(connection: Connection, scopes: Sequence[Scope]) -> list[Balance]:
    """Their balances, with the caps in force; a scope that was never used is empty."""
    known = {balance.scope.id: balance for balance in balances(connection, [scope.id for scope in scopes])}
    return [known.get(scope.id, Balance(scope, {WHOLE: Amounts()})) for scope in scopes]


def refuse_looser(scopes: Sequence[Scope], touched: Sequence[Balance]) -> None:
    """Raises Conflict where a cap in force is looser than the policy of the table states.

    Another policy about the same people may change a cap that they share. A tighter one simply holds here
    too; of a looser one, no use may be made here, because this policy promises less.
    """
    for scope, balance in zip(scopes, touched, strict=True):
        if loosens(scope.cap, balance.scope.cap):
            raise Conflict(
                f"{scope.title} has a looser cap than the policy of this table states",
                allowed="the cap that the policy states, or a tighter one",
                remedy="ask the data owner for a new version of this policy that states the cap in force",
            )


def purpose_counter(found: DatasetInfo, form: RequestForm) -> str:
    """Name of the counter of attempts for this purpose on this dataset, whoever asks."""
    return attempt_id(found.dataset_id, form.purpose)


def quote(store: Store, home: Path, actor: str, form: RequestForm) -> Quote:
    """What the request would cost and whether it fits. Holds nothing."""
    with store.read() as connection:
        require_role(connection, actor, "data_scientist", "data_owner")
        found = dataset(connection, form.dataset_id)
        asked = price(form, found.policy)
        engine_for(home, asked.plan)
        touched = touched_balances(connection, touched_scopes(found.policy, found.policy_sha256, actor))
        refusal = _refusal(connection, actor, touched, found, form, asked)
    return Quote(
        asked.plan.rho_nano,
        asked.epsilon,
        asked.delta,
        not refusal,
        tuple(scope_view(balance) for balance in touched),
        asked.plan.steps,
        refusal,
    )


def _refusal(
    connection: Connection,
    actor: str,
    touched: Sequence[Balance],
    found: DatasetInfo,
    form: RequestForm,
    asked: Price,
) -> str:
    try:
        refuse_looser(touched_scopes(found.policy, found.policy_sha256, actor), touched)
        counter = purpose_counter(found, form)
        check_attempts(connection, counter, found.policy.budget.max_attempts_per_purpose)
        for balance in touched:
            check_room(balance, asked.cost, asked.part)
    except (BudgetExceeded, Conflict, PolicyRefusal) as error:
        return error.text()
    return ""
