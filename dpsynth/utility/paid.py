"""RED: the statistics behind paid measures, whole numbers of known sensitivity; and how noisy ones are read.

**Errors of marginals.** For a marginal c with counts n (sum N) in the sensitive rows and shares p in the
fixed synthetic rows, f_c = 1/2 sum |n - N p| is N times their total variation. A row that is added
or removed changes the vector n - N p by e - p, whose L1 norm is 2 (1 - p_cell) <= 2; a row that is replaced
changes it by e - e', whose L1 norm is 2. So f_c changes by at most 1 for a row, and so does its mean over any
fixed set of marginals; with a unit of at most k rows by at most k, under add/remove and under replacement (of
which min(old, new) rows are replaced and the others added or removed). Times 1000 and rounded down to a whole
number it changes by at most 1000 k + 1. These and 1000 N are one vector with discrete Gaussian noise.

**Hits of a prediction.** A model that was trained on the synthetic rows alone puts each row into one of
two cells of its true value: predicted right, or wrong. That is a histogram, as sensitive as any marginal.

Intervals rest on the tail of the discrete Gaussian, P(|x| >= t) <= 2 exp(-t^2 / (2 s^2)) (Canonne, Kamath,
Steinke 2020, Corollary 17), which also holds for sums, and on a union bound over what a query's numbers use.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Column, Domain
from dpsynth.core.unit import PrivacyUnit
from dpsynth.utility.cells import Codes, counts, marginals_of
from dpsynth.utility.learner import Learner
from dpsynth.utility.marginals import WIDTHS
from dpsynth.utility.measures import Measure

__all__ = [
    "SCALE",
    "error_sums",
    "errors_sensitivity",
    "hits",
    "hits_sensitivity",
    "read_errors",
    "read_hits",
    "widths_of",
]

SCALE = 1000
_FAIL = 0.05
_WORDS = {1: "single columns", 2: "pairs of columns", 3: "triples of columns"}
_UP = 1.0 + 1e-12


def widths_of(domain: Domain) -> tuple[int, ...]:
    """Widths of marginals that there are any of."""
    return tuple(width for width in WIDTHS if marginals_of(domain, width))


def error_sums(real: Codes, made: Codes, domain: Domain) -> NDArray[np.int64]:
    """1000 times the mean f_c of each width there is, rounded down; then 1000 N. ``made`` has rows."""
    sums = [_mean_error(real, made, domain, width) for width in widths_of(domain)]
    return np.array([*sums, SCALE * len(real)], dtype=np.int64)


def _mean_error(real: Codes, made: Codes, domain: Domain, width: int) -> int:
    """In whole numbers throughout: a float's rounding would have no bound on its sensitivity."""
    cliques, n, m = marginals_of(domain, width), len(real), len(made)
    total = sum(
        int(np.abs(m * counts(real, domain, names) - n * counts(made, domain, names)).sum())
        for names in cliques
    )
    return SCALE * total // (2 * m * len(cliques))


def errors_sensitivity(domain: Domain, unit: PrivacyUnit) -> float:
    """L2 sensitivity of ``error_sums``, rounded up."""
    k = unit.max_rows
    return math.sqrt(len(widths_of(domain)) * (SCALE * k + 1) ** 2 + (SCALE * k) ** 2) * _UP


def hits(real: Codes, model: Learner) -> NDArray[np.int64]:
    """Rows by true value of the task: predicted right, then predicted wrong; shape (2 * values,)."""
    truth = real[:, model.domain.names.index(model.task)]
    wrong = (model.predicted(real) != truth).astype(np.int64)
    return np.bincount(2 * truth + wrong, minlength=2 * model.domain[model.task].size)


def hits_sensitivity(unit: PrivacyUnit) -> float:
    """L2 sensitivity of ``hits``: that of a marginal."""
    return unit.l2_sensitivity()


@dataclass(frozen=True)
class _Span:
    """A number, and between what it lies."""

    value: float
    half: float

    def share_with(self, rest: _Span) -> tuple[float, float, float] | None:
        """self / (self + rest) with bounds, both >= 0; None where noise drowns the sum."""
        own = max(0.0, self.value - self.half), max(0.0, self.value + self.half)
        other = max(0.0, rest.value - rest.half), max(0.0, rest.value + rest.half)
        whole = self.value + rest.value
        if whole <= self.half + rest.half:
            return None
        low = own[0] / (own[0] + other[1]) if own[0] else 0.0
        high = own[1] / (own[1] + other[0])
        return min(max(self.value / whole, low), high), low, high


def _half(sigma: float, cells: int, used: int) -> float:
    """Half width for a sum of ``cells`` noisy counts, one of ``used`` such sums that must hold together."""
    return sigma * math.sqrt(2 * cells * math.log(2 * used / _FAIL))


def read_errors(noisy: Sequence[float], sigma: float, domain: Domain) -> tuple[Measure, ...]:
    """Mean errors as shares, from noisy ``error_sums``.

    Args:
        sigma: standard deviation of the noise in each number.
    """
    widths, half = widths_of(domain), _half(sigma, 1, len(noisy))
    rows, found = float(noisy[-1]), []
    for width, value in zip(widths, noisy, strict=False):
        names = f"Mean error of marginals of {_WORDS[width]}"
        plain = (
            f"Share of rows that would have to move for a table of {_WORDS[width]} to agree with that of the "
            f"real rows: total variation, mean of {len(marginals_of(domain, width))} such tables. 0 is best."
        )
        if rows <= 2 * half:
            found.append(_drowned(names, plain))
            continue
        low, high = max(0.0, value - half) / (rows + half), max(0.0, value + half) / (rows - half)
        found.append(_measure(names, (max(0.0, value / rows), low, high), plain))
    return tuple(found)


def read_hits(noisy: NDArray[np.float64], sigma: float, column: Column) -> tuple[Measure, ...]:
    """Accuracy, and the share predicted right of each public value in public order, from noisy ``hits``."""
    right, wrong, used = noisy[0::2], noisy[1::2], 2 * column.size + 2
    halves = _half(sigma, column.size, used), _half(sigma, 1, used)
    name = f"Accuracy of predicting {column.name}"
    plain = (
        "Share of the real rows whose value a plain linear model, trained on the synthetic rows alone, "
        f"predicts right. {_guess(noisy)} 1 is best."
    )
    share = _Span(float(right.sum()), halves[0]).share_with(_Span(float(wrong.sum()), halves[0]))
    found = [_drowned(name, plain) if share is None else _measure(name, share, plain)]
    for code in range(column.size):
        name = f"Of real rows where {column.name} is {column.label(code)}: predicted right"
        share = _Span(float(right[code]), halves[1]).share_with(_Span(float(wrong[code]), halves[1]))
        of_value = (
            "Share of them. 1 is best; a value that is rarely predicted right is one that the rows lost."
        )
        found.append(_drowned(name, of_value) if share is None else _measure(name, share, of_value))
    return tuple(found)


def _guess(noisy: NDArray[np.float64]) -> str:
    """What always saying the commonest value would be right in, from the same noisy counts."""
    values = np.maximum(noisy.reshape(-1, 2).sum(axis=1), 0.0)
    if not values.sum():
        return ""
    return (
        f"Always saying the commonest value would be right in about {float(values.max() / values.sum()):.2f}."
    )


def _measure(name: str, found: tuple[float, float, float], plain: str) -> Measure:
    estimate, low, high = (min(1.0, one) for one in found)
    low, high = math.floor(low * 1e4) / 1e4, math.ceil(high * 1e4) / 1e4
    return Measure(name, f"{estimate:.4f}", f"{low:.4f}", f"{high:.4f}", plain)


def _drowned(name: str, plain: str) -> Measure:
    why = "cannot be judged: what was paid for it leaves more noise than there may be rows"
    return Measure(name, "", "", "", plain, why)
