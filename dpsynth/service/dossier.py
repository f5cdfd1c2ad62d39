"""The dossier: one canonical document with everything an approver signs for. No exact number of people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from dpsynth.audit.report import AuditReport, report_sha256
from dpsynth.audit.verdict_words import verdict_words
from dpsynth.core.canonical import digest, sha256_hex
from dpsynth.publish.inputs import ScopeTotals
from dpsynth.publish.reliance import reliance_json
from dpsynth.publish.statement import privacy_statement
from dpsynth.service.differences import differences
from dpsynth.service.gate import decide
from dpsynth.service.pipeline import Candidate
from dpsynth.service.plans import within_release_cap
from dpsynth.service.registry import parsed_policy
from dpsynth.service.views import Dossier

__all__ = ["MUST_TICK", "build_dossier"]

MUST_TICK = (
    "The purpose fits what the data may be used for.",
    "The recipients are the right ones.",
    "I know of no other release on these people that is not differentially private and not named here.",
)

NO_MEASURES = (
    "None were bought: the policy sets no share of a release's rho aside for measures of utility, so that no "
    "number about how good these rows are may leave the review room."
)
NO_MEASURES_OF_A_LIBRARY = (
    "None were bought: the whole declared budget goes to the library that makes the rows, so that no number "
    "about how good these rows are may leave the review room."
)

FURTHER_ROWS = (
    "The fitted model is kept here and does not leave. Once the release is published, its requester and "
    "those who decide may draw further rows from it, also under conditions or with given margins. That costs "
    "nothing: it is post-processing of the same noisy answers."
)


def _scope(totals: ScopeTotals) -> dict[str, str]:
    return {
        "scope": totals.scope,
        "title": totals.title,
        "before_nano": str(totals.before_nano),
        "this_nano": str(totals.this_nano),
        "after_nano": str(totals.after_nano),
        "cap_nano": str(totals.cap_nano),
        "epsilon_after": totals.epsilon_after,
        "epsilon_cap": totals.epsilon_cap,
        "delta": totals.delta,
    }


def _request(row: Row[tuple[object, ...]]) -> dict[str, str]:
    names = ("id", "dataset_id", "requester", "synthesizer", "purpose", "recipients", "created")
    return {name: str(getattr(row, name)) for name in names} | {"partition": str(row.part)}


def _audit(report: AuditReport) -> dict[str, Any]:
    """Outcomes and plain words of every check. Class B words hold no number."""
    words = verdict_words(report.verdict.outcome, report.verdict.could_have_found)
    return {
        "verdict": report.verdict.outcome,
        "meaning": words.meaning,
        "next_steps": list(words.next_steps),
        "why": list(report.verdict.why),
        "could_have_found": report.verdict.could_have_found,
        "report_sha256": report_sha256(report),
        "mechanism_sha256": digest(report.mechanism_json()),
        "checks": [
            {
                "id": check.id,
                "name": check.name,
                "question": check.question,
                "result": check.outcome,
                "plain": check.plain,
                "evidence": check.evidence,
            }
            for check in report.results
        ],
    }


def _harm(statement: Mapping[str, Any]) -> dict[str, str]:
    """The signed statement's own words on use, on who may be hurt and on other releases."""
    return {name: str(statement[name]) for name in ("utility", "bias", "other_releases")}


def _utility(candidate: Candidate) -> dict[str, Any]:
    """Paid measures with their intervals; of the exact ones their file's digest alone, which has a salt."""
    measures, trust = candidate.inputs.measures, candidate.inputs.plan.entrusted
    none = NO_MEASURES if trust is None else NO_MEASURES_OF_A_LIBRARY
    return {
        "exact_sha256": sha256_hex(candidate.exact_utility.encode()),
        "charged": None if measures is None else measures.as_json(),
        "plain": none if measures is None else "",
        "sentences": [] if measures is None else list(measures.sentences()),
    }


def build_dossier(
    row: Row[tuple[object, ...]], candidate: Candidate, before: Mapping[str, Any] | None
) -> Dossier:
    """The dossier of a candidate release, and its digest.

    Args:
        row: the request.
        candidate: what its run left.
        before: body of the dossier of the dataset's last published release, None if there is none.
    """
    body = _body(row, candidate)
    body["differences"] = differences(body, before)
    return Dossier(digest(body), body)


def _body(row: Row[tuple[object, ...]], candidate: Candidate) -> dict[str, Any]:
    policy = parsed_policy(row.policy_text, row.dataset_id)
    guarantee = candidate.inputs.guarantee
    decision = decide(policy, within_release_cap(policy, row.cost), candidate.report.verdict.outcome, True)
    return {
        "release_id": row.id,
        "request": _request(row),
        "policy": {
            "id": policy.id,
            "version": policy.version,
            "sha256": row.policy_sha256,
            "title": policy.title,
        },
        "guarantee": {
            "rho_nano": str(guarantee.rho_nano),
            "omega": "" if guarantee.omega is None else str(guarantee.omega),
            "epsilon": guarantee.epsilon,
            "gaussian_epsilon": guarantee.gaussian_epsilon,
            "delta": guarantee.delta,
            "unit": policy.privacy_unit.kind,
            "unit_note": policy.privacy_unit.note,
            "adjacency": policy.privacy_unit.adjacency,
            "accountant": guarantee.accountant,
            "assumptions": list(guarantee.assumptions),
            "relies_on": None if guarantee.relies_on is None else reliance_json(guarantee.relies_on),
        },
        "budget": [_scope(totals) for totals in candidate.inputs.budget],
        "release": {
            "rows": policy.synthesis.output_rows_value,
            "columns": list(policy.domain().names),
            "recipients": list(policy.release.recipients),
            "terms": policy.release.terms,
            "expires_after_days": policy.release.expires_after_days,
        },
        "audit": _audit(candidate.report),
        "files": candidate.files,
        "model": {"sha256": candidate.model_sha256, "plain": FURTHER_ROWS if candidate.model_sha256 else ""},
        "gate": decision.outcome,
        "checks": [{"name": check.name, "ok": check.ok, "plain": check.plain} for check in decision.checks],
        "must_tick": list(MUST_TICK),
        "plan": list(candidate.inputs.plan.steps),
        "harm": _harm(privacy_statement(candidate.inputs)),
        "utility": _utility(candidate),
    }
