"""Picture 4: the noise that was drawn against the noise that was declared, block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scipy import special

from dpsynth.audit.pictures.figure import Figure, listed, missing, number, span
from dpsynth.audit.pictures.svg import GREY, LIGHT, LINE, MARK, STOP, Canvas, linear

__all__ = ["qq"]

_TITLE = "Noise drawn against noise declared, by block"
_CAPTION = (
    "In each panel dots on the dashed diagonal mean noise of the declared law: across what was declared, up "
    "what was drawn, in standard deviations. A flatter line is too little noise. Under each panel: the "
    "measured standard deviation divided by the declared one, with its interval; the bar beneath shows the "
    "same, with a tick at 1. Blocks that lie furthest from 1 come first; of many blocks some "
    "miss 1 by chance, which the test corrects for and these intervals do not."
)
_ACROSS, _SIDE, _GAP, _PANEL = 4, 150, 14, 212
_REACH = 3.2


def qq(noise: Mapping[str, Any] | None) -> Figure:
    """Draw the blocks of S4.

    Args:
        noise: the result of S4; ``details["blocks"]`` is a list of block, cells, ratio, low, high and
            scores, the drawn normal scores at the probabilities in ``details["probabilities"]``.
    """
    details = {} if noise is None else noise["details"]
    blocks, shares = listed(details.get("blocks")), listed(details.get("probabilities"))
    if not blocks or not shares:
        return missing(_TITLE, "no noise was measured block by block.")
    rows = [
        (b["block"], str(b["cells"]), number(b["ratio"]), span(b["low"], b["high"]), "drawn / declared")
        for b in blocks
    ]
    left_out = details.get("blocks_left_out", 0)
    more = f" {left_out} further blocks are not shown; all of them were tested." if left_out else ""
    head = ("Block", "Cells", "Standard deviation", "Interval", "Unit")
    return Figure(_TITLE, _draw(blocks, shares), _CAPTION + more, head, tuple(rows))


def _draw(blocks: Sequence[Mapping[str, Any]], shares: Sequence[float]) -> str:
    deep = -(-len(blocks) // _ACROSS)
    canvas = Canvas(680, 16 + deep * _PANEL, f"{_TITLE}: {len(blocks)} blocks.")
    declared = [float(special.ndtri(p)) for p in shares]
    for at, block in enumerate(blocks):
        corner = (16.0 + (at % _ACROSS) * (_SIDE + _GAP), 28.0 + (at // _ACROSS) * _PANEL)
        _panel(canvas, block, declared, corner)
    return canvas.svg()


def _panel(
    canvas: Canvas, block: Mapping[str, Any], declared: Sequence[float], corner: tuple[float, float]
) -> None:
    left, top = corner
    right, bottom = left + _SIDE, top + _SIDE - 20
    name = block["block"] if len(block["block"]) <= 21 else f"{block['block'][:20]}…"
    canvas.text((left, top - 6), name, bold=True, size=12)
    canvas.rect((left, top), (_SIDE, bottom - top), "white", LINE)
    across, up = linear(-_REACH, _REACH, left, right), linear(-_REACH, _REACH, bottom, top)
    canvas.line((left, bottom), (right, top), STOP, 1.2, "5 4")
    for expected, drawn in zip(declared, listed(block["scores"]), strict=False):
        if drawn is not None:
            canvas.dot((across(expected), up(drawn)), MARK, 2.6)
    canvas.text((left, bottom + 17), number(block["ratio"]), value=True, bold=True)
    canvas.text((right, bottom + 17), span(block["low"], block["high"]), anchor="end", size=11, value=True)
    _bar(canvas, block, (left, right), bottom + 27)


def _bar(canvas: Canvas, block: Mapping[str, Any], ends: tuple[float, float], y: float) -> None:
    place = linear(0.0, 2.0, *ends)
    canvas.line((ends[0], y), (ends[1], y), LINE)
    canvas.line((place(block["low"]), y), (place(block["high"]), y), LIGHT, 5)
    canvas.line((place(1.0), y - 6), (place(1.0), y + 6), GREY, 1.5)
    canvas.dot((place(block["ratio"]), y), MARK, 3.5)
