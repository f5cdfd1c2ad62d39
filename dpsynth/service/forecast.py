"""How many releases of which size fit in what is left, for one requester on one dataset."""

from __future__ import annotations

from decimal import Decimal

from dpsynth.accounting.gate import compile_cap, how_many
from dpsynth.accounting.reserve import plan_cost
from dpsynth.accounting.stated import cap_of
from dpsynth.core.errors import BadInput
from dpsynth.engines.catalog import entrusted
from dpsynth.ledger.scopes import cost_text
from dpsynth.ledger.store import Store
from dpsynth.policy.model import Policy
from dpsynth.service.budgets import part_for, touched_scopes
from dpsynth.service.entrusting import declared, largest_for_release
from dpsynth.service.people import require_role
from dpsynth.service.plans import Asked, fitting_epsilon, run_plan, within_release_cap
from dpsynth.service.quotes import refuse_looser, scope_view, touched_balances
from dpsynth.service.registry import dataset
from dpsynth.service.views import BudgetPlan, PlanLine

__all__ = ["plan_budget"]

_SHARES = ("1", "0.5", "0.25", "0.1", "0.05")


def plan_budget(
    store: Store, actor: str, dataset_id: str, synthesizer: str, epsilons: tuple[str, ...], partition: str
) -> BudgetPlan:
    """For each size: how many more such releases the tightest of the touched scopes has room for.

    Args:
        synthesizer: its plan decides the price; the first that the policy allows if empty.
        epsilons: sizes at the policy's report_delta; empty: parts of the cap for one release.
        partition: a public value of the partition column, or "" for the whole table.
    """
    with store.read() as connection:
        require_role(connection, actor, "data_scientist", "data_owner", "compliance_officer", "auditor")
        found = dataset(connection, dataset_id)
        scopes = touched_scopes(found.policy, found.policy_sha256, actor)
        touched = touched_balances(connection, scopes)
        refuse_looser(scopes, touched)
    policy, part = found.policy, part_for(found.policy, partition)
    name = synthesizer or policy.synthesis.allowed[0].name
    lines = []
    for epsilon in epsilons or _sizes(policy, name):
        try:
            asked, delta = _asked(policy, name, epsilon)
        except BadInput:
            if epsilons:
                raise
            continue  # too small to be stated at this delta: no such release exists
        plan = run_plan(policy, name, asked)[1]
        cost = plan_cost(plan, policy.budget.report_delta)
        room = {b.scope.title: how_many(b.taken_beside(part), cost, b.scope.cap) for b in touched}
        if not within_release_cap(policy, cost_text(cost)):
            room["The cap of one release"] = 0
        tightest = min(room, key=lambda title: room[title])
        lines.append(PlanLine(epsilon, delta, plan.rho_nano, room[tightest], tightest))
    return BudgetPlan(dataset_id, name, tuple(lines), tuple(scope_view(balance) for balance in touched))


def _asked(policy: Policy, name: str, epsilon: str) -> tuple[Asked, str]:
    """The budget of a release of this epsilon, and the delta that its epsilon is stated at."""
    if entrusted(name):
        found = declared(policy, name, epsilon)
        return found, found.delta
    delta = policy.budget.report_delta
    return compile_cap(epsilon, delta).rho, delta


def _sizes(policy: Policy, name: str) -> tuple[str, ...]:
    """Parts of the largest epsilon that one release may have."""
    if entrusted(name):
        most = largest_for_release(policy, declared(policy, name, "1").delta)
    else:
        most = fitting_epsilon(cap_of(policy.budget.per_release).rho, policy.budget.report_delta)
    parts = (Decimal(most or 0) * Decimal(share) for share in _SHARES)
    return tuple(format(part.normalize(), "f") for part in parts)
