"""R2, density ratio: are members' surroundings fuller in the release than among people in general?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.cells import small_pairs
from dpsynth.attacks.density import classifier_scores, neighbour_scores
from dpsynth.attacks.marginal_ratio import marginal_ratio_scores
from dpsynth.attacks.roc import auc_delong, detectable_auc, rank_p_values
from dpsynth.audit.attackable import Sides, at_most, draw_sides, release_section, unattackable
from dpsynth.audit.evidence import ReleaseEvidence
from dpsynth.audit.excess_rule import Asked
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.result import CheckResult, Outcome

__all__ = ["check_density"]

_ASKED = Asked(
    "R2",
    "Density ratio",
    "Do released rows crowd around members more than around strangers?",
    "Released rows crowd around members",
)


def check_density(evidence: ReleaseEvidence, plan: AuditPlan, rng: np.random.Generator) -> CheckResult:
    """Five density-ratio scores of coined people; the most telling one counts, by Holm.

    Args:
        evidence: the release and the coined rows.
        plan: targets, size of neighbourhoods, Holm level.
        rng: choice of rows.

    Returns:
        warn if a score tells members from controls at ``family_alpha`` (subject to the verdict's Holm as
        well), never fail; inconclusive if controls score higher, or if the coins are too few to see
        ``auc_needed``. A pass says nothing about the mechanism: over many rows even a model without noise
        hardly tells its members.
    """
    reason = unattackable(evidence, plan, rows=plan.min_coined_per_side)
    if reason:
        return _ASKED.inconclusive(reason, evidence.fewest_coined)
    section = release_section(plan)
    sides = draw_sides(evidence, section.density_targets_per_side, rng)
    scores = _scores(evidence, sides, plan, rng)
    split = {name: (both[: sides.side], both[sides.side :]) for name, both in scores.items()}
    more, fewer = ({n: rank_p_values(*s)[at] for n, s in split.items()} for at in (0, 1))
    areas = {name: auc_delong(*pair, plan.confidence) for name, pair in split.items()}
    best = min(more, key=lambda name: more[name])
    p = min(1.0, len(more) * more[best])
    needed = detectable_auc(sides.side, sides.side, plan.family_alpha / len(more), plan.noise_power)
    constant = all(np.ptp(both) == 0.0 for both in scores.values())
    swapped = len(fewer) * min(fewer.values()) < plan.label_alpha
    outcome, plain = _decide(p, swapped, constant or needed > section.auc_needed, plan)
    area = areas[best]
    return CheckResult(
        id="R2",
        name=_ASKED.name,
        question=_ASKED.question,
        evidence="B",
        outcome=outcome,
        plain=plain,
        estimate=area.estimate,
        low=area.low,
        high=area.high,
        control=0.5,
        n=2 * sides.side,
        p_value=p,
        holm=True,
        details={
            "most_telling": best,
            "detectable_auc": needed,
            "scores": {
                n: {"auc": a.estimate, "low": a.low, "high": a.high, "p": more[n]} for n, a in areas.items()
            },
        },
    )


def _scores(
    evidence: ReleaseEvidence, sides: Sides, plan: AuditPlan, rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    section, sizes = release_section(plan), evidence.sizes
    release, reference = (
        at_most(rows, section.most_rows, rng) for rows in (evidence.release, evidence.reference)
    )
    tables = sides.both, release, reference
    pairs = small_pairs(sizes, plan.max_clique_cells)
    return {
        "marginals": marginal_ratio_scores(*tables, sizes, pairs),
        "classifier": classifier_scores(*tables, sizes, pairs),
        **neighbour_scores(*tables, sizes, section.neighbours, section.kernel_mismatch),
    }


def _decide(p: float, swapped: bool, blind: bool, plan: AuditPlan) -> tuple[Outcome, str]:
    if swapped:
        return "inconclusive", "Released rows crowd around people left out: check the labels."
    if p < plan.family_alpha:
        return "warn", "Released rows crowd around members more than around people who were left out."
    if blind:
        return "inconclusive", "Too few coins to tell crowding from chance."
    return "pass", "Released rows crowd around members no more than around people who were left out."
