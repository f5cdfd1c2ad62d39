"""Rows that come out as they went in: how many, and how many a fitted model would draw by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["apart", "detectable_rate", "expected_near", "fisher_more", "poisson_more"]

_AT_ONCE = 100_000


def apart(rows: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """In how many columns each of ``rows`` differs from its nearest of ``others``, shape (rows,).

    Args:
        rows, others: codes below 2^31, shape (rows, columns); ``others`` has at least one row.
    """
    found = []
    step = max(1, _AT_ONCE * 50 // len(others))
    small = [np.ascontiguousarray(column, dtype=np.int32) for column in others.T]
    for start in range(0, len(rows), step):
        part = rows[start : start + step].astype(np.int32)
        differ = np.zeros((len(part), len(others)), dtype=np.uint8)
        for at, column in enumerate(small):
            differ += part[:, at, None] != column[None, :]
        found.append(differ.min(axis=1).astype(np.int64))
    return np.concatenate(found or [np.zeros(0, dtype=np.int64)])


def expected_near(
    density: Callable[[NDArray[np.int64]], NDArray[np.float64]],
    rows: NDArray[np.int64],
    sizes: Sequence[int],
) -> tuple[float, float]:
    """Chance that one drawn row equals one of ``rows``; and that it differs from one in at most one column.

    Both are sums over ``rows``, so that what lies near two of them counts twice: an upper bound.

    Args:
        density: log-probabilities of rows.
        rows: shape (rows, columns).
        sizes: number of codes of each column.
    """
    own = np.exp(density(rows))
    near = float(own.sum())
    for column, size in enumerate(sizes):
        step = max(1, _AT_ONCE // size)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            around = np.repeat(part, size, axis=0)
            around[:, column] = np.tile(np.arange(size), len(part))
            near += float(np.exp(density(around)).sum() - own[start : start + step].sum())
    return float(own.sum()), max(near, 0.0)


def poisson_more(hits: int, expected: float) -> float:
    """Chance of ``hits`` or more where ``expected`` are: a bound for independent rows (Hoeffding 1956)."""
    return float(stats.poisson.sf(hits - 1, expected)) if hits > expected else 1.0


def fisher_more(hits: int, trials: int, control_hits: int, controls: int) -> float:
    """One-sided Fisher p-value that rows of the table are hit more often than rows left out."""
    table = [[hits, trials - hits], [control_hits, controls - control_hits]]
    return float(stats.fisher_exact(table, alternative="greater").pvalue)


def detectable_rate(p_value: Callable[[int], float], level: float, fits: int, power: float) -> float:
    """Smallest share of fits with one copied row that is seen with probability ``power``; 1 if none is.

    Args:
        p_value: of so many hits.
        level: at which the test rejects.
        fits: number of fits.
    """
    needed = next((hits for hits in range(1, fits + 1) if p_value(hits) <= level), None)
    return 1.0 if needed is None else float(stats.beta.ppf(power, needed, fits - needed + 1))
