"""The two numbers that :mod:`dpsynth.accounting.gaussian_dp` states without proof, checked with mpmath.

A test with errors (a, b) between two neighbours allows mu-GDP only if mu >= PhiInv(1 - a) - PhiInv(b).
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache

import mpmath
import pytest

from dpsynth.accounting.curves import NANO
from dpsynth.accounting.gaussian_dp import (
    bounded_range_mu2,
    discrete_gaussian_mu2,
    gaussian_epsilon_micro,
    gaussian_mu2,
    largest_mu2,
)

DIGITS = 60
SMALLEST_TAIL = mpmath.mpf(10) ** -190
SCALES = (0.4, 0.45, 0.5, 0.7, 1.0, 1.5, 2.0, 3.7, 5.0, 10.0, 30.0, 100.0)


def upper_quantile(tail: mpmath.mpf, start: mpmath.mpf) -> mpmath.mpf:
    """x with P[N(0, 1) >= x] = tail, by Newton's method on the logarithm, which has no trouble far out."""
    x, goal = mpmath.mpf(start), mpmath.log(tail)
    for _ in range(40):
        above = mpmath.erfc(x / mpmath.sqrt(2)) / 2
        step = (mpmath.log(above) - goal) * above / mpmath.npdf(x)
        x += step
        if abs(step) < mpmath.mpf(10) ** -(DIGITS // 2 + 5):
            return x  # the next step would be the square of this one
    raise AssertionError("no quantile found")


@cache
def tails(scale: float) -> list[mpmath.mpf]:
    """P[noise >= m] for m = 0, 1, 2, ... while above the smallest tail, summed from the far end."""
    with mpmath.workdps(DIGITS):
        far = int(scale * 36) + 40  # beyond it lies less than 1e-280
        masses = [mpmath.exp(-(mpmath.mpf(k) ** 2) / (2 * mpmath.mpf(scale) ** 2)) for k in range(far)]
        whole = 2 * mpmath.fsum(masses) - 1
        found, above = [], mpmath.mpf(0)
        for mass in reversed(masses):
            above += mass
            found.append(above / whole)
        return [tail for tail in reversed(found) if tail >= SMALLEST_TAIL]


def steps_of_mu(scale: float) -> list[tuple[int, mpmath.mpf]]:
    """(m, t(m) - t(m - 1)): the mu that the test with threshold m needs; t(0) = -t(1) by symmetry.

    Thresholds below 1 mirror these. At large scales every thirteenth one is left standing, but the first.
    """
    chain, every = tails(scale), 1 if len(tails(scale)) < 200 else 13
    found = []
    with mpmath.workdps(DIGITS):
        for m in range(1, len(chain), every):
            here = upper_quantile(chain[m], mpmath.mpf(m) / scale)
            before = -here if m == 1 else upper_quantile(chain[m - 1], here - 1 / mpmath.mpf(scale))
            found.append((m, here - before))
    return found


@pytest.mark.parametrize("scale", SCALES)
def test_the_middle_is_the_worst_test_of_discrete_gaussian_noise(scale: float) -> None:
    needed = steps_of_mu(scale)
    assert tails(scale)[-1] < SMALLEST_TAIL * 10**15 or scale < 1
    with mpmath.workdps(DIGITS):
        worst, middle = max(needed, key=lambda one: one[1]), needed[0]
        assert worst == middle
        assert middle[0] == 1
        bound = discrete_gaussian_mu2(scale)
        assert bound is not None
        assert middle[1] ** 2 * NANO <= bound
        # From 0.7 on the bound wastes next to nothing, and 1 / scale would not have been one.
        assert scale < 0.7 or bound < 1.001 * middle[1] ** 2 * NANO + 1
        assert middle[1] > 1 / mpmath.mpf(scale)


def test_the_chance_of_no_noise_is_never_more_than_the_formula_that_stands_for_it() -> None:
    for scale in SCALES:
        with mpmath.workdps(DIGITS):
            atom = 1 - 2 * tails(scale)[1]
            formula = 1 / (mpmath.mpf(scale) * mpmath.sqrt(2 * mpmath.pi))
            assert atom <= formula * (1 + mpmath.mpf(10) ** -50)


def test_discrete_noise_that_is_mostly_no_noise_is_dominated_by_no_gaussian() -> None:
    assert discrete_gaussian_mu2(0.399) is None
    assert discrete_gaussian_mu2(0.4) is not None


def test_a_larger_sensitivity_never_needs_more_than_the_noise_multiplier_says() -> None:
    for scale in (1.0, 3.0, 20.0):
        one = discrete_gaussian_mu2(scale)
        assert one is not None
        for sensitivity in (1.5, 2.0):
            bound = discrete_gaussian_mu2(scale / sensitivity)
            assert bound is not None
            assert bound >= sensitivity**2 * (one - 1)
            assert one > gaussian_mu2(scale)


def corner(epsilon: mpmath.mpf, place: mpmath.mpf) -> tuple[mpmath.mpf, mpmath.mpf]:
    """Errors of the one test between the two outcomes whose losses are place and place - epsilon."""
    chance = mpmath.expm1(epsilon - place) / (mpmath.exp(epsilon - place) - mpmath.exp(-place))
    return chance * mpmath.exp(-place), 1 - chance


def mu_of(errors: tuple[mpmath.mpf, mpmath.mpf]) -> mpmath.mpf:
    # Both quantiles as those of a small number, where the precision is.
    first, second = errors
    return -quantile(first) - quantile(second)


def quantile(chance: mpmath.mpf) -> mpmath.mpf:
    return mpmath.sqrt(2) * mpmath.erfinv(2 * chance - 1)


EPSILONS = ("0.001", "0.1", "0.5", "1", "2", "5", "10", "30")


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_the_symmetric_place_of_the_interval_is_the_worst_choice(epsilon: str) -> None:
    with mpmath.workdps(DIGITS):
        e = mpmath.mpf(epsilon)
        places = [e * k / 100 for k in range(1, 100)]
        needed = [mu_of(corner(e, place)) for place in places]
        assert max(needed) == needed[49]
        assert needed[49] > max(needed[48], needed[50])
        bound = bounded_range_mu2(float(epsilon))
        assert bound is not None
        # The float stands for a number next to the decimal.
        assert needed[49] ** 2 * NANO * (1 - mpmath.mpf(10) ** -15) <= bound <= needed[49] ** 2 * NANO + 2


def gaussian_curve(error: mpmath.mpf, mu: mpmath.mpf) -> mpmath.mpf:
    """Least second error at this first error between N(0, 1) and N(mu, 1)."""
    return mpmath.ncdf(-quantile(error) - mu)


def above_both_chords(epsilon: mpmath.mpf, place: mpmath.mpf, mu: mpmath.mpf) -> bool:
    first, second = corner(epsilon, place)
    left = [(first * k / 20, 1 - (1 - second) * k / 20) for k in range(1, 21)]
    right = [(first + (1 - first) * k / 20, second * (20 - k) / 20) for k in range(20)]
    return all(b >= gaussian_curve(a, mu) * (1 - mpmath.mpf(10) ** -40) for a, b in left + right)


@pytest.mark.parametrize("epsilon", ["0.1", "1", "5", "20"])
def test_the_curve_of_every_choice_lies_above_that_of_its_gaussian(epsilon: str) -> None:
    with mpmath.workdps(DIGITS):
        e = mpmath.mpf(epsilon)
        mu = mu_of(corner(e, e / 2))
        assert all(above_both_chords(e, e * k / 10, mu) for k in range(1, 10))
        # Counter-example: a little less is too little.
        assert not above_both_chords(e, e / 2, mu * mpmath.mpf("0.9999"))


def test_a_choice_of_enormous_range_is_dominated_by_no_gaussian() -> None:
    assert bounded_range_mu2(60.0) is not None
    assert bounded_range_mu2(60.1) is None


@pytest.mark.parametrize("delta", ["1e-30", "1e-9", "1e-6", "0.01", "0.3"])
def test_the_exact_conversion_and_its_inverse_are_on_the_safe_side_of_each_other(delta: str) -> None:
    for epsilon in ("0.01", "1", "8", "50"):
        mu2 = largest_mu2(Decimal(epsilon), Decimal(delta))
        assert gaussian_epsilon_micro(mu2, Decimal(delta)) <= Decimal(epsilon) * 10**6
        assert gaussian_epsilon_micro(mu2 + 1, Decimal(delta)) > Decimal(epsilon) * 10**6


def test_the_exact_conversion_states_nothing_for_nothing_and_no_number_where_it_would_be_absurd() -> None:
    assert gaussian_epsilon_micro(0, Decimal("1e-9")) == 0
    assert gaussian_epsilon_micro(1, Decimal("0.3")) == 0
    assert gaussian_epsilon_micro(10**24, Decimal("1e-9")) is None
