"""``dpsynth engine``: what people type and see."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dpsynth.cli import main


def run(capsys: pytest.CaptureFixture[str], state: Path, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["--state", str(state), "engine", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_an_engine_is_added_listed_and_removed(
    capsys: pytest.CaptureFixture[str], stand_in: Callable[..., Path], tmp_path: Path
) -> None:
    state, python = tmp_path / "state", str(stand_in())
    code, out, _ = run(capsys, state, "list")
    assert code == 0
    assert "not added" in out
    code, out, err = run(
        capsys, state, "add", "smartnoise", "--from", python, "--seconds", "90", "--memory", "8"
    )
    assert code == 0
    assert "Added smartnoise: smartnoise-synth 1.0.8." in out
    assert "smartnoise:dpctgan: " in out  # each fault, under the name that a policy would allow
    assert "ready" in err
    assert main(["--state", str(state), "engine", "list", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["engines"]
    assert (found["state"], found["where"], found["seconds"]) == ("ready", python, 90)
    assert found["memory_gb"] == 8
    assert len(found["faults"]) == 6
    assert run(capsys, state, "add", "smartnoise", "--from", python)[0] == 6
    assert run(capsys, state, "remove", "smartnoise")[:2] == (0, "Removed smartnoise.\n")
    assert run(capsys, state, "remove", "smartnoise")[0] == 2


def test_an_environment_that_does_not_work_is_exit_8_with_a_remedy(
    capsys: pytest.CaptureFixture[str], stand_in: Callable[..., Path], tmp_path: Path
) -> None:
    python = stand_in("")
    python.write_text("#!/bin/sh\nexit 1\n")
    assert (
        main(["--state", str(tmp_path / "s"), "engine", "add", "smartnoise", "--from", str(python), "--json"])
        == 8
    )
    error: dict[str, Any] = json.loads(capsys.readouterr().out)["error"]
    assert (error["kind"], error["exit_code"]) == ("engine", 8)
    assert error["remedy"]


def test_ctrl_c_while_an_engine_is_added_leaves_nothing(
    stand_in: Callable[..., Path], tmp_path: Path
) -> None:
    python = stand_in("")
    python.write_text("#!/bin/sh\nsleep 60\n")
    words = [
        sys.executable,
        "-m",
        "dpsynth.cli",
        "--state",
        str(tmp_path / "s"),
        "engine",
        "add",
        "smartnoise",
    ]
    process = subprocess.Popen(
        [*words, "--from", str(python)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    place = tmp_path / "s" / "engines"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(place.glob("work/run-*/request.json")):
        time.sleep(0.1)
    os.kill(process.pid, 2)
    assert process.wait(30) != 0
    assert {path.name for path in place.iterdir()} == {".lock", "work"}
    assert not list((place / "work").iterdir())
