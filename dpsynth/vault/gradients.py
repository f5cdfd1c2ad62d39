"""DP-SGD over a SensitiveTable: the steps of one training, paid for before the first. RED."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dpsynth.core.domain import Domain
from dpsynth.core.errors import BadInput, BudgetExceeded
from dpsynth.mechanisms.clipping import ClippedSums, check_separable, engine_for, trained
from dpsynth.mechanisms.gradient import GradientMechanism
from dpsynth.mechanisms.keystream import GradientNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.mechanisms.workers import Alone, Workers
from dpsynth.vault.counting.rows import Withheld
from dpsynth.vault.table import SensitiveTable

if TYPE_CHECKING:
    from dpsynth.core.gradient import PerExampleLoss

__all__ = ["EveryRow", "TableGradients"]

_MADE_UP = 4
_MOST_EXAMPLES = 8192  # at once: what lies above is summed in parts


class TableGradients:
    """Implements :class:`dpsynth.core.gradient.GradientSource`; made by the curator after it charged."""

    def __init__(
        self,
        table: SensitiveTable,
        mechanism: GradientMechanism,
        noise: GradientNoise,
        workers: Workers | None = None,
    ) -> None:
        """Workers: those that hold the other units of the same training; None: there are none."""
        self._table, self._mechanism, self._noise = table, mechanism, noise
        self._workers = workers or Alone()
        self._lock = threading.Lock()
        self._left = mechanism.plan.steps
        self._known: tuple[nn.Module, PerExampleLoss, ClippedSums] | None = None
        self._rows: EveryRow | None = None

    @property
    def left(self) -> int:
        """Steps that have not been asked for."""
        return self._left

    def step(self, model: nn.Module, loss: PerExampleLoss) -> list[Tensor]:
        """Noisy sum of the clipped gradients of a fresh Poisson sample."""
        engine = self._engine(model, loss)
        self._take()
        return self._released(self._sum(engine, model, loss, self._sample()))

    def _sum(self, engine: ClippedSums, model: nn.Module, loss: PerExampleLoss, rows: Tensor) -> list[Tensor]:
        """Clipped gradients of these rows, added up."""
        sums: list[Tensor] = []
        device = next(model.parameters()).device
        for low in range(0, len(rows), _MOST_EXAMPLES):
            part = rows[low : low + _MOST_EXAMPLES].to(device, torch.int64)
            found = self._clipped(engine, model, loss, part)
            sums = [one.add_(other) for one, other in zip(sums, found, strict=True)] if sums else found
        return sums or [torch.zeros_like(one) for one in trained(model)]

    def _released(self, sums: list[Tensor]) -> list[Tensor]:
        return self._workers.agree(sums, lambda total: self._mechanism.release(total, self._noise))

    def _clipped(
        self, engine: ClippedSums, model: nn.Module, loss: PerExampleLoss, rows: Tensor
    ) -> list[Tensor]:
        """What goes wrong on rows is told without its words: they would name values, or the sample's size."""
        with suppress(Exception):  # outside of it the error below has no memory of what it was
            return engine.clipped_sum(model, loss, rows, self._mechanism.row_clip)
        raise BadInput(
            "The model or the loss of a training failed on rows, though not on made-up ones",
            allowed="a model and a loss that take any row of the public domain, and any number of them",
            remedy="report this synthesizer to its author; what was charged is spent",
        )

    def _take(self) -> None:
        with self._lock:
            if self._left < 1:
                raise BudgetExceeded(
                    "A training asked for more steps than its plan paid for",
                    allowed=f"{self._mechanism.plan.steps} steps",
                    remedy="this is a fault of the synthesizer: report it to its author",
                )
            self._left -= 1

    def _engine(self, model: nn.Module, loss: PerExampleLoss) -> ClippedSums:
        """The engine for this model, which was tried on made-up rows first, with this loss."""
        # A method is another object each time it is named, but equal to itself.
        if self._known is None or self._known[0] is not model or self._known[1] != loss:
            device = next(model.parameters()).device
            check_separable(model, loss, _made_up(self._table.domain).to(device))
            self._known = model, loss, engine_for(model)
        return self._known[2]

    def _sample(self) -> Tensor:
        """Codes of the sampled units' rows, shape (examples, columns)."""
        rows = self._held()
        return rows.of(self._coins(rows.units))

    def _coins(self, units: int) -> NDArray[np.bool_]:
        return self._mechanism.sample(units, self._noise)

    def _held(self) -> EveryRow:
        if self._rows is None:
            self._rows = EveryRow(self._table)
        return self._rows


class EveryRow(Withheld):
    """The rows once more, as one array that is quick to pick from."""

    __slots__ = ("_codes", "_unit", "units")

    def __init__(self, table: SensitiveTable) -> None:
        columns = list(table._rows().values())
        small = all(column.itemsize == 1 for column in columns)
        self._codes = np.stack(columns, axis=1).astype(np.uint8 if small else np.int32)
        found, self._unit = np.unique(table._units, return_inverse=True)
        self.units = len(found)

    def of(self, coins: NDArray[np.bool_]) -> Tensor:
        """The rows of the units whose coin is true."""
        return torch.from_numpy(self._codes[np.flatnonzero(coins[self._unit])])


def _made_up(domain: Domain) -> Tensor:
    rng = os_generator()
    columns = [rng.integers(0, column.size, _MADE_UP) for column in domain.columns]
    return torch.from_numpy(np.stack(columns, axis=1))
