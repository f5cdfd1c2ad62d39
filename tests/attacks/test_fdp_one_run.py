from __future__ import annotations

import numpy as np
import pytest

from dpsynth.attacks.fdp_one_run import fdp_one_run_p_value, fdp_refuted, fewest_right
from dpsynth.attacks.one_run import one_run_p_value
from dpsynth.attacks.trade_off import from_deltas, gaussian, mu_at

M, R = 1000, 100


def right_guesses(mu: float, noise: float, tries: int, seed: int) -> list[int]:
    """Independent Gaussian canaries; the highest and lowest scores are guessed."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(tries):
        coins = rng.random(M) < 0.5
        order = np.argsort(rng.normal(size=M) * noise + mu * coins)
        found.append(int(coins[order[-R // 2 :]].sum() + (~coins[order[: R // 2]]).sum()))
    return found


@pytest.mark.parametrize(("epsilon", "alarms", "power"), [(1, 0.008, 0.60), (4, 0.0007, 0.94)])
def test_false_alarms_and_power_equal_the_published_ones(epsilon, alarms, power) -> None:
    mu = mu_at(epsilon, 1e-5)
    refuted = [
        np.mean([fdp_refuted(M, R, v, gaussian(mu), 0.05) for v in right_guesses(mu, noise, 400, 6)])
        for noise in (1.0, 0.5)
    ]
    assert refuted[0] <= alarms + 0.02
    assert refuted[1] == pytest.approx(power, abs=0.08)


def test_the_whole_curve_refutes_sooner_than_its_one_point() -> None:
    mu = mu_at(4, 1e-5)
    v = int(np.median(right_guesses(mu, 0.5, 100, 7)))
    assert fdp_one_run_p_value(M, R, v, gaussian(mu)) < 0.05 < one_run_p_value(M, R, v, 4.0, 1e-5)


def test_pure_dp_by_its_curve_is_close_to_the_exact_tail() -> None:
    pure = from_deltas(np.array([1.0]), np.array([0.0]))
    exact = one_run_p_value(100, 100, 88, 1.0, 0.0)
    assert exact <= fdp_one_run_p_value(100, 100, 88, pure) < 0.05


def test_the_p_value_falls_with_right_guesses_and_is_the_least_level() -> None:
    curve = gaussian(0.3)
    values = [fdp_one_run_p_value(M, R, v, curve) for v in (50, 60, 70, 80, 100)]
    assert values == sorted(values, reverse=True)
    assert values[0] == 1.0
    p = values[3]
    assert fdp_refuted(M, R, 80, curve, p * 1.001)
    assert not fdp_refuted(M, R, 80, curve, p * 0.99)


def test_the_fewest_right_guesses_are_the_fewest() -> None:
    curve = gaussian(mu_at(1, 1e-5))
    fewest = fewest_right(M, R, curve, 0.001)
    assert fewest is not None
    assert fdp_refuted(M, R, fewest, curve, 0.001)
    assert not fdp_refuted(M, R, fewest - 1, curve, 0.001)
    assert fewest_right(20, 4, curve, 0.001) is None
    assert fewest_right(20, 0, curve, 0.001) is None
    assert not fdp_refuted(20, 0, 0, curve, 0.05)


def test_counts_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="guesses"):
        fdp_refuted(10, 4, 5, gaussian(1.0), 0.05)
