from __future__ import annotations

import math

import numpy as np
import pytest

from dpsynth.attacks.one_run import coin_guesses, epsilon_lower_bound, one_run_p_value, smallest_flagging


@pytest.mark.parametrize(
    ("m", "r", "v", "delta", "bound"),
    [(1000, 100, 75, 1e-4, 0.673), (100_000, 1510, 1439, 1e-5, 2.675)],
)
def test_bound_equals_the_published_numbers(m: int, r: int, v: int, delta: float, bound: float) -> None:
    assert epsilon_lower_bound(m, r, v, delta, 0.05) == pytest.approx(bound, abs=1.1e-3)


def test_p_value_equals_the_published_number_without_delta() -> None:
    assert one_run_p_value(100, 100, 75, math.log(3), 0.0) == pytest.approx(0.553, abs=5e-4)


@pytest.mark.parametrize(("epsilon", "right"), [(1.0, 308), (2.0, 364), (4.0, 398)])
def test_two_thousand_coins_refute_a_claim_from_the_documented_number_of_right_guesses(
    epsilon: float, right: int
) -> None:
    assert smallest_flagging(2000, 400, epsilon, 1e-5, 0.05) == right


def test_a_claim_too_large_to_refute_is_said_to_be_so() -> None:
    assert smallest_flagging(400, 40, 8.0, 1e-5, 0.05) is None
    assert smallest_flagging(400, 0, 0.1, 1e-5, 0.05) is None


def test_delta_only_weakens_the_bound() -> None:
    assert epsilon_lower_bound(1000, 200, 180, 1e-3, 0.05) < epsilon_lower_bound(1000, 200, 180, 0.0, 0.05)


def test_counts_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="right guesses"):
        one_run_p_value(10, 5, 6, 1.0, 0.0)


def test_randomized_response_is_not_accused_more_often_than_five_percent() -> None:
    rng = np.random.default_rng(3)
    right = rng.binomial(200, 1 / (1 + math.exp(-1.0)), size=400)
    bounds = {v: epsilon_lower_bound(200, 200, int(v), 0.0, 0.05) for v in set(right.tolist())}
    assert np.mean([bounds[v] > 1.0 for v in right.tolist()]) <= 0.075


def test_tied_scores_carry_no_information_about_the_order_of_the_list() -> None:
    rng = np.random.default_rng(3)
    first_half = [int((coin_guesses(np.zeros(100), 40, rng)[:50] == 1).sum()) for _ in range(200)]
    assert np.mean(first_half) == pytest.approx(10, abs=0.6)


def test_high_scores_are_guessed_in_and_low_scores_out() -> None:
    guesses = coin_guesses(np.array([5.0, 1.0, 3.0, 4.0]), 2, np.random.default_rng(3))
    assert guesses.tolist() == [1, -1, 0, 0]
