"""How a denoiser learns: freely from rows of a fitted model, then by DP-SGD from real ones.

Only the second part touches people, through sums that the curator clips for each example and noises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dpsynth.core.gradient import GradientSource
from dpsynth.mechanisms.clipping import BookKeeping, trained
from dpsynth.mechanisms.rng import os_torch_generator
from dpsynth.neural.denoiser import Denoiser, Masks, hidden_loss

__all__ = ["Balance", "Settings", "ShownLoss", "corrected", "taught"]


@dataclass(frozen=True)
class Settings:
    """Public constants of a training; none of them is chosen on the rows of a run.

    Attributes:
        steps: steps on rows of the fitted model.
        batch: rows of the fitted model in a step.
        rate: learning rate of Adam there; it falls to a hundredth.
        corrected_rate: learning rate of Adam for DP-SGD; it falls to a tenth.
        masks: how often an example of DP-SGD is shown, its gradients added before they are clipped.
        average: how much of the averaged weights stays at each step.
    """

    steps: int
    batch: int = 500
    rate: float = 4e-3
    corrected_rate: float = 3e-4
    masks: int = 2
    average: float = 0.98


def taught(
    denoiser: Denoiser,
    codes: Tensor,
    settings: Settings,
    noise: torch.Generator,
    tell: Callable[[int], None],
) -> None:
    """Train all weights on rows that cost nothing more; codes: int64, (rows >= 1, columns)."""
    descent = torch.optim.Adam(denoiser.parameters(), settings.rate, betas=(0.9, 0.99))
    for step in range(settings.steps):
        tell(step)
        _set_rate(descent, settings.rate * (1.0 - 0.99 * step / settings.steps))
        rows = codes[torch.randint(len(codes), (settings.batch,), generator=noise)]
        descent.zero_grad()
        masks = Masks.drawn(codes.shape[1], 1, noise)
        # Nobody audits this loss; where few rows differ, shared masks would make steps all of one kind.
        salt = torch.randint(1_000_000, (len(rows), 1), generator=noise)
        hidden_loss(denoiser, rows, masks, salt).mean().backward()  # type: ignore[no-untyped-call]
        descent.step()


def corrected(
    denoiser: Denoiser,
    source: GradientSource,
    balance: Balance,
    settings: Settings,
    expected: float,
    tell: Callable[[int], None],
) -> None:
    """All steps that were paid for; the weights end as their running average.

    Args:
        denoiser: trained before.
        source: the training, paid for in full.
        balance: what clipping takes away from rows like the real ones.
        settings: public constants.
        expected: rows of a sample on average, by a noisy count.
        tell: a listener.
    """
    weights, steps = trained(denoiser), source.left
    averaged = [weight.detach().clone() for weight in weights]
    descent = torch.optim.Adam(weights, settings.corrected_rate)
    loss = ShownLoss(settings.masks, os_torch_generator())
    for step in range(steps):
        tell(step)
        loss.renew()
        _set_rate(descent, settings.corrected_rate * (1.0 - 0.9 * step / steps))
        real, lost = source.step(denoiser, loss), balance.lost(denoiser)
        for weight, one, other in zip(weights, real, lost, strict=True):
            weight.grad = one / expected + other
        descent.step()
        for kept, weight in zip(averaged, weights, strict=True):
            kept.lerp_(weight.detach(), 1.0 - settings.average)
    with torch.no_grad():
        for kept, weight in zip(averaged, weights, strict=True):
            weight.copy_(kept)


class Balance:
    """What clipping takes from the mean gradient, by rows of the fitted model.

    Rare rows have large gradients, so that clipped sums forget them. Added to a clipped mean over real rows,
    this leaves the gradient over the model's rows whole, and clips only what real rows differ by (a control
    variate, as in Johnson & Zhang 2013). It depends on noisy answers and on weights alone.
    """

    def __init__(self, codes: Tensor, clip: float, settings: Settings, noise: torch.Generator) -> None:
        """Codes: int64, (rows >= 1, columns); clip: what one real row adds at most."""
        self._codes, self._clip, self._batch, self._noise = codes, clip, settings.batch, noise
        self._loss, self._engine = ShownLoss(settings.masks, noise), BookKeeping()

    def lost(self, denoiser: Denoiser) -> list[Tensor]:
        """Mean gradient less mean clipped gradient, of the same rows with the same masks."""
        rows = self._codes[torch.randint(len(self._codes), (self._batch,), generator=self._noise)]
        self._loss.renew()
        clipped = self._engine.clipped_sum(denoiser, self._loss, rows, self._clip)
        whole = torch.autograd.grad(self._loss(denoiser, rows).sum(), trained(denoiser))
        return [(one - other) / len(rows) for one, other in zip(whole, clipped, strict=True)]


class ShownLoss:
    """The loss of an example, as training by DP-SGD asks for it: see :func:`hidden_loss`.

    Until it is renewed it is one function: the same row has the same masks and the same loss.
    """

    def __init__(self, shown: int, generator: torch.Generator) -> None:
        """Shown: how often each example is shown; generator: source of the masks, never of noise."""
        self._shown, self._generator = shown, generator
        self._masks: Masks | None = None

    def renew(self) -> None:
        """Other masks from now on."""
        self._masks = None

    def __call__(self, denoiser: nn.Module, codes: Tensor) -> Tensor:
        """Losses (examples,) of codes (examples, columns). Raises TypeError for another model."""
        if not isinstance(denoiser, Denoiser):
            raise TypeError("this loss is a denoiser's")
        if self._masks is None:
            self._masks = Masks.drawn(codes.shape[1], self._shown, self._generator)
        return hidden_loss(denoiser, codes, self._masks)


def _set_rate(descent: torch.optim.Optimizer, rate: float) -> None:
    for group in descent.param_groups:
        group["lr"] = rate
