"""What the numbers of each test are: their unit, and the same in plain words."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Measured", "measured"]


@dataclass(frozen=True)
class Measured:
    """What a test's estimate is.

    Attributes:
        unit: short, such as ``share of the declared``.
        plain: one sentence for people.
        limit: unit of the limit, where it is another than the estimate's.
        counted: what ``n`` counts.
        exact: whether the estimate is no estimate, but a count or a recount.
    """

    unit: str
    plain: str
    limit: str = ""
    counted: str = "numbers"
    exact: bool = False


_EXCESS = "excess risk, share of attacks"
_KNOWN = {
    "S1": Measured(
        "rho (zCDP)",
        "What one fit spent, by another accountant; at most the limit.",
        "",
        "answers",
        exact=True,
    ),
    "S2": Measured(
        "artefacts",
        "Things a run leaves behind that differ between neighbouring tables; none may.",
        exact=True,
    ),
    "S3": Measured(
        "share of the declared sensitivity",
        "How far one unit moved an answer; at most 1.",
        "",
        "answers on neighbours",
        True,
    ),
    "S4": Measured(
        "drawn / declared standard deviation",
        "How large the noise was; 1 is as declared, less is a leak.",
        "",
        "noisy cells",
    ),
    "S5": Measured("correlation", "How alike the noise of two runs was; 0 where it is drawn afresh."),
    "S6": Measured(
        "values off the lattice",
        "Noisy counts that an exact sampler could not have drawn; none may.",
        exact=True,
    ),
    "S7": Measured("corrected p-value", "How likely independent coins are to look like this or worse."),
    "S8": Measured("share of the clip", "How far one unit moved a sum; at most 1.", exact=True),
    "S9": Measured("rows", "Released rows equal to training rows, beyond what the model explains."),
    "G1": Measured(
        "epsilon, lower bound", "What an attacker who sees only releases showed.", "", "test fits"
    ),
    "G2": Measured(
        "epsilon, lower bound", "What an attacker who sees noisy answers showed.", "", "test fits"
    ),
    "G3": Measured("epsilon, lower bound", "What an attacker on full-size tables showed.", "", "test fits"),
    "G4": Measured(
        "epsilon, lower bound", "What guesses about planted rows in one fit showed.", "", "canaries"
    ),
    "G5": Measured(
        "share of the noise", "How far a planted unit moved noisy sums, in noise scales.", "", "steps"
    ),
    "R1": Measured(
        "AUC",
        "How often a member is scored above a person left out; 0.5 is guessing.",
        "epsilon",
        "coined units",
    ),
    "R2": Measured("AUC", "The best of several attacks; 0.5 is guessing.", "", "targets"),
    "R3": Measured(_EXCESS, "Members singled out more often than people left out; 0 is none.", "", "a side"),
    "R4": Measured(_EXCESS, "Halves of a member's row linked more often than a stranger's.", "", "a side"),
    "R5": Measured(_EXCESS, "A member's value inferred more often than a stranger's.", "", "a side"),
    "R6": Measured(
        "difference of rates", "Rows of members copied more often than rows of people left out.", "", "rows"
    ),
    "R7": Measured("distance", "Distance to the closest real row. Not a privacy test.", "", "rows"),
    "R8": Measured("statistic", "What several releases of one table show together.", "", "cells"),
    "L1": Measured(
        _EXCESS, "Members found again by outside knowledge more often than strangers.", "", "a side"
    ),
}


def measured(test: str) -> Measured:
    """What this test's numbers are; of a test that is not known, only that they are its statistic."""
    return _KNOWN.get(test, Measured("statistic", "The test's own statistic; see its details."))
