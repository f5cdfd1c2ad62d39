"""S7, sampling test: each step's sample is Poisson's, as the accountant of DP-SGD takes it to be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dpsynth.attacks.sampling import (
    SampleTest,
    binomial_scores,
    hypergeometric_scores,
    mean_test,
    most_alike,
    overlap_scores,
    range_p_value,
    spread_test,
)
from dpsynth.audit.door import RecordedTraining, SurrogateRun
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.result import CheckResult, Outcome
from dpsynth.audit.s4_noise import detectable_ratio

__all__ = ["check_sampling"]

_LAGS = (1, 2, 3)


def check_sampling(
    runs: Sequence[SurrogateRun], columns: Sequence[str], plan: AuditPlan, rng: np.random.Generator
) -> CheckResult:
    """Compare the coins of every training with independent coins of the declared rate.

    Tests: sizes of samples (spread, exact chance of their range, mean), how often each unit was drawn, units
    shared by nearby samples, the two samples most alike, how often each code of a column was drawn, and
    samples' make-up by column; two-sided where that makes sense, Bonferroni over all trainings.

    Args:
        runs: finished fits of one configuration.
        columns: names, in the order of the domain.
        plan: level, least steps, power.
        rng: dither of the discrete laws.

    Returns:
        fail on any rejection; inconclusive on no training or one of too few steps.
    """
    found = [training for run in runs for training in run.trainings]
    tests = [test for training in found if training.steps for test in _tests(training, columns, rng)]
    rejected = list(dict.fromkeys(t.name for t in tests if t.p * len(tests) < plan.sampling_alpha))
    least = min((training.steps for training in found), default=0)
    units = min((training.coins.shape[1] for training in found if training.steps), default=0)
    outcome, plain = _judge(rejected, least, units, plan)
    level = plan.sampling_alpha / (2.0 * max(len(tests), 1))
    return CheckResult(
        id="S7",
        name="Sampling test",
        question="Was each step's sample drawn by independent coins, as the accounting assumes?",
        evidence="A",
        outcome=outcome,
        plain=plain,
        threshold=plan.sampling_alpha,
        n=sum(training.steps for training in found),
        p_value=min((min(1.0, t.p * len(tests)) for t in tests), default=None),
        could_have_found=_smallest(found, level, plan) if outcome == "pass" else "",
        details={"trainings": len(found), "steps": least, "tests": len(tests), "rejected": rejected},
    )


def _judge(rejected: list[str], least: int, units: int, plan: AuditPlan) -> tuple[Outcome, str]:
    if rejected:
        return "fail", f"Samples were not drawn by independent coins of that rate: {'; '.join(rejected)}."
    if least < plan.sampling_steps or units < 2:
        return "inconclusive", "There was no training, or one of too few steps or units to judge its samples."
    return "pass", "Samples look drawn by independent coins of the declared rate, for every unit and step."


def _tests(
    training: RecordedTraining, columns: Sequence[str], rng: np.random.Generator
) -> Iterator[SampleTest]:
    coins, rate = training.coins, training.event.rate
    steps, units = coins.shape
    if units == 0:
        return
    if rate >= 1.0:  # nothing is left to chance
        yield SampleTest("a unit was left out", 0.0 if not coins.all() else 1.0)
        return
    sizes, drawn = coins.sum(axis=1).astype(np.int64), coins.sum(axis=0).astype(np.int64)
    scores = binomial_scores(sizes, units, rate, rng)
    yield spread_test("spread of the samples' sizes", scores)
    yield SampleTest("range of the samples' sizes", range_p_value(sizes, units, rate))
    yield mean_test("mean of the samples' sizes", scores)
    yield spread_test("how often each unit was drawn", binomial_scores(drawn, steps, rate, rng))
    for lag in _LAGS:
        if steps > lag:
            name = f"units shared by samples {lag} steps apart"
            yield mean_test(name, overlap_scores(coins, lag, rng))
    yield SampleTest("the two samples most alike", most_alike(coins))
    for at, column in enumerate(columns):
        yield from _by_column(column, training.categories[:, at], coins, rate, rng)


def _by_column(
    column: str,
    codes: NDArray[np.int64],
    coins: NDArray[np.bool_],
    rate: float,
    rng: np.random.Generator,
) -> Iterator[SampleTest]:
    found, member = np.unique(codes, return_inverse=True)
    counts = np.bincount(member)
    drawn = np.bincount(member, weights=coins.sum(axis=0)).astype(np.int64)
    scores = binomial_scores(drawn, counts * len(coins), rate, rng)
    yield spread_test(f"how often each code of {column} was drawn", scores)
    if len(found) > 1:
        most = member == counts.argmax()
        hits, sizes = coins[:, most].sum(axis=1).astype(np.int64), coins.sum(axis=1).astype(np.int64)
        made = hypergeometric_scores(hits, len(member), np.full(len(coins), most.sum()), sizes, rng)
        yield spread_test(f"make-up of samples by {column}", made)


def _smallest(trainings: Sequence[RecordedTraining], level: float, plan: AuditPlan) -> str:
    """In words, for the training that shows the least."""
    steps = min(training.steps for training in trainings)
    ratio = detectable_ratio(float(steps), level, plan.noise_power)
    reach = float(stats.norm.isf(level) + stats.norm.ppf(plan.noise_power))
    shares = []
    for training in trainings:
        cells, rate = training.coins.size, training.event.rate
        shares.append(reach * math.sqrt((1.0 - rate) / (rate * cells)))
    return (
        f"sample sizes that spread less than {ratio:.0%} of what independent coins give, "
        f"a sampling rate off by {max(shares):.1%} of the declared"
    )
