"""What a request would do, from public facts: its cost, its synthesizer's plan, its audit plan."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from dpsynth.accounting.cost import ZERO, Cost, zcdp_cost
from dpsynth.accounting.gate import compile_cap, fits
from dpsynth.accounting.numbers import parse_rho_nano
from dpsynth.accounting.reserve import marginal_cost
from dpsynth.accounting.stated import cap_of
from dpsynth.accounting.statement import epsilon_at
from dpsynth.audit.plan import AuditPlan, load_plan, plan_sha256
from dpsynth.core.curator import Plan, Synthesizer
from dpsynth.core.errors import BadInput, PolicyRefusal
from dpsynth.ledger.scopes import text_cost
from dpsynth.policy.model import Policy
from dpsynth.service.views import RequestForm
from dpsynth.synthesizers.registry import load_synthesizer

__all__ = [
    "allowed_synthesizer",
    "audit_plan",
    "fitting_epsilon",
    "largest_fitting",
    "plan_cost",
    "requested_rho",
    "run_plan",
    "within_release_cap",
]


def requested_rho(form: RequestForm, policy: Policy) -> int:
    """The charge in nano-rho. Raises BadInput unless exactly one of epsilon and rho is given."""
    if (form.epsilon is None) == (form.rho is None):
        raise BadInput(
            "A request states its budget once",
            allowed="either epsilon (with an optional delta) or rho",
            remedy="give one of the two",
        )
    if form.rho is not None:
        return parse_rho_nano(form.rho, up=True)
    return compile_cap(str(form.epsilon), form.delta or policy.budget.report_delta).rho


def fitting_epsilon(rho_nano: int, delta: str) -> str:
    """The largest epsilon, in six digits, whose release costs at most this much; "" where there is none."""
    most = Decimal(epsilon_at(zcdp_cost(rho_nano), delta))
    for epsilon in (most, most - Decimal("0.000001")):
        try:
            if compile_cap(format(epsilon, "f"), delta).rho <= rho_nano:
                return format(epsilon.normalize(), "f")
        except BadInput:
            continue  # too small to be stated at this delta
    return ""


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def allowed_synthesizer(policy: Policy, name: str) -> Synthesizer:
    """The installed synthesizer, if the policy allows its name and version."""
    allowed = {one.name: one.min_version for one in policy.synthesis.allowed}
    if name not in allowed:
        raise PolicyRefusal(
            f"Policy {policy.id} does not allow the synthesizer {name!r}",
            allowed=", ".join(sorted(allowed)),
            remedy="choose one of these",
        )
    synthesizer = load_synthesizer(name)
    if _version(synthesizer.version) < _version(allowed[name]):
        raise PolicyRefusal(
            f"Synthesizer {name} {synthesizer.version} is older than policy {policy.id} allows",
            allowed=f"version {allowed[name]} or newer",
            remedy="upgrade the installation",
        )
    return synthesizer


def run_plan(policy: Policy, name: str, rho_nano: int) -> tuple[Synthesizer, Plan]:
    """The synthesizer and its plan for this budget. Raises PolicyRefusal when infeasible."""
    synthesizer = allowed_synthesizer(policy, name)
    return synthesizer, synthesizer.plan(policy.domain(), rho_nano, policy.synthesis.max_model_cells)


def plan_cost(plan: Plan, policy: Policy) -> Cost:
    """What a run by this plan reserves, and may not exceed."""
    return marginal_cost(plan.rho_nano, plan.choices_nano, policy.budget.report_delta)


def largest_fitting(policy: Policy, name: str, most: int, room: Callable[[Cost], bool]) -> int:
    """A budget of at most ``most`` nano-rho that this synthesizer can use and whose cost has room; or 0.

    The largest where a larger budget never costs less. What is found has room in any case.
    """

    def has_room(rho: int) -> bool:
        return room(plan_cost(run_plan(policy, name, rho)[1], policy))

    try:
        if most < 1 or has_room(most):
            return max(0, most)
    except PolicyRefusal:
        return 0
    best, low, high = 0, 0, most
    while high - low > 1:
        middle = (low + high) // 2
        try:
            fit = has_room(middle)
        except PolicyRefusal:  # too little to plan with
            low = middle
            continue
        best, low, high = (middle, middle, high) if fit else (best, low, middle)
    return best


def within_release_cap(policy: Policy, cost: str) -> bool:
    """Whether a stored cost fits the policy's cap for one release.

    The second gate belongs to scopes: one release is promised by its curve.
    """
    return fits(ZERO, text_cost(cost), replace(cap_of(policy.budget.per_release), mu2=None))


def audit_plan(policy: Policy) -> AuditPlan:
    """The audit plan that the policy names, if its digest is the one that the policy pins."""
    here = Path(__file__).resolve().parents[2] / "audits" / "plans"
    plan = load_plan(Path(os.environ.get("DPSYNTH_AUDIT_PLANS", here)), policy.audits.plan)
    if plan_sha256(plan) != policy.audits.plan_sha256:
        raise PolicyRefusal(
            f"The audit plan {policy.audits.plan} is not the one that policy {policy.id} pins",
            allowed=f"the plan with sha256 {policy.audits.plan_sha256}",
            remedy="restore that plan, or have a new policy version approved that pins the new one",
        )
    return plan
