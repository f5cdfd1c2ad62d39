"""The whole audit of a library that takes rows: what can be asked from outside, and what cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from dpsynth.audit.blackbox.claim import Outside
from dpsynth.audit.blackbox.game import check_game
from dpsynth.audit.blackbox.micro import play
from dpsynth.audit.blackbox.outputs import check_outputs, check_replay
from dpsynth.audit.guarded import fits_result
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.report import AuditReport
from dpsynth.audit.result import CheckResult, Outcome
from dpsynth.audit.verdict import judge
from dpsynth.engines.made import Made

__all__ = ["MADE", "UNASKED", "audit_outside", "check_fits"]

MADE = ("S2", "S9", "G1")

_INSIDE = "it was given the rows and asks no curator, so nobody sees "
UNASKED: Mapping[str, tuple[str, str, str]] = {
    "S1": (
        "Ledger reconciliation",
        "Was every look at the rows paid for, and does the sum agree with the claim?",
        _INSIDE + "its looks at them",
    ),
    "S3": (
        "Sensitivity probe",
        "Can one unit move any true answer by more than the noise was made for?",
        _INSIDE + "its true answers",
    ),
    "S4": (
        "Noise scale and shape",
        "Is the noise that was drawn as large, and as independent, as was declared?",
        _INSIDE + "its noise",
    ),
    "S5": (
        "Replay of noise",
        "Is noise ever used again?",
        _INSIDE + "its noise or its generator",
    ),
    "S6": (
        "Lattice",
        "Do the last bits of noisy answers say anything?",
        _INSIDE + "its noisy answers",
    ),
    "S7": (
        "Sampling of trainings",
        "Are samples drawn as the accountant believes?",
        _INSIDE + "the samples of a training",
    ),
    "S8": ("Clipping", "Can one unit add more than the clip?", _INSIDE + "the gradients of a training"),
    "G2": (
        "White-box micro game",
        "Do noisy answers tell two neighbours apart?",
        _INSIDE + "its noisy answers",
    ),
    "G3": (
        "Full-size shadow game",
        "Can a single row be told at full size?",
        "it needs hundreds of fits at full size, which no audit from outside makes here",
    ),
    "G4": (
        "One-run canaries",
        "Do noisy answers tell which canaries were in?",
        _INSIDE + "its noisy answers; S9 asks the same of released rows",
    ),
    "G5": ("Gradient game", "Do noisy gradients tell a canary?", _INSIDE + "the gradients of a training"),
}
"""Tests that cannot be made from outside: name, question, and why not."""


def _not_tested() -> tuple[CheckResult, ...]:
    return tuple(
        CheckResult(test, name, question, "A", "not_tested", f"Not tested: {why}.")
        for test, (name, question, why) in UNASKED.items()
    )


def check_fits(made: Sequence[Made]) -> CheckResult:
    """S0: did every fit end, with whole rows of the public domain, as many as were asked for?

    A release of another shape fails: values outside the public domain can only come from the rows or from a
    fault. A fit that crashed or was stopped leaves the question open.
    """
    faults = Counter(one.fault for one in made if one.fault)
    outcome: Outcome = "inconclusive" if faults or not made else "pass"
    if any(one.grave for one in made):
        outcome = "fail"
    listed = "; ".join(f"{fault} ({count} of {len(made)} fits)" for fault, count in sorted(faults.items()))
    plain = f"{listed[:1].upper()}{listed[1:]}." if listed else f"All {len(made)} fits did."
    return fits_result(outcome, plain, len(made), dict(faults))


def audit_outside(
    outside: Outside, plan: AuditPlan, subject: Mapping[str, str], rng: np.random.Generator
) -> AuditReport:
    """Black-box evidence of a library that takes rows; its best verdict is inconclusive.

    Args:
        outside: the library, its claim, how its fits are made.
        plan: its limits and levels; the tests are those that can be made from outside.
        subject: name and SHA-256 (hex) of each audited file.
        rng: randomness of made-up rows.
    """
    limits = plan.limits
    played = play(outside, limits)
    games = (played, outside.declared, limits, plan.noise_power)
    replay, fits = check_replay(outside, limits, rng) if played.worth else (None, [])
    results = [check_fits([*played.all, *fits]), check_outputs(*games)]
    results += [] if replay is None else [replay]
    results = [*results, check_game(*games), *_not_tested()]
    own = plan.model_copy(update={"tests": (*MADE, *UNASKED), "training_tests": (), "blackbox": limits})
    return AuditReport(own, dict(subject), tuple(results), judge(results, own), rng.bytes(16).hex())
