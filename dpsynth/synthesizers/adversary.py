"""A generator against a critic: real rows teach the critic through noisy gradients, made rows freely.

Only the real half of the critic's loss touches people: it is clipped for each example and noised by the
curator. The made half depends on weights and on noise of the generator's own; it is clipped too, so that both
halves pull equally hard, but nothing is added to it. The generator sees the critic alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from dpsynth.core.gradient import GradientSource
from dpsynth.mechanisms.clipping import BookKeeping
from dpsynth.neural.guide import Guide
from dpsynth.neural.networks import Generator

__all__ = ["Adversary", "Settings", "guided"]


@dataclass(frozen=True)
class Settings:
    """Public constants of a training; none of them is chosen on rows.

    Attributes:
        guided_steps: steps to the guide alone.
        batch: made rows of a step.
        rate_generator, rate_critic: learning rates of Adam.
        critic_steps: critic steps for each step of the generator (Bie, Kamath, Zhang 2023).
        hold: weight of the guide; 0 where there is none.
        pull: weight of the critic beside it.
        average: how much of the averaged weights stays at each step.
    """

    guided_steps: int
    batch: int = 1000
    rate_generator: float = 2e-3
    rate_critic: float = 1e-3
    critic_steps: int = 2
    hold: float = 1.0
    pull: float = 0.5
    average: float = 0.99


def guided(
    generator: Generator,
    guide: Guide,
    settings: Settings,
    noise: torch.Generator,
    tell: Callable[[int], None],
) -> None:
    """Train the generator to the guide alone, with a learning rate that falls to a tenth."""
    steps = max(settings.guided_steps, 1)
    descent = torch.optim.Adam(generator.parameters(), settings.rate_generator, betas=(0.9, 0.99))
    falling = torch.optim.lr_scheduler.LambdaLR(descent, lambda step: 1.0 - 0.9 * step / steps)
    for step in range(settings.guided_steps):
        tell(step)
        logits = generator(torch.randn(settings.batch, generator.noise, generator=noise))
        descent.zero_grad()
        guide.loss(guide.encoding.probabilities(logits)).backward()  # type: ignore[no-untyped-call]
        descent.step()
        falling.step()


class Adversary:
    """One game: the critic, the generator and its running average."""

    def __init__(
        self,
        generator: Generator,
        critic: nn.Module,
        guide: Guide,
        settings: Settings,
        noise: torch.Generator,
    ) -> None:
        self.generator, self.critic, self.guide = generator, critic, guide
        self.settings, self._noise = settings, noise
        rates = settings.rate_critic, 0.2 * settings.rate_generator
        self._critic_descent = torch.optim.Adam(critic.parameters(), rates[0], betas=(0.5, 0.9))
        self._generator_descent = torch.optim.Adam(generator.parameters(), rates[1], betas=(0.5, 0.9))
        average = get_ema_multi_avg_fn(settings.average)  # type: ignore[no-untyped-call]
        self._averaged = AveragedModel(generator, multi_avg_fn=average)
        self._made = BookKeeping()

    def play(self, source: GradientSource, clip: float, expected: float, tell: Callable[[int], None]) -> None:
        """All steps that were paid for; the generator ends with its averaged weights.

        Args:
            clip: what one made row adds at most, as one real row does.
            expected: rows of a sample on average, by a noisy count.
        """
        done = 0
        while source.left:
            tell(done)
            done += 1
            real = source.step(self.critic, self._takes_for_made)
            made = self._made.clipped_sum(self.critic, _takes_for_real, self._rows(self.settings.batch), clip)
            for weight, one, other in zip(self.critic.parameters(), real, made, strict=True):
                weight.grad = one / expected + other / self.settings.batch
            self._critic_descent.step()
            if done % self.settings.critic_steps == 0:
                self._move(self.settings.pull)
        self.generator.load_state_dict(self._averaged.module.state_dict())

    def without_critic(self, steps: int, tell: Callable[[int], None]) -> None:
        """As many steps of the generator as a game of ``steps`` has, to the guide alone."""
        for step in range(0, steps, self.settings.critic_steps):
            tell(step)
            self._move(0.0)
        self.generator.load_state_dict(self._averaged.module.state_dict())

    def _takes_for_made(self, critic: nn.Module, codes: Tensor) -> Tensor:
        return functional.softplus(-critic(self.guide.encoding.one_hot(codes)))

    def _logits(self, rows: int) -> Tensor:
        logits: Tensor = self.generator(torch.randn(rows, self.generator.noise, generator=self._noise))
        return logits

    def _rows(self, rows: int) -> Tensor:
        with torch.no_grad():
            return self.guide.encoding.drawn(self._logits(rows), self._noise)

    def _move(self, pull: float) -> None:
        """One step of the generator: towards the guide, and to where the critic takes rows for real."""
        logits, encoding = self._logits(self.settings.batch), self.guide.encoding
        fooled = functional.softplus(-self.critic(encoding.drawn(logits, self._noise))).mean()
        held = self.guide.loss(encoding.probabilities(logits))
        loss = pull * fooled + self.settings.hold * held
        self._generator_descent.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._generator_descent.step()
        self._averaged.update_parameters(self.generator)


def _takes_for_real(critic: nn.Module, rows: Tensor) -> Tensor:
    return functional.softplus(critic(rows))
