"""Asks a training on surrogate rows for clipped sums again: for other samples, and with losses blown up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dpsynth.mechanisms.clipping import trained
from dpsynth.mechanisms.gradient import GradientMechanism
from dpsynth.vault.gradients import EveryRow
from dpsynth.vault.surrogate_table import SurrogateTable, uncounted

if TYPE_CHECKING:
    from dpsynth.core.gradient import PerExampleLoss

    Again = Callable[[Tensor, PerExampleLoss], Tensor]

__all__ = ["Louder", "TrainingProbe", "flat", "rows_of"]


def flat(parts: Sequence[Tensor]) -> Tensor:
    """One vector, float64, shape (parameters,)."""
    return torch.cat([part.detach().cpu().double().flatten() for part in parts])


class TrainingProbe:
    """The model, the loss and the engine of a training, at the weights that the model has now."""

    def __init__(
        self,
        table: SurrogateTable,
        model: nn.Module,
        loss: PerExampleLoss,
        mechanism: GradientMechanism,
        again: Again,
    ) -> None:
        self._table, self._model, self._loss = table, model, loss
        self._mechanism, self._again = mechanism, again

    @property
    def units(self) -> NDArray[np.int64]:
        """Labels of the units in the table, ascending."""
        return np.unique(self._table._units)

    def rows_of(self, unit: int) -> int:
        """How many rows the unit has."""
        return int(np.count_nonzero(self._table._units == unit))

    @property
    def usual(self) -> int:
        """Units of a sample on average, at least 1."""
        return max(1, round(self._mechanism.plan.rate * len(self.units)))

    @property
    def repeats(self) -> bool:
        """Whether the same question has the same answer: not where a loss draws random numbers."""
        units = self.units[: self.usual]
        one, two = self.summed(units), self.summed(units)
        return bool(np.linalg.norm(one - two) <= 1e-4 * self._mechanism.plan.clip * len(units))

    def summed(
        self, units: NDArray[np.int64], loud: int | None = None, norm: float = 0.0
    ) -> NDArray[np.float64]:
        """Clipped sum over these units, shape (parameters,).

        Args:
            units: labels.
            loud: a unit whose loss is multiplied, with that of equal rows, until its gradient has ``norm``
                (by ``norm`` itself where that is not finite, or where there is no gradient).
            norm: without ``loud`` every loss is multiplied by it; 0: the losses as they are.
        """
        return self._over(self._table, units, loud, norm)

    def moved(self, base: SurrogateTable, other: SurrogateTable, norm: float = 0.0) -> float:
        """L2 distance of the clipped sums over two tables' usual samples, the same coins for both.

        Units that the tables differ in are in the sample; each other unit is where a fixed coin puts it.

        Args:
            norm: as in :meth:`summed`, for a unit that they differ in; 0: the loss as it is.
        """
        ours, theirs = _held_rows(base), _held_rows(other)
        changed = sorted(u for u in ours.keys() | theirs.keys() if ours.get(u) != theirs.get(u))
        every = round(len(ours) / self.usual)
        kept = [u for at, u in enumerate(sorted(ours)) if at % max(every, 1) == 0 and u not in changed]
        sample = np.array([*kept, *changed], dtype=np.int64)
        loud = changed[0] if norm and changed else None
        source = base if loud in ours else other
        return float(
            np.linalg.norm(
                self._over(base, sample, loud, norm, source) - self._over(other, sample, loud, norm, source)
            )
        )

    def _over(
        self,
        table: SurrogateTable,
        units: NDArray[np.int64],
        loud: int | None,
        norm: float,
        source: SurrogateTable | None = None,
    ) -> NDArray[np.float64]:
        rows = rows_of(table, units)
        loss = self._loss
        if loud is not None:
            loss = Louder(loss, rows_of(source or table, np.array([loud]))).reach(self._model, norm)
        elif norm:
            loss = self._all_louder(norm)
        return self._again(rows, loss).numpy()

    def _all_louder(self, factor: float) -> PerExampleLoss:
        return lambda model, rows: self._loss(model, rows) * factor


class Louder:
    """A loss that is multiplied on rows that are equal to one of a unit's; else the loss as it is."""

    def __init__(self, loss: PerExampleLoss, theirs: Tensor) -> None:
        """Theirs: the unit's codes, int64, shape (rows, columns)."""
        self.loss, self._theirs, self._factor = loss, theirs, 1.0

    def __call__(self, model: nn.Module, rows: Tensor) -> Tensor:
        """One number for each row."""
        same = (rows[:, None, :] == self._theirs[None, :, :].to(rows.device)).all(-1).any(-1)
        losses = self.loss(model, rows)
        return torch.where(same, losses * self._factor, losses)

    def reach(self, model: nn.Module, norm: float) -> Louder:
        """Multiply until the unit's gradient has this norm; by ``norm`` itself if that has no finite way."""
        parameters, self._factor = trained(model), norm
        with torch.enable_grad():
            total = self.loss(model, self._theirs.to(parameters[0].device)).sum()
            found: Sequence[Tensor | None] = torch.autograd.grad(total, parameters, allow_unused=True)
        now = math.sqrt(sum(float(one.double().square().sum()) for one in found if one is not None))
        if math.isfinite(norm) and now > 0:
            self._factor = norm / now
        return self


def rows_of(table: SurrogateTable, units: NDArray[np.int64]) -> Tensor:
    """Codes of these units' rows, int64, shape (rows, columns); not counted as a read."""
    with uncounted(table):
        return EveryRow(table).of(np.isin(np.unique(table._units), units)).to(torch.int64)


def _held_rows(table: SurrogateTable) -> dict[int, bytes]:
    """The rows of each unit, as comparable bytes."""
    with uncounted(table):
        codes = EveryRow(table)._codes
    order = np.argsort(table._units, kind="stable")
    labels, starts = np.unique(table._units[order], return_index=True)
    parts = np.split(codes[order], starts[1:])
    return {int(label): part.tobytes() for label, part in zip(labels, parts, strict=True)}
