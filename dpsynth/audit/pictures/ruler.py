"""Picture 1: the claim, what was measured against it, and the smallest leak that would have been found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dpsynth.audit.pictures.claimed import Promised, epsilon_of
from dpsynth.audit.pictures.figure import Figure, finite, listed, missing, number, span
from dpsynth.audit.pictures.svg import GREY, INK, LIGHT, LINE, MARK, STOP, Canvas, linear, ticks

__all__ = ["ruler"]

_TITLE = "Claim against what was measured, on one ruler of epsilon"
_CAPTION = (
    "Further right is a larger privacy loss. A bracket is a lower bound: the true loss is there or further "
    "right; a bracket left of the claim refutes nothing. A dot with a line is an estimate with its interval. "
    "A hollow triangle is the smallest true loss that the test would have found. Noise measured by S4 is "
    "turned into epsilon as if the whole budget were spent on noise of that size."
)
_WIDTH, _LEFT, _ROW, _TOP = 680, 190, 46, 58


@dataclass(frozen=True)
class _Measured:
    name: str
    bound: float | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    detectable: float | None = None

    @property
    def values(self) -> list[float]:
        found = (self.bound, self.estimate, self.low, self.high, self.detectable)
        return [value for value in found if value is not None]


def ruler(results: Sequence[Mapping[str, Any]], claim: Promised | None) -> Figure:
    """Draw the claim and every result that speaks in epsilon.

    Args:
        results: results of one evidence class, as JSON.
        claim: what is promised.
    """
    if claim is None:
        return missing(_TITLE, "the report states no claim to measure against.")
    rows = [row for row in (_measured(result, claim) for result in results) if row is not None]
    if not rows:
        return missing(_TITLE, "no test of this page measures a loss that can be set against the claim.")
    head = ("Test", "Lower bound", "Estimate", "Interval", "Smallest loss that would be found", "Unit")
    said = [("Claim", "none", number(claim.epsilon), "exact", "none", _unit(claim))]
    said += [
        (r.name, number(r.bound), number(r.estimate), span(r.low, r.high), number(r.detectable), _unit(claim))
        for r in rows
    ]
    return Figure(_TITLE, _draw(rows, claim), _CAPTION, head, tuple(said))


def _unit(claim: Promised) -> str:
    return f"epsilon at delta {claim.at}"


def _measured(result: Mapping[str, Any], claim: Promised) -> _Measured | None:
    name, details = f"{result['id']} {result['name']}", result["details"]
    if result["id"] == "S4":
        return _from_noise(name, result, claim)
    bounds = [details.get("epsilon_lower_bound"), details.get("epsilon_equivalent")]
    bounds += [result["estimate"]] if result["id"] == "G4" else []
    bounds += [game.get("epsilon_lower_bound") for game in _games(details)]
    found = [bound for bound in map(finite, bounds) if bound is not None]
    seen = finite(details.get("detectable_epsilon"))
    return _Measured(name, bound=max(found), detectable=seen) if found else None


def _games(details: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return [game for game in listed(details.get("games")) if isinstance(game, Mapping)]


def _from_noise(name: str, result: Mapping[str, Any], claim: Promised) -> _Measured | None:
    """A noise ratio as an epsilon. Of a training the two are not so simply related: then None."""
    ratio = finite(result["estimate"])
    if not ratio or claim.omega is not None:
        return None
    low, high = finite(result["low"]), finite(result["high"])
    seen = finite(result["details"].get("detectable_ratio"))

    def loss(share: float | None) -> float | None:
        return epsilon_of(claim.rho / share**2, claim.delta) if share else None

    return _Measured(name, None, loss(ratio), loss(high), loss(low), loss(seen))


def _draw(rows: Sequence[_Measured], claim: Promised) -> str:
    height = _TOP + _ROW * (len(rows) + 1) + 44
    canvas = Canvas(_WIDTH, height, f"{_TITLE}. The claim is {number(claim.epsilon)}.")
    most = 1.12 * max([claim.epsilon, *(value for row in rows for value in row.values)])
    place = linear(0.0, most, _LEFT, _WIDTH - 24)
    bottom = height - 40
    for tick in ticks(0.0, most):
        canvas.line((place(tick), _TOP - 12), (place(tick), bottom), "#dde3e8")
        canvas.text((place(tick), bottom + 17), number(tick), anchor="middle", color=GREY)
    canvas.text((_WIDTH - 24, bottom + 34), _unit(claim), anchor="end", color=GREY)
    canvas.line((_LEFT, bottom), (_WIDTH - 24, bottom), LINE)
    at = place(claim.epsilon)
    canvas.line((at, _TOP - 12), (at, bottom), STOP, 2, "6 4")
    canvas.diamond((at, _TOP + 8), STOP)
    canvas.text((14, _TOP + 12), "Claim", bold=True)
    canvas.text((at + 12, _TOP + 12), number(claim.epsilon), bold=True, value=True, rim=True)
    _legend(canvas)
    for index, row in enumerate(rows):
        _row(canvas, row, _TOP + _ROW * (index + 1) + 14, place)
    return canvas.svg()


def _legend(canvas: Canvas) -> None:
    canvas.curve([(22, 14), (16, 14), (16, 26), (22, 26)], MARK, 2.5)
    canvas.text((28, 24), "lower bound", color=GREY)
    canvas.line((125, 20), (155, 20), LIGHT, 5)
    canvas.dot((140, 20))
    canvas.text((162, 24), "estimate with interval", color=GREY)
    canvas.corner((322, 20), INK, filled=False)
    canvas.text((334, 24), "smallest loss that would be found", color=GREY)


def _row(canvas: Canvas, row: _Measured, y: float, place: Any) -> None:
    canvas.block((14, y), row.name, 25)
    if row.bound is not None:
        x = place(row.bound)
        canvas.curve([(x + 6, y - 8), (x, y - 8), (x, y + 8), (x + 6, y + 8)], MARK, 2.5)
        canvas.text((x + 10, y + 5), number(row.bound), value=True, rim=True)
    if row.estimate is not None:
        if row.low is not None and row.high is not None:
            canvas.line((place(row.low), y), (place(row.high), y), LIGHT, 5)
        canvas.dot((place(row.estimate), y))
        canvas.text(
            (place(row.estimate), y + 20), number(row.estimate), anchor="middle", value=True, rim=True
        )
    if row.detectable is not None:
        canvas.corner((place(row.detectable), y - 9), INK, filled=False)
        canvas.text((place(row.detectable) + 10, y - 8), number(row.detectable), value=True, rim=True)
