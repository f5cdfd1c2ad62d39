"""S6: an exact sampler on the integers passes every time; floating-point noise does not."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.plan_structural import StructuralSection
from dpsynth.audit.result import CheckResult
from dpsynth.audit.s6_lattice import check_lattice
from dpsynth.core.domain import Column, Domain
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.vault.surrogate import Door

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = Domain((Column("a", "categorical", values=("x", "y")),))


@pytest.fixture
def checked(plan: AuditPlan) -> Callable[..., CheckResult]:
    def check(
        noise: Any, max_rows: int = 1, adjacency: Any = "add_remove", trained: bool = False, **section: Any
    ) -> CheckResult:
        facts = {"artefact_tables": "together", "lattice_draws": 4096, "lattice_alpha": 1e-9, **section}
        tried = plan.model_copy(update={"structural": StructuralSection.model_construct(**facts)})
        unit = PrivacyUnit("person", "id" if max_rows > 1 else None, max_rows, adjacency)
        return check_lattice(Door(DOMAIN, unit, noise), tried, trained)

    return check


@pytest.mark.parametrize("adjacency", ["add_remove", "replace_one"])
@pytest.mark.parametrize("max_rows", [1, 3])
def test_noise_of_the_exact_sampler_passes(checked, max_rows, adjacency) -> None:
    for _ in range(5):
        result = checked(OpenDPNoise(), max_rows, adjacency)
        assert (result.outcome, result.n) == ("pass", 4 * 2 * 4096)
        assert [probe["lowest_bit_from_0_and_1"] for probe in result.details["probes"]] == [[0, 0]] * 4


def test_of_trainings_it_says_that_it_did_not_look(checked) -> None:
    result = checked(OpenDPNoise(), trained=True)
    assert (result.outcome, "was not looked at" in result.plain) == ("pass", True)
    assert "on no lattice" in result.details["not_covered"]


FAULTS = ("float normal noise", "float normal noise, rounded", "float Laplace noise, rounded",
          "normal noise of single precision")  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_floating_point_noise_is_found_twenty_times_of_twenty(monkeypatch, checked, name) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    mutant = next(one for one in import_module("audits.mutants.intake").MUTANTS if one.name == name)
    noise = mutant.pipeline().door.noise
    assert mutant.caught_by == ("S6",)
    assert [checked(noise).outcome for _ in range(20)] == ["fail"] * 20


def test_low_bits_tell_what_the_noise_was_added_to(checked) -> None:
    class Fine(OpenDPNoise):
        def gaussian(self, values: Any, scale: float) -> Any:
            return values + np.random.default_rng(len(values)).normal(0.0, scale, len(values)) * 2.0**-20

    low, high = checked(Fine()).details["probes"][0]["lowest_bit_from_0_and_1"]
    assert low < high < 0


class Coarse(OpenDPNoise):
    """Noise in steps of four."""

    def gaussian(self, values: Any, scale: float) -> Any:
        return values + super().gaussian(np.zeros_like(values), scale) // 4 * 4


class Weak(OpenDPNoise):
    """Half of the noise."""

    def gaussian(self, values: Any, scale: float) -> Any:
        return super().gaussian(values, scale / 2)


class NotANumber(OpenDPNoise):
    def gaussian(self, values: Any, scale: float) -> Any:
        return np.full(len(values), np.nan)


@pytest.mark.parametrize("noise", [Coarse, Weak, NotANumber])
def test_skipped_integers_another_law_and_no_numbers_are_found(checked, noise) -> None:
    assert checked(noise()).outcome == "fail"


def test_too_few_draws_or_no_answers_are_inconclusive(checked) -> None:
    class Silent(OpenDPNoise):
        def gaussian(self, values: Any, scale: float) -> Any:
            raise RuntimeError("no entropy")

    assert checked(OpenDPNoise(), lattice_draws=500).outcome == "inconclusive"
    assert checked(Silent()).outcome == "inconclusive"
    assert checked(Silent()).could_have_found == ""
