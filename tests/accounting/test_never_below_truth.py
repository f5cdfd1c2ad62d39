"""No statement is below the truth: privacy-loss distributions, rounded so that they bound it from below."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from dpsynth.accounting.cost import Cost, cost_of, total
from dpsynth.accounting.curves import NANO
from dpsynth.accounting.events import DiscreteGaussian, Entrusted, Event, Gaussian, NoisyMax, SampledGaussian
from dpsynth.accounting.gaussian_dp import MICRO, gaussian_epsilon_micro
from dpsynth.accounting.recount import pld_epsilon
from dpsynth.accounting.statement import epsilon_at, gaussian_epsilon_at
from dpsynth.core.errors import BadInput

DELTAS = ("1e-9", "1e-7", "1e-6", "1e-5", "1e-4", "1e-3", "0.01", "0.05", "0.2")
STEP, COARSE = 1e-4, 5e-4
RATE = 512 / 39074  # the Adult table with batches of 512


@cache
def gaussian(sigma: float, rate: float = 1.0) -> Any:
    from dp_accounting.pld import privacy_loss_distribution as pld

    return pld.from_gaussian_mechanism(
        sigma,
        sampling_prob=rate,
        pessimistic_estimate=False,
        value_discretization_interval=STEP,
        use_connect_dots=False,  # that algorithm only knows upper bounds
    )


@cache
def discrete(scale: float, sensitivity: int = 1, step: float = STEP) -> Any:
    from dp_accounting.pld import privacy_loss_distribution as pld

    return pld.from_discrete_gaussian_mechanism(
        scale, sensitivity, pessimistic_estimate=False, value_discretization_interval=step
    )


def outcomes(one: dict[str, float], other: dict[str, float], step: float = STEP) -> Any:
    """Both directions between two lists of log probabilities."""
    from dp_accounting.pld import privacy_loss_distribution as pld

    return pld.from_two_probability_mass_functions(
        one, other, pessimistic_estimate=False, value_discretization_interval=step, symmetric=False
    )


def choice(epsilon: float, place: float, step: float = STEP) -> Any:
    """The worst choice whose loss lies in an interval of length epsilon: all mass at its two ends.

    The upper end is at place * epsilon; the two chances follow, since both lists sum to 1.
    """
    high, low = place * epsilon, (place - 1) * epsilon
    chance = math.expm1(-low) / (math.exp(-low) - math.exp(-high))
    other = chance * math.exp(-high)
    return outcomes(
        {"high": math.log(other), "low": math.log1p(-other)},
        {"high": math.log(chance), "low": math.log1p(-chance)},
        step,
    )


def entrusted(epsilon: float, delta: float) -> Any:
    """Tells the answer with chance delta, else randomized response: the worst (epsilon, delta)-DP."""
    kept = math.log1p(-delta)
    true, false = kept - math.log1p(math.exp(-epsilon)), kept - math.log1p(math.exp(epsilon))
    told = {"told": math.log(delta)} if delta else {}
    return outcomes(
        {"yes": true, "no": false} | told,
        {"yes": false, "no": true, **{f"{k} no": v for k, v in told.items()}},
    )


def assert_never_below(cost: Cost, truth: Any) -> None:
    for delta in DELTAS:
        below = truth.get_epsilon_for_delta(float(delta))
        try:
            stated = epsilon_at(cost, delta), gaussian_epsilon_at(cost, delta)
        except BadInput:
            assert float(delta) <= cost.delta / 1e18
            continue
        assert all(float(number) >= below for number in stated if number)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 3.0, 20.0])
def test_a_statement_about_gaussian_noise_is_never_below_the_truth_and_close_to_it(sigma: float) -> None:
    cost, truth = cost_of(Gaussian(sigma)), gaussian(sigma)
    assert_never_below(cost, truth)
    # The exact conversion is as tight as the grid of the comparison, so the comparison means something.
    assert float(gaussian_epsilon_at(cost, "1e-6")) - truth.get_epsilon_for_delta(1e-6) < 2 * STEP


@pytest.mark.parametrize("scale", [0.7, 0.75, 0.85, 1.0, 1.2, 1.5, 2.0, 3.0, 10.0, 30.0])
def test_a_statement_about_discrete_gaussian_noise_is_never_below_the_truth(scale: float) -> None:
    assert_never_below(cost_of(DiscreteGaussian(scale)), discrete(scale))


@pytest.mark.parametrize(("scale", "sensitivity"), [(1.5, 2), (2.5, 3), (10.0, 4)])
def test_a_larger_shift_of_discrete_noise_is_covered_by_the_noise_multiplier(
    scale: float, sensitivity: int
) -> None:
    assert_never_below(cost_of(DiscreteGaussian(scale / sensitivity)), discrete(scale, sensitivity))


@pytest.mark.parametrize("scale", [1.0, 1.5, 4.0])
def test_shifts_of_several_cells_are_covered_by_the_noise_multiplier(scale: float) -> None:
    two_cells = discrete(scale, step=COARSE).self_compose(2)
    assert_never_below(cost_of(DiscreteGaussian(scale / math.sqrt(2))), two_cells)


@pytest.mark.parametrize(("scale", "times"), [(0.7, 3), (1.0, 2), (1.0, 10), (3.0, 30), (20.0, 300)])
def test_a_statement_about_composed_discrete_noise_is_never_below_the_truth(scale: float, times: int) -> None:
    assert_never_below(
        cost_of(DiscreteGaussian(scale)).times(times), discrete(scale, step=COARSE).self_compose(times)
    )


@pytest.mark.parametrize(
    ("rate", "sigma", "steps"),
    [(RATE, 1.0, 2000), (0.001, 0.8, 3000), (0.1, 2.0, 200), (0.5, 4.0, 50), (0.9, 2.0, 1)],
)
def test_a_statement_about_sampled_noise_is_never_below_the_truth(
    rate: float, sigma: float, steps: int
) -> None:
    truth = gaussian(sigma, rate).self_compose(steps)
    assert_never_below(cost_of(SampledGaussian(rate, sigma, steps)), truth)


@pytest.mark.parametrize("place", [0.02, 0.25, 0.5, 0.75])
@pytest.mark.parametrize(
    ("epsilon", "times"), [(0.1, 1), (0.1, 100), (0.5, 20), (1.0, 1), (2.0, 6), (8.0, 1), (20.0, 2)]
)
def test_a_statement_about_choices_is_never_below_the_truth(epsilon: float, times: int, place: float) -> None:
    assert_never_below(
        cost_of(NoisyMax(epsilon)).times(times), choice(epsilon, place, COARSE).self_compose(times)
    )


@pytest.mark.parametrize(
    ("epsilon", "delta", "times"), [("0.5", "0", 1), ("0.5", "1e-8", 3), ("2", "1e-5", 4), ("0.1", "0", 60)]
)
def test_a_statement_about_entrusted_libraries_is_never_below_the_truth(
    epsilon: str, delta: str, times: int
) -> None:
    truth = entrusted(float(epsilon), float(delta)).self_compose(times)
    assert_never_below(cost_of(Entrusted(Decimal(epsilon), Decimal(delta))).times(times), truth)


MIXES: list[tuple[list[Event], Callable[[], Any]]] = [
    (
        [Gaussian(3.0), *[DiscreteGaussian(2.0)] * 5, *[NoisyMax(0.5)] * 8],
        lambda: (
            gaussian(3.0).compose(discrete(2.0).self_compose(5)).compose(choice(0.5, 0.5).self_compose(8))
        ),
    ),
    (
        [*[DiscreteGaussian(0.8)] * 2, *[NoisyMax(2.0)] * 2],
        lambda: discrete(0.8).self_compose(2).compose(choice(2.0, 0.3)).compose(choice(2.0, 0.7)),
    ),
    (
        [SampledGaussian(0.01, 1.0, 500), DiscreteGaussian(5.0), Entrusted(Decimal("0.3"), Decimal("1e-8"))],
        lambda: gaussian(1.0, 0.01).self_compose(500).compose(discrete(5.0)).compose(entrusted(0.3, 1e-8)),
    ),
]


@pytest.mark.parametrize(("events", "truth"), MIXES)
def test_a_statement_about_a_mix_is_never_below_the_truth(
    events: list[Event], truth: Callable[[], Any]
) -> None:
    assert_never_below(total(cost_of(event) for event in events), truth())


def naive(sigma: float, delta: str) -> float:
    """What continuous noise of this size would cost."""
    micro = gaussian_epsilon_micro(math.ceil(NANO / sigma**2), Decimal(delta))
    assert micro is not None
    return micro / MICRO


@pytest.mark.parametrize("scale", [0.7, 1.0])
def test_discrete_noise_taken_for_continuous_would_be_stated_below_the_truth(scale: float) -> None:
    truth = {delta: discrete(scale).get_epsilon_for_delta(float(delta)) for delta in DELTAS}
    assert any(naive(scale, delta) < truth[delta] - 0.05 for delta in DELTAS)
    assert pld_epsilon([DiscreteGaussian(scale)], 1e-3) == pytest.approx(naive(scale, "1e-3"), abs=1e-3)


def test_the_central_limit_number_for_sampled_noise_is_below_the_truth() -> None:
    # mu = q sqrt(T (exp(1/sigma^2) - 1)) (Bu, Dong, Long, Su 2020) is a limit and no bound.
    # A finer grid of losses (1e-5) brings the lower bound up to 3.955, at nine seconds.
    mu2 = RATE**2 * 2000 * math.expm1(1)
    limit = gaussian_epsilon_micro(math.ceil(mu2 * NANO), Decimal("1e-6"))
    truth = gaussian(1.0, RATE).self_compose(2000).get_epsilon_for_delta(1e-6)
    assert limit is not None
    assert limit / MICRO == pytest.approx(3.63, abs=5e-3)
    assert limit / MICRO < truth - 0.2
    assert truth == pytest.approx(3.865, abs=5e-3)


def test_a_library_that_breaks_its_promise_is_seen() -> None:
    with pytest.raises(AssertionError):
        assert_never_below(cost_of(Entrusted(Decimal("0.5"), Decimal(0))), entrusted(0.6, 0.0))
    with pytest.raises(AssertionError):
        assert_never_below(cost_of(NoisyMax(0.2)), choice(2.0, 0.5))
    with pytest.raises(AssertionError):
        assert_never_below(cost_of(Gaussian(1.01)), gaussian(1.0))
