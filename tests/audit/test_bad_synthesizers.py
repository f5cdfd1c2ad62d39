"""Libraries that take rows, seen from outside: leaks are found, bad answers end in words, a correct one is
not accused; and nobody seen from outside is ever passed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpsynth.audit.blackbox.claim import Declared, Outside
from dpsynth.audit.blackbox.micro import Played
from dpsynth.audit.blackbox.outputs import check_outputs
from dpsynth.audit.blackbox.run import UNASKED, audit_outside
from dpsynth.audit.plan import AuditPlan, load_plan
from dpsynth.audit.plan_blackbox import BlackBoxSection
from dpsynth.audit.report import AuditReport
from dpsynth.engines.fits import Boundary, ForeignFits
from dpsynth.engines.made import Made
from dpsynth.engines.sandbox import Limits

TAKERS = Path(__file__).parent / "takers"
FEW = BlackBoxSection(game_fits=6, count_fits=0, replay_fits=0)
ENOUGH = BlackBoxSection(game_fits=84, count_fits=32, replay_fits=6)
EPSILON = 1.0


def plan(section: BlackBoxSection) -> AuditPlan:
    shipped = load_plan(Path(__file__).parents[2] / "audits" / "plans", "quick")
    return shipped.model_copy(update={"blackbox": section})


def audited(
    name: str,
    place: Path,
    section: BlackBoxSection,
    seconds: int = 60,
    memory: int = 2**33,
    adjacency: Any = "add_remove",
) -> AuditReport:
    boundary = Boundary(Limits(seconds, memory), place)
    fitter = ForeignFits(f"row_takers:{name}", name, "1", (str(TAKERS),), boundary)
    outside = Outside(fitter, Declared("1", "1e-6", adjacency))
    return audit_outside(outside, plan(section), {name: "0" * 64}, np.random.default_rng(5))


def outcomes(report: AuditReport) -> dict[str, str]:
    return {result.id: result.outcome for result in report.results}


@pytest.mark.parametrize(
    ("name", "outcome", "words"),
    [
        ("Crashes", "inconclusive", "crashed: RuntimeError"),
        ("Dies", "inconclusive", "crashed: Killed"),
        ("Hungry", "inconclusive", "crashed: "),
        ("OtherColumns", "block", "other columns than the domain's"),
        ("Missing", "block", "missing values"),
        ("Words", "block", "values that are no codes"),
        ("Outside", "block", "codes outside the public domain"),
        ("TooFew", "block", "fewer rows than were asked for"),
        ("TooMany", "block", "more rows than were asked for"),
    ],
)
def test_a_bad_answer_is_a_verdict_in_words(tmp_path: Path, name: str, outcome: str, words: str) -> None:
    report = audited(name, tmp_path, FEW)
    assert report.verdict.outcome == outcome
    assert words in report.results[0].plain
    assert outcomes(report)["S2"] == outcomes(report)["G1"] == "inconclusive"
    assert "secret" not in str(report.as_json())  # of an error its class alone


def test_a_fit_that_hangs_is_stopped(tmp_path: Path) -> None:
    report = audited("Hangs", tmp_path, FEW, seconds=2)
    assert report.verdict.outcome == "inconclusive"
    assert "did not end within its time" in report.results[0].plain


def test_the_auditors_environment_stays_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDITORS_SECRET", "hunter2")
    assert "FileNotFoundError" in audited("LooksAround", tmp_path, FEW).results[0].plain


def test_a_correct_one_is_not_accused_and_not_passed(tmp_path: Path) -> None:
    report = audited("Correct", tmp_path, ENOUGH)
    found = outcomes(report)
    assert {found[test] for test in ("S0", "S2", "S9", "G1")} == {"pass"}
    assert {found[test] for test in UNASKED} == {"not_tested"}
    assert report.verdict.outcome == "inconclusive"
    assert "rows repeated" in report.verdict.could_have_found
    assert report.public_json()["predicate"]["result"] == "WARNED"


@pytest.mark.parametrize(
    ("name", "caught"),
    [
        ("Copies", {"S2", "S9", "G1"}),
        ("SomeCopies", {"S9"}),
        ("CategoriesOfRows", {"S2", "G1"}),
        ("ExactCount", {"S2"}),
        ("CrashesAtRareRow", {"S2", "G1"}),
    ],
)
def test_a_leak_is_found(tmp_path: Path, name: str, caught: set[str]) -> None:
    report = audited(name, tmp_path, ENOUGH)
    failed = {result.id for result in report.results if result.outcome == "fail"}
    assert caught <= failed
    assert report.verdict.outcome == "block"


def test_a_claim_for_replaced_rows_lets_the_number_of_rows_be_known(tmp_path: Path) -> None:
    section = ENOUGH.model_copy(update={"replay_fits": 0})
    report = audited("ExactCount", tmp_path, section, adjacency="replace_one")
    assert outcomes(report)["S2"] == "pass"
    assert report.verdict.outcome == "inconclusive"


def test_too_few_fits_show_nothing_and_say_so(tmp_path: Path) -> None:
    report = audited("Correct", tmp_path, FEW)
    assert outcomes(report)["G1"] == outcomes(report)["S2"] == outcomes(report)["S9"] == "inconclusive"
    assert "no leak at all" in next(one for one in report.results if one.id == "G1").plain


def test_no_pass_where_a_sure_count_would_be_missed() -> None:
    """26 fits on each side, all of them telling, stay above the level once it is shared by four tells."""
    rows = [Made(np.zeros((count, 3), dtype=np.int64)) for count in (7, 8)]
    for fits, outcome in ((26, "inconclusive"), (32, "fail")):
        played = Played([rows[1]] * 84, [rows[1]] * 84, [rows[0]] * fits, [rows[1]] * fits, 7, 8)
        result = check_outputs(played, Declared("1", "1e-6"), BlackBoxSection(), 0.9)
        assert result.outcome == outcome
