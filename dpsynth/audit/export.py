"""The door between the two evidence classes: what may be on one page, cut out before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dpsynth.audit.reach import reach_of_attacks
from dpsynth.audit.result import CheckResult, EvidenceClass
from dpsynth.audit.verdict import Verdict, judge
from dpsynth.core.errors import BadInput

__all__ = ["Part", "part_of"]

_PLAN = ("name", "version", "threat_model", "stop_rule", "confidence", "excess_warn", "excess_stop")
_OF_ROWS = ("R", "L")
"""First letters of the tests that read people's rows."""


@dataclass(frozen=True, repr=False)
class Part:
    """One evidence class of a report and the public facts about it; of the other class it holds nothing.

    Attributes:
        evidence: A or B.
        plan: public facts of the plan.
        plan_sha256: digest of the whole plan, hex.
        subject: SHA-256 of each audited file.
        claim: what is promised, or None.
        results: results of this class alone, as JSON.
        verdict: what this class alone amounts to.
    """

    evidence: EvidenceClass
    plan: Mapping[str, Any]
    plan_sha256: str
    subject: Mapping[str, str]
    claim: Mapping[str, Any] | None
    results: tuple[Mapping[str, Any], ...]
    verdict: Verdict

    def __repr__(self) -> str:
        return f"<Part of class {self.evidence}: contents withheld>"


@dataclass(frozen=True)
class _OfClass:
    """The part of a plan that asks for one evidence class."""

    tests: tuple[str, ...]
    training_tests: tuple[str, ...]
    family_alpha: float
    noise_power: float

    def due(self, trained: bool) -> tuple[str, ...]:
        return (*self.tests, *(self.training_tests if trained else ()))


def part_of(report: Mapping[str, Any], evidence: EvidenceClass) -> Part:
    """Cut one evidence class out of a full report.

    Args:
        report: ``AuditReport.as_json()``, or ``AuditReport.mechanism_json()`` where class A is asked for.
        evidence: A or B.

    Raises:
        BadInput: another class, or a result that stands in the wrong class.
    """
    if evidence not in ("A", "B"):
        raise BadInput("there is no such evidence class", allowed="A or B")
    results = tuple(report["class_a" if evidence == "A" else "class_b"])
    if any(result["evidence"] != evidence for result in results):
        raise BadInput(
            "a result stands in the wrong evidence class",
            allowed=f"results of class {evidence} only",
            remedy="do not show this report; make it again from the audit",
        )
    plan = report["plan"]
    shown = {name: plan[name] for name in _PLAN}
    verdict = _verdict_of(results, plan, evidence)
    return Part(
        evidence, shown, report["plan_sha256"], report["subject"], report.get("claim"), results, verdict
    )


def _verdict_of(
    results: tuple[Mapping[str, Any], ...], plan: Mapping[str, Any], evidence: EvidenceClass
) -> Verdict:
    """The same judgement as of the whole report, over what is on this side of the door."""
    tests, trainings = (
        tuple(test for test in plan[name] if test.startswith(_OF_ROWS) == (evidence == "B"))
        for name in ("tests", "training_tests")
    )
    measure = _OfClass(tests, trainings, plan["family_alpha"], plan["noise_power"])
    found = [CheckResult(**result) for result in results]
    trained = any(result.id in measure.training_tests for result in found)
    verdict = judge(found, measure, trained)
    if evidence == "A":
        return verdict
    reach = reach_of_attacks(results)
    # A pass says what would have been found in its last sentence.
    why = verdict.why[:-1] if verdict.outcome == "pass" else verdict.why
    return replace(verdict, could_have_found=reach, why=why)
