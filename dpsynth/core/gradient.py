"""What DP-SGD asks of the Curator: a frozen plan, and noisy sums of clipped gradients.

The model and the loss that are handed over run inside the curator, on rows: what they answer is clipped and
noised, what they might do besides is not prevented. Policies allow synthesizers by name and version for that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # torch is an extra: only those who train need it
    from torch import Tensor, nn

    PerExampleLoss = Callable[[nn.Module, Tensor], Tensor]

__all__ = ["GradientPlan", "GradientSource"]


@dataclass(frozen=True)
class GradientPlan:
    """Public facts of one DP-SGD training; nothing in it depends on rows or on how many there are.

    Attributes:
        rate: chance of each unit to be in a step's sample, independently (0 < rate <= 1).
        clip: the most that one unit adds to a step's gradient sum, L2 over all parameters (> 0).
        sigma: noise multiplier: noise standard deviation divided by ``clip`` (> 0).
        steps: number of steps, all paid for before the first (>= 1).

    Raises ValueError for anything else.
    """

    rate: float
    clip: float
    sigma: float
    steps: int

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1:
            raise ValueError("rate must be a probability above 0")
        if not (math.isfinite(self.clip) and self.clip > 0 and math.isfinite(self.sigma) and self.sigma > 0):
            raise ValueError("clip and sigma must be finite and positive")
        if self.steps < 1 or self.steps != int(self.steps):
            raise ValueError("steps must be a whole number of at least 1")


class GradientSource(Protocol):
    """A training that is paid for in full: each step may be asked for once, with any weights."""

    @property
    def left(self) -> int:
        """Steps that have not been asked for."""

    def step(self, model: nn.Module, loss: PerExampleLoss) -> list[Tensor]:
        """Noisy sum of the clipped gradients of a fresh Poisson sample.

        Args:
            model: its parameters that require gradients are trained; their ``grad`` is left alone.
            loss: called with the model and codes of the public domain, int64, shape (examples, columns);
                answers one number for each example, which must not depend on other examples.

        Returns one tensor for each trained parameter, in the order of ``model.parameters()``: a *sum* over
        the sample, which may be empty. Divide it by an expected batch size that is public or paid for.
        Raises BudgetExceeded after the last step; BadInput for a model or a loss that cannot be clipped for
        each example.
        """
