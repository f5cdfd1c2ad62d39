"""A training on surrogate rows, fully witnessed: coins, noise, and what one canary did at every step.

The steps are those of production. What the witness computes beside them is the auditor's own arithmetic and
no read of the pipeline.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dpsynth.accounting.events import SampledGaussian
from dpsynth.mechanisms.gradient import GradientMechanism
from dpsynth.mechanisms.keystream import GradientNoise
from dpsynth.vault.gradients import TableGradients
from dpsynth.vault.surrogate_probe import Louder, TrainingProbe, flat, rows_of
from dpsynth.vault.surrogate_table import SurrogateTable, uncounted

if TYPE_CHECKING:
    from dpsynth.core.gradient import PerExampleLoss

__all__ = ["RecordedTraining", "WitnessedGradients"]

_COORDINATES = 256
_LOUD = 10.0  # clips


@dataclass(frozen=True)
class _Step:
    """One step: coins (units,), residuals (coordinates,), |residual|^2 over ``size`` parameters."""

    coins: NDArray[np.bool_]
    residuals: NDArray[np.float64]
    square: float
    size: int
    canary: tuple[bool, float, float] | None


@dataclass
class RecordedTraining:
    """What was seen of one training on a surrogate table.

    Attributes:
        event: the event that was charged for it.
        clip: the most that one unit may add to a sum.
        scale: standard deviation of the noise that the mechanism says it adds.
        steps: steps that were answered.
        reads: reads of the rows that these steps needed.
        categories: codes of each unit's first row, shape (units, columns).
        probe: asks for clipped sums again, at the weights of the last step; None before the first.
    """

    event: SampledGaussian
    clip: float
    scale: float
    reads: int = 0
    categories: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    probe: TrainingProbe | None = None
    _steps: list[_Step] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """Steps that were answered."""
        return len(self._steps)

    @property
    def coins(self) -> NDArray[np.bool_]:
        """Who was in each sample, shape (steps, units)."""
        return np.array([step.coins for step in self._steps], dtype=np.bool_)

    @property
    def residuals(self) -> tuple[NDArray[np.float64], ...]:
        """Noisy less clipped sum of each step on evenly spaced parameters, at most 256 of them."""
        return tuple(step.residuals for step in self._steps)

    @property
    def squares(self) -> NDArray[np.float64]:
        """Squared L2 norm of each step's noisy less clipped sum, over all parameters; shape (steps,)."""
        return np.array([step.square for step in self._steps])

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of trained parameters at each step, shape (steps,)."""
        return np.array([step.size for step in self._steps], dtype=np.int64)

    @property
    def canary(self) -> NDArray[np.float64] | None:
        """The canary at each step, shape (steps, 3); None where no canary was named.

        Columns: its coin (0 or 1; 0 where it is not in the table); the norm by which it moves, or would move,
        the clipped sum; and the noisy sum less everyone else's part, along that move.
        """
        rows = [step.canary for step in self._steps if step.canary is not None]
        return np.array(rows, dtype=np.float64) if rows else None


class WitnessedGradients(TableGradients):
    """The steps of production, with a witness beside each."""

    def __init__(
        self,
        table: SurrogateTable,
        mechanism: GradientMechanism,
        noise: GradientNoise,
        canary: SurrogateTable | None,
    ) -> None:
        """Canary: a table of one unit's rows, whether or not the unit is in ``table`` too.

        Its loss is multiplied at each step until its gradient is several times as long as the clip: a worst
        unit, as a gradient canary is (Nasr et al. 2023, section 4).
        """
        super().__init__(table, mechanism, noise)
        self._surrogate, self._canary = table, canary
        self._loud: Louder | None = None
        self._seen: tuple[NDArray[np.bool_], list[Tensor]] = np.zeros(0, dtype=np.bool_), []
        self.record = RecordedTraining(mechanism.event, mechanism.plan.clip, mechanism.scale)

    def step(self, model: nn.Module, loss: PerExampleLoss) -> list[Tensor]:
        """The step of production; its answer is passed on as it is."""
        watched = self._raised(model, loss)
        before = self._surrogate.reads
        answer = super().step(model, watched)
        self.record.reads += self._surrogate.reads - before
        with uncounted(self._surrogate):
            self._witness(model, loss, watched, answer)
        return answer

    def _raised(self, model: nn.Module, loss: PerExampleLoss) -> PerExampleLoss:
        """The loss that a step is taken with: louder on the canary's rows, if there is a canary."""
        if self._canary is None:
            return loss
        if self._loud is None or self._loud.loss != loss:
            self._loud = Louder(loss, rows_of(self._canary, self._canary._units))
        return self._loud.reach(model, _LOUD * self._mechanism.plan.clip)

    def _coins(self, units: int) -> NDArray[np.bool_]:
        coins = super()._coins(units)
        self._seen = coins.copy(), []
        return coins

    def _released(self, sums: list[Tensor]) -> list[Tensor]:
        self._seen = self._seen[0], [one.clone() for one in sums]
        return super()._released(sums)

    def _witness(
        self, model: nn.Module, loss: PerExampleLoss, watched: PerExampleLoss, answer: list[Tensor]
    ) -> None:
        if self._known is None:
            raise RuntimeError("a step was answered without an engine")
        coins, sums = self._seen
        noisy, total = flat(answer), flat(sums)
        gap = noisy - total
        at = torch.linspace(0, len(gap) - 1, min(len(gap), _COORDINATES)).long()
        if not len(self.record.categories):
            self.record.categories = self._first_rows()
        self.record.probe = TrainingProbe(
            self._surrogate, model, loss, self._mechanism, lambda rows, said: self._again(model, said, rows)
        )
        seen = None if self._canary is None else self._canaried(model, watched, noisy, total)
        self.record._steps.append(_Step(coins, gap[at].numpy(), float(gap @ gap), len(gap), seen))

    def _again(self, model: nn.Module, loss: PerExampleLoss, rows: Tensor) -> Tensor:
        """The clipped sum over rows by the engine of this training."""
        if self._known is None:
            raise RuntimeError("no step was asked for yet")
        return flat(self._sum(self._known[2], model, loss, rows))

    def _first_rows(self) -> NDArray[np.int64]:
        _, first = np.unique(self._surrogate._units, return_index=True)
        return np.asarray(self._held()._codes[first], dtype=np.int64)

    def _canaried(
        self, model: nn.Module, loss: PerExampleLoss, noisy: Tensor, total: Tensor
    ) -> tuple[bool, float, float]:
        """Its coin, the norm of its move, and the noisy sum without the others along the move."""
        if self._canary is None:
            raise RuntimeError("no canary was named")
        coins = self._seen[0].copy()
        own = np.unique(self._surrogate._units) == self._canary._units[0]
        inside = bool(coins[own].any())
        coins[own] = False
        others = self._held().of(coins)
        rest = self._again(model, loss, others) if inside else total
        if inside:
            move = total - rest
        else:
            theirs = rows_of(self._canary, self._canary._units)
            move = self._again(model, loss, torch.cat([others.to(torch.int64), theirs])) - rest
        norm = float(move.norm())
        score = float((noisy - rest) @ move) / norm if norm > 0 else 0.0
        return inside, norm, score
