"""S3, sensitivity probe: no neighbour moves a true answer by more than was declared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np

from dpsynth.audit.door import Recorded, RecordedTraining
from dpsynth.audit.result import CheckResult, Outcome
from dpsynth.core.errors import DpsynthError

__all__ = ["check_sensitivity"]

_ROUNDING = 1e-9
_LOUD = 1e6


def _change(record: Recorded, base: Any, table: Any) -> float:
    """How far the answer moves; without end where the question cannot be asked of the tables."""
    try:
        gap = record.requery(table) - (record.true if base is None else record.requery(base))
    except (LookupError, ValueError, DpsynthError):
        return math.inf
    return float(np.abs(gap).max()) if record.kind == "select" else float(np.linalg.norm(gap))


def _slack(record: Recorded) -> float:
    """Float rounding of a sum over many cells; counts are integers and need none."""
    return _ROUNDING * (1.0 + float(np.abs(record.true).max())) if record.kind == "select" else _ROUNDING


def _moves(
    trainings: Sequence[RecordedTraining], base: Any, neighbours: Mapping[str, Any]
) -> Iterator[tuple[str, float]]:
    """Name of a neighbour and the share of the clip by which it moves a training's sum.

    Once by the losses as they are, once with a gradient that is far longer than the clip.
    """
    for training in trainings:
        if training.probe is None:
            continue
        for name, table in neighbours.items():
            for norm in (0.0, _LOUD):
                yield name, training.probe.moved(base, table, norm) / training.clip


def check_sensitivity(
    records: Sequence[Recorded],
    base: Any,
    neighbours: Mapping[str, Any],
    trainings: Sequence[RecordedTraining] = (),
    taken_in: tuple[Any, Mapping[str, Any]] = (None, MappingProxyType({})),
) -> CheckResult:
    """Ask every recorded question again, without noise, on the neighbours.

    Args:
        records: what one fit on ``base`` asked.
        trainings: trainings of that fit; a clipped sum may move by the clip.
        base: the surrogate table of that fit.
        neighbours: name of each change, and the changed surrogate table.
        taken_in: the same rows taken in as texts (which rows of a unit stay may differ), and neighbours of
            that table.

    Returns:
        fail if any change exceeds its declared sensitivity, or if the base answers cannot be reproduced;
        inconclusive if nothing was asked.
    """
    raw, odd = taken_in
    pairs = [
        *((name, None, one) for name, one in neighbours.items()),
        *((n, raw, one) for n, one in odd.items()),
    ]
    worst: dict[str, float] = {}
    exceeded: set[str] = set()
    reproduced = True
    for record in records:
        reproduced &= bool(np.allclose(record.requery(base), record.true, rtol=1e-12, atol=_ROUNDING))
        for name, origin, table in pairs:
            change = _change(record, origin, table)
            share = change / record.sensitivity if record.sensitivity > 0 else math.inf * (change > 0)
            worst[name] = max(worst.get(name, 0.0), 0.0 if math.isnan(share) else share)
            if not change <= record.sensitivity + _slack(record):
                exceeded.add(name)
    steady = all(t.probe is not None and t.probe.repeats for t in trainings)
    moves = chain(_moves(trainings, base, neighbours), _moves(trainings, raw, odd))
    for name, share in moves if steady else ():
        worst[name] = max(worst.get(name, 0.0), share)
        if not share <= 1.0 + _ROUNDING:
            exceeded.add(name)
    asked = bool(records or trainings) and bool(neighbours)
    outcome, plain = _judge(asked, reproduced, sorted(exceeded), steady)
    return CheckResult(
        id="S3",
        name="Sensitivity probe",
        question="Can one unit move any true answer by more than the noise was made for?",
        evidence="A",
        outcome=outcome,
        plain=plain,
        estimate=max(worst.values(), default=None),
        threshold=1.0,
        n=(len(records) + len(trainings)) * len(pairs),
        could_have_found="any answer that moves more than declared on these neighbours" if asked else "",
        details={"largest_share_of_declared": worst, "mechanisms": len(records) + len(trainings)},
    )


def _judge(asked: bool, reproduced: bool, exceeded: list[str], steady: bool) -> tuple[Outcome, str]:
    if not asked:
        return "inconclusive", "Nothing was asked of the curator, so there was nothing to probe."
    if not reproduced:
        return "fail", "Asked again without noise on the same rows, an answer was not the one recorded."
    if exceeded:
        return "fail", f"An answer moved by more than declared: {'; '.join(exceeded)}."
    if not steady:
        return (
            "inconclusive",
            "A training's clipped sums differ when asked again: they could not be compared.",
        )
    return "pass", "No change of one unit moved any answer by more than declared."
