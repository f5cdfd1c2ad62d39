"""The run's filter: refuses before anything is drawn, and never accepts more than was reserved."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.accounting.cost import ATTO, ZERO, Cost, cost_of, total, zcdp_cost
from dpsynth.accounting.curves import ORDERS, zcdp_curve
from dpsynth.accounting.events import DiscreteGaussian, Entrusted, Event, Gaussian, NoisyMax, SampledGaussian
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.core.errors import BudgetExceeded

QUARTER = NoisyMax(0.25)  # 7_812_500 nano-rho exactly
EVENTS = st.one_of(
    st.floats(0.5, 100.0).map(Gaussian),
    st.floats(0.5, 100.0).map(DiscreteGaussian),
    st.floats(0.01, 2.0).map(NoisyMax),
    st.just(SampledGaussian(0.01, 1.0, 100)),
    st.just(Entrusted(Decimal("0.1"), Decimal("1e-9"))),
)


def test_the_filter_refuses_the_first_event_that_does_not_fit_and_stays_unchanged() -> None:
    budget = PrivacyFilter(zcdp_cost(15_625_000))
    budget.charge(QUARTER)
    spent, left = budget.spent, budget.remaining_rho
    assert left == 7_812_500
    with pytest.raises(BudgetExceeded, match="7812500 nano-rho"):
        budget.charge(NoisyMax(0.125), QUARTER)
    assert (budget.spent, budget.remaining_rho, budget.events) == (spent, left, (QUARTER,))
    budget.charge(QUARTER)
    assert budget.remaining_rho == 0
    with pytest.raises(BudgetExceeded):
        budget.charge(NoisyMax(1e-300))


def test_many_threads_together_get_no_more_than_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow_total(costs: Iterable[Cost]) -> Cost:
        added = total(costs)
        time.sleep(1e-4)  # lets the other threads in, between reading and writing
        return added

    monkeypatch.setattr("dpsynth.accounting.filter.total", slow_total)
    budget = PrivacyFilter(zcdp_cost(10 * 7_812_500))

    def ask(_: int) -> bool:
        try:
            budget.charge(QUARTER)
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(ask, range(200))) == 10
    assert len(budget.events) == 10


def test_a_reservation_stated_by_mu_squared_is_kept_to_it() -> None:
    reserved = cost_of(Gaussian(2.0))
    equal = NoisyMax(1.0)  # rho 1/8, as the Gaussian, but more mu
    assert cost_of(equal).rdp == reserved.rdp
    assert cost_of(equal).mu2 > reserved.mu2
    with pytest.raises(BudgetExceeded):
        PrivacyFilter(reserved).charge(equal)
    PrivacyFilter(reserved).charge(Gaussian(2.0))
    # What no Gaussian dominates would make the statement by mu squared untrue.
    with pytest.raises(BudgetExceeded):
        PrivacyFilter(reserved).charge(SampledGaussian(1e-4, 10.0, 1))


def test_a_reservation_stated_by_its_curve_alone_is_kept_to_its_curve_alone() -> None:
    reserved = zcdp_cost(125_000_000)
    assert reserved.undominated
    for event in (NoisyMax(1.0), Gaussian(2.0), SampledGaussian(0.01, 20.0, 50)):
        PrivacyFilter(reserved).charge(event)
    with pytest.raises(BudgetExceeded):
        PrivacyFilter(reserved).charge(NoisyMax(1.001))


def test_every_order_is_kept() -> None:
    for index in range(len(ORDERS)):
        curve = list(zcdp_curve(Gaussian(2.0).rho))
        curve[index] -= 1
        with pytest.raises(BudgetExceeded):
            PrivacyFilter(Cost(tuple(curve), undominated=1)).charge(Gaussian(2.0))


def test_mass_is_kept() -> None:
    event = Entrusted(Decimal("0.1"), Decimal("1e-9"))
    reserved = cost_of(event)
    PrivacyFilter(reserved).charge(event)
    with pytest.raises(BudgetExceeded):
        PrivacyFilter(replace(reserved, delta=reserved.delta - 1)).charge(event)


def test_nothing_is_reserved_nothing_is_accepted_and_nothing_may_always_be_asked_for() -> None:
    budget = PrivacyFilter(ZERO)
    budget.charge()
    assert budget.remaining_rho == 0
    with pytest.raises(BudgetExceeded):
        budget.charge(Gaussian(1e300))


@given(
    st.lists(EVENTS, max_size=12), st.sampled_from([zcdp_cost(10**8), cost_of(Gaussian(1.0))]), st.booleans()
)
def test_what_was_accepted_is_what_is_counted_and_never_more_than_was_reserved(
    asked: list[Event], reserved: Cost, mass: bool
) -> None:
    reserved = replace(reserved, delta=ATTO if mass else 0)
    budget, accepted = PrivacyFilter(reserved), []
    for event in asked:
        try:
            budget.charge(event)
        except BudgetExceeded:
            continue
        accepted.append(event)
    assert budget.events == tuple(accepted)
    assert budget.spent == total(cost_of(event) for event in accepted)
    assert all(used <= most for used, most in zip(budget.spent.rdp, reserved.rdp, strict=True))
    assert budget.spent.delta <= reserved.delta
    assert reserved.undominated or (budget.spent.mu2 <= reserved.mu2 and not budget.spent.undominated)


@given(st.lists(EVENTS, max_size=3), st.sampled_from([zcdp_cost(10**8), cost_of(Gaussian(1.0))]))
def test_the_rho_that_remains_is_what_a_further_count_may_cost(asked: list[Event], reserved: Cost) -> None:
    budget = PrivacyFilter(reserved)
    for event in asked:
        try:
            budget.charge(event)
        except BudgetExceeded:
            continue
    left = budget.remaining_rho
    assert left >= 0
    if left > 10:
        # As a curator asks: on the integers mu squared is more than 2 rho, and must fit too.
        with pytest.raises(BudgetExceeded):
            budget.charge(DiscreteGaussian((2 * (left * 1.001 + 3) / 1e9) ** -0.5))
        budget.charge(DiscreteGaussian((2 * left / 1e9) ** -0.5 * (1 + 1e-9)))
