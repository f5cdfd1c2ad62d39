"""All attacks on one release. Pure over arrays; where the arrays come from is the runner's business."""

from __future__ import annotations

import numpy as np

from dpsynth.audit.evidence import ReleaseEvidence
from dpsynth.audit.l1_linkage import check_linkage
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.r1_membership import check_membership
from dpsynth.audit.r2_density import check_density
from dpsynth.audit.r3_singling_out import check_singling_out
from dpsynth.audit.r4_linkability import check_linkability
from dpsynth.audit.r5_inference import check_inference
from dpsynth.audit.r6_copies import check_copies
from dpsynth.audit.r7_distances import check_distances
from dpsynth.audit.r8_across import check_across
from dpsynth.audit.result import CheckResult

__all__ = ["attack_release"]

_ATTACKS = {
    "R1": check_membership,
    "R2": check_density,
    "R3": check_singling_out,
    "R4": check_linkability,
    "R5": check_inference,
    "R6": check_copies,
    "R7": check_distances,
    "R8": check_across,
    "L1": check_linkage,
}


def attack_release(
    evidence: ReleaseEvidence, plan: AuditPlan, rng: np.random.Generator
) -> tuple[CheckResult, ...]:
    """Results of the release attacks that the plan names, in its order. All class B."""
    return tuple(_ATTACKS[test](evidence, plan, rng) for test in plan.tests if test in _ATTACKS)
