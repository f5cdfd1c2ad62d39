"""The section ``utility``: which part of a release's budget pays to say how good its rows are, and for what.

Exact measures stay in the review room. What leaves it is measured with noise and paid for from the same rho
as the rows, so that a release never costs more than was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from dpsynth.policy.fields import ColumnName, Part, broken
from dpsynth.policy.places import Problem, quote
from dpsynth.policy.scalars import POSITIVE, exact

if TYPE_CHECKING:
    from dpsynth.policy.columns import ColumnSpec

__all__ = ["MOST_VALUES", "Utility", "utility_problems"]

MOST_VALUES = 50
"""Values or bins of a column that may be predicted, or by which groups are told apart."""


def _up_to_half(text: str) -> str:
    if exact(text) > exact("0.5"):
        raise broken(f"{quote(text)} is out of range", 'write "0" for no paid measures, or more, up to "0.5"')
    return text


Share = Annotated[str, Field(pattern=POSITIVE), AfterValidator(_up_to_half)]
"""Exact decimal in [0, 0.5], as written."""


class Utility(Part):
    """Measures of how useful a release is.

    ``share`` of the rho of each release pays for measures that are published with it; "0": none are. ``task``
    names the kept column whose prediction is measured, null for none among the paid ones; ``by`` the kept
    column whose groups the review room compares.
    """

    share: Share = "0"
    task: ColumnName | None = None
    by: ColumnName | None = None


def utility_problems(columns: tuple[ColumnSpec, ...], utility: Utility) -> list[Problem]:
    """Named columns are kept, small enough to be told apart, and not the same."""
    found = _unfit("task", utility.task, columns) + _unfit("by", utility.by, columns)
    if utility.task is not None and utility.task == utility.by:
        what = f"{quote(utility.task)} is what is predicted"
        found.append(Problem(("utility", "by"), what, "name another column, or delete this key"))
    return found


def _unfit(key: str, name: str | None, columns: tuple[ColumnSpec, ...]) -> list[Problem]:
    if name is None:
        return []
    kept = {spec.name: spec for spec in columns if spec.kept}
    if name not in kept:
        what, remedy = f"{quote(name)} is not a kept column", "name a column whose action is keep"
    elif not 2 <= (size := kept[name].column().size) <= MOST_VALUES:
        what = f"{quote(name)} has {size} values"
        remedy = f"name a column of 2 to {MOST_VALUES} values or bins"
    elif key == "task" and len(kept) < 2:
        what, remedy = f"{quote(name)} is the only kept column", "keep a column to predict it from"
    else:
        return []
    return [Problem(("utility", key), what, remedy)]
