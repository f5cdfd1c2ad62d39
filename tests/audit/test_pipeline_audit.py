"""Synthesizers that ask the curator and crash, hang or leave the domain; tables on which little can fail."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpsynth.accounting.gate import compile_cap
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.plan import AuditPlan, load_plan
from dpsynth.audit.plan_blackbox import BlackBoxSection
from dpsynth.audit.result import CheckResult, Claim
from dpsynth.audit.run import run_structural
from dpsynth.audit.verdict import Verdict, judge
from dpsynth.core.domain import Column, Domain
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.synthesizers.aim import AIM
from dpsynth.synthesizers.independent import Independent
from dpsynth.synthesizers.mst import MST
from dpsynth.synthesizers.privbayes import PrivBayes
from dpsynth.synthesizers.structure import StructuredSynthesizer
from dpsynth.synthesizers.wide import Wide
from dpsynth.vault.surrogate import Door

RHO = compile_cap("1", "1e-6").rho
MIXED = {"a": 2, "b": 5, "c": 12, "d": 3}


def _askers() -> Any:
    spec = importlib.util.spec_from_file_location("askers", Path(__file__).parent / "takers" / "askers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ASKERS = _askers()


def plan(rows: int = 300, seconds: int = 120) -> AuditPlan:
    shipped = load_plan(Path(__file__).parents[2] / "audits" / "plans", "quick")
    mechanism = tuple(test for test in shipped.tests if test[0] == "S")
    limits = BlackBoxSection(fit_seconds=seconds)
    return shipped.model_copy(update={"tests": mechanism, "surrogate_rows": rows, "blackbox": limits})


def pipeline(synthesizer: Any, sizes: dict[str, int]) -> Pipeline:
    columns = [Column(name, "categorical", tuple(map(str, range(size)))) for name, size in sizes.items()]
    door = Door(Domain(tuple(columns)), PrivacyUnit("row", None, 1, "add_remove"), OpenDPNoise())
    return Pipeline(synthesizer, door, Claim(RHO, "1", "1e-6"), 100_000)


def audited(
    synthesizer: Any, sizes: dict[str, int] = MIXED, **how: int
) -> tuple[tuple[CheckResult, ...], Verdict]:
    results = run_structural(pipeline(synthesizer, sizes), plan(**how), np.random.default_rng(2))
    return results, judge(results, plan(**how))


@pytest.mark.parametrize(
    ("synthesizer", "outcome", "words"),
    [
        (ASKERS.Crashes(), "inconclusive", "crashed: RuntimeError"),
        (ASKERS.NoPlan(), "inconclusive", "crashed: ZeroDivisionError"),
        (ASKERS.Spoils("outside"), "block", "codes outside the public domain"),
        (ASKERS.Spoils("missing"), "block", "values that are no codes"),
        (ASKERS.Spoils("rows"), "block", "more rows than were asked for"),
        (ASKERS.Spoils("nothing"), "block", "other columns than the domain's"),
    ],
)
def test_a_bad_fit_is_a_verdict_in_words(synthesizer: Any, outcome: str, words: str) -> None:
    results, verdict = audited(synthesizer)
    assert [one.id for one in results] == ["S0"]
    assert words in results[0].plain
    assert "secret" not in str(results[0].as_json())
    assert verdict.outcome == outcome


def test_a_fit_that_hangs_is_stopped_whatever_it_catches() -> None:
    results, verdict = audited(ASKERS.Hangs(), seconds=2)
    assert "did not end within its time" in results[0].plain
    assert verdict.outcome == "inconclusive"


def test_outside_the_main_thread_a_fit_runs_without_a_clock() -> None:
    found: list[list[str]] = []
    thread = threading.Thread(target=lambda: found.append([one.id for one in audited(Independent())[0]]))
    thread.start()
    thread.join()
    assert found == [["S1", "S2", "S3", "S4", "S5", "S6"]]


def test_a_check_that_ends_with_an_error_says_so_and_is_not_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> CheckResult:
        raise FloatingPointError("17 rows")

    monkeypatch.setattr("dpsynth.audit.run.check_noise", broken)
    results, verdict = audited(Independent())
    noise = next(one for one in results if one.id == "S4")
    assert (noise.outcome, "FloatingPointError" in noise.plain) == ("inconclusive", True)
    assert "17 rows" not in noise.plain
    assert verdict.outcome == "inconclusive"


def test_one_that_asks_nothing_is_not_passed() -> None:
    results, verdict = audited(ASKERS.Silent())
    # Nothing differs, and the noise that nobody asked for is sound: neither is worth a pass.
    asked = [one for one in results if one.id not in ("S2", "S6")]
    assert {one.outcome for one in asked} == {"inconclusive"}
    assert verdict.outcome == "inconclusive"


SHIPPED = [Independent(), MST(), AIM(), PrivBayes(), Wide()]


@pytest.mark.parametrize("inner", SHIPPED, ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("sizes", "rows"),
    [
        ({"a": 1, "b": 1}, 60),
        ({"a": 1}, 60),
        ({"a": 4}, 60),
        ({"a": 1, "b": 3, "c": 1}, 60),
        ({"a": 2, "b": 3}, 1),
        ({"a": 200, "b": 3}, 20),
    ],
    ids=["constant", "one constant", "one column", "one that varies", "one row", "empty cells"],
)
def test_on_poor_tables_there_is_a_verdict_and_no_pass_for_nothing(
    inner: Any, sizes: dict[str, int], rows: int
) -> None:
    results, verdict = audited(StructuredSynthesizer(inner), sizes, rows=rows)
    assert verdict.outcome in ("pass", "inconclusive")  # a correct one is not accused
    for one in results:
        assert one.outcome in ("pass", "inconclusive", "not_tested")
        assert one.outcome != "pass" or one.could_have_found
    if max(sizes.values()) == 1:  # a few noisy totals: too little noise could not be seen
        assert verdict.outcome == "inconclusive"
