"""R8, across releases: what this release and earlier ones of the same table tell together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dpsynth.accounting.cost import total
from dpsynth.accounting.statement import epsilon_at
from dpsynth.attacks.across import difference_scores, shared_noise, shared_rows
from dpsynth.attacks.cells import small_pairs
from dpsynth.attacks.roc import detectable_auc, rank_p_values
from dpsynth.audit.attackable import at_most, draw_sides, release_section, unattackable
from dpsynth.audit.evidence import EarlierRelease, ReleaseEvidence
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.result import CheckResult, Outcome

__all__ = ["check_across"]

_NAME = "Across releases"
_QUESTION = "Does this release together with earlier ones tell more than their budgets paid for?"
_NANO = 10**9
_ROWS, _NOISE, _CELLS = "rows", "noise", "cells"
_FOUND = {
    _ROWS: "Releases share rows that independent draws would not: rows were carried over.",
    _NOISE: "Releases err alike: the same noise may have been used twice.",
    _CELLS: "Small cells that changed between releases tell members from people who were left out.",
}


def check_across(evidence: ReleaseEvidence, plan: AuditPlan, rng: np.random.Generator) -> CheckResult:
    """Budgets of all releases added up; each earlier release compared with this one in three ways.

    Shared rows, shared noise, and small cells whose change tells the coins. Levels are shared by all
    comparisons.

    Args:
        evidence: the release, the coined rows and the earlier releases.
        plan: small and common cells, Holm level.
        rng: choice of rows.

    Returns:
        shown for a first release; warn if a comparison is significant at ``family_alpha`` (subject to the
        verdict's Holm as well); inconclusive if no rows of an earlier release are at hand, or if rows of
        releases repeat too often for identity to mean anything; never fail: whether the sum of budgets is
        allowed is the ledger's business.
    """
    if not evidence.earlier:
        plain = "This is the first release of the table that is known: there is nothing to compare it with."
        return CheckResult("R8", _NAME, _QUESTION, "B", "shown", plain, details=_composed(evidence))
    reason = unattackable(evidence, plan, rows=plan.min_coined_per_side)
    held = [release for release in evidence.earlier if release.rows is not None and len(release.rows)]
    if not reason and len(held) < len(evidence.earlier):
        reason = "Rows of an earlier release are not at hand: releases were not compared."
    if reason:
        details = _composed(evidence)
        return CheckResult("R8", _NAME, _QUESTION, "B", "inconclusive", reason, details=details)
    compared = [_compare(evidence, one, plan, rng) for one in held]
    p = {kind: [each["p"][kind] for each in compared] for kind in _FOUND}
    outcome, plain, smallest = _decide(p, compared, plan)
    return CheckResult(
        id="R8",
        name=_NAME,
        question=_QUESTION,
        evidence="B",
        outcome=outcome,
        plain=plain,
        n=len(held),
        p_value=smallest,
        holm=True,
        details=_composed(evidence) | {"compared": compared},
    )


def _composed(evidence: ReleaseEvidence) -> dict[str, Any]:
    """Budgets of all releases together."""
    claims = [release.claim for release in evidence.earlier] + [evidence.claim]
    cost = total(claim.cost for claim in claims)
    mu = None if cost.undominated else math.sqrt(cost.mu2 / _NANO)
    delta = evidence.claim.delta
    return {
        "releases": len(claims),
        "rho_nano": cost.rho,
        "mu": mu,
        "epsilon": epsilon_at(cost, delta),
        "delta": delta,
    }


def _compare(
    evidence: ReleaseEvidence, earlier: EarlierRelease, plan: AuditPlan, rng: np.random.Generator
) -> dict[str, Any]:
    section, sizes = release_section(plan), evidence.sizes
    before, now, known = (
        at_most([] if rows is None else rows, section.most_rows, rng)
        for rows in (earlier.rows, evidence.release, evidence.reference)
    )
    rows = shared_rows(before, now, known, rng)
    real = np.concatenate([evidence.members, evidence.reference])
    noise = shared_noise(before, now, real, sizes, section.common_cell)
    sides = draw_sides(evidence, plan.max_targets_per_side, rng)
    pairs = small_pairs(sizes, plan.max_clique_cells)
    scores = difference_scores(sides.both, before, now, sizes, pairs, section.small_cell)
    more, fewer = rank_p_values(scores[: sides.side], scores[sides.side :])
    level = plan.family_alpha / len(_FOUND)
    comparable = rows.distinct >= section.distinct_needed
    return {
        "release": earlier.name,
        "p": {_ROWS: rows.p if comparable else 1.0, _NOISE: noise.p, _CELLS: more},
        "p_of_swapped_labels": fewer,
        "rows_comparable": comparable,
        "rows_across": rows.across,
        "rows_inside": rows.inside,
        "different_rows": rows.distinct,
        "correlation_of_errors": noise.correlation,
        "cells_compared": noise.freedom,
        "detectable_auc": detectable_auc(sides.side, sides.side, level, plan.noise_power),
    }


def _decide(
    p: dict[str, list[float]], compared: Sequence[dict[str, Any]], plan: AuditPlan
) -> tuple[Outcome, str, float]:
    tests = len(p) * len(compared)
    smallest = min(1.0, tests * min(min(values) for values in p.values()))
    if tests * min(each["p_of_swapped_labels"] for each in compared) < plan.label_alpha:
        return (
            "inconclusive",
            "Cells of people left out grew more than members': check the labels.",
            smallest,
        )
    if smallest < plan.family_alpha:
        kind = min(p, key=lambda name: min(p[name]))
        return "warn", _FOUND[kind], smallest
    if not all(each["rows_comparable"] for each in compared):
        return (
            "inconclusive",
            "Rows repeat so often that shared ones cannot be told from chance.",
            smallest,
        )
    return "pass", "Nothing was found that this release and earlier ones tell together.", smallest
