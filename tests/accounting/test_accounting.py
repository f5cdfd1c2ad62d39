"""Accounting promises: golden caps, rounding against the spender, filters that refuse before a draw."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.accounting.curves import NANO, ORDERS, add, curve_of, fits, rho_of, zcdp_curve, zero
from dpsynth.accounting.events import DiscreteGaussian, NoisyMax, event_from_json, event_to_json
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.accounting.recount import recount_epsilon, recount_rho
from dpsynth.accounting.statement import compile_cap, epsilon_at, parse_rho_nano
from dpsynth.core.errors import BadInput, BudgetExceeded, IntegrityError

EVENTS = st.one_of(
    st.floats(0.5, 1e4).map(DiscreteGaussian),
    st.floats(1e-4, 2.0).map(NoisyMax),
)


@pytest.mark.parametrize(
    ("epsilon", "rho", "omega"), [("1", 0.02436, 22), ("2", 0.0881, 12), ("4", 0.3108, 7), ("8", 1.0362, 4)]
)
def test_four_golden_caps_compile_to_their_rho_and_omega(epsilon: str, rho: float, omega: int) -> None:
    cap = compile_cap(epsilon, "1e-6")
    assert cap.omega == omega
    assert cap.rho_nano / NANO == pytest.approx(rho, rel=1e-3)


@given(st.floats(0.05, 20.0), st.sampled_from(["1e-9", "1e-6", "1e-5"]))
def test_a_cap_compiled_downwards_never_states_more_than_it_was_given(epsilon: float, delta: str) -> None:
    text = f"{epsilon:.4f}"
    try:
        cap = compile_cap(text, delta)
    except BadInput:
        return
    assert Fraction(epsilon_at(zcdp_curve(cap.rho_nano), delta)) <= Fraction(text)
    one_more = epsilon_at(zcdp_curve(cap.rho_nano + 2000), delta)
    assert Fraction(one_more) > Fraction(text) - Fraction(1, 10_000)


@given(EVENTS)
def test_a_charge_is_never_less_than_the_exact_cost(event: DiscreteGaussian | NoisyMax) -> None:
    for order, cost in zip(ORDERS, curve_of(event), strict=True):
        exact = order * event.rho * NANO
        assert exact <= cost < exact + 1


@given(st.lists(EVENTS, min_size=1, max_size=6))
def test_composition_of_n_is_the_sum_of_n(events: list[DiscreteGaussian | NoisyMax]) -> None:
    total = zero()
    for event in events:
        total = add(total, curve_of(event))
    exact = sum((event.rho for event in events), Fraction(0)) * NANO
    assert exact <= rho_of(total) < exact + len(events) + 1


@given(EVENTS)
def test_an_event_read_back_from_json_is_the_same_event(event: DiscreteGaussian | NoisyMax) -> None:
    assert event_from_json(event_to_json(event)) == event


def test_an_unknown_event_is_refused_and_never_imported_by_name() -> None:
    with pytest.raises(IntegrityError):
        event_from_json({"event": "os.system", "sigma": "1"})


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_events_with_impossible_parameters_do_not_construct(value: float) -> None:
    with pytest.raises(ValueError, match="finite and positive"):
        DiscreteGaussian(value)
    with pytest.raises(ValueError, match="finite and positive"):
        NoisyMax(value)


def test_the_recount_by_dp_accounting_agrees_with_our_own_statement() -> None:
    events = [DiscreteGaussian(10.0)] * 3 + [NoisyMax(0.1)] * 2
    rho = sum((event.rho for event in events), Fraction(0))
    assert recount_rho(events) == pytest.approx(float(rho), rel=1e-9)
    ours = float(epsilon_at(zcdp_curve(math.ceil(rho * NANO)), "1e-6"))
    assert recount_epsilon(events, 1e-6) == pytest.approx(ours, abs=1e-5)
    assert recount_epsilon([], 1e-6) == recount_rho([]) == 0.0


def test_the_filter_refuses_the_first_event_that_does_not_fit_and_stays_unchanged() -> None:
    budget = PrivacyFilter(zcdp_curve(15_625_000))
    budget.charge(NoisyMax(0.25))
    left = budget.remaining_rho
    assert left == 7_812_500
    with pytest.raises(BudgetExceeded):
        budget.charge(NoisyMax(0.125), NoisyMax(0.25))
    assert budget.remaining_rho == left
    assert len(budget.events) == 1
    budget.charge(NoisyMax(0.25))
    assert budget.remaining_rho == 0


def test_a_gate_compares_every_order_up_to_omega_and_none_above() -> None:
    curve = tuple(order * 100 if order <= 10 else order * 10_000 for order in ORDERS)
    assert fits(zero(), curve, 100, 10)
    assert not fits(zero(), curve, 100, 11)
    assert not fits(zcdp_curve(1), curve, 100, 10)


@pytest.mark.parametrize(
    ("text", "up", "nano"), [("0.1", False, 10**8), ("1e-10", True, 1), ("1e-10", False, 0)]
)
def test_rho_as_text_is_rounded_up_as_a_charge_and_down_as_a_cap(text: str, up: bool, nano: int) -> None:
    assert parse_rho_nano(text, up) == nano


@pytest.mark.parametrize("text", ["", "nan", "inf", "-1", "0", "one"])
def test_budgets_that_are_no_positive_decimals_are_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_rho_nano(text, True)
    with pytest.raises(BadInput):
        compile_cap(text, "1e-6")


def test_an_epsilon_too_small_for_its_delta_is_refused_in_words() -> None:
    with pytest.raises(BadInput, match="no room"):
        compile_cap("0.001", "1e-9")


def test_many_threads_together_get_no_more_than_the_cap() -> None:
    budget = PrivacyFilter(zcdp_curve(10 * 7_812_500))

    def ask(_: int) -> bool:
        try:
            budget.charge(NoisyMax(0.25))
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(ask, range(200))) == 10


@pytest.mark.parametrize("text", ["0_1", "\u0661", " 1", "1e9999", "1e-31", "+1", "0x1"])
def test_only_plain_decimals_of_a_sensible_size_are_budgets(text: str) -> None:
    with pytest.raises(BadInput):
        parse_rho_nano(text, True)
