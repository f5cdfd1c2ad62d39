"""The scoreboard counts what was run and says what was not: missing, stale and missed are shown as such."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest

from dpsynth.audit.plan import plan_sha256
from dpsynth.audit.plan_structural import StructuralSection

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def mutants(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: import_module(f"audits.mutants.{name}")


@pytest.fixture
def board(mutants, plan):
    """Summary of some runs of two mutants: one whose test is in the plan, one whose test is not."""
    records, kind = mutants("records"), mutants("mutant").Mutant
    known = [kind("P1", "half", "quick", ("S4",), dict), kind("P12", "copy", "quick", ("S9",), dict)]
    sha = plan_sha256(plan)
    good = records.Run("mutant", "P1", "half", "quick", ("S4", "S1"), "", 2.0, sha, "code")
    return records, known, {"quick": (sha, plan)}, good


def test_flags_misses_and_other_finders_are_counted(board) -> None:
    records, known, plans, good = board
    runs = [good, replace(good, failed=("S4",)), replace(good, failed=("S1",))]
    first = records.summary(runs, known, plans, "code")["mutants"][0]
    assert (first["runs"], first["flagged"], first["misses"], first["also"]) == (3, 2, 1, {"S1": 2})


def test_a_mutant_that_its_test_does_not_flag_is_a_miss_on_the_page(board, mutants) -> None:
    records, known, plans, good = board
    missed = replace(good, id="P12", name="copy", failed=("S4",))
    found = records.summary([good, missed], known, plans, "code")
    second = found["mutants"][1]
    assert (second["flagged"], second["misses"], second["in_plan"], second["fits"]) == (0, 1, False, None)
    for shown in (mutants("page").page(found), mutants("page").picture(found)):
        assert "0 of 1, 1 missed, its test is not in the plan" in shown
        assert "1 of 1" in shown


def test_what_every_audit_looks_at_needs_no_place_in_a_plan(board, mutants) -> None:
    records, known, plans, good = board
    always = replace(known[1], caught_by=("S0",))
    run = replace(good, id=always.id, name=always.name, failed=("S0",))
    for caught_by, outside in ((("S0",), False), (("S0", "S9"), True)):
        found = records.summary([run], [replace(always, caught_by=caught_by)], plans, "code")
        assert ("not in the plan" in mutants("page").page(found)) is outside


@pytest.mark.parametrize("change", [{"code_sha256": "older"}, {"plan_sha256": "older"}])
def test_a_run_of_other_sources_or_another_plan_is_stale_and_counts_for_nothing(
    board, mutants, change
) -> None:
    records, known, plans, good = board
    found = records.summary([replace(good, **change)], known, plans, "code")
    assert (found["mutants"][0]["runs"], found["mutants"][0]["stale"]) == (0, 1)
    assert "no current record; 1 stale" in mutants("page").page(found)


def test_without_any_record_the_page_says_so(board, mutants) -> None:
    records, known, plans, _ = board
    page = mutants("page").page(records.summary([], known, plans, "code"))
    assert page.count("no current record") == 2
    assert "No record." in page


def test_blocks_of_correct_pipelines_have_an_upper_bound(board, mutants) -> None:
    records, known, plans, good = board
    passed = replace(good, kind="correct", id="mst", name="", failed=(), verdict="pass")
    runs = [passed] * 299 + [replace(passed, verdict="stop", failed=("R3",))]
    found = records.summary(runs, known, plans, "code")
    assert (found["correct"][0]["runs"], found["correct"][0]["blocks"]) == (300, 1)
    assert found["correct"][0]["upper"] == pytest.approx(0.0157, abs=1e-4)
    assert records.upper_bound(0, 300) == pytest.approx(0.00994, abs=1e-5)
    assert records.upper_bound(0, 0) == 1.0
    assert "R3 1" in mutants("page").page(found)


def test_a_line_that_was_cut_off_is_no_run_and_spoils_no_other(board, tmp_path) -> None:
    records, _, _, good = board
    path = tmp_path / "reports" / "mutants.jsonl"
    records.append(path, good)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"kind": "mutant"})[:-4])
    records.append(path, good)
    assert records.read(path) == [good, good]


def test_the_picture_is_an_image_with_a_row_for_every_mutant(board, mutants) -> None:
    records, known, plans, good = board
    drawn = ElementTree.fromstring(mutants("page").picture(records.summary([good], known, plans, "code")))
    assert drawn.tag.endswith("svg")
    words = [text.text for text in drawn.iter() if text.tag.endswith("text")]
    assert sum("P1 " in one or "P12 " in one for one in words) == 2


def test_it_goes_on_where_it_was_stopped_and_writes_the_page(mutants, tmp_path, monkeypatch, plan) -> None:
    scoreboard = mutants("scoreboard")
    quick = plan.model_copy(update={"surrogate_rows": 100})
    monkeypatch.setattr(scoreboard, "load_plan", lambda folder, name: quick)
    said = ["--only", "P3", "--rounds", "1", "--reports", str(tmp_path)]
    for _ in range(2):
        scoreboard.main(said)
    lines = (tmp_path / "mutants.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["failed"] == ["S4"]
    found = json.loads((tmp_path / "mutants.json").read_text(encoding="utf-8"))
    assert [each["flagged"] for each in found["mutants"] if each["id"] == "P3"] == [1]
    assert (
        "| P3 | one marginal without noise | quick | S4 | 1 of 1 |" in (tmp_path / "mutants.md").read_text()
    )
    assert (tmp_path / "mutants.svg").exists()


def test_the_gate_is_a_whole_audit_of_made_up_people(mutants, plan) -> None:
    gate = mutants("gate")
    pipeline = gate.correct_pipeline("independent")
    section = StructuralSection.model_construct(
        repeat_alpha=1e-4, repeat_correlation_needed=0.9, repeat_processes=True, repeat_seconds=300
    )
    whole = plan.model_copy(update={"tests": (*plan.tests, "S5"), "structural": section})
    report = gate.gated(pipeline, whole, np.random.default_rng(3))
    assert {result.id: result.outcome for result in report.results} == dict.fromkeys(whole.tests, "pass")
    assert report.verdict.outcome == "pass"


def test_made_up_people_are_split_by_a_fair_coin_for_each_unit(mutants) -> None:
    gate, marginal = mutants("gate"), mutants("marginal")
    unit = marginal.PrivacyUnit("person", "id", 3, "add_remove")
    pipeline = marginal.correct(unit=unit)
    members, controls, reference = gate.surrogate_people(pipeline, 4000, np.random.default_rng(3))
    sides = [set(side.units.tolist()) for side in (members, controls, reference)]
    units = sum(map(len, sides))
    assert len(set.union(*sides)) == units
    assert abs(len(sides[0]) / units - 0.25) < 0.05
    assert abs(len(sides[1]) / units - 0.25) < 0.05
    assert all(np.bincount(side.units).max() <= 3 for side in (members, controls, reference))
