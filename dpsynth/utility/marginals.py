"""How far marginals of the synthetic rows are from those of the real ones: total variation distance.

A distance of 0.03 means that 3 of 100 rows would have to lie in other cells for the two to agree.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Domain
from dpsynth.utility.cells import Codes, counts, marginals_of

__all__ = ["WIDTHS", "mean_error", "width_errors"]

WIDTHS = (1, 2, 3)
_WORST = 8


def _error(real: NDArray[np.int64], made: NDArray[np.int64]) -> float:
    """Total variation distance of two histograms, 0 to 1; neither is empty."""
    return 0.5 * float(np.abs(real / real.sum() - made / made.sum()).sum())


def _by_chance(real: NDArray[np.int64], rows: int) -> float:
    """What a sample of ``rows`` from the real shares would differ by on average: normal approximation."""
    shares = real / real.sum()
    return 0.5 * float(np.sqrt(2 * shares * (1 - shares) / (math.pi * rows)).sum())


def width_errors(real: Codes, made: Codes, domain: Domain, width: int) -> dict[str, Any]:
    """Errors of marginals of ``width`` columns: mean, largest, the worst by name, and what chance would give.

    Both tables must have rows. ``judged`` is 0 where no marginal is small enough.
    """
    cliques, lines = marginals_of(domain, width), []
    for names in cliques:
        truth, drawn = counts(real, domain, names), counts(made, domain, names)
        lines.append((_error(truth, drawn), _by_chance(truth, len(made)), list(names)))
    worst = sorted(lines, key=lambda line: -line[0])[:_WORST]
    return {
        "columns": width,
        "judged": len(lines),
        "of": math.comb(len(domain.names), width),
        "mean": float(np.mean([line[0] for line in lines])) if lines else None,
        "largest": max((line[0] for line in lines), default=None),
        "by_chance": float(np.mean([line[1] for line in lines])) if lines else None,
        "worst": [{"columns": names, "error": error, "by_chance": low} for error, low, names in worst],
    }


def mean_error(real: Codes, made: Codes, domain: Domain, width: int) -> float | None:
    """Mean error of marginals of ``width`` columns; None where there is none."""
    found: float | None = width_errors(real, made, domain, width)["mean"]
    return found
