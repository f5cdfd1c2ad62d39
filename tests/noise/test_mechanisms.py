"""Noise promises: exact scale (neither too little nor too much), honest choices, OS entropy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dpsynth.core.curator import Candidate
from dpsynth.mechanisms.marginal import MarginalMechanism
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.mechanisms.select import SelectMechanism, checked_estimate

LEVEL = 1e-9


def _variance_p(residuals: np.ndarray, scale: float) -> float:
    total = float((residuals**2).sum()) / scale**2
    below = stats.chi2.cdf(total, len(residuals))
    return 2 * min(below, 1 - below)


def test_gaussian_noise_has_the_declared_scale_and_a_tenth_less_or_more_is_rejected() -> None:
    mechanism = MarginalMechanism(("a",), 8.0, 1.0)
    answer = mechanism.release(np.zeros(20_000, dtype=np.int64), OpenDPNoise())
    assert _variance_p(answer.values, answer.sigma) > LEVEL
    assert _variance_p(answer.values, answer.sigma * 0.9) < LEVEL
    assert _variance_p(answer.values, answer.sigma * 1.1) < LEVEL
    assert (answer.values == np.rint(answer.values)).all()


@pytest.mark.parametrize("sensitivity", [1.0, math.sqrt(2.0), 3.0])
def test_the_event_never_understates_the_noise_that_was_drawn(sensitivity: float) -> None:
    mechanism = MarginalMechanism((), 7.3, sensitivity)
    assert mechanism.scale >= mechanism.event.sigma * sensitivity


def test_two_draws_of_the_same_mechanism_differ_and_no_numpy_seed_reaches_them() -> None:
    draws = []
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002 - the very call that must not matter
        draws.append(OpenDPNoise().gaussian(np.zeros(50, dtype=np.int64), 20.0))
    assert not np.array_equal(draws[0], draws[1])


def test_the_operating_system_generator_takes_no_seed_and_never_repeats() -> None:
    assert os_generator().integers(2**63) != os_generator().integers(2**63)


def lattice(rows: float) -> int:
    return round(rows * 1024)


def test_choices_follow_the_exponential_mechanism_at_the_declared_epsilon() -> None:
    candidates = (Candidate(("a",), 1.0, 0.0), Candidate(("b",), 1.0, 0.0))
    mechanism = SelectMechanism(candidates, 1.0, 1)
    noise, scores = OpenDPNoise(), mechanism.scores([lattice(4), lattice(1)])
    trials = 3000
    wins = sum(mechanism.release(scores, noise) == 0 for _ in range(trials))
    expected = 1 / (1 + math.exp(-(4.0 - 1.0) * 1.0 / 2))
    assert stats.binomtest(wins, trials, expected).pvalue > 1e-6
    # A "monotone" shortcut halves the noise: it would win this often, and must be told apart.
    assert stats.binomtest(wins, trials, 1 / (1 + math.exp(-3.0))).pvalue < 1e-6


def test_scores_are_weighted_offset_errors_in_exact_integers() -> None:
    mechanism = SelectMechanism((Candidate(("a",), 2.0, 1.0), Candidate(("b",), 0.5, 0.0)), 1.0, 2)
    assert mechanism.scores([lattice(5), lattice(4)]).tolist() == [4 * 2**26, 2**26]
    assert mechanism.sensitivity == 2 * 2**26


@given(
    st.lists(st.integers(0, 50), min_size=3, max_size=3),
    st.lists(st.floats(-(2.0**38), 2.0**38), min_size=3, max_size=3),
    st.lists(st.tuples(st.floats(0, 2.0**40), st.floats(-(2.0**40), 2.0**40)), min_size=2, max_size=4),
    st.integers(0, 2),
)
def test_one_row_moves_no_score_by_more_than_declared_whatever_the_public_inputs(
    counts: list[int], estimate: list[float], facts: list[tuple[float, float]], cell: int
) -> None:
    candidates = tuple(Candidate((str(i),), weight, offset) for i, (weight, offset) in enumerate(facts))
    mechanism = SelectMechanism(candidates, 1.0, 1)
    guess = checked_estimate(np.array(estimate), 3)
    more = np.array(counts)
    more[cell] += 1
    one, two = (
        mechanism.scores([mechanism.l1_error(table, guess)] * len(candidates))
        for table in (np.array(counts), more)
    )
    assert all(abs(int(a) - int(b)) <= mechanism.sensitivity for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("value", [math.nan, math.inf, 2.0**41, -(2.0**60)])
def test_estimates_offsets_and_weights_that_could_overflow_do_not_construct(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        checked_estimate(np.array([value, 0.0]), 2)
    with pytest.raises(ValueError, match="finite"):
        SelectMechanism((Candidate(("a",), 1.0, value),), 1.0, 1)
    with pytest.raises(ValueError, match="finite"):
        SelectMechanism((Candidate(("a",), value, 0.0),), 1.0, 1)


def test_a_choice_needs_candidates() -> None:
    with pytest.raises(ValueError, match="at least one"):
        SelectMechanism((), 1.0, 1)
