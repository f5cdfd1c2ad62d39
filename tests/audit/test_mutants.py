"""Faults planted in a real training are found, by the tests that are meant to; the correct one passes."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from dpsynth.accounting.cost import zcdp_cost
from dpsynth.audit.s1_ledger import check_ledger
from dpsynth.audit.s8_clip import check_clipping
from dpsynth.core.errors import BudgetExceeded
from dpsynth.core.gradient import GradientPlan
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.vault.surrogate import Door

ROOT = Path(__file__).resolve().parents[2]
ALL = {"S1", "S3", "S4", "S7", "S8", "G5"}
TRAINING = GradientPlan(rate=0.1, clip=1.0, sigma=2.0, steps=4)


@pytest.fixture
def mutants(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: import_module(f"audits.mutants.{name}")


@pytest.mark.parametrize("max_rows", [1, 3])
def test_a_correct_training_passes_every_test(mutants, max_rows) -> None:
    results = mutants("scoreboard").audited("correct", max_rows)
    assert {name: result.outcome for name, result in results.items()} == dict.fromkeys(ALL, "pass")


@pytest.mark.parametrize(
    ("case", "finders"),
    [
        ("P13 shuffled batches of one size", {"S7"}),
        ("P14 the batch's sum is clipped", {"S8"}),
        ("P14 the batch's mean is clipped", {"S3", "S8"}),
        ("P14 small batches are not clipped", {"S8"}),
        ("half the noise", {"S4", "G5"}),
        ("P15 checkpoint by rows", {"S1"}),
        ("P15 stop by rows", {"S1"}),
    ],
)
def test_a_planted_fault_is_found_by_the_tests_that_are_meant_to(mutants, case, finders) -> None:
    results = mutants("scoreboard").audited(case)
    assert {name for name, result in results.items() if result.outcome == "fail"} >= finders


def test_every_planted_fault_is_in_a_test(mutants) -> None:
    here = {mark.args[1][at][0] for mark in (PLANTED,) for at in range(len(mark.args[1]))}
    assert set(mutants("scoreboard").CASES) == here | {"correct"}


PLANTED = test_a_planted_fault_is_found_by_the_tests_that_are_meant_to.pytestmark[0]


class Opened:
    """A run on forty units, with the canary (unit 0) in the table or not, and a small network."""

    def __init__(self, pipeline: ModuleType, held: bool = True) -> None:
        self.domain = pipeline.DOMAIN
        door = Door(self.domain, PrivacyUnit("row", None, 1, "add_remove"), OpenDPNoise())
        rng = np.random.default_rng(3)
        codes = {c.name: rng.integers(0, c.size, 40) for c in self.domain.columns}
        units = np.arange(40)
        here, own = units >= (not held), units == 0
        self.table = door.table({name: one[here] for name, one in codes.items()}, units[here])
        canary = door.table({name: one[own] for name, one in codes.items()}, units[own])
        self.run = door.open(self.table, zcdp_cost(10**12), canary)
        self.network = pipeline._network(self.domain)
        self.loss: Any = pipeline.SmallTraining()._loss
        self.source = self.run.curator.gradient(TRAINING)

    @property
    def training(self) -> Any:
        return self.run.trainings[0]


def test_what_the_witness_does_is_no_read_of_the_pipeline(mutants) -> None:
    opened = Opened(mutants("pipeline"))
    while opened.source.left:
        opened.source.step(opened.network, opened.loss)
    opened.training.probe.moved(opened.table, opened.table)
    assert opened.run.reads == opened.training.reads == 1
    assert opened.training.steps == 4


def test_a_training_reads_no_row_that_was_not_paid_for(mutants, claim) -> None:
    opened = Opened(mutants("pipeline"))
    for _ in range(4):
        opened.source.step(opened.network, opened.loss)
    with pytest.raises(BudgetExceeded):
        opened.source.step(opened.network, opened.loss)
    assert opened.training.steps == 4
    opened.training._steps.append(opened.training._steps[0])
    assert "more steps than were paid for" in check_ledger([opened.run], claim).plain


@pytest.mark.parametrize("held", [True, False])
def test_the_canarys_coin_move_and_score_are_those_of_the_noisy_sum(mutants, held) -> None:
    opened = Opened(mutants("pipeline"), held)
    answers = [opened.source.step(opened.network, opened.loss) for _ in range(4)]
    coin, norm, score = opened.training.canary.T
    assert opened.run.holds_canary == held
    assert coin.tolist() == (opened.training.coins[:, 0].tolist() if held else [0.0] * 4)
    assert norm == pytest.approx(1.0, abs=2e-3)
    assert np.abs(score - coin * norm).max() < 6 * TRAINING.sigma
    assert [sum(one.numel() for one in answer) for answer in answers] == opened.training.sizes.tolist()


@pytest.mark.parametrize("norm", [1e6, float("inf"), float("nan")])
def test_a_gradient_without_bounds_adds_at_most_the_clip(mutants, norm) -> None:
    opened = Opened(mutants("pipeline"))
    opened.source.step(opened.network, opened.loss)
    probe, sample = opened.training.probe, np.arange(5)
    moved = probe.summed(sample, 3, norm) - probe.summed(np.array([0, 1, 2, 4]), 3, norm)
    assert np.linalg.norm(moved) == pytest.approx(1.0 if norm == 1e6 else 0.0, abs=2e-3)
    assert check_clipping([opened.training]).outcome == "pass"


def test_a_loss_that_draws_random_numbers_is_no_proof_of_clipping(mutants) -> None:
    opened = Opened(mutants("pipeline"))
    plain = opened.loss

    def drawing(model, rows):
        return plain(model, rows) * torch.rand(len(rows))

    opened.source.step(opened.network, drawing)
    assert check_clipping([opened.training]).outcome == "inconclusive"
