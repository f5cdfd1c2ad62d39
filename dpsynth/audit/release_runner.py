"""RED: the one file of the audit that touches rows of people. It reveals, attacks and forgets.

What it returns is class B evidence: numbers for the review room only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.evidence import EarlierRelease, ReleaseEvidence
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.release import attack_release
from dpsynth.audit.result import CheckResult, Claim
from dpsynth.core.table import SyntheticTable

__all__ = ["CoinedRows", "run_release_attacks"]


class CoinedRows(Protocol):
    """The split by secret coins, as the vault keeps it."""

    def reveal_for_attack(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """(members, controls, reference), each (rows, columns) in domain order."""

    def units_for_attack(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(unit of each member row, unit of each control row), aligned with ``reveal_for_attack``."""


def run_release_attacks(
    coined: CoinedRows,
    release: SyntheticTable,
    plan: AuditPlan,
    claim: Claim,
    rng: np.random.Generator,
    *,
    earlier: tuple[EarlierRelease, ...] = (),
    roles: Sequence[str] = (),
) -> tuple[CheckResult, ...]:
    """Attack the release with the plan's attacks.

    Args:
        coined: real rows whose membership a fair coin per unit decided.
        release: the rows about to be released.
        plan: the audit plan that the policy pins.
        claim: what the release promises.
        rng: randomness of the attacks (post-processing), such as ``mechanisms.rng.os_generator()``.
        earlier: published releases of the same table.
        roles: the policy's role of each column in domain order; empty where it marks none.

    Returns:
        one class B result per attack.
    """
    members, controls, reference = coined.reveal_for_attack()
    member_units, control_units = coined.units_for_attack()
    evidence = ReleaseEvidence(
        release=release.matrix(),
        members=members,
        controls=controls,
        member_units=member_units,
        control_units=control_units,
        reference=reference,
        domain=release.domain,
        claim=claim,
        earlier=earlier,
        quasi=tuple(at for at, role in enumerate(roles) if role == "quasi_identifier"),
        sensitive=tuple(at for at, role in enumerate(roles) if role == "sensitive"),
    )
    return attack_release(evidence, plan, rng)
