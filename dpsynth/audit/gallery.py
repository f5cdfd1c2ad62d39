"""Which pictures a page of each evidence class has. Pure: a part of a report in, figures out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dpsynth.audit.export import Part
from dpsynth.audit.pictures.claimed import promised
from dpsynth.audit.pictures.distances import distances
from dpsynth.audit.pictures.figure import Figure, of_id
from dpsynth.audit.pictures.forest import forest
from dpsynth.audit.pictures.matrix import matrix
from dpsynth.audit.pictures.mutants import scoreboard
from dpsynth.audit.pictures.qq import qq
from dpsynth.audit.pictures.roc import roc
from dpsynth.audit.pictures.ruler import ruler
from dpsynth.audit.pictures.timeline import timeline
from dpsynth.audit.pictures.waterfall import waterfall

__all__ = ["NOTHING", "Beside", "figures"]


@dataclass(frozen=True)
class Beside:
    """Public facts that stand in no report.

    Attributes:
        mutants: the record of planted faults (``audits/reports/mutants.json``), or None.
        releases: releases of the table, each with released, epsilon and rho; None where nobody said.
        failed: attempts that ended after the charge, each with step, times and rho.
    """

    mutants: Mapping[str, Any] | None = None
    releases: Sequence[Mapping[str, Any]] | None = None
    failed: Sequence[Mapping[str, Any]] = ()


NOTHING = Beside()


def figures(part: Part, beside: Beside = NOTHING) -> dict[str, Figure]:
    """The pictures of one evidence class by name; each is drawn, or says why it is not.

    Args:
        part: one class of a report.
        beside: facts for the pictures of planted faults, releases and failed attempts.

    Returns:
        class A: ruler, waterfall, timeline, qq, matrix, scoreboard, roc; class B: ruler, roc, forest,
        distances.
    """
    claim = promised(part.claim)
    both = {"ruler": ruler(part.results, claim), "roc": roc(part.results, claim, part.plan["confidence"])}
    if part.evidence == "B":
        limits = part.plan["excess_warn"], part.plan["excess_stop"]
        apart = distances(of_id(part.results, "R7"))
        return both | {"forest": forest(part.results, *limits), "distances": apart}
    return both | {
        "waterfall": waterfall(of_id(part.results, "S1"), claim, beside.failed),
        "timeline": timeline(beside.releases, claim),
        "qq": qq(of_id(part.results, "S4")),
        "matrix": matrix(of_id(part.results, "S2")),
        "scoreboard": scoreboard(beside.mutants),
    }
