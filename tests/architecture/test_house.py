"""The house stays small and portable: short files, and no trace of the machine it was written on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 330

# Written with brackets so that this file does not match itself.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:ho[m]e|Us[e]rs|ro[o]t)/[\w.-]+|[A-Z]:\\Us[e]rs\\")
REGISTRY_HOST = re.compile(r"py[p]i\.org|pytho[n]hosted|np[m]js|de[b]\.debian|ghc[r]\.io|download\.pyt[o]rch")


def project_files() -> list[Path]:
    """The text files of the project as git sees them: tracked, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8192]]


def traces(text: str) -> list[str]:
    """What in a text would tie the project to one machine or one registry."""
    return MACHINE_PATH.findall(text) + REGISTRY_HOST.findall(text)


def test_no_file_of_the_package_is_longer_than_one_sitting() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "dpsynth").rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    }
    assert not long


def test_the_project_names_no_machine_path_and_no_registry() -> None:
    files = project_files()
    assert ROOT / "pyproject.toml" in files
    found = {
        str(path.relative_to(ROOT)): hits
        for path in files
        if (hits := traces(path.read_text(encoding="utf-8", errors="replace")))
    }
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "open('/" + "home/sam/table.csv')",
        "cd /" + "root/project",
        "C:\\" + "Users\\sam",
        "--index-url https://py" + "pi.org/simple",
        "https://download.py" + "torch.org/whl/cpu",
    ],
)
def test_a_trace_of_a_machine_is_found(text: str) -> None:
    assert traces(text)


@pytest.mark.parametrize(
    "text", ["the root/branch of a tree", "https://example.org/home/page", "/usr/bin/env"]
)
def test_an_ordinary_path_is_no_trace(text: str) -> None:
    assert not traces(text)


def test_constraints_pin_released_versions_and_nothing_else() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", pin) for pin in pins)
    assert "torch==2.13.0" in pins
