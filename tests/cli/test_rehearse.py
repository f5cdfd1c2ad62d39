"""``dpsynth rehearse``: a policy file is all it takes; no state, no person, no table, no charge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SMALL = ("--rows", "300", "--fits", "1")


@pytest.fixture
def policy(files: Path) -> Path:
    return files / "policy.yaml"


def test_a_rehearsal_is_printed_with_what_its_numbers_mean(run: Any, policy: Path, tmp_path: Path) -> None:
    answer = run(
        "rehearse", policy, "--synthesizer", "mst", "--rho", "0.01", *SMALL, state=tmp_path / "state"
    )
    assert answer.code == 0
    assert answer.out.startswith("A REHEARSAL ON A STAND-IN: these are not your data.")
    assert "mst on 300 rows: made up from the public domain" in answer.out
    lines = {line.split("  ")[0]: line for line in answer.out.splitlines()}
    assert " % (" in lines["0.01"]
    assert " %" in lines["unrelated"]
    assert "rho 0.010000, fit 1 of 1" in answer.err
    assert not (tmp_path / "state").exists()


def test_the_same_as_one_json_document_with_four_parts_of_the_cap(run: Any, policy: Path) -> None:
    found = run("rehearse", policy, "--synthesizer", "independent", *SMALL, "--json").json
    assert (found["rows"], found["fits"], len(found["points"])) == (300, 1, 4)
    errors = [error for point in found["points"] for fit in point["errors"] for error in fit]
    assert len(errors) == 12
    assert all(0 <= error < 1 for error in errors)


def test_the_rows_of_a_released_file_can_stand_in(run: Any, policy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "release-r-1"
    folder.mkdir()
    rows = ["mdvis,idp,hlthg", *[f"{n % 9},{n % 2},{(n // 2) % 2}" for n in range(200)]]
    (folder / "data.csv").write_text("\n".join(rows) + "\n")
    words = ("--synthesizer", "independent", "--rho", "0.02", "--fits", "1", "--release", folder)
    answer = run("rehearse", policy, *words)
    assert "independent on 200 rows: rows of release-r-1, which is published." in answer.out


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("--synthesizer", "wide"), 3, "does not allow"),
        (("--synthesizer", "aim", "--rows", "5"), 2, "that many rows"),
        (("--synthesizer", "aim", "--rho", "much"), 2, "rho"),
        (("--synthesizer", "aim", "--fits", "99"), 2, "fits"),
        (("--synthesizer", "aim", "--release", "nowhere"), 2, "can stand in"),
    ],
)
def test_what_cannot_be_rehearsed_has_its_own_exit_code(
    run: Any, policy: Path, words: tuple[str, ...], code: int, what: str
) -> None:
    answer = run("rehearse", policy, *words, "--json")
    assert answer.code == code
    assert what in answer.error["what"]
