"""All quick attacks on one release. Pure over arrays; where the arrays come from is the runner's business."""

from __future__ import annotations

import numpy as np

from dpsynth.audit.evidence import ReleaseEvidence
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.r1_membership import check_membership
from dpsynth.audit.r3_singling_out import check_singling_out
from dpsynth.audit.r6_copies import check_copies
from dpsynth.audit.result import CheckResult

__all__ = ["attack_release"]

_ATTACKS = {"R1": check_membership, "R3": check_singling_out, "R6": check_copies}


def attack_release(
    evidence: ReleaseEvidence, plan: AuditPlan, rng: np.random.Generator
) -> tuple[CheckResult, ...]:
    """Results of the release attacks that the plan names, in its order. All class B."""
    return tuple(_ATTACKS[test](evidence, plan, rng) for test in plan.tests if test in _ATTACKS)
