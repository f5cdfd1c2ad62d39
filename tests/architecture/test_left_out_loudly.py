"""A test that this machine cannot run is left out in capitals, and is a failure where all is required."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TESTS = """
import pytest

def test_plain():
    assert True

@pytest.mark.needs_browser
def test_page(chromium_path):
    assert chromium_path
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """One plain test and one that needs a browser, under the project's own conftest and settings."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    tests = tmp_path / "tests"
    tests.mkdir()
    shutil.copy(ROOT / "tests" / "conftest.py", tests)
    (tests / "test_suite.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "programs").mkdir()
    return tmp_path


def run(suite: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """Exit status and output of pytest on the suite, with no program on the path but those of the suite."""
    dropped = ("PYTEST_", "DPSYNTH_", "CHROMIUM", "COV_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            f"--basetemp={suite / 'kept'}",
            *arguments,
        ],
        cwd=suite,
        env={**kept, "PATH": str(suite / "programs"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def add_browser(suite: Path) -> str:
    browser = suite / "programs" / "chromium"
    browser.write_text("#!/bin/sh\n", encoding="utf-8")
    browser.chmod(0o755)
    return str(browser)


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_without_a_browser_the_summary_says_what_why_and_how(suite: Path, workers: list[str]) -> None:
    status, output = run(suite, *workers)
    assert status == 0
    assert "LEFT OUT: 1 TESTS THAT NEED A BROWSER" in output
    assert "tests/test_suite.py::test_page" in output
    assert "NO CHROMIUM ON THIS MACHINE" in output
    assert "apt-get install chromium" in output
    assert "1 passed" in output.splitlines()[-1]


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_where_all_is_required_the_omission_fails_the_run(suite: Path, workers: list[str]) -> None:
    status, output = run(suite, *workers, DPSYNTH_REQUIRE_ALL="1")
    assert status == 1
    assert "THIS OMISSION FAILS THE RUN" in output


def test_with_a_browser_nothing_is_left_out(suite: Path) -> None:
    add_browser(suite)
    status, output = run(suite, DPSYNTH_REQUIRE_ALL="1")
    assert status == 0
    assert "2 passed" in output
    assert "LEFT OUT" not in output


def test_a_browser_named_by_the_environment_is_used(suite: Path) -> None:
    elsewhere = Path(add_browser(suite)).rename(suite / "my-browser")
    status, output = run(suite, DPSYNTH_CHROMIUM=str(elsewhere), DPSYNTH_REQUIRE_ALL="1")
    assert status == 0
    assert "2 passed" in output


def test_a_named_browser_that_is_not_there_is_an_error_and_not_an_omission(suite: Path) -> None:
    status, output = run(suite, DPSYNTH_CHROMIUM=str(suite / "nowhere"))
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "DPSYNTH_CHROMIUM names no program" in output
