"""The gate: golden caps, compiled downwards; what fits, what does not, and how much is left."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.calibrate import sigma_for_epsilon
from dpsynth.accounting.cost import ATTO, ZERO, Cost, cost_of, zcdp_cost
from dpsynth.accounting.curves import NANO, ORDERS
from dpsynth.accounting.events import DiscreteGaussian, Entrusted, Gaussian, NoisyMax, SampledGaussian
from dpsynth.accounting.gate import Cap, compile_cap, fits, how_many, rho_cap, rho_left, share
from dpsynth.accounting.statement import epsilon_at, epsilon_of_cap, gaussian_epsilon_at
from dpsynth.core.errors import BadInput

RATE, STEPS = 512 / 39074, 2000
DELTAS = st.sampled_from(["1e-12", "1e-9", "1e-6", "1e-5", "0.001"])
EPSILONS = st.decimals(Decimal("0.05"), 20, places=4).map(str)

NOISE = st.one_of(
    st.floats(0.3, 1e4).map(Gaussian),
    st.floats(0.3, 1e4).map(DiscreteGaussian),
    st.floats(1e-3, 3.0).map(NoisyMax),
    st.sampled_from([SampledGaussian(0.01, 1.0, 100), SampledGaussian(0.1, 3.0, 10)]),
    st.sampled_from([Entrusted(Decimal("0.1"), Decimal("1e-9")), Entrusted(Decimal("0.01"), Decimal(0))]),
)
CHARGES = NOISE.map(cost_of)
CAPS = st.builds(
    Cap,
    st.integers(1, 3 * NANO),
    st.sampled_from(ORDERS),
    st.sampled_from([0, 10**9, 10**12]),
    st.none() | st.integers(0, 10 * NANO),
)


@pytest.mark.parametrize(
    ("epsilon", "rho", "omega"), [("1", 0.02436, 22), ("2", 0.0881, 12), ("4", 0.3108, 7), ("8", 1.0362, 4)]
)
def test_four_golden_caps_compile_to_their_rho_and_omega(epsilon: str, rho: float, omega: int) -> None:
    cap = compile_cap(epsilon, "1e-6")
    assert cap.omega == omega
    assert cap.rho / NANO == pytest.approx(rho, rel=1e-3)
    assert cap.delta == 0


def test_a_run_of_epsilon_1_takes_its_golden_shares_of_the_four_caps() -> None:
    sigma = sigma_for_epsilon(lambda sigma: SampledGaussian(RATE, sigma, STEPS), "1", "1e-6")
    charge = cost_of(SampledGaussian(RATE, sigma, STEPS))
    for epsilon, golden in {"1": 1.0, "2": 0.27, "4": 0.076, "8": 0.0227}.items():
        cap = compile_cap(epsilon, "1e-6")
        assert float(share(charge, cap)) == pytest.approx(golden, rel=0.01)
        assert how_many(ZERO, charge, cap) == int(1 / golden)
    # As zCDP over all orders the same run would not fit the first cap at all.
    assert charge.rho > compile_cap("1", "1e-6").rho


@pytest.mark.parametrize(("delta", "rho"), [("1e-6", 0.02801), ("1e-9", 0.01656)])
def test_the_second_gate_of_epsilon_1_holds_its_golden_sum_of_mu_squared(delta: str, rho: float) -> None:
    mu2 = compile_cap("1", delta).mu2
    assert mu2 is not None
    assert mu2 / 2 / NANO == pytest.approx(rho, rel=1e-3)


@settings(max_examples=40)
@given(EPSILONS, DELTAS)
def test_a_cap_compiled_downwards_never_states_more_than_it_was_given_and_is_tight(
    epsilon: str, delta: str
) -> None:
    cap = compile_cap(epsilon, delta)
    assert Decimal(epsilon_of_cap(cap, delta)) <= Decimal(epsilon)
    assert Decimal(epsilon_of_cap(replace(cap, rho=cap.rho + 1), delta)) > Decimal(epsilon)
    # A line at every order states no more than one up to omega.
    assert Decimal(epsilon_at(zcdp_cost(cap.rho), delta)) <= Decimal(epsilon)


@settings(max_examples=20)
@given(EPSILONS, DELTAS)
def test_the_second_gate_never_states_more_than_it_was_given_and_is_tight(epsilon: str, delta: str) -> None:
    mu2 = compile_cap(epsilon, delta).mu2
    assert mu2 is not None
    assert Decimal(gaussian_epsilon_at(Cost(ZERO.rdp, mu2=mu2), delta)) <= Decimal(epsilon)
    assert Decimal(gaussian_epsilon_at(Cost(ZERO.rdp, mu2=mu2 + 1), delta)) > Decimal(epsilon)


def test_a_small_cap_compiles() -> None:
    cap = compile_cap("0.05", "1e-6")
    assert (cap.rho, cap.omega) == (87_198, 320)


def test_an_epsilon_too_small_for_its_delta_is_refused_in_words() -> None:
    with pytest.raises(BadInput, match="no room"):
        compile_cap("0.001", "1e-9")


@pytest.mark.parametrize("text", ["", "nan", "inf", "-1", "0", "one"])
def test_a_cap_that_is_no_positive_decimal_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        compile_cap(text, "1e-6")
    with pytest.raises(BadInput):
        compile_cap("1", text)
    with pytest.raises(BadInput):
        rho_cap(text)


def test_what_entrusted_libraries_may_fail_with_is_taken_off_delta_first() -> None:
    whole, part = compile_cap("1", "1e-6"), compile_cap("1", "1e-6", "9e-7")
    assert (part.rho, part.omega, part.mu2) == (lambda cap: (cap.rho, cap.omega, cap.mu2))(
        compile_cap("1", "1e-7")
    )
    assert part.delta == 9 * 10**11
    assert part.rho < whole.rho
    assert Decimal(epsilon_of_cap(part, "1e-6")) <= 1
    for entrusted in ("1e-6", "2e-6"):
        with pytest.raises(BadInput, match="leaves nothing"):
            compile_cap("1", "1e-6", entrusted)


def test_a_cap_stated_as_rho_gates_every_order_and_has_no_second_gate() -> None:
    cap = rho_cap("0.1", "1e-9")
    assert cap == Cap(10**8, ORDERS[-1], 10**9, None)
    assert rho_cap("1.9e-9", "1.9e-18") == Cap(1, ORDERS[-1], 1)  # downwards
    assert fits(ZERO, zcdp_cost(10**8), cap)
    assert not fits(ZERO, zcdp_cost(10**8 + 1), cap)


def test_a_gate_compares_every_order_up_to_omega_and_none_above() -> None:
    for omega in ORDERS:
        within = Cost(tuple(order * (100 if order <= omega else 10**6) for order in ORDERS))
        assert fits(ZERO, within, Cap(100, omega))
        assert not fits(zcdp_cost(1), within, Cap(100, omega))
        if omega < ORDERS[-1]:
            assert not fits(ZERO, within, Cap(100, ORDERS[ORDERS.index(omega) + 1]))
    for index, order in enumerate(ORDERS):
        bump = Cost(tuple(a * 100 + (i == index) for i, a in enumerate(ORDERS)))
        assert fits(ZERO, bump, Cap(100, 64)) == (order > 64)


def test_mass_is_a_gate_of_its_own() -> None:
    charge = cost_of(Entrusted(Decimal("0.01"), Decimal("1e-9")))
    cap = Cap(NANO, 64, 2 * 10**9)
    assert fits(charge, charge, cap)
    assert not fits(charge, charge, replace(cap, delta=2 * 10**9 - 1))
    assert not fits(ZERO, charge, Cap(NANO, 64))


def test_the_second_gate_refuses_while_all_is_gaussian_and_is_silent_once_something_is_not() -> None:
    cap = compile_cap("1", "1e-6")
    choice = cost_of(NoisyMax(0.05))
    n = how_many(ZERO, choice, cap)
    assert cap.mu2 is not None
    # Choices reach the sum of mu squared before the curve: the first gate alone would take more.
    assert n == cap.mu2 // choice.mu2 < how_many(ZERO, choice, replace(cap, mu2=None))
    full = choice.times(n)
    assert not fits(full, choice, cap)
    sampled = cost_of(SampledGaussian(1e-4, 5.0, 1))
    assert fits(full, sampled, cap)
    assert fits(full + sampled, choice, cap)


@given(CHARGES, CHARGES, CAPS)
def test_how_many_is_the_largest_number_that_fits(taken: Cost, charge: Cost, cap: Cap) -> None:
    n = how_many(taken, charge, cap)
    assert n == 0 or fits(taken, charge.times(n), cap)
    assert not fits(taken, charge.times(n + 1), cap)


def test_nothing_fits_any_number_of_times_which_is_no_number() -> None:
    with pytest.raises(ValueError, match="nothing"):
        how_many(ZERO, ZERO, Cap(1, 2))
    above = Cost(tuple(int(order > 22) for order in ORDERS), mu2=1, undominated=1)
    for cap in (Cap(1, 22), Cap(1, 22, mu2=1)):
        with pytest.raises(ValueError, match="any number of times"):
            how_many(ZERO, above, cap)
    assert how_many(ZERO, replace(above, undominated=0), Cap(1, 22, mu2=1)) == 1


@given(CHARGES, CAPS)
def test_a_share_of_at_most_1_means_that_the_charge_fits_and_more_that_it_does_not(
    charge: Cost, cap: Cap
) -> None:
    assert (share(charge, cap) <= 1) == fits(ZERO, charge, cap)
    assert share(ZERO, cap) == 0


@given(CHARGES, st.integers(1, 5), CAPS)
def test_shares_add_up_to_no_less_than_the_share_of_the_sum(charge: Cost, n: int, cap: Cap) -> None:
    assert share(charge.times(n), cap) <= n * share(charge, cap)


def test_of_a_gate_of_nothing_no_charge_takes_a_share_that_fits() -> None:
    charge = cost_of(Entrusted(Decimal("1e-6"), Decimal("1e-9")))
    assert share(charge, Cap(NANO, 64, 0)) > 1
    assert share(cost_of(Gaussian(100.0)), Cap(NANO, 64, 0, mu2=0)) > 1
    assert share(cost_of(Gaussian(100.0)), Cap(0, 64)) > 1
    assert share(charge, Cap(NANO, 64, 10**9)) == 1


@given(CHARGES, CAPS)
def test_what_is_left_is_the_largest_line_that_still_fits(taken: Cost, cap: Cap) -> None:
    left = rho_left(taken, cap)
    open_cap = replace(cap, delta=ATTO, mu2=None)
    if fits(taken, ZERO, open_cap):
        assert fits(taken, zcdp_cost(left), open_cap)
    else:
        assert left == 0
    assert not fits(taken, zcdp_cost(left + 1), open_cap)


@settings(max_examples=25)
@given(st.lists(CHARGES, max_size=30), EPSILONS)
def test_what_was_let_through_the_gate_states_no_more_than_the_cap(charges: list[Cost], epsilon: str) -> None:
    cap = compile_cap(epsilon, "1e-6", "1e-8")
    taken = ZERO
    for charge in charges:
        if fits(taken, charge, cap):
            taken += charge
    assert Decimal(epsilon_at(taken, "1e-6", cap.omega)) <= Decimal(epsilon)
    gaussian = gaussian_epsilon_at(taken, "1e-6")
    assert gaussian == "" or Decimal(gaussian) <= Decimal(epsilon)


def test_a_share_is_exact() -> None:
    assert share(zcdp_cost(1), Cap(3, 64)) == Fraction(1, 3)
    assert math.isclose(float(share(cost_of(Gaussian(1.0)), Cap(NANO, 64, mu2=NANO))), 1.0)
