"""Rules between fields of a policy. Each gives a list of problems, so that all of them can be shown."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING

from dpsynth.policy.places import Problem, quote
from dpsynth.policy.scalars import exact, folded

if TYPE_CHECKING:
    from dpsynth.policy.columns import ColumnSpec
    from dpsynth.policy.model import Approval, Budget, Cap, PrivacyUnitSpec, Source, Synthesis

__all__ = [
    "approval_problems",
    "budget_problems",
    "cap_problems",
    "cell_problems",
    "column_problems",
    "delta_problems",
    "exceeds",
    "repeated",
    "unit_problems",
]


def cap_problems(cap: Cap) -> list[Problem]:
    """A cap states rho, or epsilon with delta."""
    pair = (cap.epsilon is not None, cap.delta is not None)
    if pair == ((True, True) if cap.rho is None else (False, False)):
        return []
    what = "states neither rho nor (epsilon, delta), or parts of both"
    return [Problem((), what, 'write {rho: "0.1"} or {epsilon: "1", delta: "1e-6"}')]


def exceeds(cap: Cap, limit: Cap) -> bool:
    """True if ``cap`` certainly allows more than ``limit``; caps in different terms are not compared here."""
    if cap.rho is not None and limit.rho is not None:
        return exact(cap.rho) > exact(limit.rho)
    if cap.epsilon is None or cap.delta is None or limit.epsilon is None or limit.delta is None:
        return False
    ours = (exact(cap.epsilon), exact(cap.delta))
    theirs = (exact(limit.epsilon), exact(limit.delta))
    return ours[0] >= theirs[0] and ours[1] >= theirs[1] and ours != theirs


def budget_problems(budget: Budget) -> list[Problem]:
    """Sub-caps stay within the lifetime cap."""
    return [
        Problem((key,), "allows more than lifetime", "lower it: it is a ceiling inside lifetime, never extra")
        for key in ("per_release", "per_requester")
        if exceeds(getattr(budget, key), budget.lifetime)
    ]


def delta_problems(source: Source, budget: Budget) -> list[Problem]:
    """report_delta * max_rows < 1: else one row could be published in full within delta. No cap hides behind
    a larger delta than the one that is reported."""
    found: list[Problem] = []
    most = Fraction(exact(budget.report_delta))
    if most * source.max_rows >= 1:
        what = f"{quote(budget.report_delta)} times source.max_rows is not below 1"
        found.append(Problem(("budget", "report_delta"), what, "lower report_delta or max_rows"))
    for name in ("per_release", "lifetime", "per_requester"):
        delta = getattr(budget, name).delta
        if delta is not None and Fraction(exact(delta)) > most:
            what = f"{quote(delta)} is larger than report_delta"
            remedy = "state the cap at report_delta or below: epsilon means little at a larger delta"
            found.append(Problem(("budget", name, "delta"), what, remedy))
    return found


def column_problems(columns: tuple[ColumnSpec, ...]) -> list[Problem]:
    """At least one kept column; names that people can tell apart."""
    found: list[Problem] = []
    if not any(spec.kept for spec in columns):
        found.append(Problem(("columns",), "no column is kept", "keep one column or more"))
    seen: set[str] = set()
    for index, spec in enumerate(columns):
        if folded(spec.name) in seen:
            what = f"{quote(spec.name)} is named twice, or cannot be told from another name"
            found.append(Problem(("columns", index, "name"), what, "rename or delete one of them"))
        seen.add(folded(spec.name))
    return found


def unit_problems(unit: PrivacyUnitSpec, columns: tuple[ColumnSpec, ...] | None) -> list[Problem]:
    """The id column is a declared identifier; without one, each row is its own unit."""
    if unit.id_column is None:
        if unit.max_rows_per_unit == 1:
            return []
        remedy = "write 1, or name the id_column that ties rows to a unit"
        return [Problem(("privacy_unit", "max_rows_per_unit"), "must be 1 without an id_column", remedy)]
    if columns is None or any(s.name == unit.id_column and s.role == "identifier" for s in columns):
        return []
    what = f"{quote(unit.id_column)} is not a column with role identifier"
    return [Problem(("privacy_unit", "id_column"), what, "name such a column, or write null")]


def cell_problems(columns: tuple[ColumnSpec, ...], synthesis: Synthesis) -> list[Problem]:
    """The largest pair of kept columns fits the model."""
    sizes = sorted((spec.column().size for spec in columns if spec.kept), reverse=True)[:2]
    cells = sizes[0] * sizes[1] if len(sizes) == 2 else sum(sizes)
    if cells <= synthesis.max_model_cells:
        return []
    what = f"the two largest kept columns span {cells} cells together, more than max_model_cells"
    return [Problem(("synthesis", "max_model_cells"), what, "use coarser bins, or raise the limit")]


def approval_problems(approval: Approval) -> list[Problem]:
    """Each role is named once, and there are enough approvers for one of each."""
    found = repeated("roles", approval.roles)
    if not found and len(approval.roles) > approval.approvers:
        remedy = "raise approvers: one of each role must agree"
        found.append(Problem(("approvers",), "is less than the number of roles", remedy))
    return found


def repeated(key: str, values: Iterable[str]) -> list[Problem]:
    """A problem for each value that stands in the list a second time."""
    found: list[Problem] = []
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            found.append(Problem((key, index), f"{quote(value)} is listed twice", "delete one of them"))
        seen.add(value)
    return found
