"""What every release attack needs before it can say anything, and the people that it is tried on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.evidence import ReleaseEvidence, one_row_per_unit
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.plan_release import ReleaseSection
from dpsynth.core.errors import BadInput

__all__ = ["Sides", "at_most", "draw_sides", "release_section", "unattackable"]

_FEW = "Too few people had a coin, or there was nothing to compare: the attack says nothing."


def release_section(plan: AuditPlan) -> ReleaseSection:
    """The plan's section on release attacks. Raises BadInput if it has none."""
    if plan.release is None:
        raise BadInput(
            f"audit plan {plan.name!r} says nothing about release attacks", remedy="add its section release"
        )
    return plan.release


def unattackable(evidence: ReleaseEvidence, plan: AuditPlan, *, columns: int = 1, rows: int = 2) -> str:
    """Why an attack could not fail on this evidence, in one sentence without numbers; "" if it could.

    Args:
        evidence: the release and the coined rows.
        plan: the least number of coined units on a side.
        columns: columns that the attack needs.
        rows: released rows that it needs.
    """
    if evidence.empty or evidence.fewest_coined < plan.min_coined_per_side:
        return _FEW
    if len(evidence.release) < rows:
        return "Too few rows were released to attack: the attack says nothing."
    if len(evidence.sizes) < columns:
        return "The table has too few columns for this attack: it says nothing."
    tables = evidence.members, evidence.controls, evidence.reference
    top = np.array(evidence.sizes)
    if any(((table < 0) | (table >= top)).any() for table in (evidence.release, *tables)):
        return "Some rows hold codes outside the public domain: the attack says nothing."
    first = evidence.members[0]
    if all((table == first).all() for table in tables):
        return "All real rows are alike: nobody differs from anybody, and the attack says nothing."
    return ""


@dataclass(frozen=True, repr=False)
class Sides:
    """One row per unit, equally many of both sides; (side, d) each."""

    members: NDArray[np.int64]
    controls: NDArray[np.int64]

    @property
    def side(self) -> int:
        """Rows on each side."""
        return len(self.members)

    @property
    def both(self) -> NDArray[np.int64]:
        """Members, then controls."""
        return np.concatenate([self.members, self.controls])


def draw_sides(evidence: ReleaseEvidence, most: int, rng: np.random.Generator) -> Sides:
    """At most ``most`` units of each side, one random row each."""
    side = min(evidence.fewest_coined, most)
    return Sides(
        evidence.members[one_row_per_unit(evidence.member_units, rng)[:side]],
        evidence.controls[one_row_per_unit(evidence.control_units, rng)[:side]],
    )


def at_most(
    rows: NDArray[np.int64] | Sequence[NDArray[np.int64]], most: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """``most`` random rows, or all of them if there are no more."""
    table = np.asarray(rows)
    return table if len(table) <= most else table[rng.permutation(len(table))[:most]]
