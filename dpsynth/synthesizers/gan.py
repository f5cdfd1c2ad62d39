"""A generative adversarial network: guided by noisy marginals, taught by a critic that learns by DP-SGD.

A part of the budget buys marginals as :mod:`dpsynth.synthesizers.aim` chooses them; the model fitted to them
guides the generator (Liu, Vietri, Wu 2021 train generators to noisy marginals alone). The rest trains a
critic on Poisson samples of the rows (Abadi et al. 2016; Xie et al. 2018), with several critic steps for each
of the generator and a running average of the generator's weights (Bie, Kamath, Zhang 2023). Sampling rate,
clip, noise, steps and shares are constants or follow from the budget; the number of rows is not used for any
of them, and no step looks at how good the rows are. Weights are never published; rows are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth.core.curator import Curator, FittedModel, Plan, Synthesizer
from dpsynth.core.domain import Domain
from dpsynth.core.gradient import GradientPlan
from dpsynth.core.table import SyntheticTable
from dpsynth.graphical.model import GraphicalModel
from dpsynth.graphical.stack import Rows
from dpsynth.mechanisms.rng import os_torch_generator
from dpsynth.synthesizers.aim import AIM
from dpsynth.synthesizers.independent import Independent
from dpsynth.synthesizers.training import (
    pooled,
    refuse_if_too_wide,
    refuse_without_torch,
    rows_of,
    sampled_words,
    teller,
    training_for,
)

if TYPE_CHECKING:
    from dpsynth.neural.networks import Generator

__all__ = ["GAN", "NeuralModel"]

_GUIDING = "Train a generator to the marginals of the fitted model; that costs nothing."
_RATE, _STEPS, _CLIP = 0.02, 800, 1.0
_GUIDED_STEPS = 600
_NOISE, _HIDDEN, _CRITIC = 32, 256, 64
_MOST_WIDTH = 5_000
"""One-hot places; the guide holds a table of that many by that many."""

_MOST_WIDER_CELLS = 20_000
"""Cells of all wider marginals that guide together."""

_AT_ONCE = 5_000


@dataclass(frozen=True)
class GAN:
    """Marginals guide, a privately trained critic corrects; or one of the two alone, to measure its worth.

    Attributes:
        critic_percent: share of the budget for the critic; 0: there is none.
        guided: False: only single columns are counted, and all else is up to the critic.
    """

    critic_percent: int = 30
    guided: bool = True
    name: str = "gan"
    version: str = "0.1.0"

    def plan(self, domain: Domain, rho_nano: int, max_model_cells: int) -> Plan:
        """Shape and cost from public facts. Raises PolicyRefusal without budget, room or torch."""
        refuse_without_torch()
        refuse_if_too_wide(self.name, domain, _MOST_WIDTH)
        share = rho_nano * self.critic_percent // 100
        plan = replace(self._counts().plan(domain, rho_nano - share, max_model_cells), rho_nano=rho_nano)
        plan = replace(plan, synthesizer=self.name, version=self.version)
        if not self.critic_percent:
            return replace(plan, steps=(*plan.steps, _GUIDING))
        training = training_for(_RATE, _CLIP, _STEPS, share, rho_nano)
        steps = (*plan.steps, *([_GUIDING] if self.guided else []), *_words(training, share))
        return replace(plan, steps=steps, gradient=training, gradient_nano=share)

    def fit(self, plan: Plan, curator: Curator) -> FittedModel:
        """Marginals first, then the game."""
        counts = replace(plan, rho_nano=plan.rho_nano - plan.gradient_nano)
        known = self._counts().fit(counts, curator)
        if not isinstance(known, GraphicalModel):
            raise TypeError("counts are answered with a graphical model")
        return _trained(self, plan, curator, known)

    def _counts(self) -> Synthesizer:
        return AIM() if self.guided else Independent()


def _words(training: GradientPlan, share: int) -> tuple[str, ...]:
    moved = "After every second step the generator moves towards what the critic takes for real."
    return (*sampled_words(training, "a critic", share), moved)


def _trained(kind: GAN, plan: Plan, curator: Curator, known: GraphicalModel) -> NeuralModel:
    from dpsynth.neural.encoding import Encoding
    from dpsynth.neural.guide import Guide
    from dpsynth.neural.networks import Generator, critic
    from dpsynth.synthesizers.adversary import Adversary, Settings, guided

    domain, noise, training = curator.domain, os_torch_generator(), plan.gradient
    settings = Settings(_GUIDED_STEPS) if kind.guided else Settings(0, hold=0.0)
    codes = rows_of(known, domain)
    guide = Guide(codes, Encoding(tuple(domain.shape)), _wider(known, domain))
    generator = Generator(guide.encoding, _NOISE, _HIDDEN, guide.one_way).to(codes.device)
    most, share = settings.guided_steps + _STEPS, plan.gradient_nano / plan.rho_nano
    guided(
        generator, guide, settings, noise, teller(curator, "training to the marginals", 0, most, 1 - share)
    )
    judge = critic(guide.encoding.width, _CRITIC).to(codes.device)
    game = Adversary(generator, judge, guide, settings, noise)
    tell = teller(curator, "training against a critic", settings.guided_steps, most, 1.0)
    if training is None:
        game.without_critic(_STEPS, tell)
    else:
        expected = max(training.rate * known.total, 1.0)
        game.play(curator.gradient(training), training.clip, expected, tell)
    return NeuralModel(domain, generator.eval().cpu(), known.total)


def _wider(known: GraphicalModel, domain: Domain) -> list[tuple[int, int, int]]:
    """Columns of the measured marginals of three, smallest first, as many as there is room for."""
    names = known.layout.names
    cliques = [[names[i] for i in ids] for ids in known.potentials if len(ids) == 3 and max(ids) < len(names)]
    kept, room = [], _MOST_WIDER_CELLS
    for clique in sorted(cliques, key=domain.size):
        room -= domain.size(clique)
        if room < 0:
            break
        one, two, three = (domain.names.index(name) for name in clique)
        kept.append((one, two, three))
    return kept


@dataclass(frozen=True)
class NeuralModel:
    """A trained generator; what is asked of it is post-processing.

    Attributes:
        domain: the public domain.
        generator: noise to logits; stays in the run.
        total: estimated number of rows.
    """

    domain: Domain
    generator: Generator
    total: float

    def sample(self, rows: int, rng: np.random.Generator) -> SyntheticTable:
        """``rows`` (>= 0) rows: a pool is drawn and thinned to its own marginals."""
        return pooled(lambda many: self._parts(many, rng), self.domain, rows, rng)

    def _parts(self, rows: int, rng: np.random.Generator) -> Rows:
        starts = range(0, rows, _AT_ONCE)
        drawn = [self._draw(min(_AT_ONCE, rows - start), rng) for start in starts]
        return np.concatenate(drawn or [self._draw(0, rng)])

    def _draw(self, rows: int, rng: np.random.Generator) -> Any:
        import torch

        from dpsynth.neural.encoding import Encoding

        encoding = Encoding(tuple(self.domain.shape))
        noise = torch.from_numpy(rng.standard_normal((rows, self.generator.noise))).float()
        uniforms = torch.from_numpy(rng.random((rows, len(self.domain.columns))))
        with torch.no_grad():
            chances = encoding.probabilities(self.generator(noise))
            return encoding.codes(chances, uniforms).numpy().astype(np.int32)
