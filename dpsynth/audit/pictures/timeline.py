"""Picture 8: releases of one table over time, and what they amount to together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dpsynth.audit.pictures.claimed import Promised, epsilon_of
from dpsynth.audit.pictures.figure import Figure, missing, number
from dpsynth.audit.pictures.svg import GREY, LINE, MARK, STOP, Canvas, linear, ticks

__all__ = ["timeline"]

_TITLE = "Releases of this table over time, and their sum"
_CAPTION = (
    "A dot is one release by itself; the stairs are all releases so far together: their rho adds up, and the "
    "sum is read off as epsilon. Two releases of epsilon 1 do not make 2, but they never make less than one."
)
_LEFT, _RIGHT, _UPPER, _LOWER = 60.0, 600.0, 40.0, 270.0


def timeline(releases: Sequence[Mapping[str, Any]] | None, claim: Promised | None) -> Figure:
    """Draw the releases and their running sum.

    Args:
        releases: each with ``released`` (ISO time), ``epsilon`` and ``rho`` (zCDP, not nano).
        claim: its delta is where the sum is read off.
    """
    if not releases or claim is None:
        return missing(_TITLE, "no list of releases was given to this report.")
    ordered = sorted(releases, key=lambda one: _time(one["released"]))
    total, sums = 0.0, []
    for one in ordered:
        total += float(one["rho"])
        sums.append((total, epsilon_of(total, claim.delta)))
    unit = f"epsilon at delta {claim.at}"
    rows = [
        (_day(one), *(number(float(value)) for value in (one["epsilon"], one["rho"], rho, epsilon)), unit)
        for one, (rho, epsilon) in zip(ordered, sums, strict=True)
    ]
    head = ("Released", "Epsilon alone", "rho alone", "rho together", "Epsilon together", "Unit")
    return Figure(_TITLE, _draw(ordered, [pair[1] for pair in sums], unit), _CAPTION, head, tuple(rows))


def _day(one: Mapping[str, Any]) -> str:
    return str(one["released"])[:10]


def _time(text: str) -> float:
    found = datetime.fromisoformat(str(text))
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _draw(ordered: Sequence[Mapping[str, Any]], sums: Sequence[float], unit: str) -> str:
    canvas = Canvas(680, 320, f"{_TITLE}: {len(ordered)} releases, {number(sums[-1])} together.")
    times = [_time(one["released"]) for one in ordered]
    first, last = min(times), max(times)
    margin = (last - first) * 0.06 or 1.0
    across = linear(first - margin, last + margin, _LEFT, _RIGHT)
    most = 1.15 * max(sums)
    up = linear(0.0, most, _LOWER, _UPPER)
    for tick in ticks(0.0, most):
        canvas.line((_LEFT, up(tick)), (_RIGHT, up(tick)), "#dde3e8")
        canvas.text((_LEFT - 8, up(tick) + 4), number(tick), anchor="end", color=GREY)
    canvas.line((_LEFT, _LOWER), (_RIGHT, _LOWER), LINE)
    canvas.text((8, 18), unit, color=GREY)
    stairs = [(_LEFT, up(0.0))]
    for when, total in zip(times, sums, strict=True):
        stairs += [(across(when), stairs[-1][1]), (across(when), up(total))]
    canvas.curve([*stairs, (_RIGHT, stairs[-1][1])], STOP, 2.5)
    canvas.text((_RIGHT + 6, stairs[-1][1] - 6), "together", color=STOP)
    canvas.text((_RIGHT + 6, stairs[-1][1] + 12), number(sums[-1]), color=STOP, bold=True, value=True)
    for when, one in zip(times, ordered, strict=True):
        canvas.dot((across(when), up(float(one["epsilon"]))))
        canvas.line((across(when), _LOWER), (across(when), _LOWER + 6), LINE)
    _dates(canvas, times, ordered, across)
    canvas.dot((_RIGHT - 90, 18), MARK)
    canvas.text((_RIGHT - 80, 22), "one release alone", color=GREY)
    return canvas.svg()


def _dates(canvas: Canvas, times: Sequence[float], ordered: Sequence[Mapping[str, Any]], across: Any) -> None:
    """Dates where there is room for them; the table has them all."""
    free = -1e9
    for when, one in zip(times, ordered, strict=True):
        x = across(when)
        if x - free >= 84:
            canvas.text((x, _LOWER + 22), _day(one), anchor="middle", color=GREY)
            free = x
