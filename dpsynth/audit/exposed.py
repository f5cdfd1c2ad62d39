"""The most exposed people: those whose nearest other real rows are far away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.nearest import isolation
from dpsynth.audit.attackable import Sides, at_most
from dpsynth.audit.evidence import ReleaseEvidence
from dpsynth.audit.plan_release import ReleaseSection

__all__ = ["EXPOSED", "exposed"]

EXPOSED = "most isolated people"
"""Name of the risk of these people."""

_FEWEST = 10


def exposed(
    evidence: ReleaseEvidence, sides: Sides, section: ReleaseSection, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Which targets belong to the most isolated share of them, shape (2 side,): members, then controls.

    Membership plays no part in the choice: distances are measured to all real rows of both sides and the
    reference (Meeus et al. 2023). Nobody is chosen where a side would have fewer than ten.
    """
    known = at_most(evidence.reference, section.most_rows, rng)
    real = np.concatenate([evidence.members, evidence.controls, known])
    rating = isolation(sides.both, real, evidence.sizes, section.neighbours)
    chosen = np.asarray(rating >= np.quantile(rating, 1.0 - section.isolated_share))
    few = min(chosen[: sides.side].sum(), chosen[sides.side :].sum()) < _FEWEST
    return np.zeros_like(chosen) if few else chosen
