"""``dpsynth sample``: from a published release, with a condition and margins, or refused with a remedy."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

TICKS = ("--tick", "1", "--tick", "2", "--tick", "3")
REASON = ("--reason", "Inconclusive because the table is small; fine for a course.")


@pytest.fixture
def published(run: Any, walked: Any) -> Any:
    for person in ("carol", "dana"):
        words = ("approve", walked.sams, "--dossier", walked.dossier(run, walked.sams), *TICKS, *REASON)
        assert run(*words, state=walked.state, person=person).code == 0
    assert run("publish", walked.sams, state=walked.state, person="dana").code == 0
    return walked


def test_rows_conditions_and_margins_from_the_command_line(run: Any, published: Any, tmp_path: Path) -> None:
    def draw(*words: object) -> Any:
        return run("sample", published.sams, *words, state=published.state, person="sam")

    plain = draw("--rows", 300, "--out", tmp_path / "more.csv")
    assert (plain.code, plain.out.count("They cost nothing")) == (0, 1)
    with (tmp_path / "more.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 300

    margins = tmp_path / "idp.json"
    margins.write_text(json.dumps([{"columns": ["idp"], "cells": [["0", 20], ["1", 80]]}]))
    where = "mdvis >= 5 and mdvis < 8 or hlthg = '1'"
    words = ("--rows", 1000, "--out", tmp_path / "some.parquet", "--where", where, "--margins", margins)
    some = draw(*words, "--json").json
    rows = pq.read_table(tmp_path / "some.parquet").to_pylist()
    assert (len(rows), some["rows"], some["request"]) == (1000, 1000, published.sams)
    assert all(5 <= row["mdvis"] < 8 or row["hlthg"] == "1" for row in rows)
    assert 0 < float(some["probability"]) < 1
    assert run("ledger", "verify", state=published.state).code == 0


REFUSED = (
    (("--where", "mdvis >= 7"), "mdvis >= 6 or mdvis >= 8"),
    (("--where", "shade = 1"), "mdvis, idp, hlthg"),
    (("--where", "mdvis < 1 and mdvis > 8"), "cuts the bin"),
    (("--where", "mdvis < 1 and mdvis >= 8"), "probability 0"),
    (("--where", "x" * 4001), "4000 characters"),
    (("--margins", "absent.csv"), "plain file"),
    (("--rows", "0"), "number of rows"),
    (("--out", "rows.xlsx"), ".csv"),
)


def test_what_cannot_be_drawn_says_what_could(run: Any, published: Any, tmp_path: Path) -> None:
    for words, says in REFUSED:
        full = ["--rows", "5", "--out", str(tmp_path / "more.csv"), *words, "--json"]
        answer = run("sample", published.sams, *full, state=published.state, person="sam")
        assert answer.code == 2
        assert says in " ".join(str(part) for part in answer.error.values()), words
        assert not (tmp_path / "more.csv").exists()


def test_a_release_that_is_not_published_gives_nothing(run: Any, walked: Any, tmp_path: Path) -> None:
    out = tmp_path / "more.csv"
    answers = [
        run("sample", request, "--rows", 5, "--out", out, "--json", state=walked.state, person="sam")
        for request in (walked.sams, walked.blocked)
    ]
    # One text for both: a requester does not learn here that the audit blocked a release.
    assert [answer.code for answer in answers] == [3, 3]
    assert answers[0].out == answers[1].out
    assert not out.exists()


def test_approvers_read_that_further_rows_may_be_drawn(run: Any, walked: Any) -> None:
    lines = run("audit", walked.sams, state=walked.state, person="carol").out
    assert "model      The fitted model is kept here and does not leave." in lines
