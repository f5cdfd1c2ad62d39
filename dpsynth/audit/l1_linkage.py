"""L1, linkage with auxiliary data: an outside table with some of the columns is linked to the release."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.cells import row_labels
from dpsynth.attacks.excess import ExcessRisk, excess_of_scores
from dpsynth.attacks.linkage import linked
from dpsynth.audit.attackable import Sides, at_most, draw_sides, release_section, unattackable
from dpsynth.audit.evidence import ReleaseEvidence
from dpsynth.audit.excess_rule import ALL, Asked, excess_result
from dpsynth.audit.exposed import EXPOSED, exposed
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.result import CheckResult

__all__ = ["check_linkage"]

_ASKED = Asked(
    "L1",
    "Linkage with auxiliary data",
    "Does someone who knows some columns of people read the others off the release, for members above all?",
    "Unknown columns of members are read off",
)
_ALONE = "people alone with their known columns"
_GROUPS = (("1", 1, 1), ("2-5", 2, 5), ("6-20", 6, 20), ("more than 20", 21, None))
_FEWEST = 10


def check_linkage(evidence: ReleaseEvidence, plan: AuditPlan, rng: np.random.Generator) -> CheckResult:
    """Excess linkage risk of an attacker table: over all people, those alone in their group, isolated ones.

    The attacker knows the columns that the policy marks as quasi-identifiers, or a random half, of members
    and of strangers, and takes the rest from the nearest released rows.

    Args:
        evidence: the release and the coined rows.
        plan: targets, share of isolated people, limits on the upper bound.
        rng: choice of columns and rows, resampling.

    Returns:
        see ``excess_rule.excess_result``; inconclusive for a table of fewer than two columns, or if the
        unknown columns do not vary.
    """
    reason = unattackable(evidence, plan, columns=2, rows=plan.min_coined_per_side)
    if reason:
        return _ASKED.inconclusive(reason, evidence.fewest_coined)
    section = release_section(plan)
    sides = draw_sides(evidence, section.targets_per_side, rng)
    known = _known(evidence, rng)
    rest = [column for column in range(len(evidence.sizes)) if column not in known]
    if (sides.both[:, rest] == sides.both[0, rest]).all():
        plain = "The unknown columns are alike for everybody with a coin: there is nothing to read off."
        return _ASKED.inconclusive(plain, evidence.fewest_coined)
    release = at_most(evidence.release, section.most_rows, rng)
    scores, exact = linked(sides.both, release, evidence.sizes, known)
    naive, _ = linked(sides.both, release, evidence.sizes, ())
    groups = _group_sizes(evidence, sides, known)
    kept = {ALL: np.ones(len(scores), dtype=np.bool_), _ALONE: groups == 1}
    kept[EXPOSED] = exposed(evidence, sides, section, rng)
    details = {
        "known_columns": [evidence.domain.names[column] for column in known],
        "exact_matches": float(exact.mean()),
        "groups": _table(scores, groups, sides.side),
    }
    risks = _risks(scores, naive, kept, plan, rng)
    return excess_result(_ASKED, risks, plan, sides.side, details)


def _known(evidence: ReleaseEvidence, rng: np.random.Generator) -> list[int]:
    """Marked columns, unless they are all or none; else a random half."""
    every = len(evidence.sizes)
    if 0 < len(evidence.quasi) < every:
        return sorted(evidence.quasi)
    return sorted(rng.permutation(every)[: every // 2].tolist())


def _group_sizes(evidence: ReleaseEvidence, sides: Sides, known: list[int]) -> NDArray[np.int64]:
    """How many real rows share each target's known columns, itself included."""
    tables = sides.both, evidence.members, evidence.controls, evidence.reference
    labels, counts = row_labels(*(table[:, known] for table in tables))
    return np.asarray(counts[1:].sum(axis=0)[labels[0]])


def _risks(
    scores: NDArray[np.float64],
    naive: NDArray[np.float64],
    kept: dict[str, NDArray[np.bool_]],
    plan: AuditPlan,
    rng: np.random.Generator,
) -> dict[str, ExcessRisk]:
    inside, risks = np.arange(len(scores)) < len(scores) // 2, {}
    for name, chosen in kept.items():
        one, two = chosen & inside, chosen & ~inside
        if min(one.sum(), two.sum()) >= _FEWEST:
            risks[name] = excess_of_scores(
                (scores[one], naive[one]),
                (scores[two], naive[two]),
                rounds=plan.resampling_rounds,
                confidence=plan.confidence,
                rng=rng,
            )
    return risks


def _table(scores: NDArray[np.float64], groups: NDArray[np.int64], side: int) -> list[dict[str, Any]]:
    """Success by group size: members' and controls' rates and numbers."""
    rows = []
    inside = np.arange(len(scores)) < side
    for name, low, high in _GROUPS:
        chosen = (groups >= low) & (groups <= (high or groups.max()))
        row: dict[str, Any] = {"real_rows_sharing": name}
        for label, where in (("members", chosen & inside), ("controls", chosen & ~inside)):
            rate = float(scores[where].mean()) if where.any() else None
            row |= {label: int(where.sum()), f"{label}_rate": rate}
        rows.append(row)
    return rows
