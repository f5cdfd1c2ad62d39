"""``dpsynth policy``: traps of YAML and of privacy are refused by line; a sound policy is explained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


def swap(old: str, new: str) -> Callable[[str], str]:
    def spoil(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda text: BOMB, id="aliases"),
        pytest.param(swap('"title":', '"id": "other", "title":'), id="key written twice"),
        pytest.param(swap('approve": false', 'approve": no'), id="bare no"),
        pytest.param(swap('approve": false', 'approve": true'), id="own approval"),
        pytest.param(swap('approvers": 2', 'approvers": 1'), id="one approver"),
        pytest.param(swap('delta": "1e-6"', 'delta": 1e-6'), id="unquoted number"),
        pytest.param(swap("lifetime", "lifetimes"), id="misspelt key"),
        pytest.param(swap('"tiny"', '!!python/object:os.system "tiny"'), id="tag"),
        pytest.param(swap('refresh": "none', 'refresh": "monthly'), id="budget that refills"),
        pytest.param(swap("os_csprng", "42"), id="fixed seed"),
        pytest.param(swap('"title": "', '"title": "\u202e'), id="reordering character"),
        pytest.param(lambda text: "[" * 3000 + text, id="nested without end"),
        pytest.param(lambda text: "", id="empty"),
        pytest.param(lambda text: "x" * 300_000, id="too large"),
    ],
)
def test_a_policy_with_a_trap_is_bad_input_that_names_the_file(
    run: Any, kit: Any, tmp_path: Path, spoil: Callable[[str], str]
) -> None:
    path = tmp_path / "trap.yaml"
    path.write_text(spoil(kit.policy_text()), encoding="utf-8")
    answer = run("policy", "check", path, "--json")
    assert (answer.code, answer.error["kind"]) == (2, "bad_input")
    assert "trap.yaml" in answer.error["what"]
    assert answer.error["remedy"]
    assert not kit.unsafe(answer.out)


def test_a_sound_policy_is_explained(run: Any, kit: Any, files: Path) -> None:
    answer = run("policy", "check", files / "policy.yaml")
    assert answer.code == 0
    assert "epsilon 1 at delta 1e-6 a release" in answer.out
    assert "The policy is valid." in answer.out


@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_a_policy_that_cannot_be_read_is_bad_input(run: Any, tmp_path: Path, name: str) -> None:
    assert run("policy", "check", tmp_path / name, "--json").code == 2


def test_a_looser_policy_is_called_looser(run: Any, kit: Any, files: Path) -> None:
    looser = files / "looser.yaml"
    text = kit.policy_text().replace("decide_within_days", "decide_within_days", 1)
    looser.write_text(text.replace('purpose": 3', 'purpose": 9'), encoding="utf-8")
    (change,) = run("policy", "diff", files / "policy.yaml", looser, "--json").json["changes"]
    assert (change["effect"], change["old"], change["new"]) == ("LOOSER", "3", "9")
    assert run("policy", "diff", looser, looser).out == "The two policies say the same.\n"


def test_the_schema_is_one_json_document_with_and_without_the_flag(run: Any) -> None:
    assert run("policy", "schema").json == run("policy", "schema", "--json").json
