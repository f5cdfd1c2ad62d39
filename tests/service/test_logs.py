"""Log lines hold known fields of known forms: what is not one of them is not printed, whoever says it."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dpsynth.core.errors import DpsynthError
from dpsynth.service import Platform, RequestForm, logs

CANARIES = ("918273645", "Xylophone", "plumbago", "Zebulon", "1234567")


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Callable[[], list[str]]]]:
    """Starts log lines of a form, and gives what reads them; everything is as it was afterwards."""
    own, root = logging.getLogger("dpsynth.events"), logging.getLogger()
    kept = (own.handlers[:], root.handlers[:], root.level)
    stream = io.StringIO()

    def begin(form: str) -> Callable[[], list[str]]:
        monkeypatch.setattr("sys.stderr", stream)
        logs.log_lines_to_stderr(form)
        return lambda: stream.getvalue().splitlines()

    yield begin
    own.handlers[:], root.handlers[:] = kept[0], kept[1]
    root.setLevel(kept[2])
    logging.captureWarnings(False)


def test_a_line_is_json_with_time_level_event_and_known_fields(lines: Any) -> None:
    read = lines("json")
    logs.tell("run ended", logging.WARNING, request="r-0123456789ab", stage="fitting", outcome="failed")
    (line,) = map(json.loads, read())
    assert line.pop("time").endswith(":00+00:00")  # to the minute: it is about a run
    assert line == {
        "level": "warning",
        "event": "run ended",
        "request": "r-0123456789ab",
        "stage": "fitting",
        "outcome": "failed",
    }


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize(
    "fields",
    [
        {"request": "Xylophone lessons"},
        {"request": "r-0123456789ab\nforged line 918273645"},
        {"outcome": "Zebulon"},
        {"code": 1234567},
        {"purpose": "plumbago"},
        {"duration": "1234567 s"},
        {"stage": "Xylophone"},
        {"process": "worker 1234567"},
        {"library": "plumbago 918273645"},
    ],
)
def test_a_value_of_another_form_is_left_out(lines: Any, form: str, fields: dict[str, Any]) -> None:
    read = lines(form)
    logs.tell("run begun", **fields)
    assert len(read()) == 1
    assert not [canary for canary in CANARIES if canary in read()[0]]


def test_of_other_libraries_only_the_name_is_written(lines: Any) -> None:
    read = lines("json")
    logging.getLogger("some.library").warning("row 7 is %s", "918273645")
    logging.getLogger("some.library").info("nobody asked")
    try:
        raise ValueError("918273645")
    except ValueError:
        logging.getLogger("some.library").exception("Xylophone")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("the mean is 918273645", stacklevel=1)
    found = [json.loads(line) for line in read()]
    assert [one["library"] for one in found] == ["some.library", "some.library", "py.warnings"]
    assert "918273645" not in str(found)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "under 1 min"), (59.9, "under 1 min"), (60, "under 10 min"), (3599, "under 1 h"), (9e9, "over 1 h")],
)
def test_a_duration_is_a_wide_bucket(seconds: float, words: str) -> None:
    assert logs.bucket(seconds) == words


def test_without_being_asked_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.tell("run ended", logging.ERROR, outcome="failed")
    assert capsys.readouterr() == ("", "")


def test_a_whole_walk_and_a_lost_run_leave_no_canary_in_the_log(
    lines: Any, tmp_path: Path, rand_csv: Path, open_platform: Callable[..., Platform]
) -> None:
    read = lines("json")
    table = tmp_path / "table.csv"
    text = rand_csv.read_text().splitlines()
    first = ["918273645", *text[1].split(",")[1:]]
    table.write_text("\n".join([text[0], ",".join(first), *text[2:]]) + "\n")
    platform = open_platform("canaries", table)
    words = {"purpose": "Xylophone lessons by Zebulon. " * 4, "recipients": "plumbago", "epsilon": "0.5"}

    def ask() -> str:
        return platform.submit("sam", RequestForm("rand-health", "independent", **words)).id

    done = ask()
    platform.run_once("worker Zebulon")
    dossier = platform.dossier("carol", done)
    for person in ("carol", "dana"):
        ticks = tuple(dossier.body["must_tick"])
        platform.approve(person, done, dossier.sha256, "Xylophone 1234567, all of it.", ticks)
    platform.publish("carol", done)
    table.write_text("Xylophone 918273645\n")
    lost = ask()
    platform.run_once("worker Zebulon")
    with pytest.raises(DpsynthError):
        platform.approve("carol", lost, "0", "Xylophone", ())
    found = [json.loads(line) for line in read()]
    ends = [(one["request"], one["outcome"]) for one in found if one["event"] == "run ended"]
    assert ends == [(done, "done"), (lost, "failed")]
    everything = "\n".join(read())
    assert not [canary for canary in CANARIES if canary in everything]
    assert not {"verdict", "pass", "blocked"} & set(everything.split('"'))
