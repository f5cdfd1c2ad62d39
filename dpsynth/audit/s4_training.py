"""S4 for trainings: each step's noise is continuous, normal, of the declared scale and independent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from dpsynth.audit.door import RecordedTraining, SurrogateRun
from dpsynth.audit.noise_tests import NoiseTest, correlation, two_sided

__all__ = ["training_degrees", "training_tests"]


def training_degrees(runs: Sequence[SurrogateRun]) -> int:
    """Noisy numbers of all steps of all trainings."""
    return sum(int(training.sizes.sum()) for run in runs for training in run.trainings)


def training_tests(runs: Sequence[SurrogateRun]) -> list[NoiseTest]:
    """Size of each training and of its quietest and loudest step; shape; correlations. None for none."""
    tests: list[NoiseTest] = []
    found = [(at, t) for run in runs for at, t in enumerate(run.trainings, 1) if t.steps]
    for at, training in found:
        tests += _sizes(f"training {at}", training)
    if not found:
        return tests
    uniforms = [_uniforms(training) for _, training in found]
    whole = np.concatenate([step for training in uniforms for step in training])
    tests.append(NoiseTest("shape of training noise", float(stats.kstest(whole, "uniform").pvalue), True))
    tests.append(correlation("neighbouring parameters", whole[:-1], whole[1:]))
    within = [pair for training in uniforms for pair in pairwise(training)]
    between = [pair for one, two in pairwise(uniforms) for pair in zip(one, two, strict=False)]
    for name, pairs in (("neighbouring steps", within), ("steps of two trainings", between)):
        alike = [(one, two) for one, two in pairs if len(one) == len(two)]
        if alike:
            tests.append(correlation(name, *(np.concatenate(side) for side in zip(*alike, strict=True))))
    return tests


def _sizes(block: str, training: RecordedTraining) -> list[NoiseTest]:
    squares, sizes = training.squares / training.scale**2, training.sizes
    total, freedom = float(squares.sum()), float(sizes.sum())
    low, high = stats.chi2.cdf(squares, sizes), stats.chi2.sf(squares, sizes)
    many = len(sizes)
    return [
        two_sided(block, float(stats.chi2.cdf(total, freedom)), float(stats.chi2.sf(total, freedom))),
        NoiseTest(f"quietest step of {block}", min(1.0, float(low.min()) * many), True),
        NoiseTest(f"loudest step of {block}", min(1.0, float(high.min()) * many), False),
    ]


def _uniforms(training: RecordedTraining) -> list[NDArray[np.float64]]:
    return [np.clip(special.ndtr(r / training.scale), 1e-12, 1 - 1e-12) for r in training.residuals]
