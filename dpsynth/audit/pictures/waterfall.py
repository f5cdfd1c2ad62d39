"""Picture 3: where the budget of one fit goes, step by step, attempts that gave nothing included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dpsynth.audit.pictures.claimed import Promised
from dpsynth.audit.pictures.figure import Figure, finite, listed, missing, number
from dpsynth.audit.pictures.svg import GREY, LIGHT, LINE, STOP, WARN, Canvas, linear, ticks

__all__ = ["waterfall"]

_TITLE = "Where the budget goes"
_CAPTION = (
    "Each bar begins where the one above it ends; the dashed line is what was claimed and paid. Recounted "
    "from the answers of one fit on surrogate rows by another accountant. What was charged and gave no "
    "answer is spent all the same; such a bar has a dashed border."
)
_WIDTH, _LEFT, _ROW, _TOP = 680, 210, 32, 34


@dataclass(frozen=True)
class _Step:
    name: str
    times: int
    rho: float
    lost: bool


def waterfall(
    ledger: Mapping[str, Any] | None, claim: Promised | None, failed: Sequence[Mapping[str, Any]] = ()
) -> Figure:
    """Draw the cost of one fit.

    Args:
        ledger: the result of S1; ``details["cost_by_step"]`` is a list of step, times, rho and answered.
        claim: what is promised.
        failed: earlier attempts that ended after the charge, each with step, times and rho.
    """
    found = [] if ledger is None else [_step(step) for step in listed(ledger["details"].get("cost_by_step"))]
    steps = [step for step in found if step is not None]
    lost = [_Step(one["step"], int(one["times"]), float(one["rho"]), True) for one in failed]
    if not steps or claim is None:
        return missing(_TITLE, "the ledger's answers were not recounted step by step.")
    groups = [(steps, "This fit"), *([(lost, "With failed attempts")] if lost else [])]
    rows: list[tuple[str, ...]] = []
    total = 0.0
    for group, name in groups:
        rows += [(s.name, str(s.times), number(s.rho), "no" if s.lost else "yes") for s in group]
        total += sum(step.rho for step in group)
        rows.append((name, "", number(total), ""))
    rows.append(("Claimed and paid for this release", "", number(claim.rho), ""))
    head = ("Step", "Times", "rho (zCDP)", "Answered")
    return Figure(_TITLE, _draw(groups, claim), _CAPTION, head, tuple(rows))


def _step(step: Mapping[str, Any]) -> _Step | None:
    rho = finite(step.get("rho"))
    if rho is None:
        return None
    return _Step(str(step["step"]), int(step["times"]), rho, not step.get("answered", True))


def _draw(groups: Sequence[tuple[Sequence[_Step], str]], claim: Promised) -> str:
    total = sum(step.rho for steps, _ in groups for step in steps)
    height = _TOP + _ROW * sum(len(steps) + 1 for steps, _ in groups) + 50
    canvas = Canvas(_WIDTH, height, f"{_TITLE}: {number(total)} of {number(claim.rho)} rho.")
    most = 1.14 * max(total, claim.rho)
    place, bottom = linear(0.0, most, _LEFT, _WIDTH - 20), height - 42
    for tick in ticks(0.0, most):
        canvas.line((place(tick), _TOP - 8), (place(tick), bottom), "#dde3e8")
        canvas.text((place(tick), bottom + 16), number(tick), anchor="middle", color=GREY)
    canvas.text((_WIDTH - 20, bottom + 33), "rho (zCDP)", anchor="end", color=GREY)
    edge = place(claim.rho)
    canvas.line((edge, _TOP - 8), (edge, bottom), STOP, 2, "6 4")
    canvas.text((edge, _TOP - 14), f"claimed {number(claim.rho)}", anchor="middle", color=STOP, bold=True)
    at, y = 0.0, float(_TOP)
    for steps, name in groups:
        for step in steps:
            _bar(canvas, step, (place(at), place(at + step.rho)), y)
            at, y = at + step.rho, y + _ROW
        canvas.line((14, y), (_WIDTH - 20, y), LINE)
        canvas.text((14, y + 21), name, bold=True)
        canvas.text((place(at) - 6, y + 21), number(at), anchor="end", bold=True, value=True, rim=True)
        y += _ROW
    return canvas.svg()


def _bar(canvas: Canvas, step: _Step, ends: tuple[float, float], y: float) -> None:
    left, right = ends
    canvas.block((14, y + 15), f"{step.name} ({step.times})", 29)
    border, dash = (WARN, "5 3") if step.lost else ("#3a6f8f", "")
    canvas.rect((left, y + 5), (max(1.5, right - left), 20), "white" if step.lost else LIGHT, border, dash)
    inside = right - left > 70
    spot = ((left + right) / 2 if inside else right + 6, y + 20)
    fits = inside or right < _WIDTH - 90
    anchor = "middle" if inside else "start" if fits else "end"
    canvas.text(spot if fits else (left - 6, y + 20), number(step.rho), anchor=anchor, value=True)
