"""Faults planted in a real training are found, by the tests that are meant to; the correct one passes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from dpsynth.accounting.cost import zcdp_cost
from dpsynth.audit.plan_structural import StructuralSection
from dpsynth.audit.result import CheckResult
from dpsynth.audit.run import run_structural
from dpsynth.audit.s1_ledger import check_ledger
from dpsynth.audit.s8_clip import check_clipping
from dpsynth.core.errors import BudgetExceeded
from dpsynth.core.gradient import GradientPlan
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.vault.surrogate import Door

ROOT = Path(__file__).resolve().parents[2]
ALL = {"S1", "S3", "S4", "S7", "S8", "G5"}
TRAINING = GradientPlan(rate=0.1, clip=1.0, sigma=2.0, steps=4)


@pytest.fixture
def mutants(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: import_module(f"audits.mutants.{name}")


QUICK = {
    "marginal": ["P1", "P2", "P3", "P6", "P9", "P10", "P10", "P11", "P20"],
    "training": ["P1", "P13", "P14", "P14", "P14", "P15", "P15"],
}
"""Mutants of each file that the quick plan owes a flag, in order."""

ROUNDS = 20
"""Audits of each of them, with fresh entropy: each must find it."""

BRIEF = 60
"""Steps of a training whose rows, or whose clipping, are all that is asked about."""

FITS = {"S1": 1, "S3": 1, "S7": 1, "S8": 1, "G5": 2}
"""Fits that these tests cannot do without; others get as many as the plan says."""


@pytest.fixture
def audited(plan, mutants) -> Callable[..., dict[str, CheckResult]]:
    """Structural tests of the quick plan, all of them or those named; the surrogate rows are fewer."""

    def audit(pipeline, named: Sequence[str] = (*sorted(ALL), "S5")) -> dict[str, CheckResult]:
        section = StructuralSection.model_construct(
            repeat_alpha=1e-4, repeat_correlation_needed=0.9, repeat_processes=True, repeat_seconds=300
        )
        tests, training = (
            tuple(test for test in known if test in named)
            for known in (("S1", "S3", "S4", "S5"), plan.training_tests)
        )
        changed = {
            "surrogate_rows": 300,
            "noise_fits": max(FITS.get(name, plan.noise_fits) for name in named),
            "structural": section,
        }
        changed |= {"tests": tests, "training_tests": training}
        results = run_structural(pipeline, plan.model_copy(update=changed), os_generator())
        return {result.id: result for result in results}

    return audit


@pytest.mark.parametrize("max_rows", [1, 3])
def test_a_correct_training_passes_every_test(mutants, audited, max_rows) -> None:
    named = sorted(ALL | ({"S5"} if max_rows == 1 else set()))
    results = audited(mutants("training").correct(max_rows=max_rows), named)
    assert {result.outcome for result in results.values()} == {"pass"}
    assert set(results) >= ALL


def test_a_correct_count_passes_every_test(mutants, audited) -> None:
    results = audited(mutants("marginal").correct())
    assert {result.outcome for result in results.values()} == {"pass"}


# A sum without clipping may be infinite, and numpy warns that infinities were taken from each other.
@pytest.mark.filterwarnings("ignore:invalid value encountered in subtract:RuntimeWarning")
@pytest.mark.parametrize(
    ("module", "place"), [(module, at) for module, ids in QUICK.items() for at in range(len(ids))]
)
def test_each_audit_finds_a_planted_fault_by_the_tests_that_owe_it(
    mutants, audited, plan, module, place
) -> None:
    mutant = [mutant for mutant in mutants(module).MUTANTS if mutant.tier == "quick"][place]
    assert mutant.id == QUICK[module][place]
    make = mutant.pipeline
    if module == "training" and {"S1", "S8"}.issuperset(mutant.caught_by):  # they count no steps
        brief = replace(mutant.pipeline().synthesizer, steps=BRIEF)
        make = partial(mutants(module).correct, brief)
    missed = []
    for _ in range(ROUNDS):
        results = audited(make(), mutant.caught_by)
        if not {name for name, one in results.items() if one.outcome == "fail"} >= set(mutant.caught_by):
            missed.append([(one.id, one.outcome, one.plain) for one in results.values()])
    assert missed == []


def test_every_planted_fault_is_in_a_test_and_can_be_sent_to_another_process(mutants) -> None:
    for module, ids in QUICK.items():
        every = mutants(module).MUTANTS
        assert [mutant.id for mutant in every if mutant.tier == "quick"] == ids
        later = ["P7", "P12"] if module == "marginal" else []
        assert [mutant.id for mutant in every if mutant.tier != "quick"] == later
        for mutant in every:
            sent = pickle.loads(pickle.dumps(mutant.pipeline()))
            assert sent.plan() == mutant.pipeline().plan()


def test_no_check_knows_a_mutant_by_name(mutants) -> None:
    names = {"mutant", *(type(m.pipeline().synthesizer).__name__ for m in mutants("marginal").MUTANTS)} - {
        "MST"
    }
    audit = ROOT / "dpsynth" / "audit"
    checks = [*audit.glob("[glrs][0-9]*.py"), *audit.glob("games/*.py"), *audit.glob("blackbox/*.py")]
    assert len(checks) > 30
    for path in checks:
        assert not [name for name in names if name in path.read_text(encoding="utf-8")], path.name


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
