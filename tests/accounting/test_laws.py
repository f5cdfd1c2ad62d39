"""Laws of costs: composition adds exactly, more noise never costs more, nothing is rounded downwards."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.cost import (
    ATTO,
    ZERO,
    Cost,
    cost_from_json,
    cost_of,
    cost_to_json,
    total,
    zcdp_cost,
)
from dpsynth.accounting.curves import NANO, ORDERS, randomized_response_curve, zcdp_curve
from dpsynth.accounting.events import (
    Composed,
    DiscreteGaussian,
    Entrusted,
    Event,
    Gaussian,
    NoisyMax,
    SampledGaussian,
    event_from_json,
    event_to_json,
)
from dpsynth.core.errors import IntegrityError

# From the smallest float of all to the largest: tiny charges are the ones that rounding could lose.
SIZES = st.floats(min_value=5e-324, allow_infinity=False, allow_nan=False) | st.floats(1e-3, 1e3)
ZCDP = st.one_of(SIZES.map(Gaussian), SIZES.map(DiscreteGaussian), SIZES.map(NoisyMax))
CHANCES = st.decimals(Decimal("1e-18"), Decimal("0.5"), places=18)
ENTRUSTED = st.builds(Entrusted, st.decimals(Decimal("1e-18"), 20, places=18), CHANCES)
RATES = st.floats(1e-4, 1.0)
SIGMAS = st.floats(0.3, 50.0)
SAMPLED = st.builds(SampledGaussian, RATES, SIGMAS, st.integers(1, 10_000))
EVENTS = st.one_of(ZCDP, ENTRUSTED, SAMPLED)

COUNTS = st.integers(0, 10**12)
COSTS = st.builds(
    Cost,
    st.lists(COUNTS, min_size=len(ORDERS), max_size=len(ORDERS)).map(tuple)
    | COUNTS.map(lambda rho: tuple(order * rho for order in ORDERS)),
    COUNTS,
    COUNTS,
    st.integers(0, 5),
)
GOOD = cost_to_json(zcdp_cost(7))
CURVE = {"rdp": ["3"] * len(ORDERS), "delta": "1", "mu2": "2", "undominated": "1"}

few = settings(max_examples=20)  # a sampled curve takes hundredths of a second
many = settings(max_examples=50)


def at_most(one: Cost, other: Cost) -> bool:
    return all(a <= b for a, b in zip(one.rdp, other.rdp, strict=True))


@few
@given(EVENTS, st.integers(1, 10**9))
def test_composition_of_n_is_exactly_n_compositions(event: Event, times: int) -> None:
    one = cost_of(event)
    assert cost_of(Composed((event,), times)) == one.times(times)
    assert cost_of(Composed((event, event, event))) == total([one] * 3) == one.times(3)


@few
@given(st.lists(ZCDP | ENTRUSTED, max_size=4), st.integers(1, 50))
def test_the_order_and_the_nesting_of_events_change_nothing(events: list[Event], times: int) -> None:
    flat = total(cost_of(event) for event in events).times(times)
    assert cost_of(Composed(tuple(events), times)) == flat
    assert cost_of(Composed(tuple(Composed((event,)) for event in reversed(events)), times)) == flat


@few
@given(RATES, SIGMAS, st.integers(1, 1000), st.integers(2, 50))
def test_n_times_the_steps_cost_n_runs_less_what_rounding_added(
    q: float, sigma: float, steps: int, n: int
) -> None:
    long, runs = (
        cost_of(SampledGaussian(q, sigma, n * steps)),
        cost_of(SampledGaussian(q, sigma, steps)).times(n),
    )
    assert all(b - n <= a <= b for a, b in zip(long.rdp, runs.rdp, strict=True))


@few
@given(st.builds(Composed, st.lists(EVENTS, max_size=3).map(tuple), st.integers(1, 1000)))
def test_what_is_replayed_from_json_costs_what_was_charged(event: Event) -> None:
    charged = cost_to_json(cost_of(event))
    replayed = cost_of(event_from_json(json.loads(json.dumps(event_to_json(event)))))
    assert cost_from_json(json.loads(json.dumps(charged))) == replayed


@given(SIZES, SIZES)
def test_more_noise_never_costs_more(one: float, other: float) -> None:
    less, more = sorted((one, other))
    for kind in (Gaussian, DiscreteGaussian):
        noisy, bare = cost_of(kind(more)), cost_of(kind(less))
        assert at_most(noisy, bare)
        assert noisy.mu2 <= bare.mu2 or bare.undominated
    assert at_most(cost_of(NoisyMax(less)), cost_of(NoisyMax(more)))


@settings(max_examples=12)
@given(RATES, RATES, SIGMAS, SIGMAS, st.integers(1, 5000), st.integers(1, 5000))
def test_more_noise_fewer_people_and_fewer_steps_cost_less_at_every_order(
    q: float, q2: float, sigma: float, sigma2: float, steps: int, steps2: int
) -> None:
    small = cost_of(SampledGaussian(min(q, q2), max(sigma, sigma2), min(steps, steps2)))
    for event in (
        SampledGaussian(max(q, q2), max(sigma, sigma2), min(steps, steps2)),
        SampledGaussian(min(q, q2), min(sigma, sigma2), min(steps, steps2)),
        SampledGaussian(min(q, q2), max(sigma, sigma2), max(steps, steps2)),
    ):
        assert at_most(small, cost_of(event))
    # Counter-example: the comparison does see a difference.
    assert not at_most(cost_of(SampledGaussian(0.2, 1.0, 10)), cost_of(SampledGaussian(0.1, 1.0, 10)))


@given(ZCDP)
def test_a_charge_is_never_below_the_exact_cost_and_less_than_one_nano_above(event: Any) -> None:
    for order, charged in zip(ORDERS, cost_of(event).rdp, strict=True):
        exact = order * event.rho * NANO
        assert exact <= charged < exact + 1


@given(SIZES)
def test_mu_squared_of_gaussian_noise_is_never_below_the_exact_one(sigma: float) -> None:
    exact = NANO / Fraction(sigma) ** 2
    assert exact <= cost_of(Gaussian(sigma)).mu2 < exact + 1
    discrete = cost_of(DiscreteGaussian(sigma))
    assert discrete.undominated or exact < discrete.mu2


@given(ZCDP, st.integers(1, 10**6))
def test_a_sum_of_n_charges_is_never_below_n_times_the_exact_cost(event: Any, n: int) -> None:
    charged = cost_of(event).times(n)
    for order, value in zip(ORDERS, charged.rdp, strict=True):
        assert Fraction(value, NANO) >= n * order * event.rho
    assert charged.rho >= n * event.rho * NANO


@given(st.decimals(Decimal("1e-30"), 1000, places=30), CHANCES, st.integers(1, 1000))
def test_no_decimal_is_too_small_to_be_charged(rho: Decimal, delta: Decimal, n: int) -> None:
    curve = zcdp_curve(Fraction(rho))
    assert all(
        Fraction(n * value, NANO) >= n * order * Fraction(rho)
        for order, value in zip(ORDERS, curve, strict=True)
    )
    assert min(curve) >= 1
    mass = cost_of(Entrusted(Decimal("1e-18"), delta)).times(n).delta
    assert Fraction(mass, ATTO) >= n * Fraction(delta)
    assert min(randomized_response_curve(Decimal("1e-18"))) >= 1


def test_even_the_smallest_sampled_step_is_charged() -> None:
    assert min(cost_of(SampledGaussian(1e-12, 1e300, 1)).rdp) == 1


def test_a_mass_below_one_atto_is_charged_as_one() -> None:
    assert cost_of(Entrusted(Decimal(1), Decimal("1e-30"))).delta == 1
    assert cost_of(Entrusted(Decimal(1), Decimal(0))).delta == 0


@many
@given(COSTS, COSTS, COSTS)
def test_costs_add_in_any_order_and_what_was_added_can_be_taken_back(a: Cost, b: Cost, c: Cost) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c) == total([c, a, b])
    assert a + ZERO == a
    assert (a + b) - b == a
    assert a.times(0) == ZERO
    assert a.times(3) == a + a + a


@many
@given(COSTS, COSTS)
def test_the_cost_for_whichever_of_two_groups_is_the_larger_one_in_every_component(a: Cost, b: Cost) -> None:
    both = a | b
    assert both.rdp == tuple(map(max, zip(a.rdp, b.rdp, strict=True)))
    assert (both.delta, both.mu2) == (max(a.delta, b.delta), max(a.mu2, b.mu2))
    assert both.undominated == max(a.undominated, b.undominated)
    assert a | b == b | a
    assert a | a == a


@many
@given(COSTS)
def test_the_rho_of_a_cost_is_the_smallest_line_above_its_curve(cost: Cost) -> None:
    assert all(value <= order * cost.rho for order, value in zip(ORDERS, cost.rdp, strict=True))
    assert any(value > order * (cost.rho - 1) for order, value in zip(ORDERS, cost.rdp, strict=True))


@pytest.mark.parametrize("part", [{"delta": -1}, {"mu2": -1}, {"undominated": -1}])
def test_a_cost_is_never_negative(part: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="non-negative"):
        Cost(ZERO.rdp, **part)
    with pytest.raises(ValueError, match="non-negative"):
        ZERO - zcdp_cost(1)
    with pytest.raises(ValueError, match="non-negative"):
        Cost((1,) * (len(ORDERS) - 1))


@many
@given(COSTS)
def test_a_cost_read_back_from_json_is_the_same_cost(cost: Cost) -> None:
    written = cost_to_json(cost)
    assert cost_from_json(json.loads(json.dumps(written))) == cost
    assert cost_to_json(cost_from_json(written)) == written


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "rho",
        {},
        {**GOOD, "rho": 7},
        {**GOOD, "rho": "07"},
        {**GOOD, "rho": "+7"},
        {**GOOD, "rho": " 7"},
        {**GOOD, "rho": "7_0"},
        {**GOOD, "rho": "٧"},
        {**GOOD, "rho": "-7"},
        {**GOOD, "rho": "7.0"},
        {**GOOD, "rho": None},
        {**GOOD, "rho": float("inf")},
        {**GOOD, "note": "0"},
        {**GOOD, "rdp": CURVE["rdp"]},
        {key: one for key, one in GOOD.items() if key != "mu2"},
        {**CURVE, "rdp": ["3"] * (len(ORDERS) - 1)},
        {**CURVE, "rdp": ["3"] * (len(ORDERS) + 1)},
        {**CURVE, "rdp": "3" * len(ORDERS)},
        {**CURVE, "rdp": [3] * len(ORDERS)},
        {**CURVE, "rdp": ["3"] * (len(ORDERS) - 1) + ["-3"]},
        {**CURVE, "rdp": [str(2 * order) for order in ORDERS]},
        {**CURVE, "delta": "1.0"},
    ],
)
def test_a_cost_in_any_other_form_or_on_another_grid_is_refused(value: Any) -> None:
    assert cost_from_json(GOOD) == zcdp_cost(7)
    assert cost_from_json(CURVE).rdp == (3,) * len(ORDERS)
    with pytest.raises(IntegrityError, match="in the ledger"):
        cost_from_json(value)
