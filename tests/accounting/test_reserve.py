"""What a run reserves: enough for whatever its plan may ask, and stated by the smaller of two numbers."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.cost import cost_of, total
from dpsynth.accounting.curves import NANO, zcdp_curve
from dpsynth.accounting.events import DiscreteGaussian, Entrusted, Event, NoisyMax
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.accounting.gaussian_dp import bounded_range_mu2, discrete_gaussian_mu2
from dpsynth.accounting.reserve import entrusted_cost, entrusted_event, marginal_cost
from dpsynth.accounting.statement import state
from dpsynth.core.errors import BadInput

RHOS = st.integers(10**5, 2 * 10**9)


def counts(rho: int) -> Event:
    # A hair more noise than the budget asks for, as a synthesizer has that rounds its noise up.
    return DiscreteGaussian((NANO / 2 / rho) ** 0.5 * (1 + 1e-9))


def choice(rho: int) -> Event:
    return NoisyMax((8 * rho / NANO) ** 0.5 * (1 - 1e-9))


@settings(max_examples=25)
@given(RHOS, st.floats(0, 1), st.integers(1, 12), st.integers(1, 12))
def test_whatever_a_plan_asks_within_its_rho_stays_within_what_was_reserved(
    rho: int, part: float, measured: int, chosen: int
) -> None:
    into_choices = int(part * rho)
    reserved = marginal_cost(rho, into_choices, "1e-6")
    # Each event is rounded up by itself, so each leaves two nano of its share.
    each, one = (rho - into_choices) // measured - 2, into_choices // chosen - 2
    events = [counts(each)] * measured if each > 0 else []
    events += [choice(one)] * chosen if one > 0 else []
    PrivacyFilter(reserved).charge(*events)
    PrivacyFilter(marginal_cost(rho, None, "1e-6")).charge(*events)


@given(RHOS, st.none() | st.floats(0, 1))
def test_the_sum_of_mu_squared_is_carried_only_where_it_says_less(rho: int, part: float | None) -> None:
    reserved = marginal_cost(rho, None if part is None else int(part * rho), "1e-6")
    assert reserved.rdp == zcdp_curve(Fraction(rho, NANO))
    said = state(reserved, "1e-6")
    if reserved.undominated:
        assert said.gaussian == ""
    else:
        assert Decimal(said.gaussian) < Decimal(said.epsilon)


def test_counts_alone_carry_it_and_choices_alone_do_not() -> None:
    assert not marginal_cost(10**8, 0, "1e-6").undominated
    assert marginal_cost(10**8, None, "1e-6").undominated
    assert marginal_cost(10**8, 10**8, "1e-6").undominated
    # Noise so small that nothing dominates it.
    assert marginal_cost(10**10, 0, "1e-6").undominated


def test_what_was_reserved_is_refused_to_one_more_event() -> None:
    for reserved in (marginal_cost(10**8, 0, "1e-6"), marginal_cost(10**8, None, "1e-6")):
        budget = PrivacyFilter(reserved)
        budget.charge(counts(10**8))
        assert budget.remaining_rho < 10
        with pytest.raises(Exception, match="more privacy budget"):
            budget.charge(counts(10**5))


@given(st.floats(1e-6, 60.0))
def test_a_choice_needs_no_more_than_pi_times_its_rho(epsilon: float) -> None:
    mu2 = bounded_range_mu2(epsilon)
    assert mu2 is not None
    assert mu2 <= Fraction(355, 113) * NoisyMax(epsilon).rho * NANO + 1


@given(st.lists(st.floats(1.0, 1e3), min_size=2, max_size=5))
def test_several_counts_need_no_more_than_one_of_all_their_rho(sigmas: list[float]) -> None:
    rho = sum((DiscreteGaussian(sigma).rho for sigma in sigmas), Fraction(0))
    together = float(1 / (2 * rho)) ** 0.5 * (1 - 1e-15)
    whole = discrete_gaussian_mu2(together)
    apart = total(cost_of(DiscreteGaussian(sigma)) for sigma in sigmas)
    assert whole is None or apart.mu2 <= whole + len(sigmas)


@pytest.mark.parametrize(("epsilon", "delta"), [("0.1", "0"), ("1", "1e-7"), ("8", "1e-9")])
def test_an_entrusted_library_costs_randomized_response_and_its_delta(epsilon: str, delta: str) -> None:
    cost = entrusted_cost(epsilon, delta)
    assert cost == cost_of(Entrusted(Decimal(epsilon), Decimal(delta)))
    assert cost.delta == int(Decimal(delta) * 10**18)
    assert cost.undominated == 1
    # The curve of a pure declaration never lies above its epsilon.
    assert all(value <= float(epsilon) * 1e9 + 1 for value in cost.rdp)


@pytest.mark.parametrize(
    ("epsilon", "delta"),
    [("0", "0"), ("-1", "0"), ("1001", "0"), ("1", "1"), ("1", "-1"), ("x", "0"), ("1", "")],
)
def test_what_is_no_budget_of_a_library_is_bad_input(epsilon: str, delta: str) -> None:
    with pytest.raises(BadInput):
        entrusted_event(epsilon, delta)
