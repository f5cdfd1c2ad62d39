"""What the person at the worker sees of a run, and that nobody else sees more than its stage."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from dpsynth.cli import demo_walk
from dpsynth.cli import progress as shown
from dpsynth.cli.progress import PlainLines, StageBars, WorkerDisplay, progress_pipe, progress_words
from dpsynth.core.curator import Curator, FittedModel, Plan, Progress
from dpsynth.service import Platform
from dpsynth.synthesizers.independent import Independent

CANARY = "counting 4711 pairs"


def round_of(done: int, spent: float, **more: Any) -> Progress:
    facts = {"step": CANARY, "done": done, "most": 40, "spent": spent, "model_cells": 125_000}
    return Progress(**{**facts, **more})


def test_one_line_says_round_budget_and_model_size() -> None:
    assert (
        progress_words(round_of(12, 0.45))
        == f"round 12 of at most 40, 45% of the budget used, model 125,000 cells (1.0 MB): {CANARY}"
    )
    assert progress_words(Progress("", 3, 0, 0.5, 0)) == "round 3, 50% of the budget used"
    assert progress_words(Progress("", 0, 0, 0.0, 0)) == "0% of the budget used"


def test_a_plug_in_can_neither_steer_the_terminal_nor_overstate() -> None:
    words = progress_words(round_of(1, 7.0, step="\x1b[2J\n[red]x"))
    assert words.endswith(": \\x1b[2J\\n[red]x")
    assert "100% of" in words
    assert "0% of" in progress_words(round_of(1, float("nan")))
    assert "0% of" in progress_words(round_of(1, -3.0))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(shown.time, "monotonic", lambda: now[0])
    return now


def text(bars: StageBars, stage: str) -> str:
    return str(bars._progress.tasks[bars._tasks[stage]].description)


def test_the_bar_of_the_fit_shows_budget_and_the_time_that_is_left(clock: list[float]) -> None:
    bars = StageBars(on_stderr=True)
    bars.tell(round_of(0, 0.0))  # before the fit: nothing to show it on
    assert bars._tasks == {}
    bars.enter("fitting")
    bars.tell(round_of(1, 0.1))
    assert "left" not in text(bars, "fitting")  # one word tells no pace
    clock[0] += 30.0
    bars.tell(round_of(5, 0.4))
    assert text(bars, "fitting").startswith("about 0:01:00 left, round 5 of at most 40")
    assert bars._progress.tasks[bars._tasks["fitting"]].completed == pytest.approx(0.4, abs=1e-3)
    bars.tell(round_of(40, 1.0))
    assert not bars._progress.tasks[bars._tasks["fitting"]].finished  # the last fit is still to come
    assert "left" not in text(bars, "fitting")
    bars.enter("sampling")
    assert text(bars, "fitting") == "asking the curator and fitting a model to its noisy answers"
    bars.tell(round_of(40, 1.0))
    assert text(bars, "fitting") == "asking the curator and fitting a model to its noisy answers"


def test_a_log_gets_a_line_for_each_tenth_of_the_budget_and_no_time(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    said = []
    for pace in (0.0, 3600.0):
        lines = PlainLines()
        lines.enter("fitting")
        for done in range(1, 1001):
            clock[0] += pace
            lines.tell(round_of(done, done / 1000))
        said.append(capsys.readouterr().err)
    assert said[0] == said[1], "what is logged depends on the clock"
    assert len(said[0].splitlines()) == 11
    assert re.findall("[0-9]+%", said[0]) == [f"{share}%" for share in range(10, 101, 10)]


def telling(_self: Independent, plan: Plan, curator: Curator) -> FittedModel:
    """The real synthesizer, saying how far it is."""
    from dpsynth.graphical.fitting import fit
    from dpsynth.synthesizers.budget import Purse

    purse, answers = Purse(plan, curator), []
    total, names = purse.left, curator.domain.names
    for done, name in enumerate(names, start=1):
        answers += purse.measure([(name,)], purse.left if done == len(names) else total // len(names))
        spent = 1 - purse.left / total
        curator.tell(Progress(CANARY, done, len(names), spent, 10 * done))
    return fit(curator.domain, answers)


@pytest.fixture
def asked(run: Any, kit: Any, fresh: Path, files: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state with a queued request, for a synthesizer that tells its rounds."""
    monkeypatch.setattr(Independent, "fit", telling)
    run("dataset", "register", files / "policy.yaml", files / "table.csv", state=fresh, person="dana")
    assert run(*kit.submit_words(), state=fresh, person="sam").code == 0
    return fresh


def test_the_worker_sees_rounds_and_nobody_else_does(run: Any, asked: Path) -> None:
    answer = run("run", "--once", state=asked)
    assert answer.code == 0
    assert "fitting: round 3 of at most 3, 100% of the budget used, model 30 cells (0.0 MB): " in answer.err
    assert CANARY in answer.err
    lines = answer.err.splitlines()
    assert lines[:3] == ["committing", "opening", "fitting"]
    assert lines[-1] == "done"
    assert CANARY not in answer.out
    # Neither the database nor any file of the state holds a word of it.
    for path in asked.rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path.name


def test_on_a_terminal_the_worker_sees_bars(run: Any, asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    real = WorkerDisplay.enter

    def on_terminal(self: WorkerDisplay, stage: str) -> None:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        real(self, stage)

    monkeypatch.setattr(WorkerDisplay, "enter", on_terminal)
    refresh = StageBars.tell

    def at_once(self: StageBars, progress: Progress) -> None:
        refresh(self, progress)
        self._progress.refresh()

    monkeypatch.setattr(StageBars, "tell", at_once)
    answer = run("run", "--once", state=asked)
    bare = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", answer.err)
    assert answer.code == 0
    assert "━" in bare
    assert "round 2 of at most 3" in bare
    assert "packing" in bare
    assert "\x1b" not in answer.out


def test_with_json_nothing_is_said_beside_the_document(run: Any, asked: Path) -> None:
    answer = run("run", "--once", "--json", state=asked)
    assert (answer.code, answer.err) == (0, "")
    assert CANARY not in answer.out


def test_the_program_that_started_a_worker_gets_its_rounds_through_a_pipe(run: Any, asked: Path) -> None:
    rounds, seen = demo_walk._Rounds(), []
    with rounds:
        assert run("run", "--once", "--json", "--progress-to", rounds.write_end, state=asked).code == 0
        rounds.pass_on(seen.append)
        rounds.pass_on(seen.append)
    assert seen == [Progress(CANARY, 3, 3, 1.0, 30)]


def test_a_reader_that_is_slow_or_gone_holds_up_no_run() -> None:
    read_end, write_end = os.pipe()
    send = progress_pipe(write_end)
    for done in range(5000):
        send(round_of(done, 0.5))  # more than a pipe takes
    line = os.read(read_end, 65536).split(b"\n")[0]
    assert json.loads(line) == asdict(round_of(0, 0.5))
    os.close(read_end)
    send(round_of(1, 0.5))
    os.close(write_end)


def test_a_torn_line_is_left_out() -> None:
    seen: list[Progress] = []
    with demo_walk._Rounds() as rounds:
        os.write(rounds.write_end, b'{"step": "x", "do\n')
        rounds.pass_on(seen.append)
        os.write(rounds.write_end, json.dumps(asdict(round_of(2, 0.2))).encode() + b"\n" + b'{"st')
        rounds.pass_on(seen.append)
    assert seen == [round_of(2, 0.2)]


def test_a_display_that_fails_costs_no_run_its_charge(asked: Path) -> None:
    told = []

    def fails(what: object) -> None:
        told.append(what)
        raise BrokenPipeError

    done = Platform.open(asked).run_once("worker", fails, fails)
    assert done is not None
    assert done.state == "awaiting_decision"
    assert "fitting" in told
    assert any(isinstance(one, Progress) for one in told)
