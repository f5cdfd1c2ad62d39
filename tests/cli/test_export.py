"""``dpsynth export gdpr``: two new files or one printed document, and an entry for each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def looks(run: Any, state: Path) -> int:
    entries = run("ledger", "show", "--json", state=state, person="ada").json["entries"]
    return sum(entry["kind"] == "view" for entry in entries)


def test_it_is_printed_as_a_page_or_as_json(run: Any, walked: Any) -> None:
    page = run("export", "gdpr", "tiny", state=walked.state, person="carol")
    assert page.code == 0
    assert "## Record of processing activities (Article 30)" in page.out
    record = run("export", "gdpr", "tiny", "--json", state=walked.state, person="dana").json
    assert record["dataset"] == "tiny"
    assert record["article_35"][0]["point"] == "35(7)(a)"
    assert looks(run, walked.state) == 2


def test_it_is_written_to_two_new_files(run: Any, walked: Any, tmp_path: Path) -> None:
    out = tmp_path / "tiny.2026"
    answer = run("export", "gdpr", "tiny", "--out", out, "--json", state=walked.state, person="carol")
    assert answer.json["files"] == [f"{out}.md", f"{out}.json"]
    record = json.loads(Path(f"{out}.json").read_text(encoding="utf-8"))
    assert record["article_30"][0]["answers"][0] in Path(f"{out}.md").read_text(encoding="utf-8")
    again = run("export", "gdpr", "tiny", "--out", out, "--json", state=walked.state, person="carol")
    assert (again.code, again.error["kind"]) == (2, "bad_input")
    assert looks(run, walked.state) == 1


@pytest.mark.parametrize("place", ["absent/record", "x" * 300])
def test_a_place_that_cannot_be_written_to_is_refused_before_anything_is_logged(
    run: Any, walked: Any, tmp_path: Path, place: str
) -> None:
    words = ("export", "gdpr", "tiny", "--out", tmp_path / place, "--json")
    answer = run(*words, state=walked.state, person="carol")
    assert (answer.code, answer.error["kind"]) == (2, "bad_input")
    assert not list(tmp_path.glob("*.md"))
    assert looks(run, walked.state) == 0


def test_a_refused_export_leaves_no_file(run: Any, walked: Any, tmp_path: Path) -> None:
    words = ("export", "gdpr", "tiny", "--out", tmp_path / "mine")
    assert run(*words, state=walked.state, person="sam").code == 3
    assert not list(tmp_path.glob("mine*"))
    assert run(*words, state=walked.state, person="carol").code == 0
    assert len(list(tmp_path.glob("mine*"))) == 2


@pytest.mark.parametrize(("person", "code"), [("sam", 3), ("ada", 3), ("erin", 0), ("", 2)])
def test_who_may_have_it(run: Any, walked: Any, person: str, code: int) -> None:
    assert run("export", "gdpr", "tiny", state=walked.state, person=person).code == code
    assert looks(run, walked.state) == (code == 0)


def test_it_holds_no_value_of_a_row_and_nothing_that_a_requester_wrote(
    run: Any, walked: Any, kit: Any
) -> None:
    text = run("export", "gdpr", "tiny", "--json", state=walked.state, person="carol").out
    assert kit.canary not in text
    assert kit.purpose not in text
    assert not kit.unsafe(text)
