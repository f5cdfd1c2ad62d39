"""What (epsilon, delta) buys under either accounting, and that an independent count agrees."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from dpsynth.accounting.cost import Cost, cost_of, total
from dpsynth.accounting.events import DiscreteGaussian, Event, Gaussian, NoisyMax
from dpsynth.core.curator import Plan
from dpsynth.core.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]
EPSILONS = ("0.1", "1")


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("benchmarks.budget")


@pytest.fixture
def recount(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("benchmarks.recount")


def counts_only(rho_nano: int) -> Plan:
    return Plan("made", "1", rho_nano, (), {}, choices_nano=0)


def mostly_choices(rho_nano: int) -> Plan:
    return replace(counts_only(rho_nano), choices_nano=rho_nano * 2 // 3)


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_counts_gain_by_the_gaussian_conversion_and_choices_do_not(budget: ModuleType, epsilon: str) -> None:
    usual = budget.rho_nano_for(epsilon, "1e-9")
    counts = budget.budget_for(epsilon, "1e-9", counts_only)
    assert counts.accounting == "gaussian"
    assert 1.05 * usual < counts.rho_nano < 1.15 * usual
    choices = budget.budget_for(epsilon, "1e-9", mostly_choices)
    assert choices.accounting == "zcdp"
    assert 0.999 * usual < choices.rho_nano <= usual


@pytest.mark.parametrize(
    ("accounting", "plan"), [("gaussian", counts_only), ("zcdp", counts_only), ("zcdp", mostly_choices)]
)
def test_the_filter_lets_a_plan_through_and_nothing_beyond_epsilon(
    budget: ModuleType, recount: ModuleType, accounting: str, plan: object
) -> None:
    granted = budget.budget_for("1", "1e-9", plan, accounting)
    counts, choices = granted.rho_nano - granted.plan.choices_nano, granted.plan.choices_nano
    events: list[Event] = [DiscreteGaussian(_sigma(counts / 20))] * 20
    events += [NoisyMax((8e-9 * choices / 20) ** 0.5)] * 20 if choices else []
    spent = total(cost_of(event) for event in events)
    assert granted.cost.covers(replace(spent, rdp=granted.cost.rdp))  # the curve is rounded up by events
    assert not granted.cost.covers(spent + cost_of(events[0]))
    counted = recount.recount(events, spent, 1.0, 1e-9)
    assert counted["within"]
    assert counted["epsilon"] > 0.93


def test_no_budget_is_refused(budget: ModuleType) -> None:
    with pytest.raises(BadInput, match="buys no plan"):
        budget.budget_for("1e-7", "1e-9", counts_only)


def test_the_recount_of_one_gaussian_is_the_known_epsilon(recount: ModuleType) -> None:
    # mu^2 = 0.033114830 is epsilon 1 at delta 1e-9 (Balle and Wang 2018, Theorem 8).
    event = Gaussian(0.033114830**-0.5)
    counted = recount.recount([event], cost_of(event), 1.0001, 1e-9)
    assert counted["epsilon_pld"] == pytest.approx(1.0, abs=2e-5)
    assert counted["epsilon_rdp"] > counted["epsilon_pld"]
    assert counted["equals_charge"]
    assert counted["charge_gap"] < 1e-7


def test_the_recount_tells_a_charge_that_is_too_small_or_too_large(recount: ModuleType) -> None:
    events = [DiscreteGaussian(30.0)] * 5
    spent = total(cost_of(event) for event in events)
    assert recount.recount(events, spent, 10.0, 1e-9)["equals_charge"]
    for times in (4, 6):
        wrong = cost_of(events[0]).times(times)
        assert not recount.recount(events, wrong, 10.0, 1e-9)["equals_charge"]
    assert not recount.recount(events, spent, 0.3, 1e-9)["within"]


def test_nothing_costs_nothing(recount: ModuleType) -> None:
    counted = recount.recount([], Cost((0,) * len(cost_of(Gaussian(1.0)).rdp)), 1.0, 1e-9)
    assert (counted["epsilon"], counted["within"], counted["equals_charge"]) == (0.0, True, True)


def _sigma(rho_nano: float) -> float:
    return float((0.5e9 / rho_nano) ** 0.5)
