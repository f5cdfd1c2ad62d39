"""What structural audits say of an entrusted library: that they were not made. Never that they passed."""

from __future__ import annotations

from dpsynth.audit.games.questions import GAME_QUESTIONS
from dpsynth.audit.plan import AuditPlan
from dpsynth.audit.result import CheckResult
from dpsynth.core.curator import Entrustment

__all__ = ["untested"]

_ASKED = {
    "S1": (
        "Ledger reconciliation",
        "Was every look at the rows paid for, and does the sum agree with the claim?",
    ),
    "S2": (
        "Neighbour artefact diff",
        "Does anything but the curator's noisy answers depend on whose rows are in the table?",
    ),
    "S3": (
        "Sensitivity probe",
        "Can one unit move any true answer by more than the noise was made for?",
    ),
    "S4": (
        "Noise scale and shape",
        "Is the noise that was drawn as large, and as independent, as was declared?",
    ),
    "S5": ("Replay of noise", "Is noise drawn afresh in every run, process and release?"),
    "S6": ("Lattice", "Could the last digits of a noisy count tell what the noise was added to?"),
    "S9": ("Sampler consistency", "Does a row come out that the noisy model could not have drawn by itself?"),
    **GAME_QUESTIONS,
}


def untested(plan: AuditPlan, trust: Entrustment) -> tuple[CheckResult, ...]:
    """One ``not_tested`` result for each structural test of the plan: nobody stands in a library's door."""
    plain = (
        f"Not tested: {trust.library} {trust.version} was given the rows and asked the curator nothing, so "
        "its mechanism is not structurally audited. The promise relies on that library."
    )
    return tuple(
        CheckResult(test, *_ASKED[test], evidence="A", outcome="not_tested", plain=plain)
        for test in plan.tests
        if test in _ASKED
    )
