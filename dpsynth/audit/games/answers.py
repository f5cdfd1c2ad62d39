"""White box: what noisy answers say for one of two tables, and against the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dpsynth.accounting.events import NoisyMax
from dpsynth.audit.door import Recorded

__all__ = ["Weighed", "weigh"]


@dataclass
class Weighed:
    """Log-likelihood ratios of a run's answers, for the table with the target.

    Attributes:
        total: sum over all answers, under the declared noise.
        parts: the same by columns: the total count, each column alone, wider marginals, choices.
        exact: answers that equal the true one with the target in every cell that it moves, less those that
            equal the one without it. Noise makes both rare.
        information: Jeffreys divergence of the two answers' laws; for Gaussian noise mu squared.
    """

    total: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)
    exact: float = 0.0
    information: float = 0.0

    def add(self, part: str, ratio: float, information: float) -> None:
        """Count one answer's ratio to a part."""
        self.total += ratio
        self.parts[part] = self.parts.get(part, 0.0) + ratio
        self.information += information


def weigh(records: Sequence[Recorded], outside: Any, inside: Any) -> Weighed:
    """Weigh the answers of one run against two known tables.

    Only what the run put out, and the two tables that the attacker knows, enter: the true answers of the
    run itself do not.

    Args:
        records: answers in order.
        outside, inside: opaque tables of one door, without and with the target.
    """
    found = Weighed()
    for record in records:
        one, two = record.requery(outside), record.requery(inside)
        if record.kind == "select":
            found.add("choices", *_choice(record, one, two))
        elif record.sigma > 0:
            found.add(_part(record), *_counts(record, one, two))
        moved = one != two
        if record.kind != "select" and moved.any():
            equal = [bool((record.noisy[moved] == truth[moved]).all()) for truth in (two, one)]
            found.exact += float(equal[0]) - float(equal[1])
    return found


def _part(record: Recorded) -> str:
    (columns,) = record.cliques
    if not columns:
        return "count"
    return f"column {columns[0]}" if len(columns) == 1 else "wider"


def _counts(record: Recorded, one: NDArray[np.float64], two: NDArray[np.float64]) -> tuple[float, float]:
    variance = record.sigma**2
    ratio = ((record.noisy - one) ** 2 - (record.noisy - two) ** 2).sum() / (2.0 * variance)
    return float(ratio), float(((two - one) ** 2).sum() / variance)


def _choice(record: Recorded, one: NDArray[np.float64], two: NDArray[np.float64]) -> tuple[float, float]:
    """Report-noisy-max with Gumbel noise of 2 sensitivity / epsilon: a softmax of the scores."""
    if not isinstance(record.event, NoisyMax):
        return 0.0, 0.0
    steepness = record.event.epsilon / (2.0 * record.sensitivity)
    logs = [special.log_softmax(scores * steepness) for scores in (one, two)]
    gap = logs[1] - logs[0]
    weight = np.exp(logs[1]) - np.exp(logs[0])
    return float(gap[int(record.noisy[0])]), float(weight @ gap)
