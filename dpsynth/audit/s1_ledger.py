"""S1, ledger reconciliation: every read was paid for, once, and the sum is what is claimed."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence

from dpsynth.accounting.events import DiscreteGaussian, Event, NoisyMax, SampledGaussian, event_to_json
from dpsynth.accounting.recount import recount_epsilon, recount_rho
from dpsynth.audit.door import Recorded, RecordedTraining, SurrogateRun
from dpsynth.audit.result import CheckResult, Claim, Outcome
from dpsynth.audit.s1_steps import cost_by_step

__all__ = ["check_ledger"]

_RELATIVE = 1e-9
# The claim is a decimal rounded up, on integer orders; the recount uses the library's own orders.
_EPSILON_SLACK = 1e-6


def _multiset(events: Sequence[Event]) -> Counter[str]:
    return Counter(json.dumps(event_to_json(event), sort_keys=True) for event in events)


def _scale_agrees(record: Recorded) -> bool:
    """The declared noise is what the charged event says it is."""
    if record.kind == "select":
        return isinstance(record.event, NoisyMax)
    if not isinstance(record.event, DiscreteGaussian):
        return False
    return math.isclose(record.sigma, record.event.sigma * record.sensitivity, rel_tol=_RELATIVE)


def _training_agrees(training: RecordedTraining) -> bool:
    """The noise of its steps is what the charged event says it is."""
    event = training.event
    if not isinstance(event, SampledGaussian):
        return False
    return math.isclose(training.scale, event.sigma * training.clip, rel_tol=_RELATIVE)


def _answered(run: SurrogateRun) -> list[Event]:
    """Events of all answers; a training is one answer, whatever the number of its steps."""
    return [*(record.event for record in run.records), *(training.event for training in run.trainings)]


def _complaints(run: SurrogateRun) -> list[str]:
    inside = sum(r.reads for r in run.records) + sum(t.reads for t in run.trainings)
    answered, charged = _multiset(_answered(run)), _multiset(run.charged)
    found = []
    if run.reads > inside:
        found.append("the rows were read outside any mechanism")
    if run.reads < inside:
        found.append("mechanisms report more reads than the rows saw")
    if answered - charged:
        found.append("a mechanism answered without being charged")
    if charged - answered:
        found.append("a charge has no answer of its own")
    if any(t.steps > getattr(t.event, "steps", 0) for t in run.trainings):
        found.append("a training answered more steps than were paid for")
    if not all(map(_scale_agrees, run.records)) or not all(map(_training_agrees, run.trainings)):
        found.append("a declared noise scale differs from the charged event")
    return found


def check_ledger(runs: Sequence[SurrogateRun], claim: Claim) -> CheckResult:
    """Reconcile each run's reads, answers and charges, and recount its cost with another accountant.

    Args:
        runs: finished surrogate runs, one fit each.
        claim: what each of them was allowed: the release's own claim.

    Returns:
        fail on any uncharged read, unmatched charge or a recount above the claim; inconclusive if nothing
        was asked.
    """
    complaints: list[str] = []
    rhos, epsilons = [], []
    for run in runs:
        complaints += _complaints(run)
        events = _answered(run)
        rhos.append(recount_rho(events, claim.omega or 2))
        epsilons.append(recount_epsilon(events, float(claim.delta)))
    answered = [len(run.records) + len(run.trainings) for run in runs]
    if rhos and max(rhos) > claim.rho_nano * 1e-9 * (1 + _RELATIVE):
        complaints.append("the recounted rho exceeds the claim")
    if epsilons and max(epsilons) > float(claim.epsilon) * (1 + _EPSILON_SLACK):
        complaints.append("the recounted epsilon exceeds the claim")
    unique = tuple(dict.fromkeys(complaints))
    empty = not answered or min(answered) == 0
    outcome, plain = _judge(unique, empty)
    return CheckResult(
        id="S1",
        name="Ledger reconciliation",
        question="Was every look at the rows paid for, and does the sum agree with the claim?",
        evidence="A",
        outcome=outcome,
        plain=plain,
        estimate=max(rhos, default=None),
        threshold=claim.rho_nano * 1e-9,
        n=sum(answered),
        could_have_found="" if empty else "any uncharged read and any unpaid answer",
        details={
            "recounted_epsilon": max(epsilons, default=None),
            "claimed_epsilon": claim.epsilon,
            "mechanisms_per_fit": answered,
            "steps_per_training": [training.steps for run in runs for training in run.trainings],
            "complaints": list(unique),
            "cost_by_step": cost_by_step(runs[0], claim.omega or 2) if runs else [],
        },
    )


def _judge(complaints: Sequence[str], empty: bool) -> tuple[Outcome, str]:
    if complaints:
        return "fail", f"The books do not agree: {'; '.join(complaints)}."
    if empty:
        return "inconclusive", "Nothing was asked of the curator: there was nothing to reconcile."
    return "pass", "Every read was charged once; an independent recount is within the claim."
