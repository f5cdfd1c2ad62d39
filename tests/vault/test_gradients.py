"""Training behind the curator: paid for first, bounded for each unit, noisy whatever the table."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from dpsynth.accounting.cost import cost_of
from dpsynth.accounting.events import SampledGaussian
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.core.domain import Column, Domain
from dpsynth.core.errors import BadInput, BudgetExceeded, PolicyRefusal
from dpsynth.core.gradient import GradientPlan
from dpsynth.core.unit import Adjacency, PrivacyUnit
from dpsynth.mechanisms.keystream import KeyStream
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.synthesizers.structure import _FreeColumns
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.table import SensitiveTable

DOMAIN = Domain(tuple(Column(name, "categorical", values=("0", "1", "2")) for name in ("a", "b")))
PLAN = GradientPlan(rate=0.5, clip=2.0, sigma=1.5, steps=4)


class Silent(KeyStream):
    """Everyone is in, and no noise: what is left is the clipped sum."""

    def included(self, units: int, rate: float) -> NDArray[np.bool_]:
        return np.ones(units, dtype=bool)

    def normal(self, count: int, scale: float) -> Tensor:
        return torch.zeros(count, dtype=torch.float64)


class Watched(SensitiveTable):
    """Fails where a row is read, unless reading is allowed."""

    allowed = False

    def _open(self):  # type: ignore[no-untyped-def]
        assert self.allowed, "a row was read before the charge"
        return super()._open()


def table(rows: int, units: NDArray[np.int64] | None = None) -> SensitiveTable:
    codes = {name: np.arange(rows) * step % 3 for name, step in (("a", 1), ("b", 2))}
    return SensitiveTable(DOMAIN, codes, np.arange(rows) if units is None else units)


def curator(
    rows: SensitiveTable,
    plan: GradientPlan = PLAN,
    noise: KeyStream | None = None,
    max_rows: int = 1,
    adjacency: Adjacency = "add_remove",
) -> tuple[TableCurator, PrivacyFilter]:
    budget = PrivacyFilter(cost_of(SampledGaussian(plan.rate, plan.sigma, plan.steps)))
    unit = PrivacyUnit("person", None, max_rows, adjacency)
    return TableCurator(rows, unit, budget, OpenDPNoise(), gradient_noise=noise), budget


def model() -> nn.Module:
    return nn.Linear(2, 1)


def loss(model: nn.Module, rows: Tensor) -> Tensor:
    return model(rows.float()).squeeze(1) * 100.0


def flat(tensors: list[Tensor]) -> NDArray[np.float64]:
    return torch.cat([one.flatten() for one in tensors]).double().numpy()


def test_every_step_is_charged_before_a_row_is_read() -> None:
    rows = Watched(DOMAIN, {name: np.arange(9) % 3 for name in "ab"}, np.arange(9))
    asked, budget = curator(rows)
    training = asked.gradient(PLAN)
    assert budget.events == (SampledGaussian(PLAN.rate, PLAN.sigma, PLAN.steps),)
    rows.allowed = True
    training.step(model(), loss)
    assert budget.events == (SampledGaussian(PLAN.rate, PLAN.sigma, PLAN.steps),)


def test_a_training_that_stops_early_has_spent_its_whole_reservation() -> None:
    asked, budget = curator(table(9))
    training = asked.gradient(PLAN)
    training.step(model(), loss)
    assert training.left == PLAN.steps - 1
    assert budget.spent == cost_of(SampledGaussian(PLAN.rate, PLAN.sigma, PLAN.steps))
    with pytest.raises(BudgetExceeded):
        asked.gradient(GradientPlan(0.5, 2.0, 1.5, 1))


def test_a_plan_beyond_the_budget_is_refused_before_a_row_is_read() -> None:
    rows = Watched(DOMAIN, {name: np.arange(9) % 3 for name in "ab"}, np.arange(9))
    asked, _ = curator(rows)
    with pytest.raises(BudgetExceeded):
        asked.gradient(GradientPlan(0.5, 2.0, 1.5, PLAN.steps + 1))


def test_no_step_beyond_the_plan() -> None:
    training = curator(table(9))[0].gradient(PLAN)
    for _ in range(PLAN.steps):
        training.step(model(), loss)
    with pytest.raises(BudgetExceeded, match="more steps than its plan"):
        training.step(model(), loss)


@pytest.mark.parametrize("rows", [0, 1, 3000])
def test_noise_has_the_planned_scale_whatever_the_number_of_rows(rows: int) -> None:
    plan = GradientPlan(rate=0.5, clip=2.0, sigma=1.5, steps=2000)
    training, net = curator(table(rows), plan)[0].gradient(plan), model()

    def still(model: nn.Module, rows: Tensor) -> Tensor:
        return model(rows.float() * 0.0).squeeze(1) * 0.0

    z = np.concatenate([flat(training.step(net, still)) for _ in range(plan.steps)]) / (
        plan.sigma * plan.clip
    )
    assert len(z) == 3 * plan.steps
    assert stats.kstest(z, "norm").pvalue > 1e-6
    spread = float((z**2).sum())
    assert 2 * min(stats.chi2.cdf(spread, len(z)), stats.chi2.sf(spread, len(z))) > 1e-6


def test_noise_is_rounded_to_single_precision_whatever_the_model_is_made_of() -> None:
    found = flat(curator(table(50))[0].gradient(PLAN).step(model().double(), in_double))
    assert np.array_equal(found, found.astype(np.float32))


def in_double(model: nn.Module, rows: Tensor) -> Tensor:
    return model(rows.double()).squeeze(1)


def test_an_empty_sample_is_answered_with_noise() -> None:
    plan = GradientPlan(rate=1e-9, clip=2.0, sigma=1.5, steps=3)
    found = curator(table(5), plan)[0].gradient(plan).step(model(), loss)
    assert [tuple(one.shape) for one in found] == [(1, 2), (1,)]
    assert np.abs(flat(found)).min() > 0


def test_the_rows_of_a_unit_stay_within_the_clip_together() -> None:
    three_each = np.repeat(np.arange(4), 3)
    rows, fewer = table(12, three_each), table(9, three_each[:9])
    net = model()
    sums = [
        flat(curator(one, noise=Silent(), max_rows=3)[0].gradient(PLAN).step(net, loss))
        for one in (rows, fewer)
    ]
    assert 0.8 * PLAN.clip < np.linalg.norm(sums[0] - sums[1]) <= PLAN.clip


def test_a_unit_is_drawn_with_all_its_rows() -> None:
    seen: list[int] = []

    def count(model: nn.Module, rows: Tensor) -> Tensor:
        seen.append(len(rows))
        return loss(model, rows)

    plan = GradientPlan(rate=0.5, clip=2.0, sigma=1.5, steps=60)
    training, net = (
        curator(table(40, np.repeat(np.arange(10), 4)), plan, max_rows=4)[0].gradient(plan),
        model(),
    )
    for _ in range(plan.steps):
        training.step(net, count)
    on_rows = seen[4:]  # the first calls are on made-up rows
    assert all(size % 4 == 0 for size in on_rows)
    assert len(set(on_rows)) > 3


def test_large_samples_are_summed_in_parts() -> None:
    rows, net = table(20_000), model()
    plan = GradientPlan(rate=1.0, clip=1e4, sigma=1.5, steps=1)
    found = flat(curator(rows, plan, noise=Silent())[0].gradient(plan).step(net, loss))
    codes = np.stack([np.arange(20_000) % 3, np.arange(20_000) * 2 % 3], axis=1)
    assert found == pytest.approx([*(100.0 * codes.sum(0)), 100.0 * 20_000], rel=1e-4)


def test_units_that_are_replaced_are_refused() -> None:
    with pytest.raises(PolicyRefusal, match="added or removed"):
        curator(table(9), adjacency="replace_one")[0].gradient(PLAN)


def test_a_loss_over_the_batch_is_refused_on_made_up_rows_and_takes_no_step() -> None:
    rows = Watched(DOMAIN, {name: np.arange(9) % 3 for name in "ab"}, np.arange(9))
    training = curator(rows)[0].gradient(PLAN)
    with pytest.raises(BadInput, match="other examples"):
        training.step(model(), lambda m, r: loss(m, r) / loss(m, r).sum())
    assert training.left == PLAN.steps


class Player:
    """A loss that is a method, as a synthesizer's are."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def loss(self, model: nn.Module, rows: Tensor) -> Tensor:
        self.seen.append(len(rows))
        return loss(model, rows)


def test_what_fails_on_rows_says_nothing_of_the_sample() -> None:
    def fails(model: nn.Module, rows: Tensor) -> Tensor:
        if len(rows) > 100:
            raise RuntimeError(f"{len(rows)} rows, the first {rows[0].tolist()}")
        return loss(model, rows)

    def short(model: nn.Module, rows: Tensor) -> Tensor:
        return loss(model, rows)[:100]

    for bad in (fails, short):
        with pytest.raises(BadInput, match="failed on rows") as caught:
            curator(table(900))[0].gradient(PLAN).step(model(), bad)
        assert not any(sign.isdigit() for sign in caught.value.text())
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


@pytest.mark.parametrize("narrowed", [False, True], ids=["curator", "without determined columns"])
def test_a_loss_that_is_a_method_is_tried_on_made_up_rows_once(narrowed: bool) -> None:
    training, net, player = curator(table(900))[0].gradient(PLAN), model(), Player()
    shown = _FreeColumns(training, [0, 1]) if narrowed else training
    for _ in range(PLAN.steps):
        shown.step(net, player.loss)
    assert sum(size > 100 for size in player.seen) == PLAN.steps
    assert sum(size < 100 for size in player.seen) == 5  # buffers, numbers (three), gradients


@pytest.mark.parametrize(
    "changed", [{"rate": 0.0}, {"rate": 1.1}, {"clip": 0.0}, {"sigma": float("nan")}, {"steps": 0}]
)
def test_an_impossible_plan_cannot_be_made(changed: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"rate|clip|steps"):
        GradientPlan(**{"rate": 0.5, "clip": 2.0, "sigma": 1.5, "steps": 4} | changed)  # type: ignore[arg-type]


def test_a_training_fits_a_model_on_the_rows() -> None:
    """The door lets learning through: b = 2a mod 3 is found."""
    net = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 3))

    def wrong(model: nn.Module, rows: Tensor) -> Tensor:
        shown = nn.functional.one_hot(rows[:, 0], 3).float()
        return nn.functional.cross_entropy(model(shown), rows[:, 1], reduction="none")

    plan = GradientPlan(rate=0.3, clip=1.0, sigma=1.0, steps=150)
    training, steps = curator(table(900), plan)[0].gradient(plan), torch.optim.Adam(net.parameters(), 0.02)
    while training.left:
        for parameter, found in zip(net.parameters(), training.step(net, wrong), strict=True):
            parameter.grad = found / 270.0
        steps.step()
    shown = torch.eye(3)
    assert net(shown).argmax(1).tolist() == [0, 2, 1]
