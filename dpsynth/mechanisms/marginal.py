"""Noisy counts: the exact discrete Gaussian mechanism on integer marginals."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.events import DiscreteGaussian
from dpsynth.core.curator import NoisyMarginal
from dpsynth.core.domain import Clique
from dpsynth.core.merging import Merging
from dpsynth.mechanisms.noise import Noise

__all__ = ["MarginalMechanism"]


@dataclass(frozen=True)
class MarginalMechanism:
    """Public facts of one noisy marginal.

    Attributes:
        clique: columns counted; empty for the total.
        sigma: noise multiplier (> 0).
        l2_sensitivity: largest L2 change of the counts between neighbours; merging codes never raises it.
        merging: group of each code, for those of its columns whose codes are counted together.
    """

    clique: Clique
    sigma: float
    l2_sensitivity: float
    merging: Merging = field(default_factory=dict)

    @property
    def event(self) -> DiscreteGaussian:
        """Its privacy event."""
        return DiscreteGaussian(self.sigma)

    @property
    def scale(self) -> float:
        """Noise parameter in rows; rounded up so that the event never understates the cost."""
        return math.nextafter(self.sigma * self.l2_sensitivity, math.inf)

    def release(self, counts: NDArray[np.int64], noise: Noise) -> NoisyMarginal:
        """Add the noise. ``counts`` is the only private argument."""
        noisy = noise.gaussian(counts, self.scale)
        return NoisyMarginal(self.clique, noisy.astype(np.float64), self.scale, self.merging)
