"""A diffusion over columns: a denoiser learns from rows of noisy marginals, then by DP-SGD from real ones.

A part of the budget buys marginals as :mod:`dpsynth.synthesizers.aim` chooses them. Rows of the model fitted
to them teach a denoiser (:mod:`dpsynth.neural.denoiser`; Austin et al. 2021, Hoogeboom et al. 2022) for
nothing. The rest corrects it by DP-SGD on Poisson samples of the rows (Abadi et al. 2016), each shown with
several masks (Dockhorn et al. 2023); what clipping takes away is put back from the model's rows
(:class:`dpsynth.synthesizers.denoising.Balance`). Rows are drawn by bringing back one column after another.
Sampling rate, clip, noise, steps and shares are constants or follow from the budget; the number of rows is
not used for any of them, and no step looks at how good the rows are. Weights are never published; rows are.

What it reaches on Adult (three runs each, ``make bench-gan``): mean two-way error .043, .031, .023, .015 at
epsilon 0.5, 1, 3, 10; where all of the budget goes to marginals .041, .031, .025, .018. The correction costs
at 0.5 and pays from 3 on; how much of that its further steps on the model's rows would reach without real
ones was not measured. aim's own rows have less error (.040, .027, .019, .010). The constants were set on
Adult as well; on RAND, where none was, it is .012 against .013 at epsilon 10.

Tried on Adult at epsilon 1, one run each, in a harness that is not kept: marginals for 70 % of the budget, a
denoiser taught by 2,000 steps (.0319), then corrected with the noise of the share. All weights for 30 %,
clipped at 1: .0368; biases and normalisations alone (Bu et al. 2024): .0290, without noise .0286. For 15 %
these, clipped at 0.5: .0369, at 1.5: .0305; at 0.5 with what clipping takes put back: .0295, and all weights
.0289, which was kept. A rate of 2e-3 instead of 1e-3 for biases: .0376 against .0369. Part of each gain is
that of further steps on the model's rows, which cost nothing. Shorter steps where noise drowns even a
gradient that all rows agree on: .032 and .024 at epsilon 1 and 3 (three whole runs each), dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dpsynth.core.curator import Curator, FittedModel, Plan
from dpsynth.core.domain import Domain
from dpsynth.core.table import SyntheticTable
from dpsynth.graphical.model import GraphicalModel
from dpsynth.mechanisms.rng import os_torch_generator
from dpsynth.synthesizers.aim import AIM
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
    from dpsynth.neural.denoiser import Denoiser

__all__ = ["DenoiserModel", "Diffusion"]

_TEACHING = "Train a denoiser on rows of the fitted model; that costs nothing."
_RATE, _STEPS, _CLIP = 0.02, 200, 0.5
_TEACHING_STEPS = 2_000
_HIDDEN = 256
_MOST_WIDTH = 5_000
"""One-hot places; a step holds that many numbers for each example and mask, several times."""

_POOL = 4
"""Rows drawn for each row kept: they cost a pass for each column."""


@dataclass(frozen=True)
class Diffusion:
    """Marginals teach, real rows correct; or marginals alone, to measure what the correction is worth.

    Attributes:
        training_percent: share of the budget for DP-SGD; 0: there is none.
    """

    training_percent: int = 15
    name: str = "diffusion"
    version: str = "0.1.0"

    def plan(self, domain: Domain, rho_nano: int, max_model_cells: int) -> Plan:
        """Shape and cost from public facts. Raises PolicyRefusal without budget, room or torch."""
        refuse_without_torch()
        refuse_if_too_wide(self.name, domain, _MOST_WIDTH)
        share = rho_nano * self.training_percent // 100
        counts = AIM().plan(domain, rho_nano - share, max_model_cells)
        plan = replace(counts, rho_nano=rho_nano, synthesizer=self.name, version=self.version)
        plan = replace(plan, steps=(*plan.steps, _TEACHING))
        if not self.training_percent:
            return plan
        training = training_for(_RATE, _CLIP, _STEPS, share, rho_nano)
        steps = (*plan.steps, *sampled_words(training, "the denoiser", share))
        return replace(plan, steps=steps, gradient=training, gradient_nano=share)

    def fit(self, plan: Plan, curator: Curator) -> FittedModel:
        """Marginals first, then the denoiser."""
        known = AIM().fit(replace(plan, rho_nano=plan.rho_nano - plan.gradient_nano), curator)
        if not isinstance(known, GraphicalModel):
            raise TypeError("counts are answered with a graphical model")
        return _trained(plan, curator, known)


def _trained(plan: Plan, curator: Curator, known: GraphicalModel) -> DenoiserModel:
    from dpsynth.neural.denoiser import Denoiser
    from dpsynth.neural.encoding import Encoding
    from dpsynth.synthesizers.denoising import Balance, Settings, corrected, taught

    domain, training, settings = curator.domain, plan.gradient, Settings(_TEACHING_STEPS)
    codes, encoding = rows_of(known, domain), Encoding(tuple(domain.shape))
    denoiser = Denoiser(encoding, _HIDDEN, encoding.shares(codes)).to(codes.device)
    most = settings.steps + (training.steps if training else 0)
    counted = 1.0 - plan.gradient_nano / plan.rho_nano
    tell = teller(curator, "training on rows of the marginals", 0, most, counted)
    taught(denoiser, codes, settings, os_torch_generator(), tell)
    if training is not None:
        tell = teller(curator, "training on rows", settings.steps, most, 1.0)
        expected = max(training.rate * known.total, 1.0)
        balance = Balance(codes, training.clip, settings, os_torch_generator())
        corrected(denoiser, curator.gradient(training), balance, settings, expected, tell)
    return DenoiserModel(domain, denoiser.eval().cpu(), known.total)


@dataclass(frozen=True)
class DenoiserModel:
    """A trained denoiser; what is asked of it is post-processing.

    Attributes:
        domain: the public domain.
        denoiser: rows with gaps to logits; stays in the run.
        total: estimated number of rows.
    """

    domain: Domain
    denoiser: Denoiser
    total: float

    def sample(self, rows: int, rng: np.random.Generator) -> SyntheticTable:
        """``rows`` (>= 0) rows: a pool is drawn and thinned to its own marginals."""
        from dpsynth.neural.denoiser import drawn_rows

        return pooled(lambda many: drawn_rows(self.denoiser, many, rng), self.domain, rows, rng, _POOL)
