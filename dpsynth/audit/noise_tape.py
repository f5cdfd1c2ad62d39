"""The noise of one run as a value that another process can send back, and how alike that of two runs is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from dpsynth.audit.door import RecordedTraining, SurrogateRun
from dpsynth.audit.gaussian import discrete_normal
from dpsynth.audit.noise_tests import NoiseTest, correlation

__all__ = ["NoiseTape", "Question", "compared", "matched", "taped"]

Question = tuple[str, tuple[str, ...], int, int]
"""Kind, columns, cells, and how often it was asked before in the same run."""

_EDGE = 1e-12
_SAME_FLOAT = 1e-4
"""More than the chance that two residuals of trainings, rounded to single precision, are the same number."""


@dataclass(frozen=True, repr=False)
class _Answer:
    """Noisy less true counts (cells,), and the same as uniforms under the declared law."""

    gaps: NDArray[np.float64]
    uniforms: NDArray[np.float64]
    sigma: float


@dataclass(frozen=True, repr=False)
class _Training:
    """Standardised residuals, one array a step; who was in each sample (steps, units); the sampling rate."""

    steps: tuple[NDArray[np.float64], ...]
    coins: NDArray[np.bool_]
    rate: float


@dataclass(frozen=True, repr=False)
class NoiseTape:
    """The noise of one run.

    Attributes:
        name: which run, for people.
        answers: of counts, by question.
        trainings: of trainings, in order.
    """

    name: str
    answers: Mapping[Question, _Answer]
    trainings: tuple[_Training, ...]


def taped(name: str, run: SurrogateRun, rng: np.random.Generator) -> NoiseTape:
    """The noise of a finished run.

    Args:
        name: of the run, for people.
        run: a finished run.
        rng: dither of the probability transform.
    """
    answers: dict[Question, _Answer] = {}
    asked: Counter[tuple[str, tuple[str, ...], int]] = Counter()
    for record in run.records:
        if record.kind == "select" or not record.sigma > 0:
            continue
        key = record.kind, record.cliques[0], len(record.noisy)
        gaps = np.rint(record.noisy - record.true)
        uniforms = discrete_normal(record.sigma).uniforms(gaps, rng)
        answers[*key, asked[key]] = _Answer(gaps, np.clip(uniforms, _EDGE, 1 - _EDGE), record.sigma)
        asked[key] += 1
    return NoiseTape(name, answers, tuple(_training(training) for training in run.trainings))


def _training(training: RecordedTraining) -> _Training:
    steps = tuple(step / training.scale for step in training.residuals)
    return _Training(steps, training.coins, training.event.rate)


def matched(one: NoiseTape, two: NoiseTape) -> int:
    """Noisy numbers that both runs drew for the same question."""
    counted = sum(len(one.answers[question].gaps) for question in one.answers.keys() & two.answers.keys())
    return counted + sum(len(left) for left, _ in _steps(one, two))


def compared(one: NoiseTape, two: NoiseTape) -> list[NoiseTest]:
    """Correlation of the noise of two runs, and how many residuals are the very same; of samples too."""
    between = f"{one.name} and {two.name}"
    shared = [question for question in one.answers if question in two.answers]
    tests = []
    if shared:
        pairs = [(one.answers[question], two.answers[question]) for question in shared]
        left, right = (np.concatenate([each.uniforms for each in side]) for side in zip(*pairs, strict=True))
        tests += [correlation(f"noise of {between}", left, right), _same_counts(between, pairs)]
    steps = _steps(one, two)
    if steps:
        left, right = (np.concatenate(side) for side in zip(*steps, strict=True))
        uniforms = (np.clip(special.ndtr(side), _EDGE, 1 - _EDGE) for side in (left, right))
        tests.append(correlation(f"training noise of {between}", *uniforms))
        tests.append(
            _poisson(
                f"equal training noise of {between}", int((left == right).sum()), _SAME_FLOAT * len(left)
            )
        )
    return tests + _same_samples(between, one, two)


def _steps(one: NoiseTape, two: NoiseTape) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    both = zip(one.trainings, two.trainings, strict=False)
    pairs = [pair for left, right in both for pair in zip(left.steps, right.steps, strict=False)]
    return [(left, right) for left, right in pairs if len(left) == len(right)]


def _same_counts(between: str, pairs: Sequence[tuple[_Answer, _Answer]]) -> NoiseTest:
    """Residuals that are the same cell by cell, against how many would be if those of an answer were mixed.

    The comparison needs no law of the noise: noise of a wrong size, or none, is no repetition.
    """
    seen, expected = 0, 0.0
    for left, right in pairs:
        values, at = np.unique(np.concatenate([left.gaps, right.gaps]), return_inverse=True)
        mine, theirs = at[: len(left.gaps)], at[len(left.gaps) :]
        counts = [np.bincount(side, minlength=len(values)) for side in (mine, theirs)]
        seen += int((mine == theirs).sum())
        expected += float(counts[0] @ counts[1]) / len(mine)
    return _mixed(f"equal noise of {between}", seen, expected)


def _mixed(name: str, seen: int, expected: float) -> NoiseTest:
    """Chernoff's bound for the cells that agree when two arrays are mixed.

    Their factorial moments are at most those of a Poisson count with the same mean, but in small arrays they
    agree in clumps, so that the Poisson tail itself would be too small.
    """
    far = expected - seen + seen * float(np.log(seen / expected)) if seen > expected else 0.0
    return NoiseTest(name, float(np.exp(-far)), True)


def _poisson(name: str, seen: int, expected: float) -> NoiseTest:
    """Upper tail; above the mean it is no lighter than that of independent trials (Hoeffding 1956)."""
    return NoiseTest(name, float(stats.poisson.sf(seen - 1, expected)) if seen > expected else 1.0, True)


def _same_samples(between: str, one: NoiseTape, two: NoiseTape) -> list[NoiseTest]:
    """Whether the units sampled at a step of one training are those of the same step of the other."""
    tests = []
    for left, right in zip(one.trainings, two.trainings, strict=False):
        steps = min(len(left.coins), len(right.coins))
        if not steps or right.rate >= 1.0:
            continue
        # Units are in ascending order; of two neighbouring tables the larger one has its first unit besides.
        units = min(left.coins.shape[1], right.coins.shape[1])
        mine, theirs = left.coins[:steps, -units:], right.coins[:steps, -units:]
        both, sampled = int((mine & theirs).sum()), int(mine.sum())
        tail = min(stats.binom.sf(both - 1, sampled, right.rate), stats.binom.cdf(both, sampled, right.rate))
        tests.append(NoiseTest(f"samples of {between}", min(1.0, 2.0 * float(tail)), True))
    return tests
