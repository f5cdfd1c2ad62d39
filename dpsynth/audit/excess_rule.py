"""How an excess risk is judged: the rule that R4, R5 and L1 share with R3, for several groups at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scipy import stats

from dpsynth.attacks.excess import ExcessRisk
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.result import CheckResult, Outcome

__all__ = ["ALL", "Asked", "excess_result"]

ALL = "all"
"""Name of the risk over all people and columns; it must be there."""

_ROUNDING = 1e-9
"""Of an excess in floating point: a group without a hit on either side has an error of nothing."""


@dataclass(frozen=True)
class Asked:
    """Identity and words of a check.

    Attributes:
        id, name, question: as in CheckResult.
        subject: what happens to members, such as "Members are linked".
    """

    id: str
    name: str
    question: str
    subject: str

    def inconclusive(self, plain: str, units: int) -> CheckResult:
        """The result of an attack that could not be made."""
        return CheckResult(self.id, self.name, self.question, "B", "inconclusive", plain, n=units)


def excess_result(
    asked: Asked, risks: Mapping[str, ExcessRisk], plan: AuditPlan, side: int, details: Mapping[str, Any]
) -> CheckResult:
    """Judge the risk over all, and risks of groups or columns that must not hide behind it.

    Levels are shared by all risks. ``fail`` if an upper bound reaches ``excess_stop`` and the excess is shown
    at ``label_alpha``; ``warn`` if one reaches ``excess_warn`` and the excess is shown at ``family_alpha``;
    inconclusive if the attack always succeeds on controls, if controls come off worse, or if the upper bound
    over all reaches ``excess_stop`` and nothing is shown. An upper bound alone accuses nobody: with few coins
    it passes either limit by its own width.

    Args:
        asked: identity and words.
        risks: by name; ``ALL`` is the headline.
        plan: limits and levels.
        side: units on each side.
        details: further numbers.
    """
    strict, shown = (
        float(stats.norm.isf(level / len(risks))) for level in (plan.label_alpha, plan.family_alpha)
    )
    head = risks[ALL]
    outcome, plain = _decide(asked.subject, risks, plan, strict, shown)
    power = float(stats.norm.ppf(plan.noise_power))
    return CheckResult(
        id=asked.id,
        name=asked.name,
        question=asked.question,
        evidence="B",
        outcome=outcome,
        plain=plain,
        estimate=head.excess,
        low=head.low,
        high=head.high,
        control=head.control,
        threshold=plan.excess_stop,
        n=side,
        details={
            "risks": {
                name: asdict(risk) | {"detectable_excess": (strict + power) * risk.error}
                for name, risk in risks.items()
            },
            **details,
        },
    )


def _decide(
    subject: str, risks: Mapping[str, ExcessRisk], plan: AuditPlan, strict: float, shown: float
) -> tuple[Outcome, str]:
    every, head = list(risks.values()), risks[ALL]
    if head.control >= 1.0:
        return "inconclusive", "The attack succeeds on every stranger too: no excess can show."
    # Where controls nearly always succeed the ratio's own error explodes; re-flipped coins do not.
    if any(risk.excess < -strict * risk.flip_error - _ROUNDING for risk in every):
        return "inconclusive", f"{subject} less often than people left out: check the labels."
    if any(risk.high >= plan.excess_stop and risk.excess > strict * risk.error for risk in every):
        return "fail", f"{subject} more often than strangers, maybe by the stop limit or more."
    if any(risk.high >= plan.excess_warn and risk.excess > shown * risk.error for risk in every):
        return "warn", f"{subject} more often than strangers, maybe by the warn limit or more."
    if head.high >= plan.excess_stop:
        return "inconclusive", "An excess of the stop limit is neither shown nor ruled out by these coins."
    return "pass", f"{subject} no more often than strangers; an excess of the stop limit is ruled out."
