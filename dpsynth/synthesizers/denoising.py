"""How a denoiser learns: freely from rows of a fitted model, then by DP-SGD from real ones.

Only the second part touches people, through sums that the curator clips for each example and noises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dpsynth.core.gradient import GradientSource
from dpsynth.mechanisms.clipping import trained
from dpsynth.neural.denoiser import Denoiser, hidden_loss

__all__ = ["Settings", "corrected", "taught"]


@dataclass(frozen=True)
class Settings:
    """Public constants of a training; none of them is chosen on the rows of a run.

    Attributes:
        steps: steps on rows of the fitted model.
        batch: rows of such a step.
        rate: learning rate of Adam there; it falls to a hundredth.
        corrected_rate: learning rate of Adam for DP-SGD; it falls to a tenth.
        masks: how often an example of DP-SGD is shown, its gradients added before they are clipped.
        average: how much of the averaged weights stays at each step.
    """

    steps: int
    batch: int = 500
    rate: float = 4e-3
    corrected_rate: float = 1e-3
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
        hidden_loss(denoiser, rows, 1, noise).mean().backward()  # type: ignore[no-untyped-call]
        descent.step()


def corrected(
    denoiser: Denoiser,
    source: GradientSource,
    settings: Settings,
    expected: float,
    masks: torch.Generator,
    tell: Callable[[int], None],
) -> None:
    """All steps that were paid for, on biases and normalisations; they end as their running average.

    Noise grows with the number of weights that learn, and these are one in a hundred (Bu et al. 2024,
    bias-term fine-tuning).

    Args:
        denoiser: trained before.
        source: the training, paid for in full.
        settings: public constants.
        expected: rows of a sample on average, by a noisy count.
        masks: used for real rows alone: how far it has run tells how many they were.
        tell: a listener.
    """
    _freeze(denoiser)
    weights = trained(denoiser)
    averaged = [weight.detach().clone() for weight in weights]
    descent = torch.optim.Adam(weights, settings.corrected_rate)
    loss, steps = _Loss(settings.masks, masks), source.left
    for step in range(steps):
        tell(step)
        _set_rate(descent, settings.corrected_rate * (1.0 - 0.9 * step / steps))
        for weight, found in zip(weights, source.step(denoiser, loss), strict=True):
            weight.grad = found / expected
        descent.step()
        for kept, weight in zip(averaged, weights, strict=True):
            kept.lerp_(weight.detach(), 1.0 - settings.average)
    with torch.no_grad():
        for kept, weight in zip(averaged, weights, strict=True):
            weight.copy_(kept)


@dataclass(frozen=True)
class _Loss:
    masks: int
    generator: torch.Generator

    def __call__(self, denoiser: nn.Module, codes: Tensor) -> Tensor:
        if not isinstance(denoiser, Denoiser):
            raise TypeError("this loss is a denoiser's")
        return hidden_loss(denoiser, codes, self.masks, self.generator)


def _freeze(denoiser: Denoiser) -> None:
    for name, weight in denoiser.named_parameters():
        weight.requires_grad_(name.endswith("bias") or name.startswith("norms"))


def _set_rate(descent: torch.optim.Optimizer, rate: float) -> None:
    for group in descent.param_groups:
        group["lr"] = rate
