from __future__ import annotations

import numpy as np
import pytest

from dpsynth.attacks.bounds import Errors, violates
from dpsynth.attacks.discriminant import Discriminant
from dpsynth.attacks.trade_off import gaussian, mu_at
from dpsynth.audit.games.claimed import claimed_curve, claimed_mu, epsilon_of
from dpsynth.audit.games.duel import duel, equivalent_epsilon, look_levels
from dpsynth.audit.games.power import noise_ratio_found, tell_found
from dpsynth.audit.result import Claim

RHO = 36_000_000
GAUSSIAN = Claim(RHO, "1.06", "1e-5", mu2_nano=2 * RHO)
LINE = Claim(RHO, "1.10", "1e-5")
ALPHA = 0.001
READY = [("known", Discriminant(np.array([1.0])))]


def sides(mu: float, fits: int, rng: np.random.Generator):
    return rng.normal(mu, 1, (fits, 1)), rng.normal(0, 1, (fits, 1))


def test_the_curve_of_a_claim_is_its_mu_and_else_its_line() -> None:
    alarms = np.linspace(0.001, 0.999, 99)
    mu = claimed_mu(GAUSSIAN)
    assert np.allclose(claimed_curve(GAUSSIAN)(alarms), gaussian(mu)(alarms))
    # Gaussian noise keeps to the line of its rho, so the line allows at least as much.
    assert (claimed_curve(LINE)(alarms) <= gaussian(mu)(alarms) + 1e-9).all()
    assert (claimed_curve(LINE)(alarms) > gaussian(2 * mu)(alarms)).any()


def test_a_claim_below_some_order_promises_no_more_than_at_every_order() -> None:
    alarms = np.linspace(0.001, 0.999, 99)
    every, some = claimed_curve(LINE)(alarms), claimed_curve(Claim(RHO, "1.1", "1e-5", omega=8))(alarms)
    assert (some <= every + 1e-12).all()
    assert (some < every - 1e-6).any()


def test_epsilon_along_the_curve_is_that_of_the_claim_and_grows_as_delta_falls() -> None:
    assert epsilon_of(GAUSSIAN, "1e-5") < epsilon_of(LINE, "1e-5") < epsilon_of(LINE, "1e-8")
    assert mu_at(epsilon_of(GAUSSIAN, "1e-5"), 1e-5) == pytest.approx(claimed_mu(GAUSSIAN), abs=1e-4)
    assert epsilon_of(GAUSSIAN, "1e-5", 4.0) == pytest.approx(epsilon_of(GAUSSIAN, "1e-5") * 2.05, rel=0.1)


@pytest.mark.parametrize(
    ("epsilon", "fits", "factor"), [(1, 200, 4), (1, 2000, 2), (2, 500, 2), (4, 50, 4), (4, 200, 2)]
)
def test_fits_needed_equal_the_published_table(epsilon, fits, factor) -> None:
    """Table 2.5 B at .001, up to twice too high: so many test fits a side see noise over the factor."""
    mu = mu_at(epsilon, 1e-5)
    enough, third = (
        noise_ratio_found(many, many, mu, gaussian(mu), ALPHA, 0.9) for many in (fits, fits // 3)
    )
    assert enough >= 1 / factor
    assert third is None or third < 1 / factor


@pytest.mark.parametrize(("epsilon", "fits", "tell"), [(1, 150, 0.3), (2, 300, 0.3), (1, 500, 0.1)])
def test_signs_found_equal_the_published_table(epsilon, fits, tell) -> None:
    found = tell_found(fits, fits, gaussian(mu_at(epsilon, 1e-5)), ALPHA, 0.9)
    assert found is not None
    assert 0.4 * tell < found < tell


def test_too_few_fits_find_nothing_and_say_so() -> None:
    claim = gaussian(mu_at(8, 1e-5))
    assert tell_found(10, 10, claim, ALPHA, 0.9) is None
    assert noise_ratio_found(5, 5, 1.7, claim, ALPHA, 0.9) is None
    assert not violates(Errors(0, 10, 0, 10), claim, ALPHA)


def test_what_could_have_been_found_is_found_as_often_as_said() -> None:
    rng, mu, fits = np.random.default_rng(1), claimed_mu(GAUSSIAN), 150
    ratio = noise_ratio_found(50, 50, mu, gaussian(mu), ALPHA, 0.9)
    found = [duel(*sides(mu / ratio, fits, rng), GAUSSIAN, ALPHA, ready=READY) for _ in range(60)]
    # The validated threshold misses the best one a little; 0.9 is for the best.
    assert np.mean([one.p <= ALPHA for one in found]) > 0.75


@pytest.mark.parametrize("looks", [1, 3])
def test_a_claim_that_is_kept_is_not_refuted(looks) -> None:
    """At level .05, tight at every threshold, so that false alarms would show."""
    rng, mu, alarms = np.random.default_rng(2), claimed_mu(GAUSSIAN), 0
    for _ in range(100):
        alarms += duel(*sides(mu, 150, rng), GAUSSIAN, 0.05, ready=READY, looks=looks).p <= 0.05
    assert alarms <= 5


def test_a_sign_of_any_kind_is_found() -> None:
    rng = np.random.default_rng(3)
    inside, outside = rng.normal(size=(150, 5)), rng.normal(size=(150, 5))
    inside[:, 3] = rng.random(150) < 0.8
    outside[:, 3] = 0.0
    found = duel(inside, outside, GAUSSIAN, ALPHA)
    assert found.p < ALPHA
    assert found.errors.alarms == 0


def test_too_few_fits_are_no_duel() -> None:
    assert duel(np.zeros((5, 1)), np.zeros((5, 1)), GAUSSIAN, ALPHA) is None
    assert duel(np.zeros((60, 1)), np.zeros((60, 1)), GAUSSIAN, ALPHA, fits=150) is None
    constant = duel(np.ones((30, 2)), np.ones((30, 2)), GAUSSIAN, ALPHA)
    assert constant.p == 1.0


def test_looks_share_the_level_late_ones_having_most_of_it() -> None:
    levels = look_levels(0.001, 3)
    assert sum(levels) == pytest.approx(0.001)
    assert levels[0] < levels[1] / 100 < levels[2]
    assert look_levels(0.001, 1) == pytest.approx((0.001,))


def test_an_early_look_refutes_what_is_far_beyond_the_claim_and_counts_the_looks() -> None:
    rng = np.random.default_rng(4)
    inside, outside = sides(6.0, 400, rng)
    early = duel(inside[:300], outside[:300], GAUSSIAN, ALPHA, ready=READY, fits=600, looks=3)
    assert early is None
    early = duel(inside, outside, GAUSSIAN, ALPHA, ready=READY, fits=450, looks=3)
    assert early.errors.ins == 100
    assert early.p <= ALPHA
    once = duel(inside[:350], outside[:350], GAUSSIAN, ALPHA, ready=READY, fits=350)
    assert once.p <= early.p


def test_the_equivalent_epsilon_is_that_of_the_largest_refuted_budget() -> None:
    errors = Errors(3, 1000, 400, 1000)
    assert equivalent_epsilon(Errors(50, 100, 50, 100), GAUSSIAN, ALPHA) == 0.0
    found = equivalent_epsilon(errors, GAUSSIAN, ALPHA)
    assert violates(errors, gaussian(mu_at(found, 1e-5) * 0.99), ALPHA)
    assert not violates(errors, gaussian(mu_at(found, 1e-5) * 1.01), ALPHA)
    assert equivalent_epsilon(errors, LINE, ALPHA) > 0
