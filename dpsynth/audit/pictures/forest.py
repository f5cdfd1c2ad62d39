"""Picture 6: how much more members are at risk than people left out, with the two limits. Class B."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dpsynth.audit.pictures.figure import Figure, finite, missing, number, span
from dpsynth.audit.pictures.svg import GREY, INK, LIGHT, LINE, MARK, STOP, WARN, Canvas, linear, ticks

__all__ = ["forest"]

_TITLE = "Excess risk of members over people left out"
_CAPTION = (
    "A dot with a line: the excess with its interval; at zero the attack does no better on members than on "
    "people left out. The two vertical lines are the limits for the upper end of an interval: the dotted one "
    "asks for a person's remark, the dashed one stops the release where an excess is shown. The stop limit "
    "is borrowed from health-data practice (El Emam et al. 2020) and says nothing about the mechanism."
)
_TESTS = ("R3", "R4", "R5", "L1")
_WIDTH, _LEFT, _ROW, _TOP = 680, 190, 44, 40


def forest(results: Sequence[Mapping[str, Any]], warn: float, stop: float) -> Figure:
    """Draw the excess risks of singling out, linkage and inference.

    Args:
        results: class B results.
        warn, stop: the plan's limits on an upper bound.
    """
    shown = [r for r in results if r["id"] in _TESTS and _whole(r)]
    if not shown:
        return missing(_TITLE, "no attack of this kind has a result with an interval.")
    absent = [test for test in _TESTS if test not in {r["id"] for r in shown}]
    note = f" Not tested, or without an interval: {', '.join(absent)}." if absent else ""
    head = ("Attack", "Excess risk", "Interval", "Rate on people left out", "Unit")
    rows = [
        (
            f"{r['id']} {r['name']}",
            number(r["estimate"]),
            span(r["low"], r["high"]),
            number(r["control"]),
            "share of attacks",
        )
        for r in shown
    ]
    limits = (("Warn limit", warn), ("Stop limit", stop))
    rows += [(name, number(limit), "exact", "none", "share of attacks") for name, limit in limits]
    return Figure(_TITLE, _draw(shown, warn, stop), _CAPTION + note, head, tuple(rows))


def _whole(result: Mapping[str, Any]) -> bool:
    return all(finite(result[name]) is not None for name in ("estimate", "low", "high"))


def _draw(shown: Sequence[Mapping[str, Any]], warn: float, stop: float) -> str:
    height = _TOP + _ROW * len(shown) + 46
    canvas = Canvas(_WIDTH, height, f"{_TITLE}: {len(shown)} attacks.")
    low = min([-0.02, *(r["low"] for r in shown)])
    high = max([stop * 1.25, *(r["high"] for r in shown)])
    reach = high - low
    place = linear(low - 0.04 * reach, high + 0.08 * reach, _LEFT, _WIDTH - 20)
    bottom = height - 40
    for tick in ticks(low, high):
        canvas.line((place(tick), _TOP - 6), (place(tick), bottom), "#dde3e8")
        canvas.text((place(tick), bottom + 16), number(tick), anchor="middle", color=GREY)
    canvas.text((_WIDTH - 20, bottom + 33), "excess risk, share of attacks", anchor="end", color=GREY)
    canvas.line((place(0.0), _TOP - 6), (place(0.0), bottom), INK, 1.2)
    canvas.line((_LEFT, bottom), (_WIDTH - 20, bottom), LINE)
    _limit(canvas, (place(warn), bottom), f"warn {number(warn)}", (WARN, "2 4", "end"))
    _limit(canvas, (place(stop), bottom), f"stop {number(stop)}", (STOP, "7 4", "start"))
    for at, result in enumerate(shown):
        _row(canvas, result, _TOP + _ROW * (at + 0.5), place)
    return canvas.svg()


def _limit(canvas: Canvas, foot: tuple[float, float], words: str, style: tuple[str, str, str]) -> None:
    color, dash, anchor = style
    x, bottom = foot
    canvas.line((x, _TOP - 14), (x, bottom), color, 2, dash)
    canvas.text((x + (-3 if anchor == "end" else 3), _TOP - 18), words, anchor=anchor, color=color, bold=True)


def _row(canvas: Canvas, result: Mapping[str, Any], y: float, place: Callable[[float], float]) -> None:
    canvas.block((14, y), f"{result['id']} {result['name']}", 24)
    left, right = place(result["low"]), place(result["high"])
    canvas.line((left, y), (right, y), LIGHT, 5)
    for end in (left, right):
        canvas.line((end, y - 6), (end, y + 6), MARK, 1.5)
    canvas.dot((place(result["estimate"]), y))
    canvas.text(
        (place(result["estimate"]), y - 9), number(result["estimate"]), anchor="middle", value=True, rim=True
    )
