"""``dpsynth-verify``: the small way in, run as a stranger runs it, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dpsynth.publish.keys import write_public_key
from dpsynth.publish.offline import main

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "streamlit", "sqlalchemy", "opendp", "pandas", "scipy", "numba", "typer", "alembic")
OURS = ("dpsynth.service", "dpsynth.vault", "dpsynth.synthesizers", "dpsynth.cli", "dpsynth.ui")


@pytest.fixture
def keys(office: Any, tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    for key in office.trust.values():
        write_public_key(folder / f"{key.person}.json", key)
    return folder


@pytest.fixture
def current(release: Any) -> Path:
    """A bundle that was issued just now, by this machine's clock."""
    issued = datetime.now(UTC).replace(microsecond=0)
    bundle: Path = release(issued, issued=issued)
    return bundle


def run(*words: object, python: tuple[str, ...] = ("-m", "dpsynth.publish.offline")) -> Any:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *python, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_a_fresh_process_verifies_and_loads_none_of_the_heavy_parts(current: Path, keys: Path) -> None:
    program = (
        "import sys; from dpsynth.publish.offline import main; code = main(sys.argv[1:]); "
        f"loaded = [name for name in {(*HEAVY, *OURS)!r} if name in sys.modules]; "
        "print('loaded', loaded, 'numpy' in sys.modules, code)"
    )
    done = run(current, "--keys", keys, python=("-c", program))
    assert done.stdout.splitlines()[-1] == "loaded [] True 0", done.stderr
    assert "Release r-000000000001 verifies." in done.stdout


def test_the_script_is_installed_under_its_name() -> None:
    with (ROOT / "pyproject.toml").open("rb") as stream:
        scripts = tomllib.load(stream)["project"]["scripts"]
    assert scripts["dpsynth-verify"] == "dpsynth.publish.offline:main"


def test_what_fails_is_named_with_exit_code_5_also_as_one_document(current: Path, keys: Path) -> None:
    (current / "run.json").write_bytes(b"{}")
    said = run(current, "--keys", keys)
    assert (said.returncode, said.stdout) == (5, "")
    assert "run.json does not have the size" in said.stderr
    document = run(current, "--keys", keys, "--json")
    assert (document.returncode, document.stderr) == (5, "")
    error = json.loads(document.stdout)["error"]
    assert (error["kind"], error["exit_code"]) == ("integrity", 5)
    assert "run.json" in error["what"]


@pytest.mark.parametrize("option", ["--keys", "--revocations", "--checkpoint"])
def test_what_cannot_be_read_is_bad_input(
    option: str, current: Path, keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {"--keys": str(keys), option: str(tmp_path / "absent")}
    assert main([str(current), *(word for pair in words.items() for word in pair)]) == 2
    assert option in capsys.readouterr().err


def test_the_command_line_and_the_small_way_in_say_the_same(
    current: Path, keys: Path, office: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from dpsynth.cli import main as dpsynth

    answers = []
    for program, before in ((main, []), (dpsynth, ["verify"])):
        assert program([*before, str(current), "--keys", str(keys)]) == 0
        assert program([*before, str(current), "--keys", str(keys), "--json"]) == 0
        answers.append(capsys.readouterr().out)
    lines, _, document = answers[0].partition("{")
    assert answers[1].startswith(lines)
    assert json.loads("{" + document) == json.loads("{" + answers[1].partition("{")[2])
    assert "mind: no list of revoked releases was given" in lines


def test_a_name_that_moves_the_cursor_is_shown_escaped(
    current: Path, keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "a\x1b[2Jb\u202e"
    shutil.copytree(current, place)
    shutil.rmtree(place / "audits")
    assert main([str(place / "gone\x1b[2J"), "--keys", str(keys)]) == 5
    assert main([str(place), "--keys", str(keys)]) == 5
    shown = capsys.readouterr().err
    assert "\x1b" not in shown
    assert "\\x1b[2J" in shown


def test_help_is_shown_without_a_platform() -> None:
    done = run("--help")
    assert done.returncode == 0
    for option in ("--keys", "--revocations", "--checkpoint", "--json"):
        assert option in done.stdout
