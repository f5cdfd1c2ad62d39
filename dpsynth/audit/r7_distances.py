"""R7, distances: DCR and NNDR of released rows to members and to people left out. Shown, never judged."""

from __future__ import annotations

import numpy as np

from dpsynth.attacks.distances import Distances, closer_shares, distances_to
from dpsynth.audit.attackable import at_most, release_section, unattackable
from dpsynth.audit.evidence import ReleaseEvidence
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.result import CheckResult

__all__ = ["CAPTION", "check_distances"]

CAPTION = "not a privacy test"
"""Stands under every picture and table of distances."""

_NAME = "Distances"
_QUESTION = "How near do released rows lie to members, and to people who were left out?"
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def check_distances(evidence: ReleaseEvidence, plan: AuditPlan, rng: np.random.Generator) -> CheckResult:
    """Distances of released rows to equally many members and controls, ties apart.

    Args:
        evidence: the release and the coined rows.
        plan: how many released rows are measured.
        rng: choice of rows.

    Returns:
        shown, whatever is found: copies of the most isolated people leave these numbers as they were.
        Inconclusive if there is nothing to measure.
    """
    reason = unattackable(evidence, plan, rows=1)
    if reason:
        return CheckResult("R7", _NAME, _QUESTION, "B", "inconclusive", reason, n=evidence.fewest_coined)
    section = release_section(plan)
    rows = at_most(evidence.release, section.distance_rows, rng)
    side = min(len(evidence.members), len(evidence.controls), section.most_rows)
    train, holdout = (
        distances_to(rows, at_most(table, side, rng), evidence.sizes)
        for table in (evidence.members, evidence.controls)
    )
    nearer, farther, equal = closer_shares(train, holdout)
    return CheckResult(
        id="R7",
        name=_NAME,
        question=_QUESTION,
        evidence="B",
        outcome="shown",
        plain=f"Distances are shown for reference only: {CAPTION}.",
        estimate=nearer,
        control=farther,
        n=len(rows),
        details={
            "caption": CAPTION,
            "share_nearer_to_members": nearer,
            "share_nearer_to_controls": farther,
            "share_tied": equal,
            "members": _summary(train),
            "controls": _summary(holdout),
        },
    )


def _summary(found: Distances) -> dict[str, object]:
    return {
        "quantiles": list(_QUANTILES),
        "dcr": np.quantile(found.dcr, _QUANTILES).tolist(),
        "nndr": np.quantile(found.nndr, _QUANTILES).tolist(),
        "share_identical": float((found.dcr == 0.0).mean()),
        "mean_tied_rows": float(found.ties.mean()),
    }
