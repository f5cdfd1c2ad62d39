"""The same measures within each group of one column, in its public order: an average can hide a group."""

from __future__ import annotations

from typing import Any

from dpsynth.core.domain import Domain
from dpsynth.utility.association import mean_gap
from dpsynth.utility.cells import Codes
from dpsynth.utility.marginals import mean_error
from dpsynth.utility.prediction import LEAST, Trained, accuracy
from dpsynth.utility.regression import mean_overlap

__all__ = ["grouping_of", "groups"]

_MOST_DEFAULT = 20


def grouping_of(domain: Domain, named: str | None, roles: tuple[str, ...], task: str | None) -> str | None:
    """The column of the groups: the named one, or the first quasi-identifier of 2 to 20 categories.

    ``roles`` are the policy's, in domain order. None where there is none.
    """
    if named is not None:
        return named
    for column, role in zip(domain.columns, roles, strict=True):
        small = column.kind == "categorical" and 2 <= column.size <= _MOST_DEFAULT
        if role == "quasi_identifier" and small and column.name != task:
            return column.name
    return None


def groups(
    real: Codes, made: Codes, domain: Domain, by: str | None, found: Trained | str | None
) -> dict[str, Any]:
    """One line for each public value of ``by``; of one that is too small in a table it says just that."""
    if by is None:
        return {"why_not": "the policy names no column of groups, and no quasi-identifier is fit for it"}
    at = domain.names.index(by)
    lines = []
    for code in range(domain[by].size):
        parts = real[real[:, at] == code], made[made[:, at] == code]
        label = {"group": domain[by].label(code)}
        if min(map(len, parts)) < LEAST:
            few = [
                words for words, rows in zip(("real", "synthetic"), parts, strict=True) if len(rows) < LEAST
            ]
            too_few = f"fewer than {LEAST} {' and '.join(few)} rows: too small to judge"
            lines.append(label | {"why_not": too_few})
        else:
            lines.append(label | {"why_not": "", **_measures(*parts, domain, found, at, code)})
    return {"why_not": "", "by": by, "groups": lines}


def _measures(
    real: Codes, made: Codes, domain: Domain, found: Trained | str | None, at: int, code: int
) -> dict[str, Any]:
    right = {}
    task = None
    if isinstance(found, Trained):
        task, rows = found.task, found.test[:, at] == code
        right = accuracy(found, domain, rows) if int(rows.sum()) >= LEAST // 2 else {}
    return {
        "error_1": mean_error(real, made, domain, 1),
        "error_2": mean_error(real, made, domain, 2),
        "association_gap": mean_gap(real, made, domain),
        "accuracy": right,
        "overlap": mean_overlap(real, made, domain, task),
    }
