"""Our curves and statements against two others: dp-accounting's accountant, and 60 digits of mpmath."""

from __future__ import annotations

from decimal import Decimal
from functools import cache

import mpmath
import pytest

from dpsynth.accounting.cost import cost_of, total, zcdp_cost
from dpsynth.accounting.curves import NANO, ORDERS
from dpsynth.accounting.events import (
    Composed,
    DiscreteGaussian,
    Entrusted,
    Event,
    Gaussian,
    NoisyMax,
    SampledGaussian,
)
from dpsynth.accounting.recount import pld_epsilon, recount_curve, recount_epsilon, recount_rho
from dpsynth.accounting.statement import epsilon_at

RATES = (0.001, 0.0131, 0.1, 0.5, 1.0)
SIGMAS = (0.6, 1.0, 2.8, 10.0)
STEPS = (1, 100, 2000)
SOME = (2, 3, 8, 22, 64, 256)
GRID = [(q, sigma) for q in RATES for sigma in SIGMAS]

MIX: list[Event] = [
    DiscreteGaussian(4.0),
    Composed((NoisyMax(0.2), Gaussian(7.0)), 3),
    SampledGaussian(0.02, 1.5, 300),
]


def ours(event: Event, order: int) -> int:
    return cost_of(event).rdp[ORDERS.index(order)]


@cache
def moment(q: float, sigma: float, order: int) -> mpmath.mpf:
    """Renyi divergence of one sampled step, times order - 1 (Mironov, Talwar, Zhang 2019, section 3.3)."""
    with mpmath.workdps(60):
        rate, variance = mpmath.mpf(q), mpmath.mpf(sigma) ** 2
        terms = (
            mpmath.binomial(order, k)
            * (1 - rate) ** (order - k)
            * rate**k
            * mpmath.exp(mpmath.mpf(k * (k - 1)) / (2 * variance))
            for k in range(order + 1)
        )
        return mpmath.log(mpmath.fsum(terms))


def assert_just_above(nano: int, exact: mpmath.mpf) -> None:
    with mpmath.workdps(60):
        # The formula itself is only good to 58 digits, which shows where the exact value is a whole number.
        assert exact * (1 - mpmath.mpf(10) ** -50) * NANO <= nano < exact * NANO + 2


@pytest.mark.parametrize(("q", "sigma"), GRID)
def test_the_curve_of_sampled_noise_agrees_with_the_accountant_of_google(q: float, sigma: float) -> None:
    for steps in STEPS:
        event = SampledGaussian(q, sigma, steps)
        for order, theirs in zip(SOME, recount_curve([event], SOME), strict=True):
            assert ours(event, order) / NANO == pytest.approx(theirs, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("q", "sigma"), GRID)
def test_the_curve_of_sampled_noise_is_never_below_the_exact_formula(q: float, sigma: float) -> None:
    for steps in STEPS:
        for order in SOME:
            with mpmath.workdps(60):
                exact = steps * moment(q, sigma, order) / (order - 1)
            assert_just_above(ours(SampledGaussian(q, sigma, steps), order), exact)


def test_the_accountant_does_notice_a_wrong_rate() -> None:
    theirs = recount_curve([SampledGaussian(0.0131, 1.0, 2000)], [8])[0]
    assert ours(SampledGaussian(0.01311, 1.0, 2000), 8) / NANO != pytest.approx(theirs, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    "event", [Gaussian(0.6), Gaussian(10.0), DiscreteGaussian(2.8), NoisyMax(0.3), NoisyMax(4.0)]
)
def test_the_line_of_a_zcdp_mechanism_agrees_with_the_accountant_of_google(event: Event) -> None:
    for order, theirs in zip(SOME, recount_curve([event], SOME), strict=True):
        assert ours(event, order) / NANO == pytest.approx(theirs, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("epsilon", ["1e-6", "0.1", "0.5", "1", "8", "100", "1000"])
def test_the_curve_of_an_entrusted_library_is_that_of_randomized_response(epsilon: str) -> None:
    curve = cost_of(Entrusted(Decimal(epsilon), Decimal(0))).rdp
    with mpmath.workdps(1000):  # exp(1024000) beside exp(-1023000)
        e = mpmath.mpf(epsilon)
        for order, value in zip(ORDERS, curve, strict=True):
            both = mpmath.exp(order * e) + mpmath.exp((1 - order) * e)
            assert_just_above(value, mpmath.log(both / (1 + mpmath.exp(e))) / (order - 1))
        # It tends to epsilon, by log(1 + exp(-epsilon)) / (order - 1), and stays below the zCDP line.
        gap = mpmath.log(1 + mpmath.exp(-e)) / (ORDERS[-1] - 1)
        assert (e - gap) * NANO <= curve[-1] <= e * NANO + 1
        assert all(value <= order * e * e / 2 * NANO + 1 for order, value in zip(ORDERS, curve, strict=True))
    assert list(curve) == sorted(curve)


@pytest.mark.parametrize("epsilon", ["0.1", "0.5", "2"])
def test_the_curve_of_an_entrusted_library_agrees_with_the_accountant_of_google(epsilon: str) -> None:
    event = Entrusted(Decimal(epsilon), Decimal("1e-9"))
    for order, theirs in zip(
        SOME, recount_curve([Composed((Composed((event,), 2), event), 3)], SOME), strict=True
    ):
        assert ours(event, order) * 9 / NANO == pytest.approx(theirs, rel=1e-9, abs=1e-8)


@pytest.mark.parametrize("delta", ["1e-9", "1e-6", "1e-5"])
@pytest.mark.parametrize(
    "events",
    [
        [DiscreteGaussian(10.0)] * 3 + [NoisyMax(0.1)] * 2,
        [SampledGaussian(512 / 39074, 2.7671, 2000)],
        MIX,
        [*MIX, Entrusted(Decimal("0.2"), Decimal("1e-10"))],
    ],
)
def test_the_recounted_epsilon_agrees_with_our_own_statement(events: list[Event], delta: str) -> None:
    # Not to the last digit: the library also has fractional orders.
    stated = float(epsilon_at(total(cost_of(event) for event in events), delta))
    assert recount_epsilon(events, float(delta)) == pytest.approx(stated, rel=5e-3)


def test_the_recounted_epsilon_agrees_to_the_last_digit_where_both_grids_have_the_best_order() -> None:
    events: list[Event] = [DiscreteGaussian(10.0)] * 3 + [NoisyMax(0.1)] * 2
    stated = float(epsilon_at(total(cost_of(event) for event in events), "1e-6"))
    assert stated - 1.1e-6 <= recount_epsilon(events, 1e-6) <= stated
    # One mechanism left out is seen.
    assert recount_epsilon(events[1:], 1e-6) < stated - 1e-3


@pytest.mark.parametrize("nano", [1, 10**3, 10**5, 10**6, 2 * 10**6, 10**7])
def test_a_small_loss_is_recounted_to_no_more_than_is_stated(nano: int) -> None:
    stated = float(epsilon_at(zcdp_cost(nano), "1e-6"))
    assert stated - 1.1e-6 <= recount_epsilon([DiscreteGaussian((NANO / (2 * nano)) ** 0.5)], 1e-6) <= stated


def test_the_recounted_rho_agrees_with_the_exact_one() -> None:
    events: list[Event] = [DiscreteGaussian(10.0)] * 3 + [NoisyMax(0.1), Composed((Gaussian(3.0),), 5)]
    exact = sum((cost_of(event).rdp[0] for event in events), 0) / 2 / NANO
    assert recount_rho(events) == pytest.approx(exact, rel=1e-7)
    assert recount_rho([Gaussian(1e10)]) == pytest.approx(5e-21, rel=1e-9)


def test_nothing_recounts_to_nothing() -> None:
    assert recount_epsilon([], 1e-6) == recount_rho([]) == 0.0
    assert recount_curve([], [2, 3]) == recount_curve([Composed(())], [2, 3]) == [0.0, 0.0]
    assert recount_epsilon([Composed(())], 1e-6) == 0.0


def test_a_recount_is_infinite_where_entrusted_libraries_use_up_delta() -> None:
    event = Entrusted(Decimal("0.1"), Decimal("4e-7"))
    assert recount_epsilon([Composed((event,), 2)], 1e-6) < 1.0
    assert recount_epsilon([Composed((event,), 3)], 1e-6) == float("inf")


def test_the_distribution_of_the_loss_is_below_our_statement_and_missing_for_what_has_none() -> None:
    event = SampledGaussian(0.01, 1.0, 500)
    tight = pld_epsilon([event, Composed((Gaussian(5.0),), 4)], 1e-6)
    assert tight is not None
    stated = float(epsilon_at(total([cost_of(event), cost_of(Gaussian(2.5))]), "1e-6"))
    assert 0.8 * stated < tight < stated
    for unknown in (NoisyMax(0.1), Entrusted(Decimal(1), Decimal(0))):
        assert pld_epsilon([event, unknown], 1e-6) is None
        assert pld_epsilon([Composed((unknown,), 2)], 1e-6) is None
