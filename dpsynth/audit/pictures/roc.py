"""Picture 2: what attackers reached, against the region that the claim allows; both axes logarithmic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

import numpy as np

from dpsynth.attacks.intervals import clopper_pearson
from dpsynth.audit.pictures.claimed import Promised, allowed_tpr
from dpsynth.audit.pictures.figure import Figure, finite, listed, missing, number, span
from dpsynth.audit.pictures.svg import GREY, INK, LINE, MARK, PALE, STOP, WARN, Canvas, log

__all__ = ["roc"]

_TITLE = "Attackers against the trade-off that the claim allows"
_CAPTION = (
    "Across: share of people left out who are wrongly called members. Up: share of members who are rightly "
    "called members. The shaded region is what the claim allows; an attacker above it, with the whole box, "
    "refutes the claim. The box is the Clopper-Pearson interval of both rates at the chosen threshold. A "
    "curve alone refutes nothing, its left end rests on few people; and a curve near the diagonal does not "
    "show that the mechanism is right."
)
_LEAST = 1e-3
_LEFT, _RIGHT, _UPPER, _LOWER = 70.0, 640.0, 24.0, 420.0
_STYLES = ((MARK, ""), (WARN, "7 4"), (GREY, "2 4"), (INK, "10 3 2 3"))


@dataclass(frozen=True)
class _Attacker:
    name: str
    points: tuple[tuple[float, float], ...]
    fpr: Mapping[str, Any] | None
    tpr: Mapping[str, Any] | None


def roc(results: Sequence[Mapping[str, Any]], claim: Promised | None, confidence: float) -> Figure:
    """Draw every result that has a curve or a box.

    Args:
        results: results of one evidence class. ``details["roc"]`` is a list of [fpr, tpr]. The rates at the
            chosen threshold are in ``fpr`` and ``tpr_at_low_fpr``, each with estimate, low and high; or, of
            a game, in ``alarms`` and ``misses``, each [how many, of how many].
        claim: what is promised.
        confidence: of a game's box.
    """
    if claim is None:
        return missing(_TITLE, "the report states no claim to measure against.")
    attackers = [one for one in (_attacker(r, confidence) for r in results) if one is not None][
        : len(_STYLES)
    ]
    if not attackers:
        return missing(_TITLE, "no attack of this page has a curve or rates at a threshold.")
    head = (
        "Attack",
        "False positives",
        "Their interval",
        "True positives",
        "Interval of those",
        "Allowed at most",
    )
    return Figure(_TITLE, _draw(attackers, claim), _CAPTION, head, tuple(_said(attackers, claim)))


def _attacker(result: Mapping[str, Any], confidence: float) -> _Attacker | None:
    details = result["details"]
    points = tuple(
        (float(pair[0]), float(pair[1])) for pair in listed(details.get("roc")) if None not in pair
    )
    fpr, tpr = _rates(details.get("fpr")), _rates(details.get("tpr_at_low_fpr"))
    if fpr is None:
        fpr, tpr = (
            _counted(details.get("alarms"), confidence),
            _counted(details.get("misses"), confidence, True),
        )
    if not points and (fpr is None or tpr is None):
        return None
    return _Attacker(f"{result['id']} {result['name']}", points, fpr, tpr)


def _counted(value: Any, confidence: float, rest: bool = False) -> Mapping[str, Any] | None:
    """A rate from [how many, of how many]; with ``rest`` the share of the others."""
    pair = [int(one) for one in map(finite, listed(value)) if one is not None]
    if len(pair) != 2 or pair[1] < 1:
        return None
    hits, trials = pair
    found = clopper_pearson(trials - hits if rest else hits, trials, confidence)
    return {"estimate": found.estimate, "low": found.low, "high": found.high}


def _rates(value: Any) -> Mapping[str, Any] | None:
    whole = isinstance(value, Mapping) and all(
        finite(value.get(n)) is not None for n in ("estimate", "low", "high")
    )
    return value if whole else None


def _cap(claim: Promised, fpr: float) -> float:
    return float(allowed_tpr(claim, np.array([fpr]))[0])


def _said(attackers: Sequence[_Attacker], claim: Promised) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for one in attackers:
        if one.fpr is None or one.tpr is None:
            rows.append((one.name, *("none",) * 5))
            continue
        rows.append(
            (
                one.name,
                number(one.fpr["estimate"]),
                span(one.fpr["low"], one.fpr["high"]),
                number(one.tpr["estimate"]),
                span(one.tpr["low"], one.tpr["high"]),
                number(_cap(claim, one.fpr["estimate"])),
            )
        )
    return rows


def _draw(attackers: Sequence[_Attacker], claim: Promised) -> str:
    canvas = Canvas(680, 480, f"{_TITLE}. Attacks: {', '.join(one.name for one in attackers)}.")
    across, up = log(_LEAST, 1.0, _LEFT, _RIGHT), log(_LEAST, 1.0, _LOWER, _UPPER)
    rates = np.geomspace(_LEAST, 1.0, 120)
    edge = [(across(a), up(b)) for a, b in zip(rates, allowed_tpr(claim, rates), strict=True)]
    canvas.curve([*edge, (_RIGHT, _LOWER), (_LEFT, _LOWER)], "none", fill=PALE)
    _axes(canvas, across, up)
    canvas.curve(edge, STOP, 2.5)
    canvas.text((_LEFT + 14, _UPPER + 24), "above the line: refutes the claim", color=STOP, bold=True)
    canvas.text(
        (_RIGHT - 14, _LOWER - 14), "shaded: allowed by the claim", color=GREY, anchor="end", bold=True
    )
    canvas.line((_LEFT, _LOWER), (_RIGHT, _UPPER), LINE, 1, "3 4")
    for at, one in enumerate(attackers):
        color, dash = _STYLES[at]
        if one.points:
            canvas.curve([(across(a), up(b)) for a, b in one.points], color, 2, dash)
        if one.fpr is not None and one.tpr is not None:
            left, right = across(one.fpr["low"]), across(one.fpr["high"])
            high, low = up(one.tpr["high"]), up(one.tpr["low"])
            canvas.rect((left, high), (right - left, low - high), "none", color, dash)
            canvas.dot((across(one.fpr["estimate"]), up(one.tpr["estimate"])), color)
        y = _LOWER - 40 - 20 * at
        canvas.line((_RIGHT - 240, y - 4), (_RIGHT - 206, y - 4), color, 2, dash)
        canvas.text((_RIGHT - 198, y), shorten(one.name, 30, placeholder="…"))
    return canvas.svg()


def _axes(canvas: Canvas, across: Any, up: Any) -> None:
    for value in (0.001, 0.01, 0.1, 1.0):
        canvas.line((across(value), _UPPER), (across(value), _LOWER), "#cfd8df")
        canvas.line((_LEFT, up(value)), (_RIGHT, up(value)), "#cfd8df")
        canvas.text((across(value), _LOWER + 18), f"{value:g}", anchor="middle", color=GREY)
        canvas.text((_LEFT - 8, up(value) + 4), f"{value:g}", anchor="end", color=GREY)
    canvas.text((_RIGHT, _LOWER + 40), "false-positive rate", anchor="end", color=GREY)
    canvas.text((8, 15), "true-positive rate", color=GREY)
