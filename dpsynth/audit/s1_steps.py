"""What the steps of one fit cost, for the ledger's picture: recounted by kind, the unanswered ones too."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from dpsynth.accounting.events import Event
from dpsynth.accounting.recount import recount_rho
from dpsynth.audit.door import Recorded, SurrogateRun

__all__ = ["cost_by_step"]


def _kind(record: Recorded) -> str:
    if record.kind == "select":
        return "private choices"
    columns = len(record.cliques[0])
    return f"counts of {columns} column{'s' if columns > 1 else ''}" if columns else "the number of rows"


def _unanswered(run: SurrogateRun) -> list[Event]:
    """Charges without an answer of their own: they are spent all the same."""
    answers: Sequence[Event] = [*(r.event for r in run.records), *(t.event for t in run.trainings)]
    return list((Counter(run.charged) - Counter(answers)).elements())


def cost_by_step(run: SurrogateRun, omega: int) -> list[dict[str, Any]]:
    """One line for each kind of step, in the order in which the kinds came first.

    Args:
        run: a finished fit on surrogate rows.
        omega: largest Renyi order that the claim covers, at least 2.

    Returns:
        JSON values: ``step`` in words, ``times``, ``rho`` (zCDP) and whether it was ``answered``. Lines of
        trainings may add up to a little more than the whole: each is the smallest line over its own curve.
    """
    kinds: dict[tuple[str, bool], list[Event]] = defaultdict(list)
    for record in run.records:
        kinds[_kind(record), True].append(record.event)
    for training in run.trainings:
        kinds[f"training of {training.steps} steps", True].append(training.event)
    for event in _unanswered(run):
        kinds["charged without an answer", False].append(event)
    return [
        {"step": step, "times": len(events), "rho": recount_rho(events, omega), "answered": answered}
        for (step, answered), events in kinds.items()
    ]
