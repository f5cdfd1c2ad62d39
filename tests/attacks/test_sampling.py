"""Who was in which sample: exact laws, their level, and what gives shuffling away."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from dpsynth.attacks.gradient_game import Game, game_bounds, game_p_values, smallest_shift
from dpsynth.attacks.sampling import (
    binomial_scores,
    hypergeometric_scores,
    mean_test,
    most_alike,
    overlap_scores,
    range_p_value,
    spread_test,
)

STEPS, UNITS, RATE = 200, 300, 0.05


def shuffled(rng, steps=STEPS, units=UNITS, size=15):
    coins, left = np.zeros((steps, units), dtype=bool), np.zeros(0, dtype=np.int64)
    for row in coins:
        if len(left) < size:
            left = rng.permutation(units)
        row[left[:size]], left = True, left[size:]
    return coins


@pytest.mark.parametrize("rate", [0.002, 0.05, 0.5])
def test_scores_of_counts_are_standard_normal(rate) -> None:
    rng = np.random.default_rng(3)
    drawn = binomial_scores(rng.binomial(UNITS, rate, 20_000), UNITS, rate, rng)
    assert stats.kstest(drawn, "norm").pvalue > 1e-3
    marked, sizes = rng.integers(1, 100, 20_000), rng.integers(1, 100, 20_000)
    hits = rng.hypergeometric(marked, UNITS - marked, sizes)
    assert stats.kstest(hypergeometric_scores(hits, UNITS, marked, sizes, rng), "norm").pvalue > 1e-3


def test_overlaps_of_independent_samples_are_standard_normal_and_independent() -> None:
    rng = np.random.default_rng(4)
    scores = overlap_scores(rng.random((4000, UNITS)) < RATE, 1, rng)
    assert stats.kstest(scores, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(scores[1:], scores[:-1])[0, 1]) < 0.06


def test_the_chance_of_a_range_is_that_of_all_outcomes_added_up() -> None:
    trials, rate = 4, 0.3
    mass = stats.binom(trials, rate).pmf(np.arange(trials + 1))
    for sizes in ([2, 2, 2], [1, 2, 2], [0, 4, 1]):
        reach = max(sizes) - min(sizes)
        expected = sum(
            mass[list(outcome)].prod()
            for outcome in product(range(trials + 1), repeat=3)
            if max(outcome) - min(outcome) <= reach
        )
        assert range_p_value(np.array(sizes), trials, rate) == pytest.approx(expected, rel=1e-12)


def test_batches_of_one_size_without_repeats_are_seen_by_every_test_of_their_kind() -> None:
    rng = np.random.default_rng(5)
    coins = shuffled(rng)
    sizes, drawn = coins.sum(axis=1), coins.sum(axis=0)
    assert range_p_value(sizes, UNITS, RATE) < 1e-100
    assert spread_test("", binomial_scores(sizes, UNITS, RATE, rng)).p < 1e-20
    assert spread_test("", binomial_scores(drawn, STEPS, RATE, rng)).p < 1e-20
    assert mean_test("", overlap_scores(coins, 1, rng)).p < 1e-9


def test_the_same_people_together_again_are_seen_though_sizes_vary() -> None:
    rng = np.random.default_rng(6)
    poisson = rng.random((STEPS, UNITS)) < RATE
    again = np.concatenate([poisson[:150], poisson[:50]])
    assert most_alike(poisson) > 1e-3
    assert most_alike(again) < 1e-12


def game(rng, noise=1.0, rate=0.05, shift=0.7, steps=400):
    coins = rng.random(steps) < rate
    scores = rng.normal(0, noise, 2 * steps)
    scores[:steps] += coins * shift
    inside = np.append(coins, np.zeros(steps, dtype=bool))
    return Game(scores[inside], scores[~inside], steps, 0.05, 0.7)


def test_p_values_of_a_game_as_declared_keep_their_level() -> None:
    rng = np.random.default_rng(7)
    played = [game_p_values(game(rng)) for _ in range(2000)]
    for name in played[0]:
        assert np.mean([one[name] <= 0.05 for one in played]) <= 0.065


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        ({"noise": 0.5}, "less noise"),
        ({"noise": 2.0}, "more noise"),
        ({"rate": 0.2}, "sampled more often"),
        ({"rate": 0.002}, "sampled less often"),
        ({"shift": 3.0}, "larger shift"),
    ],
)
def test_each_departure_from_what_was_declared_is_refuted_by_its_own_name(broken, name) -> None:
    p = game_p_values(game(np.random.default_rng(8), **broken))
    assert p[name] < 1e-4
    assert min(p, key=p.__getitem__) == name or name == "larger shift"


def test_the_bounds_hold_together_as_often_as_promised() -> None:
    rng = np.random.default_rng(9)
    held = 0
    for _ in range(500):
        found = game_bounds(game(rng), 0.05)
        held += found.noise_low <= 1 <= found.noise_high and found.rate_low <= 0.05 and found.shift_low <= 0.7
    assert held >= 0.93 * 500


def test_the_printed_smallest_shift_is_found_nine_times_in_ten() -> None:
    rng, hits, level = np.random.default_rng(10), 20, 1e-4
    shift = smallest_shift(hits, 0.7, level, 0.9)
    means = rng.normal(shift, 1.0, size=(4000, hits)).sum(axis=1)
    assert 0.88 <= np.mean(stats.norm.sf((means - hits * 0.7) / np.sqrt(hits)) < level) <= 0.92
