"""What changes between two policies, in plain words, judged for the people in the data.

LOOSER means that people may be protected less or that more about them may leave; TIGHTER the opposite;
CHANGED that the direction cannot be told from the policy alone, so a person must judge.
"""

from __future__ import annotations

from collections.abc import Iterator

from dpsynth.policy.capdiff import CAPS, Compiled, cap_changes
from dpsynth.policy.change import (
    Change,
    Effect,
    Judge,
    change,
    changed,
    less_is_looser,
    members,
    more_is_looser,
    stated,
    step,
)
from dpsynth.policy.columndiff import column_changes
from dpsynth.policy.fields import Part
from dpsynth.policy.model import Budget, Policy, Synthesis
from dpsynth.policy.structure import Structure
from dpsynth.policy.structurediff import structure_changes, weight_changes

__all__ = ["Change", "Effect", "diff_policies"]


def _always_looser(old: object, new: object) -> Effect:
    return "LOOSER"


_JUDGES: dict[str, tuple[Judge, str]] = {
    "privacy_unit.id_column": (stated("TIGHTER", "LOOSER"), "without it only single rows are protected"),
    "privacy_unit.id_space": (_always_looser, "another id space starts a fresh lifetime budget"),
    "privacy_unit.max_rows_per_unit": (more_is_looser, "rows of each person that may be used"),
    "privacy_unit.adjacency": (step("add_remove", "replace_one"), "replace_one needs more noise"),
    "privacy_unit.partition_column": (stated("LOOSER", "TIGHTER"), "people lie in other partitions"),
    "budget.refresh": (
        step("new_units_only", "none"),
        "under new_units_only new people get a budget of their own",
    ),
    "budget.report_delta": (more_is_looser, "chance for which the stated epsilon need not hold"),
    "budget.max_attempts_per_purpose": (more_is_looser, ""),
    "utility.share": (more_is_looser, "measures of the rows are published, paid from the same rho"),
    "utility.task": (stated("LOOSER", "TIGHTER"), "column whose prediction is measured"),
    "utility.by": (changed, "groups that the review room compares"),
    "audits.coin_fraction": (less_is_looser, "fewer coined rows make the audit weaker"),
    "audits.on_inconclusive": (step("officer_reason", "block"), ""),
    "approval.approvers": (less_is_looser, ""),
    "approval.roles": (members("TIGHTER", "LOOSER"), "roles that must agree"),
    "approval.justification_min_chars": (less_is_looser, ""),
    "release.expires_after_days": (more_is_looser, ""),
    "release.recipients": (members("LOOSER", "TIGHTER"), ""),
}

_NOTES: dict[tuple[str, Effect], str] = {
    ("privacy_unit.partition_column", "LOOSER"): "budgets of disjoint partitions no longer add up",
    ("privacy_unit.partition_column", "TIGHTER"): "budgets of all partitions add up again",
}
"""Notes that hold in one direction only; they stand in place of the judge's note."""


def diff_policies(old: Policy, new: Policy, compiled: Compiled | None = None) -> list[Change]:
    """All changes from ``old`` to ``new``, in policy order; empty if the policies say the same.

    ``compiled`` gives (rho in units of 1e-9, omega) of a cap. With it, a cap that is now stated in other
    terms is judged by what it compiles to; without it, such a cap is only CHANGED.
    """
    return list(_parts("", old, new, compiled))


def _parts(prefix: str, old: Part, new: Part, compiled: Compiled | None) -> Iterator[Change]:
    for name in type(old).model_fields:
        key, before, after = f"{prefix}{name}", getattr(old, name), getattr(new, name)
        if before == after:
            continue
        if key == "columns":
            yield from column_changes(before, after)
        elif isinstance(old, Budget) and isinstance(new, Budget) and name in CAPS:
            yield from cap_changes(name, old, new, compiled)
        elif isinstance(before, Structure):
            yield from structure_changes(before, after)
        elif isinstance(before, Synthesis):
            yield from _allowed(before, after)
            yield from weight_changes(before.weights, after.weights)
            rest = after.model_copy(update={"allowed": before.allowed, "weights": before.weights})
            yield from _parts(f"{key}.", before, rest, compiled)
        elif isinstance(before, Part):
            yield from _parts(f"{key}.", before, after, compiled)
        else:
            judge, note = _JUDGES.get(key, (changed, ""))
            effect = judge(before, after)
            yield change(key, before, after, effect, _NOTES.get((key, effect), note))


def _allowed(old: Synthesis, new: Synthesis) -> Iterator[Change]:
    before = {one.name: one.min_version for one in old.allowed}
    after = {one.name: one.min_version for one in new.allowed}
    for name in [*before, *(name for name in after if name not in before)]:
        key = f"synthesis.allowed[{name}]"
        if name not in after:
            yield change(key, before[name], None, "TIGHTER", "no longer allowed")
        elif name not in before:
            rows = ": a library that is given the rows" if ":" in name else ""
            yield change(key, None, after[name], "LOOSER", f"newly allowed{rows}")
        elif before[name] != after[name]:
            yield change(
                key, before[name], after[name], _versions(before[name], after[name]), "oldest version"
            )
    if [one for one in before if one in after] != [one for one in after if one in before]:
        yield change("synthesis.allowed", tuple(before), tuple(after), "CHANGED", "order")


def _versions(old: str, new: str) -> Effect:
    before, after = (tuple(int(part) for part in text.split(".")) for text in (old, new))
    width = max(len(before), len(after))
    before, after = (one + (0,) * (width - len(one)) for one in (before, after))
    if before == after:
        return "CHANGED"
    return "LOOSER" if after < before else "TIGHTER"
