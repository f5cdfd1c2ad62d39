"""gan: planned from public facts, spends its plan and no more, learns pairs, and needs its extra."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest

from dpsynth.accounting.events import SampledGaussian
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.accounting.reserve import plan_cost
from dpsynth.core.curator import Progress
from dpsynth.core.domain import Column, Domain
from dpsynth.core.errors import BudgetExceeded, PolicyRefusal
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.synthesizers.gan import GAN
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.table import SensitiveTable

SIZES = {"a": 3, "b": 3, "c": 2}
DOMAIN = Domain(
    tuple(Column(name, "categorical", values=tuple(map(str, range(size)))) for name, size in SIZES.items())
)
RHO, ROOM = 500_000_000, 100_000


def rows(count: int) -> SensitiveTable:
    rng = np.random.default_rng(5)
    a = rng.integers(0, 3, count)
    codes = {"a": a, "b": (a + (rng.random(count) < 0.1)) % 3, "c": rng.integers(0, 2, count)}
    return SensitiveTable(DOMAIN, codes, np.arange(count))


def run(count: int = 4000) -> tuple[Any, PrivacyFilter, list[Progress]]:
    plan = GAN().plan(DOMAIN, RHO, ROOM)
    budget, told = PrivacyFilter(plan_cost(plan, "1e-6")), []
    unit = PrivacyUnit("row", None, 1, "add_remove")
    curator = TableCurator(rows(count), unit, budget, OpenDPNoise(), told.append)
    return GAN().fit(plan, curator), budget, told


def test_a_run_learns_pairs_and_spends_what_its_plan_says() -> None:
    model, budget, told = run()
    drawn = model.sample(3000, np.random.default_rng(1)).codes
    assert all(0 <= drawn[name].min() <= drawn[name].max() < size for name, size in SIZES.items())
    assert np.mean(drawn["a"] == drawn["b"]) > 0.7  # .9 in the table, a third by chance
    plan = GAN().plan(DOMAIN, RHO, ROOM)
    assert plan.gradient is not None
    trainings = [event for event in budget.events if isinstance(event, SampledGaussian)]
    assert trainings == [SampledGaussian(plan.gradient.rate, plan.gradient.sigma, 60)]
    assert budget.remaining_rho < 0.01 * RHO
    assert told[-1].spent == 1.0
    assert model.total == pytest.approx(4000, abs=200)


def test_nothing_is_left_for_more() -> None:
    plan = GAN().plan(DOMAIN, RHO, ROOM)
    budget = PrivacyFilter(plan_cost(plan, "1e-6"))
    curator = TableCurator(rows(50), PrivacyUnit("row", None, 1, "add_remove"), budget, OpenDPNoise())
    GAN().fit(plan, curator)
    assert plan.gradient is not None
    with pytest.raises(BudgetExceeded):
        curator.gradient(plan.gradient)


@pytest.mark.parametrize("count", [0, 1])
def test_tables_of_hardly_any_rows_end_in_rows_of_the_domain(count: int) -> None:
    model, _, _ = run(count)
    drawn = model.sample(10, np.random.default_rng(1))
    assert drawn.rows == 10
    assert model.sample(0, np.random.default_rng(1)).rows == 0


def test_a_plan_says_what_each_row_adds_and_follows_from_public_facts() -> None:
    one, other = GAN().plan(DOMAIN, RHO, ROOM), GAN().plan(DOMAIN, RHO, ROOM)
    assert one == other
    said = " ".join(one.steps)
    assert "60 steps of DP-SGD" in said
    assert "adds at most 1" in said
    assert one.gradient_nano == RHO * 30 // 100
    assert said.index("Train a generator") < said.index("Then train a critic")


def test_less_budget_means_more_noise() -> None:
    small, large = (GAN().plan(DOMAIN, rho, ROOM).gradient for rho in (RHO // 10, RHO))
    assert small is not None
    assert large is not None
    assert small.sigma > large.sigma


def test_a_domain_too_wide_is_refused_before_any_charge() -> None:
    wide = Domain((Column("a", "categorical", values=tuple(map(str, range(6000)))), *DOMAIN.columns))
    with pytest.raises(PolicyRefusal, match="6,008 codes in all"):
        GAN().plan(wide, RHO, ROOM)


def test_without_torch_a_plan_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "torch":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PolicyRefusal, match=r"dpsynth-platform\[gan\]"):
        GAN().plan(DOMAIN, RHO, ROOM)


def test_two_runs_on_the_same_rows_differ() -> None:
    drawn = [run(300)[0].sample(200, np.random.default_rng(1)).codes["a"] for _ in range(2)]
    assert not np.array_equal(*drawn)


@pytest.mark.parametrize(
    ("kind", "pairs", "trained"),
    [(GAN(critic_percent=0), True, False), (GAN(critic_percent=95, guided=False), False, True)],
    ids=["marginals alone", "critic alone"],
)
def test_each_part_can_be_measured_alone(kind: GAN, pairs: bool, trained: bool) -> None:
    plan = kind.plan(DOMAIN, RHO, ROOM)
    budget = PrivacyFilter(plan_cost(plan, "1e-6"))
    unit = PrivacyUnit("row", None, 1, "add_remove")
    model: Any = kind.fit(plan, TableCurator(rows(4000), unit, budget, OpenDPNoise()))
    drawn = model.sample(3000, np.random.default_rng(1)).codes
    assert any(isinstance(event, SampledGaussian) for event in budget.events) is trained
    if pairs:
        assert np.mean(drawn["a"] == drawn["b"]) > 0.7
    counts = np.bincount(drawn["a"], minlength=3) / 3000
    assert np.abs(counts - 1 / 3).max() < 0.15
