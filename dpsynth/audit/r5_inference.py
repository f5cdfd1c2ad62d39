"""R5, inference: does the release give away a member's unknown column from all the others?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.excess import ExcessRisk, excess_of_scores
from dpsynth.attacks.linkage import inferred
from dpsynth.audit.attackable import at_most, draw_sides, release_section, unattackable
from dpsynth.audit.evidence import ReleaseEvidence
from dpsynth.audit.excess_rule import ALL, Asked, excess_result
from dpsynth.audit.exposed import EXPOSED, exposed
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.result import CheckResult

__all__ = ["check_inference"]

_ASKED = Asked(
    "R5",
    "Inference",
    "Does the release give away a column of members from their others more than it does for strangers?",
    "Columns of members are guessed",
)


def check_inference(evidence: ReleaseEvidence, plan: AuditPlan, rng: np.random.Generator) -> CheckResult:
    """Excess inference risk over the sensitive columns, of each of them, and of the most isolated people.

    Sensitive are the columns that the policy marks, or all of them; those that do not vary are left out.

    Args:
        evidence: the release and the coined rows.
        plan: targets, share of isolated people, limits on the upper bound.
        rng: choice of rows and resampling.

    Returns:
        see ``excess_rule.excess_result``; inconclusive for a table of fewer than two columns, or if no
        sensitive column varies.
    """
    reason = unattackable(evidence, plan, columns=2, rows=plan.min_coined_per_side)
    if reason:
        return _ASKED.inconclusive(reason, evidence.fewest_coined)
    section = release_section(plan)
    sides = draw_sides(evidence, section.targets_per_side, rng)
    wanted = evidence.sensitive or range(len(evidence.sizes))
    secrets = [column for column in wanted if len(np.unique(sides.both[:, column])) > 1]
    if not secrets:
        plain = "No sensitive column varies among the people with a coin: there is nothing to guess."
        return _ASKED.inconclusive(plain, evidence.fewest_coined)
    release = at_most(evidence.release, section.most_rows, rng)
    guessed = inferred(sides.both, release, evidence.sizes, secrets)
    isolated = exposed(evidence, sides, section, rng)
    names = [evidence.domain.names[column] for column in secrets]
    modes = [int(np.bincount(release[:, column]).argmax()) for column in secrets]
    by_mode = (sides.both[:, secrets] == modes).astype(np.float64)
    risks = _risks(guessed, by_mode, isolated, names, plan, rng)
    return excess_result(_ASKED, risks, plan, sides.side, {"isolated": int(isolated.sum())})


def _risks(
    guessed: NDArray[np.float64],
    by_mode: NDArray[np.float64],
    isolated: NDArray[np.bool_],
    names: list[str],
    plan: AuditPlan,
    rng: np.random.Generator,
) -> dict[str, ExcessRisk]:
    inside = np.arange(len(guessed)) < len(guessed) // 2

    def risk(columns: slice, kept: NDArray[np.bool_]) -> ExcessRisk:
        scores, naive = guessed[:, columns].mean(axis=1), by_mode[:, columns].mean(axis=1)
        members, controls = ((scores[side], naive[side]) for side in (kept & inside, kept & ~inside))
        rounds, confidence = plan.resampling_rounds, plan.confidence
        return excess_of_scores(members, controls, rounds=rounds, confidence=confidence, rng=rng)

    every = np.ones(len(guessed), dtype=np.bool_)
    risks = {ALL: risk(slice(None), every)}
    if isolated.any():
        risks[EXPOSED] = risk(slice(None), isolated)
    if len(names) > 1:
        risks |= {f"column {name}": risk(slice(at, at + 1), every) for at, name in enumerate(names)}
    return risks
