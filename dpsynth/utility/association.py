"""How strongly pairs of columns hang together: Cramer's V, bias-corrected (Bergsma 2013), 0 to 1."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Domain
from dpsynth.utility.cells import Codes, counts

__all__ = ["MOST_COLUMNS", "PICTURED_CELLS", "associations", "cramers_v", "mean_gap"]

MOST_COLUMNS, PICTURED_CELLS = 20, 400
_MOST_CELLS, _PICTURED_PAIRS = 10_000, 60


def cramers_v(table: NDArray[np.int64]) -> float | None:
    """V of a table of counts, shape (rows, columns); None where a column takes one value only."""
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    r, k, n = *table.shape, int(table.sum())
    if min(r, k) < 2 or n < 2:
        return None
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    chi2 = float(((table - expected) ** 2 / expected).sum())
    phi2 = max(0.0, chi2 / n - (r - 1) * (k - 1) / (n - 1))
    least = min(r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)) - 1
    return min(1.0, math.sqrt(phi2 / least)) if least > 0 else None


def _pairs(domain: Domain) -> list[tuple[str, str]]:
    names = domain.names[:MOST_COLUMNS]
    return [pair for pair in combinations(names, 2) if domain.size(pair) <= _MOST_CELLS]


def associations(real: Codes, made: Codes, domain: Domain) -> dict[str, Any]:
    """V of each pair of columns in both tables, their gaps, and shares of cells of pairs for a picture."""
    lines: list[dict[str, Any]] = []
    shares: list[dict[str, Any]] = []
    for first, second in _pairs(domain):
        sizes = domain.sizes((first, second))
        tables = [counts(codes, domain, (first, second)).reshape(sizes) for codes in (real, made)]
        truth, drawn = cramers_v(tables[0]), cramers_v(tables[1])
        lines.append({"pair": [first, second], "real": truth, "synthetic": drawn})
        if len(shares) < _PICTURED_PAIRS and domain.size((first, second)) <= PICTURED_CELLS:
            rounded = [(np.round(table / table.sum(), 6)).tolist() for table in tables]
            shares.append({"pair": [first, second], "real": rounded[0], "synthetic": rounded[1]})
    gaps = [abs(one["real"] - one["synthetic"]) for one in lines if None not in one.values()]
    return {
        "columns": list(domain.names[:MOST_COLUMNS]),
        "left_out": list(domain.names[MOST_COLUMNS:]),
        "pairs": lines,
        "mean_gap": float(np.mean(gaps)) if gaps else None,
        "largest_gap": max(gaps, default=None),
        "unjudged": len(lines) - len(gaps),
        "shares": shares,
    }


def mean_gap(real: Codes, made: Codes, domain: Domain) -> float | None:
    """Mean difference of V over pairs that both tables can judge; None where there is none."""
    found: float | None = associations(real, made, domain)["mean_gap"]
    return found
