"""diffusion: planned from public facts, spends its plan and no more, learns pairs, and needs its extra."""

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
from dpsynth.synthesizers import diffusion as room
from dpsynth.synthesizers.diffusion import Diffusion
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.table import SensitiveTable

SIZES = {"a": 3, "b": 3, "c": 2}
DOMAIN = Domain(
    tuple(Column(name, "categorical", values=tuple(map(str, range(size)))) for name, size in SIZES.items())
)
RHO, ROOM = 500_000_000, 100_000


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer steps: the shape of a run is the same."""
    monkeypatch.setattr(room, "_STEPS", 40)
    monkeypatch.setattr(room, "_TEACHING_STEPS", 150)


def rows(count: int) -> SensitiveTable:
    rng = np.random.default_rng(5)
    a = rng.integers(0, 3, count)
    codes = {"a": a, "b": (a + (rng.random(count) < 0.1)) % 3, "c": rng.integers(0, 2, count)}
    return SensitiveTable(DOMAIN, codes, np.arange(count))


def run(count: int = 4000, kind: Diffusion | None = None) -> tuple[Any, PrivacyFilter, list[Progress]]:
    kind = kind or Diffusion()
    plan = kind.plan(DOMAIN, RHO, ROOM)
    budget, told = PrivacyFilter(plan_cost(plan, "1e-6")), []
    unit = PrivacyUnit("row", None, 1, "add_remove")
    curator = TableCurator(rows(count), unit, budget, OpenDPNoise(), told.append)
    return kind.fit(plan, curator), budget, told


def test_a_run_learns_pairs_and_spends_what_its_plan_says() -> None:
    model, budget, told = run()
    drawn = model.sample(3000, np.random.default_rng(1)).codes
    assert all(0 <= drawn[name].min() <= drawn[name].max() < size for name, size in SIZES.items())
    assert np.mean(drawn["a"] == drawn["b"]) == pytest.approx(0.9, abs=0.07)  # a third by chance
    plan = Diffusion().plan(DOMAIN, RHO, ROOM)
    assert plan.gradient is not None
    trainings = [event for event in budget.events if isinstance(event, SampledGaussian)]
    assert trainings == [SampledGaussian(plan.gradient.rate, plan.gradient.sigma, 40)]
    assert budget.remaining_rho < 0.01 * RHO
    assert told[-1].spent == 1.0
    assert model.total == pytest.approx(4000, abs=200)


def test_nothing_is_left_for_more() -> None:
    plan = Diffusion().plan(DOMAIN, RHO, ROOM)
    budget = PrivacyFilter(plan_cost(plan, "1e-6"))
    curator = TableCurator(rows(50), PrivacyUnit("row", None, 1, "add_remove"), budget, OpenDPNoise())
    Diffusion().fit(plan, curator)
    assert plan.gradient is not None
    with pytest.raises(BudgetExceeded):
        curator.gradient(plan.gradient)


@pytest.mark.parametrize("count", [0, 1])
def test_tables_of_hardly_any_rows_end_in_rows_of_the_domain(count: int) -> None:
    model, _, _ = run(count)
    drawn = model.sample(10, np.random.default_rng(1))
    assert drawn.rows == 10
    assert model.sample(0, np.random.default_rng(1)).rows == 0
    assert model.sample(1, np.random.default_rng(1)).rows == 1


def test_a_plan_says_what_each_row_adds_and_follows_from_public_facts() -> None:
    one, other = Diffusion().plan(DOMAIN, RHO, ROOM), Diffusion().plan(DOMAIN, RHO, ROOM)
    assert one == other
    said = " ".join(one.steps)
    assert "40 steps of DP-SGD" in said
    assert "adds at most 0.5" in said
    assert one.gradient_nano == RHO * Diffusion().training_percent // 100
    assert said.index("Train a denoiser") < said.index("Then train the denoiser by")


def test_less_budget_means_more_noise() -> None:
    small, large = (Diffusion().plan(DOMAIN, rho, ROOM).gradient for rho in (RHO // 10, RHO))
    assert small is not None
    assert large is not None
    assert small.sigma > large.sigma


@pytest.mark.parametrize(
    ("rho", "room_for", "why"),
    [(1, ROOM, "budget"), (RHO, 3, "cells")],
    ids=["no budget", "no room"],
)
def test_a_plan_that_cannot_be_kept_is_refused(rho: int, room_for: int, why: str) -> None:
    with pytest.raises(PolicyRefusal, match=why):
        Diffusion().plan(DOMAIN, rho, room_for)


def test_a_domain_too_wide_is_refused_before_any_charge() -> None:
    wide = Domain((Column("a", "categorical", values=tuple(map(str, range(6000)))), *DOMAIN.columns))
    with pytest.raises(PolicyRefusal, match="6,008 codes in all"):
        Diffusion().plan(wide, RHO, ROOM)


def test_without_torch_a_plan_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "torch":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PolicyRefusal, match=r"dpsynth-platform\[gan\]"):
        Diffusion().plan(DOMAIN, RHO, ROOM)


def test_two_runs_on_the_same_rows_differ() -> None:
    drawn = [run(300)[0].sample(200, np.random.default_rng(1)).codes["a"] for _ in range(2)]
    assert not np.array_equal(*drawn)


def test_marginals_can_be_measured_alone() -> None:
    model, budget, _ = run(kind=Diffusion(training_percent=0))
    drawn = model.sample(3000, np.random.default_rng(1)).codes
    assert not any(isinstance(event, SampledGaussian) for event in budget.events)
    assert np.mean(drawn["a"] == drawn["b"]) == pytest.approx(0.9, abs=0.07)
