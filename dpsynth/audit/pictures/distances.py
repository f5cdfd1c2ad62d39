"""Picture 9: distances to the closest record, greyed: they are shown because people ask. Class B."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dpsynth.audit.pictures.figure import Figure, finite, listed, missing, number
from dpsynth.audit.pictures.svg import GREY, LINE, Canvas, linear, ticks

__all__ = ["distances"]

_TITLE = "Distances to the closest real record (not a privacy test)"
_CAPTION = (
    "Not a privacy test. Share of released rows whose closest row of the named kind is at most so far away. "
    "Releases that copy people verbatim can look the same here (Yao, Krco, Ganev, de Montjoye 2025), so no "
    "verdict rests on it."
)
_LEFT, _RIGHT, _UPPER, _LOWER = 60.0, 650.0, 56.0, 280.0
_STYLES = (("train", "#6b7785", ""), ("holdout", "#6b7785", "7 5"))
_WORDS = {"train": "people in the fit", "holdout": "people left out"}


def distances(result: Mapping[str, Any] | None) -> Figure:
    """Draw two empirical distribution functions.

    Args:
        result: the result of R7; ``details["train"]`` and ``details["holdout"]`` are quantiles of distances
            at evenly spaced probabilities from 0 to 1, ``details["ties"]`` the share of ties.
    """
    details = {} if result is None else result["details"]
    curves = {name: _numbers(details.get(name)) for name, _, _ in _STYLES}
    if any(len(values) < 2 for values in curves.values()):
        return missing(_TITLE, "distances were not computed, or there was nothing to compare.")
    head = ("Share of released rows", "Closest row in the fit", "Closest row left out", "Unit")
    longest = min(len(values) for values in curves.values())
    rows = [
        (
            f"{at / (longest - 1):.0%}",
            *(number(_at(curves[n], at, longest)) for n, _, _ in _STYLES),
            "distance",
        )
        for at in _eleven(longest)
    ]
    rows.append(("Ties", *(_ties(details.get("ties")),) * 2, "share of rows"))
    return Figure(_TITLE, _draw(curves), _CAPTION, head, tuple(rows))


def _numbers(value: Any) -> list[float]:
    return [found for found in map(finite, listed(value)) if found is not None]


def _ties(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number(share)}" for name, share in value.items()) or "none"
    return number(value)


def _eleven(longest: int) -> list[int]:
    many = min(11, longest)
    return [round(at * (longest - 1) / (many - 1)) for at in range(many)]


def _at(values: Sequence[float], place: int, longest: int) -> float:
    return values[round(place * (len(values) - 1) / (longest - 1))]


def _draw(curves: Mapping[str, Sequence[float]]) -> str:
    canvas = Canvas(680, 330, _TITLE)
    most = max(max(values) for values in curves.values()) or 1.0
    across, up = linear(0.0, most, _LEFT, _RIGHT), linear(0.0, 1.0, _LOWER, _UPPER)
    for tick in ticks(0.0, most):
        canvas.line((across(tick), _UPPER), (across(tick), _LOWER), "#eceff2")
        canvas.text((across(tick), _LOWER + 17), number(tick), anchor="middle", color=GREY)
    for share in (0.0, 0.5, 1.0):
        canvas.text((_LEFT - 8, up(share) + 4), f"{share:g}", anchor="end", color=GREY)
    canvas.line((_LEFT, _LOWER), (_RIGHT, _LOWER), LINE)
    canvas.text((_RIGHT, _LOWER + 36), "distance to the closest row", anchor="end", color=GREY)
    canvas.text((_LEFT, 20), "NOT A PRIVACY TEST", bold=True, color=GREY)
    for at, (name, color, dash) in enumerate(_STYLES):
        values = curves[name]
        steps = [(across(v), up(i / (len(values) - 1))) for i, v in enumerate(values)]
        canvas.curve(steps, color, 2, dash)
        x = 250 + 190 * at
        canvas.line((x, 16), (x + 34, 16), color, 2, dash)
        canvas.text((x + 42, 20), _WORDS[name], color=GREY)
    return canvas.svg()
