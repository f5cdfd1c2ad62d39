"""How many releases of which size fit in what is left, for one requester on one dataset."""

from __future__ import annotations

from decimal import Decimal

from dpsynth.accounting.gate import compile_cap, how_many
from dpsynth.accounting.stated import cap_of
from dpsynth.accounting.statement import epsilon_of_cap
from dpsynth.core.errors import BadInput
from dpsynth.ledger.store import Store
from dpsynth.policy.model import Policy
from dpsynth.service.budgets import part_for, touched_scopes
from dpsynth.service.people import require_role
from dpsynth.service.plans import plan_cost, run_plan
from dpsynth.service.quotes import scope_view, touched_balances
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
    policy, part = found.policy, part_for(found.policy, partition)
    name = synthesizer or policy.synthesis.allowed[0].name
    lines = []
    for epsilon in epsilons or _sizes(policy):
        try:
            rho = compile_cap(epsilon, policy.budget.report_delta).rho
        except BadInput:
            continue  # too small to be stated at this delta: no such release exists
        cost = plan_cost(run_plan(policy, name, rho)[1], policy)
        room = {b.scope.title: how_many(b.taken_beside(part), cost, b.scope.cap) for b in touched}
        tightest = min(room, key=lambda title: room[title])
        lines.append(PlanLine(epsilon, policy.budget.report_delta, rho, room[tightest], tightest))
    return BudgetPlan(dataset_id, name, tuple(lines), tuple(scope_view(balance) for balance in touched))


def _sizes(policy: Policy) -> tuple[str, ...]:
    """Parts of the largest epsilon that one release may have."""
    cap = policy.budget.per_release
    most = cap.epsilon or epsilon_of_cap(cap_of(cap), policy.budget.report_delta)
    return tuple(format((Decimal(most) * Decimal(share)).normalize(), "f") for share in _SHARES)
