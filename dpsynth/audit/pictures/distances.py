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
_STYLES = (("members", "#6b7785", ""), ("controls", "#6b7785", "7 5"))
_WORDS = {"members": "people in the fit", "controls": "people left out"}


def distances(result: Mapping[str, Any] | None) -> Figure:
    """Draw two empirical distribution functions.

    Args:
        result: the result of R7; ``details["members"]`` and ``details["controls"]`` have ``quantiles``
            (shares in 0..1) and ``dcr``, the distance at each; ``details["share_tied"]`` is the share of
            released rows that are as near to both.
    """
    details = {} if result is None else result["details"]
    curves = {name: _curve(details.get(name)) for name, _, _ in _STYLES}
    if any(len(points) < 2 for points in curves.values()):
        return missing(_TITLE, "distances were not computed, or there was nothing to compare.")
    head = ("Released rows", *(f"Nearest of {_WORDS[name]}" for name, _, _ in _STYLES), "Unit")
    shares = sorted({share for points in curves.values() for share, _ in points})
    found = {name: dict(points) for name, points in curves.items()}
    rows = [
        (f"{share:.0%}", *(number(found[name].get(share)) for name in found), "distance at most")
        for share in shares
    ]
    tied = number(details.get("share_tied"))
    rows.append(("As near to both", tied, tied, "share of released rows"))
    return Figure(_TITLE, _draw(curves), _CAPTION, head, tuple(rows))


def _curve(value: Any) -> list[tuple[float, float]]:
    """Points (share, distance)."""
    if not isinstance(value, Mapping):
        return []
    pairs = zip(listed(value.get("quantiles")), listed(value.get("dcr")), strict=False)
    return [(float(p), float(d)) for p, d in pairs if finite(p) is not None and finite(d) is not None]


def _draw(curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    canvas = Canvas(680, 330, _TITLE)
    most = max(distance for points in curves.values() for _, distance in points) or 1.0
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
        steps = [(across(distance), up(share)) for share, distance in curves[name]]
        canvas.curve(steps, color, 2, dash)
        x = 250 + 190 * at
        canvas.line((x, 16), (x + 34, 16), color, 2, dash)
        canvas.text((x + 42, 20), _WORDS[name], color=GREY)
    return canvas.svg()
