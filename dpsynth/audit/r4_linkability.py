"""R4, linkability: does the release lead from one half of a member's columns to the other half?"""

from __future__ import annotations

import numpy as np

from dpsynth.attacks.excess import excess_of_scores
from dpsynth.attacks.linkage import halves, pairs_linked
from dpsynth.audit.attackable import at_most, draw_sides, release_section, unattackable
from dpsynth.audit.evidence import ReleaseEvidence
from dpsynth.audit.excess_rule import ALL, Asked, excess_result
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.result import CheckResult

__all__ = ["check_linkability"]

_ASKED = Asked(
    "R4",
    "Linkability",
    "Does the release lead from one half of a member's columns to the other more than it does for strangers?",
    "Halves of members are linked",
)


def check_linkability(evidence: ReleaseEvidence, plan: AuditPlan, rng: np.random.Generator) -> CheckResult:
    """Excess linkability: both halves of a person lead to the same released row.

    Args:
        evidence: the release and the coined rows.
        plan: targets, splits, limits on the upper bound.
        rng: choice of rows, splits and resampling.

    Returns:
        see ``excess_rule.excess_result``; inconclusive for a table of fewer than two columns.
    """
    reason = unattackable(evidence, plan, columns=2, rows=plan.min_coined_per_side)
    if reason:
        return _ASKED.inconclusive(reason, evidence.fewest_coined)
    section = release_section(plan)
    sides = draw_sides(evidence, section.targets_per_side, rng)
    release = at_most(evidence.release, section.most_rows, rng)
    splits = halves(len(evidence.sizes), section.splits, rng)
    members, controls = (
        pairs_linked(rows, release, evidence.sizes, splits) for rows in (sides.members, sides.controls)
    )
    risk = excess_of_scores(
        members,
        controls,
        rounds=plan.resampling_rounds,
        confidence=plan.confidence,
        rng=rng,
    )
    return excess_result(_ASKED, {ALL: risk}, plan, sides.side, {"splits": section.splits})
