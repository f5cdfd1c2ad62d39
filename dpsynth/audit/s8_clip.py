"""S8, clip probe: no unit adds more than the clip to a sum, however long its gradient, among anyone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.door import RecordedTraining, TrainingProbe
from dpsynth.audit.result import CheckResult, Outcome
from dpsynth.core.errors import BadInput

__all__ = ["check_clipping"]

_LOUD = 1e6
_NORMS = {"as it is": 0.0, "of norm 1e6": _LOUD, "infinite": math.inf, "not a number": math.nan}
_ROUNDING = 1e-4  # single precision, for each unit of a sum, in clips
_MOST = 32
_LEAST_FELT = 0.1


@dataclass(frozen=True)
class _Probed:
    """One question.

    Attributes:
        what: the question, in words.
        alone: the largest norm that a unit adds by itself, in clips.
        together: how far the sum over all of them is from their separate sums, in clips for each unit.
    """

    what: str
    alone: float
    together: float


def check_clipping(trainings: Sequence[RecordedTraining]) -> CheckResult:
    """Blow up one unit's gradient, to 1e6, to infinity and to no number, in samples of several sizes.

    A sum keeps each unit within the clip exactly if a unit by itself adds at most the clip, and the sum over
    a sample is the sum of what its units add by themselves. Both are checked, at the last step's weights.

    Args:
        trainings: trainings of one fit.

    Returns:
        fail where either does not hold; inconclusive without a training, without a gradient to blow up, or
        if the same question has two answers.
    """
    probes = [(training.probe, training.clip) for training in trainings]
    try:
        probed = [one for probe, clip in probes if probe is not None for one in _probe(probe, clip)]
        steady = bool(probes) and all(probe is not None and probe.repeats for probe, _ in probes)
    except BadInput:
        probed, steady = [], False
    over = [one.what for one in probed if not one.alone <= 1.0 + 1e-9]
    apart = [one.what for one in probed if steady and not one.together <= _ROUNDING]
    felt = max((one.alone for one in probed if "1e6" in one.what), default=0.0) > _LEAST_FELT
    outcome, plain = _judge(over, apart, steady and felt)
    finite = [one.alone for one in probed if math.isfinite(one.alone)]
    found = "any unit that adds more than the clip in these samples" if outcome == "pass" else ""
    return CheckResult(
        id="S8",
        name="Clip probe",
        question="Can one unit add more than the clip to a sum of gradients?",
        evidence="A",
        outcome=outcome,
        plain=plain,
        estimate=max(finite, default=None),
        threshold=1.0,
        n=len(probed),
        could_have_found=found,
        details={"over": over[:8], "clipped_together": apart[:8]},
    )


def _judge(over: list[str], apart: list[str], asked: bool) -> tuple[Outcome, str]:
    if over:
        return "fail", f"A unit added more than the clip to a sum: {over[0]}."
    if apart:
        return "fail", f"Units were clipped together rather than each by itself: {apart[0]}."
    if not asked:
        return "inconclusive", "There was no training to ask, no gradient to blow up, or no steady answer."
    return "pass", "Whatever its gradient and its sample, no unit added more than the clip."


def _probe(probe: TrainingProbe, clip: float) -> Iterator[_Probed]:
    units = probe.units
    if not len(units):
        return
    fullest = max(units, key=lambda unit: probe.rows_of(int(unit)))
    sizes = sorted({2, probe.usual, min(_MOST, 2 * probe.usual)})
    for at, loud in enumerate(dict.fromkeys(int(unit) for unit in (units[0], fullest, units[-1]))):
        others = units[units != loud]
        for name, norm in _NORMS.items():
            for size in sizes if at == 0 else sizes[:1]:
                sample = np.append(others[: size - 1], loud)
                yield _asked(probe, clip, sample, loud, norm, f"a gradient {name} among {len(sample)} units")
    for size in sizes:
        sample = units[:size]
        yield _asked(probe, clip, sample, None, _LOUD, f"losses times 1e6 of all {len(sample)} units")


def _asked(
    probe: TrainingProbe, clip: float, sample: NDArray[np.int64], loud: int | None, norm: float, what: str
) -> _Probed:
    alone = [probe.summed(np.array([unit]), loud, norm) for unit in sample]
    whole = probe.summed(sample, loud, norm)
    norms = [float(np.linalg.norm(one)) for one in alone]
    largest = math.inf if not all(map(math.isfinite, norms)) else max(norms)
    gap = float(np.linalg.norm(whole - np.sum(alone, axis=0)))
    return _Probed(what, largest / clip, gap / clip / len(sample))
