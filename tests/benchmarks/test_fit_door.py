"""The door for anyone's table: it fits, counts again, and refuses in one line without leaving a file."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpsynth.core.curator import Progress

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"a": 2, "b": 3, "c": 4}


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("benchmarks.fit")


class Case:
    """A table and its domain in a folder of their own, and a way to run the door on them."""

    def __init__(self, folder: Path, door: ModuleType) -> None:
        self.folder, self.door = folder, door
        self.table, self.domain = folder / "coded.csv", folder / "domain.json"
        rng = np.random.default_rng(7)
        a = rng.integers(0, 2, 2000)
        self.write({"a": a, "b": a + rng.integers(0, 2, 2000), "c": rng.integers(0, 4, 2000)}, SIZES)

    def write(self, columns: dict[str, Any], sizes: dict[str, Any]) -> None:
        pd.DataFrame(columns).to_csv(self.table, index=False)
        self.domain.write_text(json.dumps(sizes))

    def run(self, **changed: str) -> int:
        words = {
            "table": str(self.table),
            "domain": str(self.domain),
            "synthesizer": "mst",
            "epsilon": "1",
            "delta": "1e-9",
            "out": str(self.folder / "synthetic.csv"),
            "report": str(self.folder / "report.json"),
        } | changed
        arguments = [word for name, value in words.items() for word in (f"--{name.replace('_', '-')}", value)]
        code: int = self.door.main(arguments)
        return code

    def rows(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "synthetic.csv")

    def report(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return read

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
def case(tmp_path: Path, door: ModuleType) -> Case:
    return Case(tmp_path, door)


@pytest.mark.parametrize("synthesizer", ["aim", "mst", "independent"])
def test_a_fit_writes_rows_of_the_domain_and_what_they_cost(case: Case, synthesizer: str) -> None:
    assert case.run(synthesizer=synthesizer) == 0
    rows, report = case.rows(), case.report()
    assert list(rows.columns) == list(SIZES)
    assert all(0 <= rows[name].min() <= rows[name].max() < size for name, size in SIZES.items())
    assert report["rows_out"] == len(rows)
    assert 1500 < len(rows) < 2500
    assert report["recount"]["within"]
    assert report["recount"]["equals_charge"]
    assert 0.9 < report["recount"]["epsilon"] <= 1.0
    assert 0 < report["fit_s"] < report["wall_s"]
    assert min(report["cpu_s"], report["rss_mb"], report["model_cells"]) > 0
    assert case.files() == {"coded.csv", "domain.json", "synthetic.csv", "report.json"}


def test_the_report_lists_each_event_once_with_its_count(case: Case) -> None:
    assert case.run(synthesizer="independent") == 0
    events = case.report()["events"]
    assert sum(one["count"] for one in events) == len(SIZES)
    assert {one["event"]["event"] for one in events} == {"discrete_gaussian"}
    assert len({json.dumps(one["event"]) for one in events}) == len(events)


@pytest.mark.parametrize(
    ("epsilon", "chosen"), [("10", "aim"), ("0.02", "independent")], ids=["affords rounds", "too little"]
)
def test_auto_is_chosen_from_public_facts_and_says_why(
    case: Case, capsys: pytest.CaptureFixture[str], epsilon: str, chosen: str
) -> None:
    assert case.run(synthesizer="auto", epsilon=epsilon) == 0
    report = case.report()
    assert report["synthesizer"] == chosen
    assert f"Public facts speak for {chosen}, because {report['chosen_because']}." in capsys.readouterr().err


def test_auto_refuses_a_budget_in_words(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert case.run(synthesizer="auto", epsilon="lots") == 2
    assert "epsilon is not a positive decimal" in capsys.readouterr().err


def test_rows_follow_the_table(case: Case) -> None:
    assert case.run(epsilon="10", synthesizer="aim") == 0
    rows = case.rows()
    assert ((rows["b"] - rows["a"]).between(0, 1)).mean() > 0.95


@pytest.mark.parametrize(
    ("columns", "sizes"),
    [
        pytest.param({"a": [1, 0] * 50, "b": [2] * 100}, {"a": 2, "b": 3}, id="constant column"),
        pytest.param({"a": [1, 0] * 50, "b": [0] * 100}, {"a": 2, "b": 1}, id="domain of size one"),
        pytest.param({"a": [], "b": []}, {"a": 2, "b": 3}, id="empty table"),
        pytest.param({"a": [1], "b": [2]}, {"a": 2, "b": 3}, id="one row"),
        pytest.param({"a": [0, 1] * 50}, {"a": 2}, id="one column"),
    ],
)
@pytest.mark.parametrize("synthesizer", ["aim", "mst"])
def test_odd_tables_work(
    case: Case, columns: dict[str, list[int]], sizes: dict[str, int], synthesizer: str
) -> None:
    case.write(columns, sizes)
    assert case.run(synthesizer=synthesizer) == 0
    assert list(case.rows().columns) == list(sizes)
    assert case.report()["recount"]["within"]


@pytest.mark.parametrize(
    ("columns", "sizes", "flags", "code", "said"),
    [
        pytest.param({"a": [0, 777]}, {"a": 2}, {}, 2, "code outside its domain", id="too large a code"),
        pytest.param({"a": [0, -1]}, {"a": 2}, {}, 2, "code outside its domain", id="negative code"),
        pytest.param({"a": [0, 1.5]}, {"a": 2}, {}, 2, "whole numbers", id="fraction"),
        pytest.param({"a": [0, "777x"]}, {"a": 2}, {}, 2, "whole numbers", id="text"),
        pytest.param({"a": [0, None]}, {"a": 2}, {}, 2, "whole numbers", id="missing value"),
        pytest.param({"b": [0, 1]}, {"a": 2}, {}, 2, "no columns 'a'", id="missing column"),
        pytest.param({"a": [0, 1]}, {"a": 0}, {}, 2, "number of codes", id="size zero"),
        pytest.param({"a": [0, 1]}, {"a": 1.5}, {}, 2, "number of codes", id="fractional size"),
        pytest.param({"a": [0, 1]}, {}, {}, 2, "names no columns", id="empty domain"),
        pytest.param({"a": [0, 1]}, {"a": 2}, {"epsilon": "0"}, 2, "epsilon", id="epsilon zero"),
        pytest.param({"a": [0, 1]}, {"a": 2}, {"epsilon": "-1"}, 2, "epsilon", id="negative epsilon"),
        pytest.param({"a": [0, 1]}, {"a": 2}, {"epsilon": "nan"}, 2, "epsilon", id="no number"),
        pytest.param({"a": [0, 1]}, {"a": 2}, {"epsilon": "1e-8"}, 2, "Epsilon", id="epsilon buys nothing"),
        pytest.param({"a": [0, 1]}, {"a": 2}, {"delta": "1"}, 2, "delta", id="delta one"),
        pytest.param({"a": [0, 1]}, {"a": 2}, {"table": "absent.csv"}, 2, "cannot be read", id="no table"),
        pytest.param({"a": [0, 1]}, {"a": 2}, {"max_model_cells": "0"}, 2, "no room", id="no room"),
        pytest.param({"a": [0, 1]}, {"a": 2}, {"synthesizer": "magic"}, 3, "magic", id="unknown synthesizer"),
        pytest.param({"a": [0, 1]}, {"a": 2}, {"synthesizer": "smartnoise:mst"}, 3, "engine", id="engine"),
        pytest.param({"a": [0, 1]}, {"a": 10**15}, {}, 3, "the largest are a (1,000,000,000", id="too large"),
    ],
)
def test_bad_input_is_refused_in_one_line_and_leaves_nothing(
    case: Case,
    columns: dict[str, list[Any]],
    sizes: dict[str, Any],
    flags: dict[str, str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    case.write(columns, sizes)
    assert case.run(**flags) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert "777" not in error
    assert case.files() == {"coded.csv", "domain.json"}


def test_a_column_that_is_there_twice_is_refused(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.table.write_text("a,a,b,c\n0,1,0,0\n")
    assert case.run() == 2
    assert "2 columns 'a'" in capsys.readouterr().err


def test_what_cannot_be_written_is_refused_before_anything_is_fitted(
    case: Case, door: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(door, "read_codes", lambda *_: pytest.fail("the table was opened"))
    assert case.run(report=str(case.folder / "absent" / "report.json")) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert case.files() == {"coded.csv", "domain.json"}


def test_a_run_that_costs_more_than_was_asked_writes_no_rows(
    case: Case, door: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    generous = door.budget_for
    monkeypatch.setattr(door, "budget_for", lambda _, *rest: generous("1.2", *rest))
    assert case.run(epsilon="1") == 7
    assert "dp-accounting counts epsilon 1." in capsys.readouterr().err
    assert case.report()["recount"]["within"] is False
    assert case.files() == {"coded.csv", "domain.json", "report.json"}


def test_a_charge_that_is_not_what_the_events_cost_writes_no_rows(
    case: Case, door: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = door.PrivacyFilter.spent.fget
    cheaper = property(lambda self: replace(honest(self), rdp=tuple(x // 2 for x in honest(self).rdp)))
    monkeypatch.setattr(door.PrivacyFilter, "spent", cheaper)
    assert case.run() == 7
    assert case.report()["recount"]["equals_charge"] is False
    assert "synthetic.csv" not in case.files()


def test_ctrl_c_leaves_no_file(case: Case, door: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(door.TableCurator, "measure", stop)
    assert case.run() == 130
    assert case.files() == {"coded.csv", "domain.json"}


def test_earlier_results_stay_until_new_ones_are_whole(case: Case) -> None:
    assert case.run() == 0
    before = case.rows()
    assert case.run(epsilon="0") == 2
    pd.testing.assert_frame_equal(case.rows(), before)


class Screen(io.StringIO):
    """A stream that says whether it is a terminal."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_one_line_that_is_wiped_and_a_log_stays_quiet(
    door: ModuleType, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    clock = iter([0.0, 0.01, 1.0, 60.0])
    monkeypatch.setattr("benchmarks.progress.time.monotonic", lambda: next(clock))
    screen = Screen(terminal)
    with door.ProgressLine(screen) as line:
        for done in (1, 2, 3):
            line.show(Progress("choosing", done, 9, 0.25 * done, 1200))
    shown = screen.getvalue()
    assert "choosing 1/9" not in shown  # a moment after the start
    assert ("choosing 2/9: 50% of the budget, model of 1,200 cells, 1 s, about 1 s left" in shown) is terminal
    assert "choosing 3/9: 75%" in shown
    assert shown.count("\n") == (0 if terminal else 1)
    assert shown.endswith("\r") is terminal
