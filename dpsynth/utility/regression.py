"""Would an analyst conclude the same? Confidence intervals of a regression on both tables, and their overlap.

Overlap of two intervals is the mean of the shares of each that the other covers (Karr, Kohnen, Oganian,
Reiter, Sanil 2006): 1 where they are the same, 0 where they do not meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.intervals import normal_quantile
from dpsynth.core.domain import Column, Domain
from dpsynth.utility.cells import Codes
from dpsynth.utility.prediction import CONFIDENCE, LEAST

__all__ = ["interval_overlap", "mean_overlap", "regression"]

_MOST_TERMS, _MOST_CATEGORIES = 30, 12
_SMALL = 1e-9


def interval_overlap(one: tuple[float, float], two: tuple[float, float]) -> float:
    """Mean share of each interval that the other covers, 0 to 1; both must have a width."""
    shared = min(one[1], two[1]) - max(one[0], two[0])
    return max(0.0, 0.5 * shared / (one[1] - one[0]) + 0.5 * shared / (two[1] - two[0]))


@dataclass(frozen=True)
class _Term:
    """A regressor: the rank of a number's bin from 0 to 1, or whether a column has a value."""

    name: str
    at: int
    code: int | None
    top: int

    def of(self, codes: Codes) -> NDArray[np.float64]:
        column = codes[:, self.at]
        if self.code is None:
            return np.asarray(np.minimum(column, self.top) / max(self.top, 1))
        return np.asarray(column == self.code, dtype=np.float64)


def _terms_of(column: Column, at: int) -> list[_Term]:
    """The first category is what the others are compared with; a missing number has a term of its own."""
    if column.kind == "categorical":
        codes = range(1, column.size) if column.size <= _MOST_CATEGORIES else ()
        return [_Term(f"{column.name}: {column.label(code)}", at, code, 0) for code in codes]
    last = column.size - 1
    bins = last - int(column.has_missing)
    rank = _Term(f"{column.name}, from its lowest to its highest bin", at, None, bins)
    return [rank, _Term(f"{column.name}: missing", at, last, 0)] if column.has_missing else [rank]


def _terms(domain: Domain, outcome: str) -> list[_Term]:
    """In public order; columns that follow from others would say the same twice."""
    away = {rule.column for rule in domain.determined} | {outcome}
    found: list[_Term] = []
    for at, column in enumerate(domain.columns):
        more = [] if column.name in away else _terms_of(column, at)
        if len(found) + len(more) <= _MOST_TERMS:
            found += more
    return found


def _outcome(column: Column, at: int) -> _Term:
    if column.kind == "categorical":
        return _Term(f"{column.name} is {column.label(0)}", at, 0, 0)
    bins = column.size - 1 - int(column.has_missing)
    return _Term(f"{column.name}, from its lowest bin (0) to its highest (1)", at, None, bins)


def _answered(codes: Codes, column: Column, at: int) -> Codes:
    """Rows whose outcome is not missing."""
    return codes[codes[:, at] < column.size - 1] if column.has_missing else codes


def _fitted(codes: Codes, outcome: _Term, terms: list[_Term]) -> dict[str, tuple[float, float, float]]:
    """Least squares with intercept and robust (HC1) errors: coefficient and interval of each varying term.

    A term that does not vary, or follows from those before it, has none.
    """
    table = np.ones((len(codes), 1))
    names: list[str] = []
    for term in terms:
        wider = np.column_stack([table, term.of(codes)])
        if np.linalg.matrix_rank(wider.T @ wider, hermitian=True) == wider.shape[1]:
            table = wider
            names.append(term.name)
    inverse = np.linalg.inv(table.T @ table)
    y = outcome.of(codes)
    weights = inverse @ (table.T @ y)
    scaled = table * (y - table @ weights)[:, None]
    spread = inverse @ (scaled.T @ scaled) @ inverse * len(codes) / max(1, len(codes) - table.shape[1])
    half = normal_quantile(CONFIDENCE) * np.sqrt(np.maximum(np.diag(spread), 0.0))
    found = zip(names, weights[1:].tolist(), half[1:].tolist(), strict=True)
    return {name: (beta, beta - h, beta + h) for name, beta, h in found if h > _SMALL}


def regression(real: Codes, made: Codes, domain: Domain, task: str | None) -> dict[str, Any]:
    """Coefficients of a linear model of the task on the other columns, from both tables; their overlap."""
    if task is None:
        return {"why_not": "no column is named to be explained, and none is fit for it"}
    at = domain.names.index(task)
    real, made = (_answered(codes, domain[task], at) for codes in (real, made))
    if min(len(real), len(made)) < LEAST:
        return {"why_not": f"fewer than {LEAST} rows are too few to judge"}
    outcome, terms = _outcome(domain[task], at), _terms(domain, task)
    if any(np.ptp(outcome.of(codes)) == 0 for codes in (real, made)):
        return {"why_not": f"{outcome.name}: the same for all rows of one of the tables"}
    both = _fitted(real, outcome, terms), _fitted(made, outcome, terms)
    lines = [_line(term.name, both[0].get(term.name), both[1].get(term.name)) for term in terms]
    judged = [line["overlap"] for line in lines if line["overlap"] is not None]
    if not judged:
        return {"why_not": "no column varies in both tables"}
    mean = float(np.mean(judged))
    return {"why_not": "", "outcome": outcome.name, "terms": lines, "mean_overlap": mean}


def _line(
    name: str, real: tuple[float, float, float] | None, made: tuple[float, float, float] | None
) -> dict[str, Any]:
    overlap = None if real is None or made is None else interval_overlap(real[1:], made[1:])
    return {"term": name, "real": real, "synthetic": made, "overlap": overlap}


def mean_overlap(real: Codes, made: Codes, domain: Domain, task: str | None) -> float | None:
    """Mean overlap; None where it cannot be judged."""
    found: float | None = regression(real, made, domain, task).get("mean_overlap")
    return found
