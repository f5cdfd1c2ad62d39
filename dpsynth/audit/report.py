"""The audit report: one document in two parts that never mix.

The full report holds class B numbers and stays in the review room. The public part is an in-toto
statement of type test-result, built from class A evidence alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dpsynth.audit.plan import AuditPlan, plan_sha256
from dpsynth.audit.result import CheckResult, Claim
from dpsynth.audit.verdict import Verdict
from dpsynth.core.canonical import digest

__all__ = ["AuditReport", "report_sha256"]

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
_PUBLIC_RESULT = {
    "pass": "PASSED",
    "warn": "WARNED",
    "inconclusive": "WARNED",
    "not_tested": "WARNED",
    "fail": "FAILED",
}


@dataclass(frozen=True, repr=False)
class AuditReport:
    """Everything one audit found.

    Attributes:
        plan: the plan that was followed.
        subject: file name and SHA-256 (hex) of each audited file.
        results: results of both classes.
        verdict: what they amount to.
        nonce: random hex; it keeps the report's digest from confirming guesses of class B numbers.
        claim: what the release promises; public.
    """

    plan: AuditPlan
    subject: Mapping[str, str]
    results: tuple[CheckResult, ...]
    verdict: Verdict
    nonce: str
    claim: Claim | None = None

    def __repr__(self) -> str:
        return "<AuditReport: contents withheld>"

    def of_class(self, evidence: str) -> tuple[CheckResult, ...]:
        """Results of one evidence class, A or B."""
        return tuple(result for result in self.results if result.evidence == evidence)

    def mechanism_json(self) -> dict[str, Any]:
        """Class A results and public facts: no result, outcome or verdict that people's rows entered."""
        return {
            "plan": self.plan.model_dump(mode="json", exclude_none=True),
            "plan_sha256": plan_sha256(self.plan),
            "subject": dict(self.subject),
            "claim": None if self.claim is None else asdict(self.claim),
            "class_a": [result.as_json() for result in self.of_class("A")],
        }

    def as_json(self) -> dict[str, Any]:
        """The full report. Review room only."""
        return {
            **self.mechanism_json(),
            "class_b": [result.as_json() for result in self.of_class("B")],
            "verdict": self.verdict.as_json(),
            "nonce": self.nonce,
        }

    def public_json(self) -> dict[str, Any]:
        """In-toto statement over the audited files: mechanism evidence only, nothing from people's rows.

        It says that release attacks were run, not how they ended: even that would be one unpaid bit for
        each. An inconclusive test, or one that was not made, is listed as a warning, never as passed.
        """
        public = self.of_class("A")
        states = {result.id: _PUBLIC_RESULT[result.outcome] for result in public}
        missing = [t for t in self.plan.tests if t.startswith(("S", "G")) and t not in states]
        states |= dict.fromkeys(missing, "WARNED")
        by_state = {
            state: sorted(test for test, found in states.items() if found == state)
            for state in ("PASSED", "WARNED", "FAILED")
        }
        overall = next((state for state in ("FAILED", "WARNED") if by_state[state]), "PASSED")
        return {
            "_type": STATEMENT_TYPE,
            "subject": [
                {"name": name, "digest": {"sha256": sha}} for name, sha in sorted(self.subject.items())
            ],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "result": overall if public else "FAILED",
                "configuration": [
                    {
                        "name": f"audits/plans/{self.plan.name}.yaml",
                        "digest": {"sha256": plan_sha256(self.plan)},
                        "annotations": {"digestOf": "canonical JSON of the plan"},
                    }
                ],
                "passedTests": by_state["PASSED"],
                "warnedTests": by_state["WARNED"],
                "failedTests": by_state["FAILED"],
                "mechanismEvidence": [result.as_json() for result in public],
                "releaseAttacks": "Results stay in the review room; they read people's rows.",
            },
        }


def report_sha256(report: AuditReport) -> str:
    """Hex SHA-256 of the full report's canonical JSON."""
    return digest(report.as_json())
