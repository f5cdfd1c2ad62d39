"""Calibration: the least noise on the grid that keeps a target, and always noise that does keep it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from dpsynth.accounting.calibrate import SIGMA_STEP, least_sigma, sigma_for_cap, sigma_for_epsilon
from dpsynth.accounting.cost import ZERO, cost_of
from dpsynth.accounting.events import Composed, DiscreteGaussian, Entrusted, Event, Gaussian, SampledGaussian
from dpsynth.accounting.gate import compile_cap, fits
from dpsynth.accounting.statement import state
from dpsynth.core.errors import BadInput

KINDS: dict[str, Callable[[float], Event]] = {
    "gaussian": Gaussian,
    "discrete": DiscreteGaussian,
    "sampled": lambda sigma: SampledGaussian(0.0131, sigma, 2000),
}


def smallest(event: Event, delta: str) -> Decimal:
    return Decimal(state(cost_of(event), delta).smallest)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("epsilon", "delta"), [("0.5", "1e-9"), ("4", "1e-5")])
def test_the_noise_found_keeps_its_epsilon_and_one_grid_step_less_does_not(
    kind: str, epsilon: str, delta: str
) -> None:
    event_at = KINDS[kind]
    sigma = sigma_for_epsilon(event_at, epsilon, delta)
    assert smallest(event_at(sigma), delta) <= Decimal(epsilon)
    assert smallest(event_at(sigma - SIGMA_STEP), delta) > Decimal(epsilon)
    assert (sigma / SIGMA_STEP).is_integer()


@pytest.mark.parametrize("kind", ["gaussian", "sampled"])
@pytest.mark.parametrize("epsilon", ["0.1", "4"])
def test_the_noise_found_fits_its_cap_and_one_grid_step_less_does_not(kind: str, epsilon: str) -> None:
    event_at, cap = KINDS[kind], compile_cap(epsilon, "1e-6")
    sigma = sigma_for_cap(event_at, cap)
    assert fits(ZERO, cost_of(event_at(sigma)), cap)
    assert not fits(ZERO, cost_of(event_at(sigma - SIGMA_STEP)), cap)


@pytest.mark.parametrize("goal", [1, 2**13 - 1, 2**13, 2**13 + 1, 12_345_678, 2**49, 2**50])
def test_the_search_ends_at_the_first_value_that_keeps_the_target(goal: int) -> None:
    tried: list[float] = []

    def keeps(sigma: float) -> bool:
        tried.append(sigma)
        return sigma >= goal * SIGMA_STEP

    found = least_sigma(keeps)
    assert found == max(goal, 2**13) * SIGMA_STEP
    assert found in tried  # what is returned was itself tried


def test_many_composed_mechanisms_calibrate_though_the_first_guess_is_far_off() -> None:
    # At the first guess, 2^-7, a thousand of them have a mu that is too large for the exact conversion.
    sigma = sigma_for_epsilon(lambda sigma: Composed((Gaussian(sigma),), 1000), "1", "1e-6")
    assert sigma == pytest.approx(1000**0.5 * sigma_for_epsilon(Gaussian, "1", "1e-6"), rel=1e-5)


def test_a_target_that_no_noise_keeps_is_refused_in_words() -> None:
    entrusted, tried = Entrusted(Decimal(2), Decimal(0)), list[float]()
    with pytest.raises(BadInput, match="No amount of noise"):
        sigma_for_epsilon(lambda sigma: Composed((Gaussian(sigma), entrusted)), "1", "1e-6")
    with pytest.raises(BadInput, match="No amount of noise"):
        sigma_for_cap(lambda sigma: Composed((Gaussian(sigma), entrusted)), compile_cap("1", "1e-6"))
    with pytest.raises(BadInput, match="No amount of noise"):
        least_sigma(tried.append)
    assert tried[-1] == max(tried) == 2.0**30
