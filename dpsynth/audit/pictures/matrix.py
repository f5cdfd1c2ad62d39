"""Picture 5: whether anything but noisy answers told neighbouring tables apart."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import shorten
from typing import Any

from dpsynth.audit.pictures.figure import Figure, listed, missing
from dpsynth.audit.pictures.svg import INK, LINE, MARK, PALE, STOP, Canvas

__all__ = ["matrix"]

_TITLE = "Neighbouring tables against everything that a run leaves behind"
_CAPTION = (
    "One row for each change of one unit's rows, one column for each thing that a run leaves behind, with "
    "the same noisy answers given to all. A ring: the same. A filled square with a cross: it differs, so it "
    "shows something of the rows that no mechanism protects. A dash: not compared; the table says why."
)
_WIDTH, _LEFT, _TOP, _ROW = 680, 220, 120, 26


def matrix(artefacts: Mapping[str, Any] | None) -> Figure:
    """Draw S2's table.

    Args:
        artefacts: the result of S2; ``details["matrix"]`` has a row for each of ``neighbours`` and in it a
            word for each of ``artefacts``: ``same``, ``differs``, or why the two could not be compared.
    """
    details = {} if artefacts is None else artefacts["details"]
    names, columns = listed(details.get("neighbours")), [str(one) for one in listed(details.get("artefacts"))]
    words = [[str(word) for word in listed(row)] for row in listed(details.get("matrix"))]
    if not words or len(words) != len(names) or any(len(row) != len(columns) for row in words):
        return missing(_TITLE, "no neighbouring tables were compared.")
    found = {str(name): dict(zip(columns, row, strict=True)) for name, row in zip(names, words, strict=True)}
    rows = tuple(_said(name, row) for name, row in found.items())
    head = ("Neighbour", "The same", "Differs in", "Not compared")
    return Figure(_TITLE, _draw(found, columns), _CAPTION, head, rows)


def _said(name: str, row: Mapping[str, str]) -> tuple[str, ...]:
    same = sum(word == "same" for word in row.values())
    differs = [column for column, word in row.items() if word == "differs"]
    other = [f"{column} ({word})" for column, word in row.items() if word not in ("same", "differs")]
    lists = ", ".join(differs) or "nothing", ", ".join(other) or "nothing"
    return (name, f"{same} of {len(row)}", *lists)


def _draw(found: Mapping[str, Mapping[str, str]], columns: list[str]) -> str:
    differing = sum(word == "differs" for row in found.values() for word in row.values())
    height = _TOP + _ROW * len(found) + 14
    canvas = Canvas(_WIDTH, height, f"{_TITLE}: {differing} of {len(found) * len(columns)} differ.")
    step = min(44.0, (_WIDTH - _LEFT - 60) / max(1, len(columns)))
    for at, column in enumerate(columns):
        x = _LEFT + step * (at + 0.5)
        canvas.slanted((x, _TOP - 8), shorten(column, 22, placeholder="…"))
    for at, (name, row) in enumerate(found.items()):
        y = _TOP + _ROW * (at + 0.5)
        canvas.line((14, y + _ROW / 2), (_LEFT + step * len(columns), y + _ROW / 2), PALE)
        canvas.text((14, y + 4), shorten(name, 32, placeholder="…"))
        for place, column in enumerate(columns):
            _cell(canvas, (_LEFT + step * (place + 0.5), y), row[column])
    return canvas.svg()


def _cell(canvas: Canvas, at: tuple[float, float], word: str) -> None:
    x, y = at
    if word == "same":
        canvas.ring(at, MARK)
    elif word == "differs":
        canvas.rect((x - 9, y - 9), (18, 18), STOP, INK)
        canvas.line((x - 5, y - 5), (x + 5, y + 5), "white", 2)
        canvas.line((x - 5, y + 5), (x + 5, y - 5), "white", 2)
    else:
        canvas.line((x - 5, y), (x + 5, y), LINE, 2)
