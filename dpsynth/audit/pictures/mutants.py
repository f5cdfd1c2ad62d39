"""Picture 7: which planted faults the audit finds, by which test, how often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any

from dpsynth.audit.pictures.figure import Figure, listed, missing, number
from dpsynth.audit.pictures.svg import GREY, INK, LIGHT, LINE, PALE, STOP, Canvas

__all__ = ["scoreboard"]

_TITLE = "Planted faults: which of them this audit finds"
_CAPTION = (
    "Each row is a pipeline that was broken on purpose and audited with fresh randomness. The bar is the "
    "share of runs in which a test that owes it a flag flagged it; MISSED says how often it did not. Below "
    "the line stand correct pipelines: there a flag would be a false alarm, and the number is the upper "
    "end of a 95 % interval of its rate."
)
_WIDTH, _BAR, _SPAN, _ROW, _TOP = 680, 330, 170, 24, 34


def scoreboard(record: Mapping[str, Any] | None) -> Figure:
    """Draw the scoreboard of planted faults.

    Args:
        record: ``mutants``: a list of id, name, tier, caught_by, runs, flagged, misses and also;
            ``correct``: a list of name, runs, blocks and upper.
    """
    mutants = [] if record is None else listed(record.get("mutants"))
    correct = [] if record is None else listed(record.get("correct"))
    if not mutants and not correct:
        return missing(_TITLE, "there is no record of planted faults beside this report.")
    head = ("Pipeline", "Tier", "Owes a flag", "Runs", "Flagged", "Missed", "Also caught by", "False alarms")
    rows = [_mutant(one) for one in mutants]
    rows += [
        (
            f"correct {one['name']}",
            "none",
            "none",
            str(one["runs"]),
            str(one["blocks"]),
            "none",
            "none",
            f"at most {number(one['upper'])}",
        )
        for one in correct
    ]
    return Figure(_TITLE, _draw(mutants, correct), _CAPTION, head, tuple(rows))


def _mutant(one: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"{one['id']} {one['name']}",
        str(one["tier"]),
        _tests(one.get("caught_by")),
        str(one["runs"]),
        str(one["flagged"]),
        str(one["misses"]),
        _tests(one.get("also")),
        "none",
    )


def _tests(value: Any) -> str:
    if isinstance(value, str):
        return value or "none"
    names = value.keys() if isinstance(value, Mapping) else listed(value)
    return ", ".join(map(str, names)) or "none"


def _draw(mutants: Sequence[Mapping[str, Any]], correct: Sequence[Mapping[str, Any]]) -> str:
    height = _TOP + _ROW * (len(mutants) + len(correct)) + (24 if correct else 0) + 12
    found = sum(not one["misses"] for one in mutants)
    canvas = Canvas(_WIDTH, height, f"{_TITLE}: {found} of {len(mutants)} every time.")
    for x, words in ((14, "Fault"), (_BAR, "Flagged"), (_BAR + _SPAN + 14, "of runs"), (590, "Tier")):
        canvas.text((x, 20), words, bold=True, color=GREY)
    y = float(_TOP)
    for one in mutants:
        _row(canvas, one, y)
        y += _ROW
    if correct:
        canvas.line((14, y + 4), (_WIDTH - 14, y + 4), LINE)
        canvas.text((14, y + 20), "Correct pipelines", bold=True, color=GREY)
        y += 24
    for one in correct:
        canvas.text((14, y + 16), shorten(one["name"], 44, placeholder="…"))
        share = f"{one['blocks']} of {one['runs']} blocked, rate at most {number(one['upper'])}"
        canvas.text((_BAR, y + 16), share)
        y += _ROW
    return canvas.svg()


def _row(canvas: Canvas, one: Mapping[str, Any], y: float) -> None:
    canvas.text((14, y + 16), shorten(f"{one['id']} {one['name']}", 36, placeholder="…"), size=12)
    share = one["flagged"] / one["runs"] if one["runs"] else 0.0
    canvas.rect((_BAR, y + 5), (_SPAN, 14), PALE, LINE)
    canvas.rect((_BAR, y + 5), (_SPAN * share, 14), LIGHT)
    said = f"{one['flagged']} of {one['runs']}"
    canvas.text((_BAR + _SPAN + 14, y + 16), said)
    canvas.text((590, y + 16), str(one["tier"]), color=GREY)
    if one["misses"] or not one["runs"]:
        words = f"MISSED {one['misses']}" if one["runs"] else "not run"
        canvas.text(
            (_BAR - 8, y + 16), words, bold=True, size=12, color=STOP if one["runs"] else INK, anchor="end"
        )
