"""Private choice of the worst-fitted marginal: noisy max over L1 errors (AIM, arXiv 2201.12677, 3.2).

Scores are integers on a public lattice, computed exactly, so that no rounding, overflow or extreme
estimate can make one unit move a score by more than the noise was made for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.events import NoisyMax
from dpsynth.core.curator import Candidate
from dpsynth.mechanisms.noise import Noise

__all__ = ["SelectMechanism", "checked_estimate"]

_ROW = 1 << 10
"""Lattice steps per row in errors, estimates and offsets."""

_WEIGHT = 1 << 16
"""Lattice steps of the largest weight."""

_LARGEST = 2.0**40
_CLAMP = 1 << 62


def checked_estimate(estimate: NDArray[np.float64], cells: int) -> NDArray[np.int64]:
    """A public estimate on the lattice, shape (cells,). Raises ValueError unless finite, below 2^40 rows."""
    if estimate.shape != (cells,) or not (np.abs(estimate) <= _LARGEST / cells).all():
        raise ValueError("an estimate must be finite, of a sensible size, one number per cell")
    return np.rint(estimate * _ROW).astype(np.int64)


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
        for candidate in self.candidates:
            if not (0 <= candidate.weight <= _LARGEST and abs(candidate.offset) <= _LARGEST):
                raise ValueError("weights must be finite and not negative, offsets finite, both below 2^40")

    @property
    def event(self) -> NoisyMax:
        """Its privacy event."""
        return NoisyMax(self.epsilon)

    @property
    def sensitivity(self) -> int:
        """Largest change of any score between neighbours, in lattice steps, exact.

        The L1 error against a fixed estimate is not monotone in the rows, so the noise below is made for
        the full range: scale = 2 x sensitivity / epsilon.
        """
        return _WEIGHT * _ROW * self.l1_sensitivity

    def scores(self, errors: Sequence[int]) -> NDArray[np.int64]:
        """weight * (error - offset) for each candidate, on the lattice, in exact integers.

        Clamping to 62 bits moves no difference of two tables' scores further apart.
        """
        heaviest = max(candidate.weight for candidate in self.candidates) or 1.0
        values = [
            round(c.weight / heaviest * _WEIGHT) * (error - round(c.offset * _ROW))
            for c, error in zip(self.candidates, errors, strict=True)
        ]
        return np.array([min(max(value, -_CLAMP), _CLAMP) for value in values], dtype=np.int64)

    def release(self, scores: NDArray[np.int64], noise: Noise) -> int:
        """Index of the chosen candidate. ``scores`` is the only private argument."""
        return noise.noisy_max(scores, math.nextafter(2.0 * self.sensitivity / self.epsilon, math.inf))

    @staticmethod
    def l1_error(counts: NDArray[np.int64], estimate: NDArray[np.int64]) -> int:
        """L1 distance of true counts and an estimate on the lattice, in lattice steps, exact."""
        return int(np.abs(counts * _ROW - estimate).sum())
