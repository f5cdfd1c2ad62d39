"""Published numbers, each with its source, and how ours relate to them.

Papers before 2020 convert Renyi to approximate DP by epsilon = R(a) + log(1/delta) / (a - 1) (Mironov 2017,
Proposition 3). That formula over our curve must give their numbers; our own statement must be smaller.
"""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from dpsynth.accounting.calibrate import sigma_for_epsilon
from dpsynth.accounting.cost import Cost, cost_of, zcdp_cost
from dpsynth.accounting.curves import NANO, ORDERS
from dpsynth.accounting.events import Entrusted, Event, Gaussian, NoisyMax, SampledGaussian
from dpsynth.accounting.gaussian_dp import MICRO, gaussian_epsilon_micro, largest_mu2
from dpsynth.accounting.recount import pld_epsilon, recount_curve, recount_epsilon
from dpsynth.accounting.statement import epsilon_at, gaussian_epsilon_at

MNIST, CIFAR, ADULT = 60_000, 50_000, 39_074


def classical(event: Event, delta: str) -> float:
    """The conversion of Mironov 2017 over our curve."""
    curve = zip(ORDERS, cost_of(event).rdp, strict=True)
    return min(value / NANO + math.log(1 / float(delta)) / (order - 1) for order, value in curve)


def ours(event: Event, delta: str) -> float:
    return float(epsilon_at(cost_of(event), delta))


def textbook(rho: float, delta: float) -> float:
    """Bun and Steinke 2016, Proposition 1.3."""
    return rho + 2 * math.sqrt(rho * math.log(1 / delta))


def epochs(batch: int, people: int, sigma: float, count: int) -> SampledGaussian:
    return SampledGaussian(batch / people, sigma, count * people // batch)


# Abadi et al. 2016, "Deep Learning with Differential Privacy", section 3: q = 0.01,
# sigma = 4, T = 10000, delta = 1e-5 give (1.26, 1e-5)-DP by the moments accountant.
ABADI = (SampledGaussian(0.01, 4.0, 10_000), 1.26)

# Bu, Dong, Long, Su 2020, "Deep Learning with Gaussian Differential Privacy", Figure 4: the moments
# accountant gives 1.34 at epoch 20 with sigma 1.3 and 8.68 at epoch 70 with sigma 0.7.
BU = [(epochs(256, MNIST, 1.3, 20), 1.34), (epochs(256, MNIST, 0.7, 70), 8.68)]

# TensorFlow Privacy, "Select Parameters" in the README of its MNIST tutorial: three rows of an early version,
# three of a later one; batches of 256, delta 1e-5: noise multiplier, epochs, epsilon.
TENSORFLOW = [
    (epochs(256, MNIST, sigma, count), epsilon)
    for sigma, count, epsilon in [
        (1.3, 15, 1.19),
        (1.1, 60, 3.01),
        (0.7, 45, 7.10),
        (1.12, 60, 2.92),
        (0.6, 30, 9.74),
        (1.2, 10, 1.20),
    ]
]

# De et al. 2022, "Unlocking High-Accuracy Differentially Private Image Classification through Scale"
# (arXiv 2204.13650), hyper-parameters for CIFAR-10 without extra data: batches of 4096, delta 1e-5.
DE = [
    (SampledGaussian(4096 / CIFAR, sigma, steps), epsilon)
    for sigma, steps, epsilon in [
        (10.0, 875, 1),
        (6.0, 1125, 2),
        (5.0, 1593, 3),
        (4.0, 1687, 4),
        (3.0, 1843, 6),
    ]
]


@pytest.mark.parametrize(("event", "published"), [ABADI, BU[0], *TENSORFLOW])
def test_the_moments_accountant_of_the_papers_is_our_curve_by_their_conversion(
    event: Event, published: float
) -> None:
    assert classical(event, "1e-5") == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize(("event", "published"), [BU[1], *TENSORFLOW])
def test_with_their_fractional_orders_the_papers_numbers_come_out_closer_still(
    event: Event, published: float
) -> None:
    # Their grid begins 1.25, 1.5, ...; where little noise makes the best order small, ours is 3 % above it.
    orders = [1.25, 1.5, 1.75, 2, 2.25, 2.5, 3, 3.5, 4, 4.5, *range(5, 64), 128, 256, 512]
    curve = zip(orders, recount_curve([event], orders), strict=True)
    assert min(value + math.log(1e5) / (a - 1) for a, value in curve) == pytest.approx(published, rel=5e-3)
    assert published < classical(event, "1e-5") * 1.005


@pytest.mark.parametrize(("event", "published"), [ABADI, *BU, *TENSORFLOW])
def test_our_statement_is_smaller_than_what_the_papers_stated(event: Event, published: float) -> None:
    assert 0.75 * published < ours(event, "1e-5") < 0.96 * published


@pytest.mark.parametrize(("event", "published"), DE)
def test_the_epsilon_of_de_et_al_is_ours_rounded_up(event: Event, published: float) -> None:
    assert 0.98 * published <= ours(event, "1e-5") <= published


def test_a_wrong_setting_of_a_paper_would_be_seen() -> None:
    assert classical(SampledGaussian(0.01, 4.0, 11_000), "1e-5") != pytest.approx(1.26, rel=0.01)
    assert not 0.98 <= ours(SampledGaussian(4096 / CIFAR, 10.0, 925), "1e-5") <= 1


def test_the_analytic_gaussian_mechanism_needs_the_noise_that_balle_and_wang_published() -> None:
    # Balle and Wang 2018, Algorithm 1; their reference program prints 3.730631634944469.
    assert sigma_for_epsilon(Gaussian, "1", "1e-5") == pytest.approx(3.730631634944469, abs=2e-6)


def test_one_gaussian_dp_loses_at_epsilon_1_what_dong_roth_and_su_published() -> None:
    # Dong, Roth, Su 2022, Corollary 2.13: delta(1) = Phi(-1/2) - e Phi(-3/2) = 0.1269 at mu = 1.
    at, below = (gaussian_epsilon_micro(NANO, Decimal(delta)) for delta in ("0.12694", "0.12693"))
    assert at is not None
    assert below is not None
    assert at <= MICRO < below
    assert largest_mu2(Decimal(1), Decimal("0.1269")) < NANO < largest_mu2(Decimal(1), Decimal("0.1270"))
    assert Decimal(gaussian_epsilon_at(cost_of(Gaussian(1.0)), "0.12694")) <= 1


@pytest.mark.parametrize("rho", [0.001, 0.01, 0.1, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("delta", ["1e-10", "1e-6", "1e-5"])
def test_our_conversion_is_never_more_than_that_of_bun_and_steinke(rho: float, delta: str) -> None:
    # Bun and Steinke 2016, Proposition 1.3.
    cost = zcdp_cost(round(rho * NANO))
    assert 0.6 * textbook(rho, float(delta)) < float(epsilon_at(cost, delta)) < textbook(rho, float(delta))


@pytest.mark.parametrize(
    ("rho", "renyi", "simple"), [(0.1, 2.143, 2.451), (0.5, 5.222, 5.757), (1.0, 7.766, 8.434)]
)
def test_rho_at_1e_6_converts_to_the_numbers_of_two_other_programs(
    rho: float, renyi: float, simple: float
) -> None:
    # renyi: dp-accounting 0.6.0 with its default orders, some of them fractional; simple: Proposition 1.3.
    event = Gaussian((2 * rho) ** -0.5)
    assert recount_epsilon([event], 1e-6) == pytest.approx(renyi, abs=5e-4)
    assert textbook(rho, 1e-6) == pytest.approx(simple, abs=5e-4)
    assert renyi - 5e-4 <= ours(event, "1e-6") < 1.01 * renyi


@pytest.mark.parametrize(("rho", "published"), [("2.56", 17.14), ("0.07", 2.47)])
def test_the_epsilon_of_the_2020_census_lies_where_it_must(rho: str, published: float) -> None:
    # U.S. Census Bureau, June 2021, redistricting data at delta 1e-10: persons and housing units. It used a
    # conversion between the exact one and the textbook's; over integer orders we state 17.17 and 2.39.
    nano = int(Decimal(rho) * NANO)
    exact = float(gaussian_epsilon_at(Cost(zcdp_cost(nano).rdp, mu2=2 * nano), "1e-10"))
    assert exact < published < textbook(float(rho), 1e-10)
    assert float(epsilon_at(zcdp_cost(nano), "1e-10")) == pytest.approx(published, rel=0.04)


def test_a_run_on_adult_states_what_the_library_of_google_states() -> None:
    # dp-accounting 0.6.0: q = 512 / 39074, sigma 1, 2000 steps, delta 1e-6.
    event = SampledGaussian(512 / ADULT, 1.0, 2000)
    assert ours(event, "1e-6") == pytest.approx(4.322, abs=1e-3)
    assert recount_epsilon([event], 1e-6) == pytest.approx(4.322, abs=1e-3)
    assert pld_epsilon([event], 1e-6) == pytest.approx(3.965, abs=1e-3)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 4.0])
def test_gaussian_noise_costs_what_mironov_published(sigma: float) -> None:
    # Mironov 2017, Table II and Corollary 3: a / (2 sigma^2).
    assert cost_of(Gaussian(sigma)).rdp == tuple(round(a / (2 * sigma**2) * NANO) for a in ORDERS)


def test_randomized_response_costs_what_mironov_published() -> None:
    # Mironov 2017, Table II and Proposition 5, with p = 3/4: log(p^a (1-p)^(1-a) + (1-p)^a p^(1-a)) / (a-1),
    # at order 2 log(7/3). The digits of log 3 are cut, which changes less than a nano.
    curve = cost_of(Entrusted(Decimal("1.0986122886681098"), Decimal(0))).rdp
    assert curve[0] == math.ceil(math.log(7 / 3) * NANO)
    assert curve[1] == math.ceil(math.log(61 / 9) / 2 * NANO)


def test_a_choice_costs_what_cesar_and_rogers_published() -> None:
    # Cesar and Rogers 2021, Lemma 3.2: bounded range epsilon is epsilon^2 / 8 of zCDP, a quarter of what
    # epsilon-DP alone would cost (Bun and Steinke 2016, Proposition 1.4: epsilon^2 / 2).
    assert cost_of(NoisyMax(0.5)).rho == NANO // 32
    assert 4 * cost_of(NoisyMax(0.5)).rho == round(0.5**2 / 2 * NANO)
