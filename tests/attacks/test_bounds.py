from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from dpsynth.attacks.bounds import (
    Errors,
    bayesian_estimate,
    best_threshold,
    curve_p_value,
    epsilon_bound,
    errors_at,
    mu_bound,
    rate_bounds,
    violates,
)
from dpsynth.attacks.discriminant import fit_discriminant, single_feature
from dpsynth.attacks.trade_off import caps, from_deltas, gaussian, gaussian_delta, mu_at

DELTA = 1e-5
MU = {0.5: 0.142, 1: 0.268, 2: 0.502, 4: 0.925, 8: 1.666}


@pytest.mark.parametrize(
    ("fits", "ceiling"),
    [(100, 3.28), (200, 3.98), (400, 4.68), (500, 4.91), (1000, 5.60), (2000, 6.29), (5000, 7.21)],
)
def test_a_perfect_attack_proves_no_more_than_the_published_ceiling(fits, ceiling) -> None:
    assert epsilon_bound(Errors(0, fits, 0, fits), 0.0, 0.05) == pytest.approx(ceiling, abs=0.005)


@pytest.mark.parametrize(("epsilon", "mu"), MU.items())
def test_mu_of_a_claim_equals_the_published_table(epsilon, mu) -> None:
    assert mu_at(epsilon, DELTA) == pytest.approx(mu, abs=6e-4)
    assert gaussian_delta(epsilon, mu_at(epsilon, DELTA)) == pytest.approx(DELTA, rel=1e-6)


@pytest.mark.parametrize(
    ("epsilon", "auc", "tpr", "advantage"),
    [
        (0.5, 0.540, 0.014, 0.057),
        (1, 0.575, 0.020, 0.107),
        (2, 0.639, 0.034, 0.198),
        (4, 0.743, 0.081, 0.356),
        (8, 0.881, 0.255, 0.595),
    ],
)
def test_caps_of_a_claim_equal_the_published_table(epsilon, auc, tpr, advantage) -> None:
    found = caps(gaussian(mu_at(epsilon, DELTA)))
    assert found.auc == pytest.approx(auc, abs=6e-4)
    assert found.tpr == pytest.approx(tpr, abs=6e-4)
    assert found.advantage == pytest.approx(advantage, abs=6e-4)


def test_caps_of_pure_dp_equal_the_closed_forms() -> None:
    odds = math.e
    found = caps(from_deltas(np.array([1.0]), np.array([0.0])))
    assert found.advantage == pytest.approx((odds - 1) / (odds + 1), abs=1e-4)
    assert found.tpr == pytest.approx(0.01 * odds, abs=1e-9)


def test_the_curve_of_many_deltas_of_a_gaussian_is_the_gaussian_curve() -> None:
    epsilons = np.linspace(0, 12, 4000)
    deltas = np.array([gaussian_delta(float(epsilon), 0.925) for epsilon in epsilons])
    alarms = np.linspace(0.001, 0.999, 200)
    assert np.abs(from_deltas(epsilons, deltas)(alarms) - gaussian(0.925)(alarms)).max() < 1e-5


def test_a_curve_needs_its_pairs() -> None:
    for epsilons, deltas in (([], []), ([1.0], []), ([-1.0], [0.0])):
        with pytest.raises(ValueError, match="deltas"):
            from_deltas(np.array(epsilons), np.array(deltas))


def test_rate_bounds_cover_both_rates_together() -> None:
    rng, wrong = np.random.default_rng(1), 0
    for _ in range(2000):
        errors = Errors(int(rng.binomial(100, 0.1)), 100, int(rng.binomial(100, 0.4)), 100)
        u, v = rate_bounds(errors, 0.05)
        wrong += u < 0.1 or v < 0.4
    assert wrong <= 0.05 * 2000
    assert rate_bounds(Errors(7, 7, 0, 0), 0.05) == (1.0, 1.0)


def test_the_p_value_is_the_least_level_that_refutes() -> None:
    errors, curve = Errors(3, 200, 100, 200), gaussian(0.3)
    p = curve_p_value(errors, curve)
    assert violates(errors, curve, p * 1.01)
    assert not violates(errors, curve, p * 0.99)
    assert curve_p_value(Errors(100, 200, 100, 200), curve) == 1.0
    assert curve_p_value(Errors(0, 5000, 0, 5000), curve) == 1e-15


@pytest.mark.parametrize(
    ("epsilon", "fits", "by_mu", "by_epsilon"),
    [(1, 1000, 0.39, 0.13), (2, 1000, 1.30, 0.50), (4, 500, 2.86, 1.06), (8, 500, 6.56, 2.28)],
)
def test_bounds_of_the_optimal_attack_equal_the_published_medians(epsilon, fits, by_mu, by_epsilon) -> None:
    """Table 2.5 A: the Gaussian bound at the middle, the other at the threshold that is best for it."""
    rng, mu = np.random.default_rng(2), mu_at(epsilon, DELTA)
    low_alarms = mu / 2 + np.linspace(0, 3, 13)
    gaussians, points = [], []
    for _ in range(200):
        inside, outside = rng.normal(mu, 1, fits), rng.normal(0, 1, fits)
        gaussians.append(_epsilon(mu_bound(errors_at(inside, outside, mu / 2), 0.05)))
        points.append([epsilon_bound(errors_at(inside, outside, t), DELTA, 0.05) for t in low_alarms])
    assert np.median(gaussians) == pytest.approx(by_mu, abs=0.12 + 0.02 * epsilon)
    assert np.median(points, axis=0).max() == pytest.approx(by_epsilon, abs=0.08 + 0.03 * epsilon)


def _epsilon(mu: float) -> float:
    if mu <= 0 or gaussian_delta(0.0, mu) <= DELTA:
        return 0.0
    grid = np.linspace(0, 20, 4001)
    deltas = special.ndtr(-grid / mu + mu / 2) - np.exp(grid + special.log_ndtr(-grid / mu - mu / 2))
    return float(grid[np.argmax(deltas <= DELTA)])


def test_the_bayesian_estimate_is_tighter_than_the_bound_as_published() -> None:
    assert bayesian_estimate(Errors(0, 100, 0, 100), 0.0, 0.05) == pytest.approx(4.90, abs=0.01)
    wrong = round(500 / (1 + math.exp(2)))
    randomized = Errors(wrong, 500, wrong, 500)
    assert bayesian_estimate(randomized, 0.0, 0.05) == pytest.approx(1.88, abs=0.01)
    assert epsilon_bound(randomized, 0.0, 0.05) == pytest.approx(1.72, abs=0.01)


def test_the_bayesian_estimate_is_no_bound() -> None:
    """Tight randomized response: the published false-alarm rate at 5 % is 13 to 16 %."""
    rng, alarms = np.random.default_rng(3), 0
    chance = 1 / (1 + math.e)
    for _ in range(400):
        errors = Errors(int(rng.binomial(300, chance)), 300, int(rng.binomial(300, chance)), 300)
        alarms += bayesian_estimate(errors, 0.0, 0.05, points=150) > 1.0
    assert 0.08 < alarms / 400 < 0.20


def test_the_best_threshold_of_the_same_scores_accuses_the_innocent() -> None:
    """The counter-example of section 2.6: Laplace noise, tight at every threshold, nominal 5 %."""
    rng, claim = np.random.default_rng(4), from_deltas(np.array([1.0]), np.array([0.0]))
    tries, fits, same, validated = 400, 1000, 0, 0
    # By number of errors: the upper bound of their rate, so that every threshold can be tried.
    upper = np.array([rate_bounds(Errors(count, fits, 0, fits), 0.05)[0] for count in range(fits + 1)])
    for _ in range(tries):
        inside, outside = rng.laplace(1, 1, fits), rng.laplace(0, 1, fits)
        every = np.concatenate([inside, outside])
        u = upper[fits - np.searchsorted(np.sort(outside), every, side="right")]
        v = upper[np.searchsorted(np.sort(inside), every, side="right")]
        with np.errstate(divide="ignore"):
            same += max(np.log((1 - v) / u).max(), np.log((1 - u) / v).max()) > 1.0
        half = fits // 2
        threshold, _ = best_threshold(inside[:half], outside[:half], claim, 0.05)
        validated += violates(errors_at(inside[half:], outside[half:], threshold), claim, 0.05)
    assert same / tries > 0.06, "the maximum over thresholds is expected to break its level"
    assert validated / tries < 0.02
    print(f"false alarms at 5 %: same scores {same / tries:.3f}, validation split {validated / tries:.3f}")


def test_a_threshold_between_separated_scores_lies_in_the_middle() -> None:
    inside, outside = np.full(50, 10.0), np.zeros(50)
    threshold, beyond = best_threshold(inside, outside, gaussian(0.3), 0.001)
    assert threshold == 5.0
    assert beyond > 0
    assert best_threshold(np.ones(4), np.ones(4), gaussian(0.3), 0.001)[1] < 0


def test_scores_learn_what_separates_and_leave_what_never_changes() -> None:
    rng = np.random.default_rng(5)
    inside, outside = rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
    inside[:, 2] += 1.5
    inside[:, 3] = outside[:, 3] = 7.0
    linear, single = fit_discriminant(inside, outside), single_feature(-inside, -outside)
    assert abs(linear.weights[2]) > 5 * np.abs(linear.weights[:2]).max()
    assert linear.weights[3] == 0.0
    assert single.weights.tolist() == [0.0, 0.0, -1.0, 0.0]
    flat = fit_discriminant(np.ones((5, 2)), np.ones((5, 2)))
    assert flat(np.ones((3, 2))).tolist() == [0.0, 0.0, 0.0]
