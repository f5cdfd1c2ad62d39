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
    "partition_problems",
    "refresh_problems",
    "repeated",
    "unit_problems",
    "weight_problems",
]


_SUB_CAPS = ("per_release", "per_requester", "per_dataset", "per_table")


def cap_problems(cap: Cap) -> list[Problem]:
    """A cap states rho, or epsilon with delta; a stated delta leaves room beyond the entrusted mass."""
    pair = (cap.epsilon is not None, cap.delta is not None)
    if pair == ((True, True) if cap.rho is None else (False, False)):
        return _mass_problems(cap)
    what = "states neither rho nor (epsilon, delta), or parts of both"
    return [Problem((), what, 'write {rho: "0.1"} or {epsilon: "1", delta: "1e-6"}')]


def _mass_problems(cap: Cap) -> list[Problem]:
    if cap.delta is None or exact(cap.entrusted_delta) < exact(cap.delta):
        return []
    what = f"{quote(cap.entrusted_delta)} is not smaller than delta"
    remedy = "write less than delta: delta is the whole promise, this mass included"
    return [Problem(("entrusted_delta",), what, remedy)]


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
    """Sub-caps stay within the lifetime cap, and the cap of a table within that of its dataset."""
    found: list[Problem] = []
    for key, limit in (*((key, "lifetime") for key in _SUB_CAPS), ("per_table", "per_dataset")):
        found += _above(key, getattr(budget, key), limit, getattr(budget, limit))
    return found


def _above(key: str, cap: Cap | None, name: str, limit: Cap | None) -> list[Problem]:
    """What the cap under ``key`` allows more than the one called ``name``, if both are stated."""
    if cap is None or limit is None:
        return []
    found: list[Problem] = []
    remedy = f"lower it: it is a ceiling inside {name}, never extra"
    if exceeds(cap, limit):
        found.append(Problem((key,), f"allows more than {name}", remedy))
    if exact(cap.entrusted_delta) > exact(limit.entrusted_delta):
        what = f"{quote(cap.entrusted_delta)} is larger than that of {name}"
        found.append(Problem((key, "entrusted_delta"), what, remedy))
    return found


def delta_problems(source: Source, budget: Budget) -> list[Problem]:
    """report_delta * max_rows < 1: else one row could be published in full within delta. No cap hides behind
    a larger delta than the one that is reported."""
    found: list[Problem] = []
    most = Fraction(exact(budget.report_delta))
    if most * source.max_rows >= 1:
        what = f"{quote(budget.report_delta)} times source.max_rows is not below 1"
        found.append(Problem(("budget", "report_delta"), what, "lower report_delta or max_rows"))
    for name in ("lifetime", *_SUB_CAPS):
        cap: Cap | None = getattr(budget, name)
        if cap is not None and cap.delta is not None and Fraction(exact(cap.delta)) > most:
            what = f"{quote(cap.delta)} is larger than report_delta"
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


def partition_problems(unit: PrivacyUnitSpec, columns: tuple[ColumnSpec, ...] | None) -> list[Problem]:
    """Partitions are the values of a kept categorical column, and one change of the data touches one."""
    name = unit.partition_column
    if name is None:
        return []
    found: list[Problem] = []
    if unit.adjacency != "add_remove":
        what = f"{unit.adjacency} does not go with a partition_column: one change can touch two partitions"
        remedy = "write add_remove, or delete partition_column"
        found.append(Problem(("privacy_unit", "adjacency"), what, remedy))
    wrong = None if columns is None else _unfit_partition(name, columns)
    if wrong is not None:
        found.append(Problem(("privacy_unit", "partition_column"), *wrong))
    return found


def _unfit_partition(name: str, columns: tuple[ColumnSpec, ...]) -> tuple[str, str] | None:
    """Why the column cannot split the data, and what to do; None if it can."""
    spec = next((spec for spec in columns if spec.name == name), None)
    if spec is None:
        return f"{quote(name)} is not a column", "name a kept categorical column, or delete this key"
    if not spec.kept:
        return f"{quote(name)} is dropped", "keep it, name another column, or delete this key"
    if spec.type != "categorical":
        remedy = "name a categorical column: partitions are values listed in the policy; or delete this key"
        return f"{quote(name)} is not categorical", remedy
    return None


def refresh_problems(unit: PrivacyUnitSpec, budget: Budget) -> list[Problem]:
    """That a snapshot holds new units only is proved by their ids, so there must be ids."""
    if budget.refresh == "none" or unit.id_column is not None:
        return []
    what = f"{budget.refresh} needs privacy_unit.id_column: without ids no one can tell that units are new"
    return [Problem(("budget", "refresh"), what, "write none, or name the id_column")]


def cell_problems(columns: tuple[ColumnSpec, ...], synthesis: Synthesis) -> list[Problem]:
    """The largest pair of kept columns fits the model."""
    sizes = sorted((spec.column().size for spec in columns if spec.kept), reverse=True)[:2]
    cells = sizes[0] * sizes[1] if len(sizes) == 2 else sum(sizes)
    if cells <= synthesis.max_model_cells:
        return []
    what = f"the two largest kept columns span {cells} cells together, more than max_model_cells"
    return [Problem(("synthesis", "max_model_cells"), what, "use coarser bins, or raise the limit")]


def weight_problems(columns: tuple[ColumnSpec, ...], synthesis: Synthesis) -> list[Problem]:
    """Only kept columns have a weight."""
    kept = {spec.name for spec in columns if spec.kept}
    return [
        Problem(("synthesis", "weights", name), "is not a kept column", "delete it, or keep the column")
        for name in synthesis.weights
        if name not in kept
    ]


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
