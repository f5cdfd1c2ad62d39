"""Splitting a budget in whole nano-rho, so that the curator's rounding-up never costs extra.

The curator charges a mechanism at every Renyi order a, rounded up to 1e-9. A whole number of nano-rho is
charged exactly; the noise is made larger by one part in 1e9 so that no float rounding lifts it above.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from dpsynth.core.curator import Curator, NoisyMarginal, Plan
from dpsynth.core.domain import Clique
from dpsynth.core.merging import Merging

__all__ = ["Purse", "epsilon_of", "rho_text", "sigma_of"]

_SHAVE = 1.0 + 1e-9


def sigma_of(rho_nano: int) -> float:
    """Noise multiplier of a Gaussian mechanism that costs at most ``rho_nano`` (>= 1) nano-rho."""
    return math.sqrt(0.5 / (rho_nano * 1e-9)) * _SHAVE


def epsilon_of(rho_nano: int) -> float:
    """Epsilon of a noisy-max choice that costs at most ``rho_nano`` (>= 1) nano-rho."""
    return math.sqrt(8.0 * rho_nano * 1e-9) / _SHAVE


def rho_text(rho_nano: int) -> str:
    """Nano-rho as a decimal for people."""
    return f"{rho_nano * 1e-9:.9f}".rstrip("0").rstrip(".")


class Purse:
    """What one run may still spend: the plan's budget, or less if the curator holds less."""

    def __init__(self, plan: Plan, curator: Curator) -> None:
        self._curator = curator
        self._floor = max(curator.remaining - plan.rho_nano, 0)

    @property
    def left(self) -> int:
        """Nano-rho still to be spent, >= 0."""
        return max(self._curator.remaining - self._floor, 0)

    def measure(
        self, cliques: Sequence[Clique], rho_nano: int, merging: Merging | None = None
    ) -> list[NoisyMarginal]:
        """Measure every clique, using ``rho_nano`` in all, split as evenly as whole nano-rho allow.

        With fewer nano-rho than cliques only the first cliques are measured.
        """
        share, more = divmod(min(rho_nano, self.left), max(len(cliques), 1))
        answers: list[NoisyMarginal] = []
        for group, each in ((cliques[:more], share + 1), (cliques[more:], share)):
            if group and each > 0:
                answers += self._curator.measure(group, sigma_of(each), merging)
        return answers
