"""Numbers that people read: rounded up, the mass taken off first, and how much the exact conversion saves."""

from __future__ import annotations

import math
from decimal import Decimal

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.calibrate import sigma_for_epsilon
from dpsynth.accounting.cost import ATTO, ZERO, Cost, cost_of, total, zcdp_cost
from dpsynth.accounting.curves import NANO, ORDERS
from dpsynth.accounting.events import DiscreteGaussian, Entrusted, Gaussian, NoisyMax, SampledGaussian
from dpsynth.accounting.gate import Cap
from dpsynth.accounting.statement import Statement, epsilon_at, epsilon_of_cap, gaussian_epsilon_at, state
from dpsynth.core.errors import BadInput

DELTAS = st.sampled_from(["1e-30", "1e-9", "1e-6", "1e-5", "0.01", "0.5"])
CURVES = st.builds(
    Cost,
    st.integers(0, 10**12).map(lambda rho: tuple(order * rho for order in ORDERS))
    | st.lists(st.integers(0, 10**10), min_size=len(ORDERS), max_size=len(ORDERS)).map(tuple),
)


def exact_epsilon(cost: Cost, delta: mpmath.mpf, omega: int = ORDERS[-1]) -> mpmath.mpf:
    """Canonne, Kamath, Steinke 2020, Proposition 12."""
    return min(
        mpmath.mpf(value) / NANO + mpmath.log1p(-1 / mpmath.mpf(a)) - mpmath.log(delta * a) / (a - 1)
        for a, value in zip(ORDERS, cost.rdp, strict=True)
        if a <= omega
    )


@given(CURVES, DELTAS, st.sampled_from(ORDERS))
def test_an_epsilon_is_rounded_up_to_six_digits_and_no_further(cost: Cost, delta: str, omega: int) -> None:
    text = epsilon_at(cost, delta, omega)
    with mpmath.workdps(60):
        exact = max(mpmath.mpf(0), exact_epsilon(cost, mpmath.mpf(delta), omega))
        stated = mpmath.mpf(text)
        assert exact <= stated < exact + mpmath.mpf("1.000001e-6")
    assert "E" not in text
    assert len(text.partition(".")[2]) <= 6


@settings(max_examples=40)
@given(st.integers(1, 10**11), DELTAS)
def test_a_gaussian_epsilon_is_rounded_up_to_six_digits_and_no_further(mu2: int, delta: str) -> None:
    text = gaussian_epsilon_at(Cost(ZERO.rdp, mu2=mu2), delta)
    with mpmath.workdps(60):
        mu = mpmath.sqrt(mpmath.mpf(mu2) / NANO)

        def lost(epsilon: mpmath.mpf) -> mpmath.mpf:
            """Dong, Roth, Su 2022, Corollary 2.13."""
            first, second = mpmath.ncdf(-epsilon / mu + mu / 2), mpmath.ncdf(-epsilon / mu - mu / 2)
            return first - mpmath.exp(epsilon) * second

        assert lost(mpmath.mpf(text)) <= mpmath.mpf(delta)
        less = mpmath.mpf(text) - mpmath.mpf("1e-6")
        assert less < 0 or lost(less) > mpmath.mpf(delta) * (1 - mpmath.mpf(10) ** -29)


def test_a_smaller_omega_states_no_less_and_nothing_is_stated_as_zero() -> None:
    cost = cost_of(Gaussian(10.0))
    stated = [Decimal(epsilon_at(cost, "1e-6", omega)) for omega in ORDERS]
    assert stated == sorted(stated, reverse=True)
    assert stated[0] > 2 * stated[-1]
    assert epsilon_at(ZERO, "0.5") == gaussian_epsilon_at(ZERO, "0.5") == "0"
    assert Decimal(epsilon_at(ZERO, "1e-9")) < Decimal("0.02")


def test_a_cap_states_what_a_line_up_to_its_omega_states() -> None:
    cap = Cap(10**8, 12, 10**9)
    assert epsilon_of_cap(cap, "1e-6") == epsilon_at(Cost(zcdp_cost(10**8).rdp, 10**9), "1e-6", 12)
    assert Decimal(epsilon_of_cap(cap, "1e-6")) > Decimal(epsilon_of_cap(Cap(10**8, 12), "1e-6"))


@settings(max_examples=15)
@given(st.integers(1, 10**12 - 1))
def test_the_mass_of_entrusted_libraries_is_taken_off_delta_before_converting(mass: int) -> None:
    cost = Cost(cost_of(Gaussian(2.0)).rdp, mass, 250_000_000)
    rest = str(Decimal("1e-6") - Decimal(mass) / ATTO)
    bare = Cost(cost.rdp, 0, cost.mu2)
    assert epsilon_at(cost, "1e-6") == epsilon_at(bare, rest)
    assert gaussian_epsilon_at(cost, "1e-6") == gaussian_epsilon_at(bare, rest)


def test_no_statement_is_made_where_mass_uses_up_delta() -> None:
    cost = cost_of(Entrusted(Decimal("0.5"), Decimal("1e-6")))
    for delta in ("1e-6", "1e-9"):
        with pytest.raises(BadInput, match="use up the whole delta"):
            epsilon_at(cost, delta)
        with pytest.raises(BadInput, match="use up the whole delta"):
            gaussian_epsilon_at(Cost(ZERO.rdp, cost.delta, 1), delta)
    assert Decimal(epsilon_at(cost, "1.000001e-6")) > 0


@pytest.mark.parametrize("delta", ["", "0", "1", "2", "-1e-6", "nan", "one"])
def test_a_delta_that_is_no_probability_is_refused(delta: str) -> None:
    with pytest.raises(BadInput):
        epsilon_at(cost_of(Gaussian(1.0)), delta)


def test_both_numbers_are_stated_and_the_smaller_one_is_the_promise() -> None:
    both = state(cost_of(Gaussian(3.0)), "1e-6")
    assert both.smallest == both.gaussian
    assert Decimal(both.gaussian) < Decimal(both.epsilon)
    assert both.delta == "1e-6"
    # A large choice costs less by its curve.
    choice = state(cost_of(NoisyMax(4.0)), "1e-6")
    assert choice.smallest == choice.epsilon
    assert Decimal(choice.epsilon) < Decimal(choice.gaussian)
    sampled = state(cost_of(SampledGaussian(0.01, 1.0, 100)), "1e-6")
    assert (sampled.gaussian, sampled.smallest) == ("", sampled.epsilon)


def test_numbers_are_compared_as_numbers_and_not_as_text() -> None:
    assert Statement("9.5", "10.2", "1e-6").smallest == "9.5"
    assert Statement("10.2", "9.5", "1e-6").smallest == "9.5"
    assert Statement("10.2", "", "1e-6").smallest == "10.2"


def test_one_event_that_no_gaussian_dominates_leaves_the_curve_alone() -> None:
    gaussian = cost_of(DiscreteGaussian(5.0))
    assert gaussian_epsilon_at(gaussian, "1e-6")
    for other in (
        SampledGaussian(1e-4, 5.0, 1),
        DiscreteGaussian(0.39),
        NoisyMax(61.0),
        Entrusted(Decimal(1), Decimal(0)),
    ):
        assert gaussian_epsilon_at(total([gaussian, cost_of(other)]), "1e-6") == ""
    assert gaussian_epsilon_at(zcdp_cost(10**7), "1e-6") == ""


@pytest.mark.parametrize("sigma", [1e-3, 1e-5, 1e-13, 5e-324])
def test_noise_of_next_to_nothing_is_stated_as_an_enormous_epsilon(sigma: float) -> None:
    both = state(cost_of(Gaussian(sigma)), "1e-6")
    assert Decimal(both.smallest) * 2 * Decimal(sigma) ** 2 >= 1
    assert both.smallest == (both.gaussian or both.epsilon)


def test_the_exact_conversion_saves_7_percent_of_renyi_and_22_percent_of_the_textbook() -> None:
    sigma = sigma_for_epsilon(Gaussian, "1", "1e-6")
    both, rho = state(cost_of(Gaussian(sigma)), "1e-6"), 1 / (2 * sigma**2)
    textbook = rho + 2 * math.sqrt(rho * math.log(1e6))  # Bun and Steinke 2016, Proposition 1.3
    exact = float(both.gaussian)
    assert exact == pytest.approx(1.0, abs=2e-6)
    assert 0.06 < 1 - exact / float(both.epsilon) < 0.08
    assert 0.20 < 1 - exact / textbook < 0.24
