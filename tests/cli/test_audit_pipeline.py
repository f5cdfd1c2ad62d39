"""``dpsynth audit pipeline``: exit codes, words and the report; without a state or a person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

TAKERS = Path(__file__).resolve().parents[1] / "audit" / "takers"
PLANS = TAKERS.parents[2] / "audits" / "plans"


@pytest.fixture(autouse=True)
def _modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TAKERS))


@pytest.fixture
def short_plan(tmp_path: Path) -> Path:
    """The shipped plan with few fits from outside."""
    text = (PLANS / "quick.yaml").read_text(encoding="utf-8").replace("name: quick", "name: short")
    section = "\nblackbox:\n  fit_seconds: 300\n  count_fits: 0\n  game_fits: 6\n  replay_fits: 2\n"
    path = tmp_path / "short.yaml"
    path.write_text(text + section, encoding="utf-8")
    return path


def test_a_synthesizer_that_asks_the_curator_passes(run: Any, tmp_path: Path) -> None:
    words = ("--synthesizer", "independent", "--rows", "300", "--out", tmp_path / "report")
    answer = run("audit", "pipeline", *words, state=tmp_path / "state")
    assert answer.code == 0
    assert "verdict: pass" in answer.out
    assert "would have been found" in answer.out
    assert "S4: pass" in answer.err
    assert not (tmp_path / "state").exists()
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["verdict"]["outcome"] == "pass"
    assert report["class_b"] == []
    statement = json.loads((tmp_path / "report" / "statement.json").read_text())
    assert statement["predicate"]["result"] == "PASSED"
    assert {"S1", "S3", "S4"} <= set(statement["predicate"]["passedTests"])


@pytest.mark.parametrize(
    ("synthesizer", "code", "verdict", "words"),
    [
        ("askers:Crashes", 9, "inconclusive", "crashed: RuntimeError"),
        ("askers:Leaves", 9, "inconclusive", "ended with an error"),
        ("askers:Hangs", 9, "inconclusive", "did not end within its time"),
        ("askers:NoPlan", 9, "inconclusive", "could not be planned: ZeroDivisionError"),
        ("askers:Spoils", 7, "block", "codes outside the public domain"),
        ("row_takers:Crashes", 9, "inconclusive", "crashed: RuntimeError"),
        ("row_takers:Outside", 7, "block", "codes outside the public domain"),
    ],
)
def test_verdicts_have_their_own_exit_codes(
    run: Any, tmp_path: Path, short_plan: Path, synthesizer: str, code: int, verdict: str, words: str
) -> None:
    if synthesizer.endswith("Hangs"):
        short_plan.write_text(short_plan.read_text().replace("fit_seconds: 300", "fit_seconds: 2"))
    given = ("--synthesizer", synthesizer, "--plan", short_plan, "--out", tmp_path / "report")
    answer = run("audit", "pipeline", *given, "--json")
    assert (answer.code, answer.json["verdict"]) == (code, verdict)
    assert words in " ".join(answer.json["why"])
    assert "secret" not in (tmp_path / "report" / "report.json").read_text()


def test_what_cannot_be_tested_from_outside_is_listed(run: Any, tmp_path: Path, short_plan: Path) -> None:
    given = ("--synthesizer", "row_takers:Correct", "--plan", short_plan, "--out", tmp_path / "report")
    answer = run("audit", "pipeline", *given)
    assert answer.code == 9
    assert "this is no pass" in answer.out
    for test in ("S1", "S3", "S4", "S5", "S6", "G2"):
        assert f"not_tested     {test}" in answer.out


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("--synthesizer", "absent_module:Thing"), 2, "cannot be loaded"),
        (("--synthesizer", "row_takers:NoSynthesizer"), 2, "is no synthesizer"),
        (("--synthesizer", "absent"), 3, "no synthesizer named"),
        (("--synthesizer", "smartnoise:mst"), 3, "was not added"),
        (("--synthesizer", "independent", "--plan", "absent"), 2, "no audit plan"),
        (("--synthesizer", "independent", "--epsilon", "-1"), 2, "claim"),
        (("--synthesizer", "independent", "--adjacency", "none"), 2, "neighbouring relation"),
        (("--synthesizer", "independent", "--domain", "absent.json"), 2, "no domain"),
        (("--synthesizer", "independent", "--fits", "1"), 2, "too few"),
    ],
)
def test_what_cannot_be_audited_is_an_error(
    run: Any, tmp_path: Path, words: tuple[str, ...], code: int, what: str
) -> None:
    out = ("--out", tmp_path / "report")
    answer = run("audit", "pipeline", *words, *out, "--json", state=tmp_path / "state")
    assert answer.code == code
    assert what in answer.error["what"]


def test_a_report_is_not_written_over(run: Any, tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "kept").write_text("kept")
    answer = run("audit", "pipeline", "--synthesizer", "independent", "--out", tmp_path / "report", "--json")
    assert (answer.code, "not empty" in answer.error["what"]) == (2, True)
