"""Private choice of the worst-fitted marginal: noisy max over L1 errors (AIM, arXiv 2201.12677, 3.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.events import NoisyMax
from dpsynth.core.curator import Candidate
from dpsynth.mechanisms.noise import Noise

__all__ = ["SelectMechanism"]

_LATTICE = 1 << 20
"""Steps per unit of sensitivity: scores are put on integers, so that no float's rounding can leak."""


@dataclass(frozen=True)
class SelectMechanism:
    """Public facts of one choice.

    Attributes:
        candidates: what may be chosen, with weight and offset.
        epsilon: bounded range of the choice.
        l1_sensitivity: largest L1 change of one marginal's counts between neighbours.
    """

    candidates: tuple[Candidate, ...]
    epsilon: float
    l1_sensitivity: int

    def __post_init__(self) -> None:
        if not self.candidates:
            raise ValueError("a choice needs at least one candidate")
        if any(
            not (math.isfinite(c.weight) and c.weight >= 0 and math.isfinite(c.offset))
            for c in self.candidates
        ):
            raise ValueError("weights must be finite and not negative, offsets finite")

    @property
    def event(self) -> NoisyMax:
        """Its privacy event."""
        return NoisyMax(self.epsilon)

    @property
    def sensitivity(self) -> float:
        """Largest change of any score between neighbours. The L1 error against a fixed estimate is not
        monotone in the rows, so the full range 2 x sensitivity / epsilon is used below."""
        return max(c.weight for c in self.candidates) * self.l1_sensitivity

    def scores(self, errors: Sequence[float]) -> NDArray[np.float64]:
        """Scores of the candidates from the L1 errors of their estimates."""
        return np.array(
            [c.weight * (error - c.offset) for c, error in zip(self.candidates, errors, strict=True)]
        )

    def release(self, scores: NDArray[np.float64], noise: Noise) -> int:
        """Index of the chosen candidate. ``scores`` is the only private argument."""
        unit = self.sensitivity or 1.0
        # Rounding to the lattice moves a difference of two scores by at most one step, hence + 1.
        lattice = np.rint(scores / unit * _LATTICE).astype(np.int64)
        scale = math.nextafter(2.0 * (_LATTICE + 1) / self.epsilon, math.inf)
        return noise.noisy_max(lattice, scale)

    @staticmethod
    def l1_error(counts: NDArray[np.int64], estimate: NDArray[np.float64]) -> float:
        """L1 distance of true counts and an estimate of the same shape."""
        return float(np.abs(counts - estimate).sum())
