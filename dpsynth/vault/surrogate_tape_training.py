"""A training that is rehearsed: its sums are noise alone, drawn from the rehearsal's coins.

An honest training must do with any sums, so they need not be those of rows: no gradients are computed, and
no sum has to be kept. At the first step the model and the loss see all rows once, and the sum is thrown
away: what they print, log, raise or keep because of a row shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dpsynth.mechanisms.clipping import trained
from dpsynth.mechanisms.gradient import GradientMechanism
from dpsynth.mechanisms.rng import os_generator
from dpsynth.vault.gradients import TableGradients
from dpsynth.vault.table import SensitiveTable

if TYPE_CHECKING:
    from dpsynth.core.gradient import PerExampleLoss

__all__ = ["TapedGradients"]


class _Coins:
    """Noise of a rehearsal; never that of a release."""

    def __init__(self) -> None:
        self._rng = os_generator()

    def included(self, units: int, rate: float) -> NDArray[np.bool_]:
        """Everyone: who is in a sample must not move the other coins."""
        return np.ones(units, dtype=np.bool_)

    def normal(self, count: int, scale: float) -> Tensor:
        """Normal draws, float64."""
        return torch.from_numpy(self._rng.standard_normal(count) * scale)


class TapedGradients(TableGradients):
    """The steps of production on every row once and then on none, with sums of noise alone."""

    def __init__(
        self, table: SensitiveTable, mechanism: GradientMechanism, ask: Callable[[str], object]
    ) -> None:
        """Ask: compares a question with the tape."""
        super().__init__(table, mechanism, _Coins())
        self._ask = ask

    def step(self, model: nn.Module, loss: PerExampleLoss) -> list[Tensor]:
        """The step of production; the question is the weights that it is asked at."""
        weights = hashlib.sha256()
        for one in trained(model):
            weights.update(one.detach().cpu().numpy().tobytes())
        self._ask(f"a sum at weights {weights.hexdigest()}")
        return super().step(model, loss)

    def _coins(self, units: int) -> NDArray[np.bool_]:
        first = self._left + 1 == self._mechanism.plan.steps
        return np.full(units, first, dtype=np.bool_)

    def _released(self, sums: list[Tensor]) -> list[Tensor]:
        return super()._released([torch.zeros_like(one) for one in sums])
