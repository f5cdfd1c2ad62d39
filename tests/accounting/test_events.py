"""Events: a closed algebra. What is written is read back the same, and nothing else is read at all."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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

POSITIVE = st.floats(min_value=0.0, exclude_min=True, allow_infinity=False, allow_nan=False)
SINGLE: st.SearchStrategy[Event] = st.one_of(
    POSITIVE.map(Gaussian),
    POSITIVE.map(DiscreteGaussian),
    POSITIVE.map(NoisyMax),
    st.builds(SampledGaussian, st.floats(1e-12, 1.0), st.floats(1e-6, 1e300), st.integers(1, 10**9)),
    st.builds(
        Entrusted,
        st.decimals(Decimal("1e-30"), 1000, allow_nan=False, allow_infinity=False),
        st.decimals(0, Decimal("0.999999"), allow_nan=False, allow_infinity=False),
    ),
)
EVENTS = st.recursive(
    SINGLE,
    lambda inner: st.builds(Composed, st.lists(inner, max_size=4).map(tuple), st.integers(1, 10**9)),
    max_leaves=8,
)

GAUSSIAN = {"event": "gaussian", "sigma": "1.5"}
SAMPLED = {"event": "sampled_gaussian", "rate": "0.01", "sigma": "1.5", "steps": "100"}
ENTRUSTED = {"event": "entrusted", "epsilon": "0.5", "delta": "1E-9"}
COMPOSED = {"event": "composed", "times": "3", "events": [GAUSSIAN, ENTRUSTED]}
GOOD = [
    GAUSSIAN,
    {"event": "discrete_gaussian", "sigma": "1.5"},
    {"event": "noisy_max", "epsilon": "0.1"},
    SAMPLED,
    ENTRUSTED,
    COMPOSED,
]


@given(EVENTS)
def test_an_event_read_back_from_json_is_the_same_event(event: Event) -> None:
    read = event_from_json(json.loads(json.dumps(event_to_json(event))))
    assert read == event
    assert event_to_json(read) == event_to_json(event)


@pytest.mark.parametrize("value", GOOD, ids=lambda value: value["event"])
def test_the_stored_form_of_each_kind_never_changes(value: dict[str, Any]) -> None:
    assert event_to_json(event_from_json(value)) == value


def test_a_number_of_numpy_is_written_like_any_other() -> None:
    assert event_to_json(Gaussian(np.float64(1.5))) == GAUSSIAN
    event = SampledGaussian(np.float64(0.01), np.float64(1.5), int(np.int64(100)))
    assert event_to_json(event) == SAMPLED
    assert event_to_json(Gaussian(2)) == event_to_json(Gaussian(2.0))


@pytest.mark.parametrize(
    "tag", ["", "Gaussian", "os.system", "builtins.eval", "dpsynth.accounting.events.Gaussian"]
)
def test_an_unknown_event_is_refused_and_never_imported_by_name(tag: str) -> None:
    with pytest.raises(IntegrityError, match="unknown form"):
        event_from_json({"event": tag, "sigma": "1"})


@pytest.mark.parametrize("value", GOOD, ids=lambda value: value["event"])
def test_an_event_with_a_key_too_many_or_too_few_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        event_from_json({**value, "note": "1"})
    for name in value:
        with pytest.raises(IntegrityError):
            event_from_json({key: one for key, one in value.items() if key != name})


@pytest.mark.parametrize("value", GOOD, ids=lambda value: value["event"])
def test_an_event_whose_numbers_are_no_text_is_refused(value: dict[str, Any]) -> None:
    for name in value.keys() - {"event", "events"}:
        for wrong in (1, 1.0, True, None, ["1"], {"": "1"}):
            with pytest.raises(IntegrityError):
                event_from_json({**value, name: wrong})


@pytest.mark.parametrize(
    "value",
    [
        {**GAUSSIAN, "sigma": "0"},
        {**GAUSSIAN, "sigma": "-1"},
        {**GAUSSIAN, "sigma": "nan"},
        {**GAUSSIAN, "sigma": "1e999"},
        {**GAUSSIAN, "sigma": "one"},
        {**GAUSSIAN, "sigma": "np.float64(1.5)"},
        {**SAMPLED, "rate": "1.01"},
        {**SAMPLED, "rate": "0"},
        {**SAMPLED, "sigma": "1e-7"},
        {**SAMPLED, "steps": "0"},
        {**SAMPLED, "steps": "2.5"},
        {**SAMPLED, "steps": "9" * 5000},
        {**ENTRUSTED, "epsilon": "-0.5"},
        {**ENTRUSTED, "epsilon": "NaN"},
        {**ENTRUSTED, "delta": "1"},
        {**ENTRUSTED, "delta": "1e-9999999999999999999999"},
        {**COMPOSED, "times": "0"},
        {**COMPOSED, "events": {}},
        {**COMPOSED, "events": ["gaussian"]},
        {**COMPOSED, "events": [{**GAUSSIAN, "sigma": "0"}]},
        {**COMPOSED, "events": "gaussian"},
    ],
)
def test_an_event_with_an_impossible_parameter_is_refused_even_inside_another(value: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        event_from_json(value)


@pytest.mark.parametrize("value", [None, [], "gaussian", 1, {}])
def test_what_is_no_object_is_no_event(value: Any) -> None:
    with pytest.raises(IntegrityError):
        event_from_json(value)


def test_an_event_nested_too_deeply_to_be_read_is_refused_in_words() -> None:
    value: dict[str, Any] = GAUSSIAN
    for _ in range(20_000):
        value = {"event": "composed", "times": "1", "events": [value]}
    with pytest.raises(IntegrityError):
        event_from_json(value)


@pytest.mark.parametrize(
    "kind", [Gaussian, DiscreteGaussian, NoisyMax, lambda sigma: SampledGaussian(0.1, sigma, 1)]
)
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_noise_that_is_not_finite_and_positive_does_not_construct(kind: Any, value: float) -> None:
    with pytest.raises(ValueError, match="finite and positive"):
        kind(value)


@pytest.mark.parametrize("rate", [0.0, -0.1, 1e-13, 1.0 + 1e-15, math.nan, math.inf])
def test_a_sampling_rate_that_is_no_probability_does_not_construct(rate: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        SampledGaussian(rate, 1.0, 1)
    assert SampledGaussian(1e-12, 1.0, 1) != SampledGaussian(1.0, 1.0, 1)


@pytest.mark.parametrize("count", [0, -1, 10**9 + 1, 2.5, math.nan, math.inf])
def test_a_count_that_is_no_whole_number_of_a_sensible_size_does_not_construct(count: Any) -> None:
    with pytest.raises(ValueError, match="whole number"):
        SampledGaussian(0.1, 1.0, count)
    with pytest.raises(ValueError, match="whole number"):
        Composed((Gaussian(1.0),), count)


def test_sampled_noise_too_small_to_be_counted_does_not_construct() -> None:
    with pytest.raises(ValueError, match="at least"):
        SampledGaussian(0.1, 0.9e-6, 1)


@pytest.mark.parametrize("epsilon", ["0", "-1", "NaN", "sNaN", "Infinity", "1000.1"])
def test_an_entrusted_epsilon_that_is_no_promise_does_not_construct(epsilon: str) -> None:
    with pytest.raises(ValueError, match="epsilon must be"):
        Entrusted(Decimal(epsilon), Decimal(0))


@pytest.mark.parametrize("delta", ["-1e-9", "1", "1.5", "NaN", "Infinity"])
def test_an_entrusted_delta_that_is_no_probability_does_not_construct(delta: str) -> None:
    with pytest.raises(ValueError, match="delta must be"):
        Entrusted(Decimal(1), Decimal(delta))
