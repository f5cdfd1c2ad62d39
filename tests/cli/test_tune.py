"""``dpsynth tune``: a policy file is all it takes; no state, no person, no table, no charge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

POLICY = Path(__file__).resolve().parents[2] / "policies" / "rand-health.yaml"


def test_trials_are_printed_with_what_their_numbers_mean(run: Any, tmp_path: Path) -> None:
    answer = run("tune", POLICY, "--synthesizer", "independent", "--rows", "300", state=tmp_path / "state")
    assert answer.code == 0
    assert "Nothing was read, nothing charged." in answer.out
    assert "independent" in answer.out
    assert "0 is best" in answer.out
    assert "independent at epsilon 1" in answer.err
    assert not (tmp_path / "state").exists()


def test_the_same_as_one_json_document(run: Any) -> None:
    words = ("--synthesizer", "independent", "--epsilon", "1", "--epsilon", "2", "--rows", "300")
    found = run("tune", POLICY, *words, "--json").json
    assert found["stand_in_rows"] == 300
    assert [one["epsilon"] for one in found["trials"]] == ["1", "2"]
    assert all(0 < error < 1 for one in found["trials"] for error in one["error"])


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("--vary", "critic_percent"), 2, "no setting with values"),
        (("--vary", "critic_percent=ten"), 2, "no setting with values"),
        (("--vary", "depth=1"), 2, "has no setting"),
        (("--rows", "5"), 2, "that many rows"),
        (("--epsilon", "none"), 2, "epsilon"),
        (("--synthesizer", "wide"), 3, "does not allow"),
    ],
)
def test_what_cannot_be_tried_has_its_own_exit_code(
    run: Any, words: tuple[str, ...], code: int, what: str
) -> None:
    answer = run("tune", POLICY, *words, "--json")
    assert answer.code == code
    assert what in answer.error["what"]
