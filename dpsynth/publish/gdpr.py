"""Record of processing (GDPR Article 30) and annex to an impact assessment (Article 35) of one dataset.

Filled from the policy in force and from the ledger. What only the controller can say is left open, by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dpsynth.accounting.stated import cap_of
from dpsynth.accounting.statement import epsilon_of_cap
from dpsynth.core.errors import BadInput
from dpsynth.policy.model import Cap, Policy
from dpsynth.publish.datasheet import ENDS
from dpsynth.publish.statement import DECISION_NOTE, odds_after
from dpsynth.publish.wording import plain

__all__ = ["Processing", "gdpr_page", "gdpr_record"]


@dataclass(frozen=True)
class Processing:
    """What the records say of one dataset.

    Attributes:
        registered: when the policy in force was registered, ISO 8601.
        releases: one line for each release that was published.
        budgets: one line for each budget of these people.
        made, made_for: when and for whom this export was made.
    """

    policy: Policy
    policy_sha256: str
    registered: str
    releases: tuple[str, ...]
    budgets: tuple[str, ...]
    made: str
    made_for: str


def _point(point: str, asks: str, answers: list[str], left: str = "") -> dict[str, Any]:
    return {"point": point, "asks": asks, "answers": answers, "left_to_the_controller": left}


def _columns(policy: Policy) -> list[str]:
    lines = []
    for role in ("identifier", "quasi_identifier", "sensitive", "other"):
        named = [one for one in policy.columns if one.role == role]
        words = ", ".join(f"{one.name} ({'kept' if one.kept else 'dropped'})" for one in named)
        lines.append(f"Columns, {role.replace('_', ' ')}: {words or 'none'}")
    return lines


def _security(policy: Policy) -> list[str]:
    approval = policy.approval
    roles = ", ".join(approval.roles)
    return [
        "Only the worker opens the source; pages and commands show no row and no count of rows.",
        "A charge is written to the ledger for good before the source is opened, and never returned.",
        "The ledger is a chain of hashes; its signed heads can be kept outside.",
        f"A release needs {approval.approvers} people, never the requester, in the roles {roles}.",
        "Bundles are signed and verified offline; every look at exact results of attacks is logged.",
        "Whoever controls a server that holds signing keys can sign as the people they belong to.",
    ]


def _article_30(processing: Processing) -> list[dict[str, Any]]:
    policy = processing.policy
    unit, release = policy.privacy_unit, policy.release
    recipients = [f"Recipients by the policy: {', '.join(release.recipients)}"]
    published = [f"Release {line}" for line in processing.releases] or ["No release was published yet."]
    time_limits = [
        f"Permission to use a release ends {release.expires_after_days} days after it is issued. {ENDS}",
        "Entries of the ledger are never erased; they hold no row and no count of rows.",
        "The source stays where its owner keeps it; the platform holds its path and its digest.",
    ]
    return [
        _point(
            "30(1)(a)",
            "name and contact of the controller",
            [f"Team: {policy.owner.team}", f"Contact: {policy.owner.contact}"],
            "the legal name of the controller, of any joint controller and representative, and the data "
            "protection officer",
        ),
        _point(
            "30(1)(b)",
            "purposes of the processing",
            [policy.purpose, f"Lawful basis, as the policy notes it: {policy.lawful_basis_note}"],
        ),
        _point(
            "30(1)(c)",
            "categories of people and of personal data",
            [f"People: {unit.id_space}; protected unit: {unit.kind}", *_columns(policy)],
        ),
        _point(
            "30(1)(d)",
            "categories of recipients",
            [*recipients, f"Terms: {release.terms}", *published],
            "processors, and anybody else who is given the source",
        ),
        _point("30(1)(e)", "transfers to third countries", [], "whether there are any, and the safeguards"),
        _point(
            "30(1)(f)",
            "time limits for erasure",
            time_limits,
            "time limits of the source, of candidate releases, of kept models and of audit reports",
        ),
        _point("30(1)(g)", "security measures", _security(policy)),
    ]


def _epsilon(cap: Cap, delta: str) -> str:
    """What a cap allows, as epsilon at delta, or ""."""
    try:
        return epsilon_of_cap(cap_of(cap), delta)
    except BadInput:  # entrusted libraries may fail with more than that
        return ""


def _odds(what: str, cap: Cap, delta: str) -> str:
    epsilon = _epsilon(cap, delta)
    if not epsilon:
        return f"{what}: no epsilon at delta {delta}"
    worst = -(-odds_after(epsilon) * 1000 // 1) / 10
    percent = "more than 99.9" if worst >= 100 else f"at most {worst:.1f}"
    return (
        f"{what}: epsilon {epsilon} at delta {delta}. A suspicion of 1 in 2 about one unit can move to "
        f"{percent} percent, except with a chance of about {delta}."
    )


def _description(processing: Processing) -> list[str]:
    policy = processing.policy
    methods = ", ".join(one.name for one in policy.synthesis.allowed)
    return [
        policy.purpose,
        (
            f"Source: {policy.source.dataset_id}, snapshot {policy.source.snapshot}, registered under policy "
            f"{policy.id} version {policy.version} on {processing.registered}."
        ),
        (
            "A person asks with a purpose; the budget is held; a worker charges it, opens the source, bounds "
            "what each unit adds, and answers a synthesizer in noise, or gives rows to a library that the "
            "policy names; rows are drawn from a model, attacked, decided on by people, signed and published."
        ),
        f"Methods that the policy allows: {methods}.",
        *processing.budgets,
    ]


def _proportionality(policy: Policy) -> list[str]:
    dropped = ", ".join(one.name for one in policy.columns if not one.kept)
    bound = policy.privacy_unit.max_rows_per_unit
    return [
        "Recipients get rows that stand for nobody in place of access to the source.",
        f"Columns that are dropped before anything is counted: {dropped or 'none'}.",
        f"At most {bound} row(s) of each unit are used; categories, bounds and bins are public.",
        "The budget of these people is one for all their tables and for ever; there is no reset.",
    ]


def _risks(policy: Policy) -> list[str]:
    budget = policy.budget
    note = [policy.privacy_unit.note] if policy.privacy_unit.note else []
    entrusted = [one.name for one in policy.synthesis.allowed if ":" in one.name]
    trust = (
        [f"Libraries that are given rows, on their own word: {', '.join(entrusted)}."] if entrusted else []
    )
    return [
        _odds("One release, at most", budget.per_release, budget.report_delta),
        _odds("All releases about these people, at most", budget.lifetime, budget.report_delta),
        *note,
        *trust,
        "A true statistic about a group may let a reader infer things about people who took no part.",
        "Small groups are hidden by noise: decisions that rest on them may be wrong.",
        "Releases without differential privacy about the same people are not counted.",
        DECISION_NOTE,
    ]


def _measures(policy: Policy) -> list[str]:
    audits = policy.audits
    return [
        (
            f"Audit plan {audits.plan}, sha256 {audits.plan_sha256}; an inconclusive audit leads to: "
            f"{audits.on_inconclusive.replace('_', ' ')}."
        ),
        *_security(policy),
    ]


def _article_35(processing: Processing) -> list[dict[str, Any]]:
    policy = processing.policy
    return [
        _point("35(7)(a)", "systematic description of the processing", _description(processing)),
        _point(
            "35(7)(b)",
            "necessity and proportionality",
            _proportionality(policy),
            "why the purpose needs these data, and why less would not do",
        ),
        _point(
            "35(7)(c)",
            "risks to the rights and freedoms of people",
            _risks(policy),
            "how likely and how severe each is for the people concerned",
        ),
        _point("35(7)(d)", "measures against the risks", _measures(policy)),
        _point("35(2)", "advice of the data protection officer", [], "the advice"),
        _point("35(9)", "views of the people concerned", [], "their views, or why they were not sought"),
    ]


def gdpr_record(processing: Processing) -> dict[str, Any]:
    """Both documents as one JSON value. Holds no row, no count of rows and nothing that a requester wrote."""
    policy = processing.policy
    return {
        "title": policy.title,
        "dataset": policy.source.dataset_id,
        "policy": {"id": policy.id, "version": policy.version, "sha256": processing.policy_sha256},
        "made": processing.made,
        "made_for": processing.made_for,
        "article_30": _article_30(processing),
        "article_35": _article_35(processing),
        "note": "Made from the policy in force and the ledger. It is no legal advice, and it is not complete "
        "before the points that are left to the controller are filled in.",
    }


def _lines(points: list[Mapping[str, Any]]) -> list[str]:
    lines: list[str] = []
    for one in points:
        lines += [f"### {one['point']}: {one['asks']}", ""]
        lines += [f"- {plain(answer)}" for answer in one["answers"]]
        if one["left_to_the_controller"]:
            lines.append(f"- **Left to the controller:** {one['left_to_the_controller']}.")
        lines.append("")
    return lines


def gdpr_page(record: Mapping[str, Any]) -> str:
    """The record as Markdown."""
    policy = record["policy"]
    lines = [
        f"# {plain(record['title'])}: record of processing and annex to the impact assessment",
        "",
        (
            f"Dataset {record['dataset']}, policy {policy['id']} version {plain(policy['version'])}, sha256 "
            f"{policy['sha256']}."
        ),
        f"Made {record['made']} for {record['made_for']}. {record['note']}",
        "",
        "## Record of processing activities (Article 30)",
        "",
        *_lines(record["article_30"]),
        "## Annex to the data protection impact assessment (Article 35)",
        "",
        *_lines(record["article_35"]),
    ]
    return "\n".join(lines)
