"""R3, singling out: do descriptions read off the release isolate members more often than people left out?"""

from __future__ import annotations

import numpy as np

from dpsynth.attacks.excess import ExcessRisk
from dpsynth.attacks.intervals import normal_quantile
from dpsynth.attacks.singling_out import excess_risk
from dpsynth.audit.attackable import unattackable
from dpsynth.audit.evidence import ReleaseEvidence, one_row_per_unit
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.result import CheckResult, Outcome

__all__ = ["check_singling_out"]

_NAME = "Singling out"
_QUESTION = "Does the release describe members so that exactly one fits, more than it does strangers?"


def check_singling_out(evidence: ReleaseEvidence, plan: AuditPlan, rng: np.random.Generator) -> CheckResult:
    """Excess singling-out risk with an interval, on equally many members and controls.

    Args:
        evidence: the release and the coined rows.
        plan: number of predicates, limits on the upper bound.
        rng: randomness of the attack.

    Returns:
        fail if the upper bound reaches ``excess_stop`` and an excess is shown at ``label_alpha``, one-sided;
        inconclusive if it reaches that limit and none is shown; warn from ``excess_warn``.
    """
    reason = unattackable(evidence, plan)
    if reason:
        return _result("inconclusive", reason, plan, evidence.fewest_coined)
    side = min(evidence.fewest_coined, plan.max_targets_per_side)
    risk = excess_risk(
        evidence.release,
        evidence.members[one_row_per_unit(evidence.member_units, rng)[:side]],
        evidence.controls[one_row_per_unit(evidence.control_units, rng)[:side]],
        evidence.sizes,
        predicates=plan.predicates,
        rounds=plan.resampling_rounds,
        confidence=plan.confidence,
        rng=rng,
    )
    outcome, plain = _decide(risk, plan)
    return _result(outcome, plain, plan, side, risk)


def _decide(risk: ExcessRisk, plan: AuditPlan) -> tuple[Outcome, str]:
    # The upper bound alone would accuse by chance: its reach is often just below the stop limit.
    strict = normal_quantile(1.0 - 2.0 * plan.label_alpha) * risk.error
    if risk.control >= 1.0:
        return "inconclusive", "Every description isolates someone among strangers too: no excess can show."
    if risk.excess + strict < 0.0:
        return "inconclusive", "People left out are singled out more than members: check the labels."
    if risk.high >= plan.excess_stop and risk.excess <= strict:
        return "inconclusive", "An excess of the stop limit is neither shown nor ruled out by these coins."
    if risk.high >= plan.excess_stop:
        return "fail", "Members are singled out more often than strangers, maybe by the stop limit or more."
    if risk.high >= plan.excess_warn:
        return "warn", "An excess above the warn limit, but below the stop limit, cannot be ruled out."
    return "pass", "Members are not singled out noticeably more often than people who were left out."


def _result(
    outcome: Outcome, plain: str, plan: AuditPlan, side: int, risk: ExcessRisk | None = None
) -> CheckResult:
    return CheckResult(
        id="R3",
        name=_NAME,
        question=_QUESTION,
        evidence="B",
        outcome=outcome,
        plain=plain,
        estimate=risk.excess if risk else None,
        low=risk.low if risk else None,
        high=risk.high if risk else None,
        control=risk.control if risk else None,
        threshold=plan.excess_stop,
        n=side,
        details={} if risk is None else _details(risk, plan),
    )


def _details(risk: ExcessRisk, plan: AuditPlan) -> dict[str, float]:
    return {
        "main_rate": risk.main,
        "naive_rate": risk.naive,
        "standard_error": risk.error,
        "standard_error_of_coins": risk.flip_error,
        "predicates": plan.predicates,
    }
