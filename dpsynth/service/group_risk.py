"""How often linkage succeeds by how many real people share the known columns. Class B."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dpsynth.attacks.intervals import clopper_pearson
from dpsynth.audit.pictures.figure import Figure, finite, listed, missing, number, of_id, span
from dpsynth.audit.pictures.svg import GREY, INK, LIGHT, LINE, MARK, Canvas, linear, ticks

__all__ = ["group_risk"]

_TITLE = "Linkage by size of group"
_CAPTION = (
    "For people who share their known columns with so many real people: how often an attacker who knows "
    "those columns reads off the others. Dot: members; diamond: people left out of the data, the control. "
    "Lines: Clopper-Pearson intervals, each by itself. A risk of taking part would lift the dot above the "
    "diamond by more than the lines; small groups give wide lines and show little. Not judged: the limits "
    "are for the whole attack, not for one group."
)
_HEAD = ("Real people who share the columns", "Who", "Success", "Interval", "n, people attacked", "Unit")
_SIDES = (("members", "members"), ("controls", "people left out (control)"))
_WIDTH, _LEFT, _ROW, _TOP = 680, 190, 52, 34


@dataclass(frozen=True)
class _Rate:
    """Successes among people of one group on one side; ``share`` is None where nobody was attacked."""

    group: str
    side: str
    n: int
    share: float | None
    low: float | None
    high: float | None


def group_risk(results: Sequence[Mapping[str, Any]], confidence: float) -> Figure:
    """Draw the rates of the linkage attack by group.

    Args:
        results: class B results.
        confidence: of each interval, strictly between 0 and 1.
    """
    linkage = of_id(results, "L1")
    groups = listed(linkage["details"].get("groups")) if linkage else ()
    if not groups:
        return missing(_TITLE, "the plan has no linkage attack, or it could not be made.")
    rates = [_rate(row, side, confidence) for row in groups for side, _ in _SIDES]
    if all(rate.share is None for rate in rates):
        return missing(_TITLE, "nobody was attacked.")
    words = dict(_SIDES)
    rows = [
        (
            one.group,
            words[one.side],
            number(one.share),
            span(one.low, one.high),
            str(one.n),
            "share of attacks",
        )
        for one in rates
    ]
    caption = f"{_CAPTION} Confidence: {confidence:.0%}."
    return Figure(_TITLE, _draw(rates), caption, _HEAD, tuple(rows))


def _rate(row: Mapping[str, Any], side: str, confidence: float) -> _Rate:
    group, n, share = str(row["real_rows_sharing"]), int(row[side]), finite(row[f"{side}_rate"])
    if not n or share is None:
        return _Rate(group, side, n, None, None, None)
    found = clopper_pearson(round(share * n), n, confidence)
    return _Rate(group, side, n, share, found.low, found.high)


def _draw(rates: Sequence[_Rate]) -> str:
    groups = list(dict.fromkeys(rate.group for rate in rates))
    canvas = Canvas(_WIDTH, _TOP + _ROW * len(groups) + 46, f"{_TITLE}: {len(groups)} groups.")
    highest = max(rate.high for rate in rates if rate.high is not None)
    place, bottom = linear(0.0, highest * 1.05, _LEFT, _WIDTH - 30), _TOP + _ROW * len(groups) + 4
    for tick in ticks(0.0, highest):
        canvas.line((place(tick), _TOP - 6), (place(tick), bottom), "#dde3e8")
        canvas.text((place(tick), bottom + 16), number(tick), anchor="middle", color=GREY)
    canvas.text((_WIDTH - 20, bottom + 33), "success, share of attacks", anchor="end", color=GREY)
    canvas.line((_LEFT, bottom), (_WIDTH - 20, bottom), LINE)
    canvas.text((14, _TOP - 14), "shared with", color=GREY)
    canvas.dot((_LEFT + 8, _TOP - 18), MARK)
    canvas.text((_LEFT + 18, _TOP - 14), "members", color=GREY)
    canvas.diamond((_LEFT + 108, _TOP - 18), INK, 5.5)
    canvas.text((_LEFT + 118, _TOP - 14), _SIDES[1][1], color=GREY)
    for at, group in enumerate(groups):
        y = _TOP + _ROW * (at + 0.5)
        canvas.text((14, y + 4), f"{group} real people" if group != "1" else "nobody else (1)")
        for rate in (one for one in rates if one.group == group):
            _mark(canvas, rate, y - 10 if rate.side == "members" else y + 10, place)
    return canvas.svg()


def _mark(canvas: Canvas, rate: _Rate, y: float, place: Callable[[float], float]) -> None:
    if rate.share is None or rate.low is None or rate.high is None:
        canvas.text((_LEFT + 6, y + 4), f"{rate.side}: nobody attacked", color=GREY, size=11)
        return
    left, right, at = place(rate.low), place(rate.high), (place(rate.share), y)
    member = rate.side == "members"
    canvas.line((left, y), (right, y), LIGHT if member else LINE, 4)
    canvas.dot(at, MARK) if member else canvas.diamond(at, INK, 5.5)
