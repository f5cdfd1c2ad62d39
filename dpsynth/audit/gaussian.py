"""Exact moments and probabilities of the discrete Gaussian (Canonne, Kamath, Steinke 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["DiscreteNormal", "discrete_normal"]

# From here on the discrete law agrees with the rounded normal one far below any test's reach.
_LARGE = 200.0


@dataclass(frozen=True)
class DiscreteNormal:
    """Discrete Gaussian of parameter ``sigma`` on the integers.

    Attributes:
        sigma: parameter (> 0); the standard deviation falls below it when it is small.
        variance: exact variance.
        kurtosis: fourth moment over squared variance (3 for the normal law).
        reach, mass: probabilities of -reach .. reach; empty for a large sigma.
    """

    sigma: float
    variance: float
    kurtosis: float
    reach: int
    mass: NDArray[np.float64]

    @property
    def log_still(self) -> float:
        """Log-probability of a residual of exactly 0."""
        if not self.mass.size:
            return -float(np.log(self.sigma * np.sqrt(2.0 * np.pi)))
        return float(np.log(self.mass[self.reach]))

    def uniforms(self, residuals: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Randomised probability integral transform: uniform on 0..1 if the residuals follow this law."""
        dither = rng.random(residuals.shape)
        if not self.mass.size:
            low = stats.norm.cdf(residuals - 0.5, scale=self.sigma)
            high = stats.norm.cdf(residuals + 0.5, scale=self.sigma)
        else:
            edges = np.concatenate([[0.0], np.cumsum(self.mass)])
            at = np.clip(residuals.astype(np.int64) + self.reach, 0, len(self.mass) - 1)
            low, high = edges[at], edges[at + 1]
        return np.asarray(np.clip(low + dither * (high - low), 0.0, 1.0))


@lru_cache(maxsize=256)
def discrete_normal(sigma: float) -> DiscreteNormal:
    """The law of parameter ``sigma``."""
    if sigma >= _LARGE:
        return DiscreteNormal(sigma, sigma**2, 3.0, 0, np.empty(0))
    reach = int(np.ceil(12 * sigma)) + 2
    grid = np.arange(-reach, reach + 1, dtype=np.float64)
    weight = np.exp(-(grid**2) / (2.0 * sigma**2))
    mass = weight / weight.sum()
    variance = float(mass @ grid**2)
    return DiscreteNormal(sigma, variance, float(mass @ grid**4) / variance**2, reach, mass)
