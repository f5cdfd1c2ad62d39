"""What an approver should know of a policy that its rules do not refuse. From the policy alone, no row."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from math import prod

from dpsynth.accounting.stated import cap_of
from dpsynth.accounting.statement import epsilon_of_cap
from dpsynth.core.errors import BadInput
from dpsynth.policy.model import Cap, Policy
from dpsynth.service.findings import Check, fine, warning

__all__ = ["lint"]

_CONSERVATIVE, _COMMON = 1, 20
"""Bands of epsilon of NIST's draft guidance (SP 800-226): information, no approval."""


def lint(policy: Policy) -> tuple[Check, ...]:
    """Findings in a fixed order: what each means and what could be done."""
    return (
        _epsilon(policy, "one release", policy.budget.per_release),
        _epsilon(policy, "all releases for life", policy.budget.lifetime),
        _unit(policy),
        *_partition(policy),
        _delta(policy),
        _cells(policy),
        _inconclusive(policy),
        _people(policy),
    )


def _epsilon(policy: Policy, what: str, cap: Cap) -> Check:
    delta, checked = policy.budget.report_delta, f"epsilon of {what}"
    try:
        epsilon = Decimal(epsilon_of_cap(cap_of(cap), delta))
    except BadInput:
        remedy = "lower entrusted_delta, or raise report_delta"
        return warning(checked, f"entrusted libraries may fail with more than delta {delta}", remedy)
    said = f"epsilon {epsilon:f} at delta {delta}"
    if epsilon <= _CONSERVATIVE:
        return fine(checked, f"{said}: at most 1, which is conservative")
    if epsilon <= _COMMON:
        return fine(checked, f"{said}: above 1 and at most 20, as many deployments have it")
    remedy = "state a smaller cap, or write down why so much is needed"
    return warning(checked, f"{said}: above 20, which protects people little", remedy)


def _unit(policy: Policy) -> Check:
    unit = policy.privacy_unit
    if unit.id_column is None:
        found = f"each row is protected by itself ({unit.kind}); a person with several rows is protected less"
        return warning("who is protected", found, "name an id_column if rows of one person can be told")
    found = f"each {unit.kind} with at most {unit.max_rows_per_unit} rows, by an id column"
    return fine("who is protected", found)


def _partition(policy: Policy) -> Iterator[Check]:
    if (name := policy.privacy_unit.partition_column) is not None:
        found = f"releases of different values of {name} count in parallel, because no person is in two"
        yield warning("parallel composition", found, f"make sure that {name} is public and fixed")


def _delta(policy: Policy) -> Check:
    delta, rows = policy.budget.report_delta, policy.source.max_rows
    expected = Decimal(delta) * rows
    found = f"delta {delta} times the largest table ({rows} rows) is {expected.normalize():f}"
    if expected > Decimal("0.1"):
        return warning("delta", f"{found}, which is close to 1", "lower report_delta, or max_rows")
    return fine("delta", f"{found}, which is below 1")


def _cells(policy: Policy) -> Check:
    sizes = sorted((spec.column().size for spec in policy.columns if spec.kept), reverse=True)[:2]
    found = (
        f"the two largest kept columns span {prod(sizes)} cells of at most {policy.synthesis.max_model_cells}"
    )
    return fine("size of the model", found)


def _inconclusive(policy: Policy) -> Check:
    if policy.audits.on_inconclusive == "block":
        return fine("audits", f"plan {policy.audits.plan}; an inconclusive audit blocks a release")
    found = f"plan {policy.audits.plan}; an inconclusive audit may be approved with a written reason"
    return warning("audits", found, "write on_inconclusive: block")


def _people(policy: Policy) -> Check:
    approval = policy.approval
    roles = ", ".join(role.replace("_", " ") for role in approval.roles)
    found = f"{approval.approvers} people sign a release: {roles}; never the requester"
    if len(set(approval.roles)) < 2:
        return warning("who signs", f"{found}; all may have one role", "ask for two different roles")
    return fine("who signs", found)
