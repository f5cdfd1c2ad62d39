"""R6, exact copies: does the release hold members' rows verbatim more often than strangers' rows?"""

from __future__ import annotations

import numpy as np

from dpsynth.attacks.replay import CopyRates, copied_unique, copy_rates
from dpsynth.audit.attackable import unattackable
from dpsynth.audit.evidence import ReleaseEvidence, one_row_per_unit
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.result import CheckResult, Outcome

__all__ = ["check_copies"]

_NAME = "Exact copies"
_QUESTION = "Are rows of members found verbatim in the release more often than rows of people left out?"


def _rates(evidence: ReleaseEvidence, plan: AuditPlan, rng: np.random.Generator) -> CopyRates:
    member_unique, member_hit, control_unique, control_hit = copied_unique(
        evidence.release, evidence.members, evidence.controls, evidence.reference
    )
    sides = []
    for unique, hit, units in (
        (member_unique, member_hit, evidence.member_units),
        (control_unique, control_hit, evidence.control_units),
    ):
        chosen = one_row_per_unit(units[unique], rng)
        sides += [int(hit[unique][chosen].sum()), len(chosen)]
    return copy_rates(sides[0], sides[1], sides[2], sides[3], plan.confidence)


def check_copies(evidence: ReleaseEvidence, plan: AuditPlan, rng: np.random.Generator) -> CheckResult:
    """Difference of exact-copy rates, over rows that no other real row equals.

    Args:
        evidence: the release and the coined rows.
        plan: Holm level, limits.
        rng: choice of one row per unit.

    Returns:
        fail if the lower bound of the difference reaches ``excess_stop``; warn if members are copied more
        at ``family_alpha`` (subject to Holm); inconclusive if there are too few rows to tell.
    """
    reason = unattackable(evidence, plan)
    if reason:
        return CheckResult("R6", _NAME, _QUESTION, "B", "inconclusive", reason, n=evidence.fewest_coined)
    rates = _rates(evidence, plan, rng)
    outcome, plain = _decide(rates, plan)
    return CheckResult(
        id="R6",
        name=_NAME,
        question=_QUESTION,
        evidence="B",
        outcome=outcome,
        plain=plain,
        estimate=rates.difference.estimate,
        low=rates.difference.low,
        high=rates.difference.high,
        control=rates.control_hits / rates.controls if rates.controls else None,
        threshold=plan.excess_stop,
        n=rates.members + rates.controls,
        p_value=rates.p_more,
        holm=True,
        details={
            "unique_members": rates.members,
            "unique_controls": rates.controls,
            "copied_members": rates.member_hits,
            "copied_controls": rates.control_hits,
            "detectable_difference": rates.detectable,
        },
    )


def _decide(rates: CopyRates, plan: AuditPlan) -> tuple[Outcome, str]:
    if rates.difference.low >= plan.excess_stop:
        return "fail", "Rows of members are copied into the release far more often than rows of strangers."
    if rates.p_fewer < plan.label_alpha:
        return (
            "inconclusive",
            "Rows of strangers are copied more than rows of members: check the labels.",
        )
    if rates.p_more < plan.family_alpha:
        return "warn", "Rows of members are found in the release more often than rows of strangers."
    if rates.detectable > plan.copy_difference_needed:
        return "inconclusive", "Too few rows are unique to tell copying from chance."
    return "pass", "Rows of members are found in the release no more often than rows of strangers."
