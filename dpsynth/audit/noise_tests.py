"""Tests of noise that several checks share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

__all__ = ["NoiseTest", "correlation", "two_sided"]


@dataclass(frozen=True)
class NoiseTest:
    """One two-sided test: its p-value, and whether it leans to too little noise."""

    name: str
    p: float
    too_little: bool


def two_sided(name: str, low: float, high: float) -> NoiseTest:
    """From the chances of as little noise and of as much."""
    return NoiseTest(name, min(1.0, 2.0 * min(low, high)), low < high)


def correlation(name: str, one: NDArray[np.float64], two: NDArray[np.float64]) -> NoiseTest:
    """Correlation of paired uniforms mapped to normal scores, by Student's t.

    Exact for independent pairs of any number; Fisher's transform is not where both the pairs are few and the
    level is small: for ten pairs its 1e-6 is met 23 times too often.
    """
    if len(one) < 10:
        return NoiseTest(name, 1.0, True)
    r = float(np.corrcoef(special.ndtri(one), special.ndtri(two))[0, 1])
    if np.isnan(r):
        return NoiseTest(name, 1.0, True)
    t = r * np.sqrt((len(one) - 2) / max(1.0 - r * r, 1e-15))
    return NoiseTest(name, float(2.0 * stats.t.sf(abs(t), len(one) - 2)), True)
