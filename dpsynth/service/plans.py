"""What a request would do, from public facts: its cost, its synthesizer's plan, its audit plan."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from dpsynth.accounting.cost import ZERO, Cost, zcdp_cost
from dpsynth.accounting.gate import compile_cap, fits
from dpsynth.accounting.numbers import parse_rho_nano
from dpsynth.accounting.reserve import plan_cost
from dpsynth.accounting.stated import cap_of
from dpsynth.accounting.statement import epsilon_at
from dpsynth.audit.plan import AuditPlan, load_plan, plan_sha256
from dpsynth.core.curator import Plan, Synthesizer
from dpsynth.core.errors import BadInput, PolicyRefusal
from dpsynth.ledger.scopes import text_cost
from dpsynth.policy.model import Policy
from dpsynth.service.measuring import measure_plan, with_measures
from dpsynth.service.views import RequestForm
from dpsynth.synthesizers.auto import AUTO, Choice, choose
from dpsynth.synthesizers.entrusted import EntrustedSynthesizer
from dpsynth.synthesizers.registry import available, load_synthesizer

__all__ = [
    "Asked",
    "Declared",
    "allowed_synthesizer",
    "audit_plan",
    "automatic",
    "fitting_epsilon",
    "largest_fitting",
    "plans_directory",
    "requested_rho",
    "run_plan",
    "within_release_cap",
]


@dataclass(frozen=True)
class Declared:
    """The whole budget of a library that is entrusted with rows: epsilon and delta, as written."""

    epsilon: str
    delta: str


Asked = int | Declared
"""What a run may spend: nano-rho behind the curator, or what an entrusted library declares."""


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


def automatic(policy: Policy, rho_nano: int) -> Choice | None:
    """What ``auto`` means under this policy at this budget; None where it allows none of those known."""
    installed = available()
    usable = [
        one.name
        for one in policy.synthesis.allowed
        if one.name in installed and _version(installed[one.name]) >= _version(one.min_version)
    ]
    try:
        return choose(usable, policy.domain(), rho_nano, policy.synthesis.max_model_cells)
    except PolicyRefusal:
        return None


def run_plan(policy: Policy, name: str, asked: Asked) -> tuple[Synthesizer, Plan]:
    """The synthesizer and its plan for this budget. Raises PolicyRefusal when infeasible.

    For ``auto`` those that public facts choose. The plan says why wherever they would choose it. Where the
    policy buys measures of utility the plan is that of the whole run, measures included.
    """
    paid = measure_plan(policy, asked) if isinstance(asked, int) else None
    if isinstance(asked, int) and paid is not None:
        asked -= paid.rho_nano
    choice = automatic(policy, asked) if isinstance(asked, int) else None
    if name == AUTO and choice is not None:
        name = choice.name
    synthesizer = allowed_synthesizer(policy, name)
    if isinstance(asked, int):
        plan = synthesizer.plan(policy.domain(), asked, policy.synthesis.max_model_cells)
        if choice is not None and choice.name == name:
            plan = replace(plan, steps=(*plan.steps, choice.words()))
        return synthesizer, with_measures(plan, paid)
    if not isinstance(synthesizer, EntrustedSynthesizer):
        raise BadInput(f"{name} is given no rows and declares no budget", remedy="ask for rho or epsilon")
    rows = policy.synthesis.output_rows_value
    return synthesizer, synthesizer.plan_entrusted(policy.domain(), asked.epsilon, asked.delta, rows)


def largest_fitting(policy: Policy, name: str, most: int, room: Callable[[Cost], bool]) -> int:
    """A budget of at most ``most`` nano-rho that this synthesizer can use and whose cost has room; or 0.

    The largest where a larger budget never costs less. What is found has room in any case.
    """

    def has_room(rho: int) -> bool:
        return room(plan_cost(run_plan(policy, name, rho)[1], policy.budget.report_delta))

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


def plans_directory() -> Path:
    """Where the audit plans lie."""
    here = Path(__file__).resolve().parents[2] / "audits" / "plans"
    return Path(os.environ.get("DPSYNTH_AUDIT_PLANS", here))


def audit_plan(policy: Policy) -> AuditPlan:
    """The audit plan that the policy names, if its digest is the one that the policy pins."""
    plan = load_plan(plans_directory(), policy.audits.plan)
    if plan_sha256(plan) != policy.audits.plan_sha256:
        raise PolicyRefusal(
            f"The audit plan {policy.audits.plan} is not the one that policy {policy.id} pins",
            allowed=f"the plan with sha256 {policy.audits.plan_sha256}",
            remedy="restore that plan, or have a new policy version approved that pins the new one",
        )
    return plan
