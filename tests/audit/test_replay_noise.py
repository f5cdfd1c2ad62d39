"""S5: noise that is drawn once and used twice is found, wherever it repeats; noise that is not, is not."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from dpsynth.accounting.events import SampledGaussian
from dpsynth.audit.noise_tape import NoiseTape, _Answer, compared, taped
from dpsynth.audit.noise_tests import correlation
from dpsynth.audit.plan_structural import StructuralSection
from dpsynth.audit.s5_repeats import check_repeats
from dpsynth.audit.surrogate import make_surrogate
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import wound_back
from dpsynth.synthesizers.independent import Independent

ROOT = Path(__file__).resolve().parents[2]
LEVEL = 1e-4


@pytest.fixture
def marginal(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("audits.mutants.marginal")


@pytest.fixture
def repeats(plan) -> Callable[..., Any]:
    def check(pipeline, rows=100, seconds=60, needed=0.9) -> Any:
        section = StructuralSection.model_construct(
            repeat_alpha=LEVEL,
            repeat_correlation_needed=needed,
            repeat_processes=True,
            repeat_seconds=seconds,
        )
        rng = np.random.default_rng(3)
        table = make_surrogate(pipeline.door.domain, pipeline.door.unit, rows, rng)
        fits = tuple(pipeline.fit(table, rng) for _ in range(3))
        return check_repeats(pipeline, table, fits, plan.model_copy(update={"structural": section}), rng)

    return check


def test_a_correct_pipeline_passes_and_says_what_it_would_have_seen(repeats, marginal) -> None:
    result = repeats(marginal.correct(Independent()))
    assert (result.outcome, result.details["processes"]) == ("pass", "forked")
    assert result.details["runs"][3:] == ["wound back", "second release", "worker 1", "worker 2"]
    assert "correlates by 0." in result.could_have_found


class GlobalNumpy(OpenDPNoise):
    """Noise from numpy's global generator: fresh in each fit, until somebody seeds it."""

    def gaussian(self, values, scale):
        return values + np.rint(np.random.normal(0.0, scale, len(values))).astype(np.int64)  # noqa: NPY002


class GlobalTorch(OpenDPNoise):
    def gaussian(self, values, scale):
        return values + np.rint(torch.randn(len(values)).numpy() * scale).astype(np.int64)


class GlobalPython(OpenDPNoise):
    def gaussian(self, values, scale):
        return values + np.array([round(random.gauss(0.0, scale)) for _ in values])


@pytest.mark.parametrize("noise", [GlobalNumpy(), GlobalTorch(), GlobalPython()])
def test_noise_from_a_global_generator_fails_although_its_fits_differ(repeats, marginal, noise) -> None:
    result = repeats(marginal.correct(Independent(), noise=noise))
    assert result.outcome == "fail"
    assert "noise of wound back and second release" in result.details["rejected"]
    assert not any("fit 1" in name for name in result.details["rejected"])


def test_workers_that_share_a_state_fail_although_all_other_runs_differ(repeats, marginal) -> None:
    result = repeats(marginal.correct(Independent(), noise=marginal.ProcessNoise()))
    assert result.outcome == "fail"
    assert all("worker 1 and worker 2" in name for name in result.details["rejected"])


def test_a_second_release_with_the_first_ones_noise_fails(repeats, marginal) -> None:
    result = repeats(marginal.correct(Independent(), door=marginal.RefreshingDoor))
    assert result.outcome == "fail"
    assert all("second release" in name for name in result.details["rejected"])


@dataclass(frozen=True)
class HalfReused(OpenDPNoise):
    """Every second cell of an answer gets noise that it got before."""

    kept: dict[int, np.ndarray] = field(default_factory=dict)

    def gaussian(self, values, scale):
        noisy = super().gaussian(values, scale)
        old = self.kept.setdefault(len(values), noisy - values)
        noisy[::2] = values[::2] + old[::2]
        return noisy


def test_noise_of_which_half_is_used_again_fails(repeats, marginal) -> None:
    assert repeats(marginal.correct(Independent(), noise=HalfReused())).outcome == "fail"


@pytest.mark.parametrize("fault", ["Weaker", "SilentAt"])
def test_too_little_noise_or_none_is_no_repetition(repeats, marginal, fault) -> None:
    noise = getattr(marginal, fault)(15)
    assert repeats(marginal.correct(Independent(), noise=noise)).outcome != "fail"


def test_too_little_to_compare_is_inconclusive(repeats, marginal) -> None:
    small = marginal.correct(Independent())
    narrow = replace(small.door.domain, columns=small.door.domain.columns[1:3])
    result = repeats(replace(small, door=small.door.over(narrow)))
    assert (result.outcome, result.could_have_found) == ("inconclusive", "")


class Patient(Independent):
    """Crashes or hangs from the sixth fit of a process on: in the workers alone."""

    def __init__(self, how: str) -> None:
        self.how, self.fits = how, 0

    def fit(self, plan, curator):
        self.fits += 1
        if self.fits > 5 or (self.how == "crashes soon" and self.fits > 3):
            if self.how.startswith("crashes"):
                raise RuntimeError("of a person called Alice")
            time.sleep(60)
        return super().fit(plan, curator)


@pytest.mark.parametrize(("how", "words"), [("crashes", "RuntimeError"), ("hangs", "did not answer in time")])
def test_a_worker_that_crashes_or_hangs_is_told_in_words(repeats, marginal, how, words) -> None:
    result = repeats(marginal.correct(Patient(how)), seconds=2)
    assert (result.outcome, words in result.plain, "Alice" in result.plain) == ("inconclusive", True, False)


def test_a_crash_of_a_further_fit_is_told_in_words(repeats, marginal) -> None:
    result = repeats(marginal.correct(Patient("crashes soon")))
    assert (result.outcome, "RuntimeError" in result.plain) == ("inconclusive", True)


class NoFork(Independent):
    """Cannot run where another process loaded it, as networks on a card cannot."""

    def __init__(self) -> None:
        import os

        self.process = os.getpid()

    def __reduce__(self):
        return NoFork, ()

    def fit(self, plan, curator):
        import os

        if os.getpid() != self.process:
            raise RuntimeError("no card in a forked process")
        return super().fit(plan, curator)


def test_a_pipeline_that_cannot_be_forked_is_fitted_in_processes_started_afresh(repeats, marginal) -> None:
    result = repeats(marginal.correct(NoFork()), seconds=600)
    assert (result.outcome, result.details["processes"]) == ("pass", "started afresh")
    assert "cannot run in forked ones" in result.plain


def tape(name: str, seed: int) -> NoiseTape:
    """Of a run of two counts and a training, by independent draws."""
    rng = np.random.default_rng(seed)
    records = [
        SimpleNamespace(kind="marginal", cliques=((column,),), sigma=sigma, true=np.zeros(cells), noisy=noisy)
        for column, sigma, cells in (("a", 1.5, 40), ("b", 30.0, 60))
        for noisy in [np.rint(rng.normal(0.0, sigma, cells))]
    ]
    steps = [rng.normal(0.0, 2.0, 50) for _ in range(20)]
    training = SimpleNamespace(
        residuals=steps, scale=2.0, coins=rng.random((20, 80)) < 0.1, event=SampledGaussian(0.1, 2.0, 20)
    )
    return taped(name, SimpleNamespace(records=records, trainings=[training]), rng)


def test_independent_runs_are_told_apart_at_the_level_that_is_stated() -> None:
    ps = np.array(
        [[test.p for test in compared(tape("one", 2 * at), tape("two", 2 * at + 1))] for at in range(400)]
    )
    assert ps.shape[1] == 5
    assert (np.mean(ps < 0.05, axis=0) < 0.09).all()
    assert ps.min() > 1e-5


def test_few_numbers_correlate_by_chance_no_more_often_than_is_stated() -> None:
    rng = np.random.default_rng(3)
    pairs = rng.random((40_000, 2, 10))
    ps = np.array([correlation("few", one, two).p for one, two in pairs])
    for level in (1e-2, 1e-3, 1e-4):
        assert stats.binom.sf(int((ps < level).sum()) - 1, len(ps), level) > 1e-4


@pytest.mark.parametrize(("arrays", "cells"), [(1, 8), (4, 2), (3, 4)])
def test_small_arrays_agree_by_chance_no_more_often_than_is_stated(arrays: int, cells: int) -> None:
    rng = np.random.default_rng(4)

    def small() -> NoiseTape:
        answers = {
            ("marginal", (str(at),), cells, 0): _Answer(rng.permutation(cells), rng.random(cells), 1.0)
            for at in range(arrays)
        }
        return NoiseTape("small", answers, ())

    ps = np.array([compared(small(), small())[1].p for _ in range(4_000)])
    for level in (0.1, 0.03, 0.01, 0.001):
        assert stats.binom.sf(int((ps < level).sum()) - 1, len(ps), level) > 1e-4
    same = small()
    assert compared(same, same)[1].p < 0.25


def test_the_same_noise_and_the_same_samples_of_a_training_are_seen() -> None:
    one = tape("one", 1)
    found = {test.name: test.p for test in compared(one, replace(tape("two", 2), trainings=one.trainings))}
    assert found["training noise of one and two"] < 1e-12
    assert found["equal training noise of one and two"] < 1e-12
    assert found["samples of one and two"] < 1e-12
    assert found["noise of one and two"] > 1e-4


def test_global_generators_go_on_where_they_were() -> None:
    def drawn() -> list[float]:
        return [random.random(), float(np.random.random()), float(torch.rand(1))]  # noqa: NPY002

    with wound_back():
        first = drawn()
    between = drawn()
    with wound_back():
        assert drawn() == first
    assert all(one != two for one, two in zip(between, drawn(), strict=True))
