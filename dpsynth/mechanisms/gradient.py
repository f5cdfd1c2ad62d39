"""DP-SGD's step as a mechanism: who is in the sample, how far one unit may move the sum, and the noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dpsynth.accounting.events import SampledGaussian
from dpsynth.core.gradient import GradientPlan
from dpsynth.mechanisms.keystream import GradientNoise

__all__ = ["GradientMechanism"]


@dataclass(frozen=True)
class GradientMechanism:
    """Public facts of one training: Poisson sampling of units, clipping, Gaussian noise on the sum.

    Attributes:
        plan: rate, clip, sigma and steps.
        max_rows: rows a unit may have; each row's gradient is clipped to ``clip / max_rows``, so that a
            unit's stay within ``clip`` together.
    """

    plan: GradientPlan
    max_rows: int

    @property
    def event(self) -> SampledGaussian:
        """The privacy event of all steps together."""
        return SampledGaussian(self.plan.rate, self.plan.sigma, self.plan.steps)

    @property
    def row_clip(self) -> float:
        """The most that one row adds to a sum."""
        return self.plan.clip / self.max_rows

    @property
    def scale(self) -> float:
        """Standard deviation of the noise in each coordinate of a sum, whatever the number of rows."""
        return math.nextafter(self.plan.sigma * self.plan.clip, math.inf)

    def sample(self, units: int, noise: GradientNoise) -> NDArray[np.bool_]:
        """A fresh Poisson sample: an independent coin for each unit. ``units`` is private."""
        return noise.included(units, self.plan.rate)

    def release(self, sums: Sequence[Tensor], noise: GradientNoise) -> list[Tensor]:
        """Add the noise to a clipped sum, the only private argument; shapes and types stay.

        Rounded to single precision whatever the type: low bits of floating-point noise betray the sum.
        """
        sizes = [one.numel() for one in sums]
        parts: Sequence[Tensor] = noise.normal(sum(sizes), self.scale).split(sizes)  # type: ignore[no-untyped-call]
        return [
            part.reshape(one.shape).to(one.device).add_(one).to(torch.float32).to(one.dtype)
            for one, part in zip(sums, parts, strict=True)
        ]
