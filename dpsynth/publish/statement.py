"""privacy-statement.json: the 18 items of the NIST SP 800-226 checklist, each stated or excused."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from dpsynth.accounting.cost import cost_of, total
from dpsynth.accounting.events import event_to_json
from dpsynth.accounting.statement import SPENT_NOTE
from dpsynth.core.curator import Plan
from dpsynth.core.guarantee import Guarantee
from dpsynth.publish import reliance
from dpsynth.publish.checklist import CHECKLIST
from dpsynth.publish.inputs import ReleaseInputs, rho_text, utc_text
from dpsynth.publish.rows import rule_text

__all__ = ["CHECKLIST", "DECISION_NOTE", "guarantee_json", "odds_after", "privacy_statement"]

DECISION_NOTE = (
    "The decision to release was informed by non-private measurements: the approvers may see exact results "
    "of attacks on the release. Their yes or no is not covered by the guarantee."
)

_NOT_STATED = "The data owner has not stated this."


def odds_after(epsilon: str, suspicion: float = 0.5) -> float:
    """Largest probability that a suspicion can move to, e^eps s / (1 - s + e^eps s), for s in (0, 1)."""
    return 1.0 / (1.0 + (1.0 - suspicion) / suspicion * math.exp(-float(epsilon)))


def _variant(guarantee: Guarantee) -> str:
    if guarantee.relies_on is not None:
        return reliance.variant(guarantee.relies_on)
    return "zCDP" if guarantee.omega is None else f"zCDP truncated at Renyi order {guarantee.omega}"


def guarantee_json(guarantee: Guarantee) -> dict[str, Any]:
    """The guarantee with every number as a string."""
    trust = guarantee.relies_on
    stated = {
        "variant": _variant(guarantee),
        "rho": rho_text(guarantee.rho_nano),
        "epsilon": guarantee.epsilon,
        "mu_squared": "" if guarantee.mu2_nano is None else rho_text(guarantee.mu2_nano),
        "gaussian_epsilon": guarantee.gaussian_epsilon,
        "delta": guarantee.delta,
        "conversion": guarantee.accountant,
        "assumptions": list(guarantee.assumptions),
    }
    if guarantee.omega is not None:
        stated["omega"] = str(guarantee.omega)
    return stated if trust is None else stated | {"relies_on": reliance.reliance_json(trust)}


def _unit(inputs: ReleaseInputs) -> dict[str, Any]:
    unit = inputs.policy.privacy_unit
    change = "adding or removing" if unit.adjacency == "add_remove" else "replacing"
    omega = inputs.guarantee.omega
    upto = "" if omega is None else f", at Renyi orders up to {omega} divided by k"
    return {
        "kind": unit.kind,
        "id_space": unit.id_space,
        "max_rows_per_unit": str(unit.max_rows_per_unit),
        "adjacency": unit.adjacency,
        "plain": f"The promise bounds the effect of {change} all rows of one {unit.kind}, "
        f"at most {unit.max_rows_per_unit}. For a group of k units, read rho as k squared times as "
        f"large{upto}.",
        "note": unit.note,
    }


def _composition(inputs: ReleaseInputs) -> dict[str, Any]:
    return {
        "this": rho_text(inputs.guarantee.rho_nano),
        "partition": inputs.partition or "none: the whole table",
        "resets": "none: budget spent stays spent, also for rejected and withdrawn releases",
        "scopes": [
            {
                "scope": scope.scope,
                "kind": scope.kind,
                "title": scope.title,
                "before": rho_text(scope.before_nano),
                "this": rho_text(scope.this_nano),
                "to_date": rho_text(scope.after_nano),
                "cap": rho_text(scope.cap_nano),
                "epsilon_to_date": scope.epsilon_after,
                "epsilon_to_date_is": SPENT_NOTE,
                "epsilon_of_cap": scope.epsilon_cap,
                "delta": scope.delta,
            }
            for scope in inputs.budget
        ],
    }


def _mechanism(inputs: ReleaseInputs) -> dict[str, Any]:
    trust = inputs.plan.entrusted
    charged = total(cost_of(event) for event in inputs.events)
    kinds = Counter(event_to_json(event)["event"] for event in inputs.events)
    return {
        "synthesizer": inputs.plan.synthesizer,
        "version": inputs.plan.version,
        "steps": list(inputs.plan.steps),
        "events": {kind: str(times) for kind, times in sorted(kinds.items())},
        "rho_of_events": rho_text(charged.rho),
        "libraries": dict(inputs.versions),
        "noise": _noise(inputs.plan)
        if trust is None
        else f"drawn by {trust.library} {trust.version}, not by this platform",
        "evidence": "the mechanism audits of item 17, run on public and surrogate data"
        if trust is None
        else "none: the library was given the rows, so no mechanism of it could be audited",
        "saw": _saw(inputs.plan),
    }


def _saw(plan: Plan) -> str:
    if plan.entrusted is not None:
        return "the rows, as codes of the public domain"
    if plan.gradient is None:
        return "noisy answers, never a row"
    return "noisy answers; its model and its loss were evaluated on rows inside the curator"


def _noise(plan: Plan) -> str:
    counts = "exact discrete Gaussian and noisy max of the OpenDP library"
    if plan.gradient is None:
        return counts
    return f"{counts}; for sums of gradients a Gaussian in floating point, from a cipher keyed by the system"


def _rounding(plan: Plan) -> str:
    if plan.gradient is None:
        return (
            "Noise is drawn by exact integer samplers, so floating-point rounding does not leak through it."
        )
    return (
        "Noise of counts is drawn by exact integer samplers. Sums of gradients and their noise are "
        "floating-point numbers, whose rounding is not covered; they stay in the run, and only rows drawn "
        "from the model leave it."
    )


def _domains(inputs: ReleaseInputs) -> list[dict[str, Any]]:
    kept = [column for column in inputs.policy.columns if column.action == "keep"]
    return [{"column": column.name, "source": str(column.domain_source)} for column in kept]


def _structure(inputs: ReleaseInputs) -> dict[str, Any]:
    """Public facts about combinations, as the policy states them, each with its reason."""
    structure = inputs.policy.structure
    note = "The policy states no relation between columns as public knowledge."
    if structure.impossible or structure.determined:
        note = (
            "Stated in the policy from public knowledge, never learned from the rows. True of every row of "
            "the release; nothing was spent on it."
        )
    return {
        "impossible": [{"rule": rule.text(), "because": rule.because} for rule in structure.impossible],
        "determined": [{"rule": rule.text(), "because": rule.because} for rule in structure.determined],
        "note": note,
    }


def _bounding(inputs: ReleaseInputs) -> str:
    rows = inputs.policy.privacy_unit.max_rows_per_unit
    return (
        f"At most {rows} row(s) of each unit are used; further rows are discarded by a rule that looks at "
        "no value. Values outside the public domain are mapped as the policy says."
    )


def _audits(inputs: ReleaseInputs) -> dict[str, Any]:
    return {
        "result": inputs.audit.result,
        "plan_sha256": inputs.audit.plan_sha256,
        "checks": [f"{check.id} {check.name}: {check.outcome}" for check in inputs.audit.checks],
        "limits": "An attack that fails proves nothing about better attacks; the guarantee does not rest on "
        "it. Results of attacks on the release itself stay in the review room.",
    }


def _measured(inputs: ReleaseInputs) -> str:
    if inputs.measures is None:
        return "No measure of the quality of these rows was released."
    return (
        "How good these rows are was measured with noise and paid for: rho "
        f"{rho_text(inputs.measures.rho_nano)} of this release's."
    )


def _with_notes(general: str, said: str) -> str:
    """What holds for every release, and what the data owner adds."""
    return f"{general} The data owner adds: {said}" if said else general


def _sections(inputs: ReleaseInputs) -> dict[str, Any]:
    policy, notes, trust = inputs.policy, inputs.notes, inputs.plan.entrusted
    others = {} if trust is None else reliance.sections(trust, inputs.isolation)
    return {
        "guarantee": guarantee_json(inputs.guarantee),
        "unit": _unit(inputs),
        "composition": _composition(inputs),
        "other_releases": notes.other_releases or _NOT_STATED,
        "mechanism": _mechanism(inputs),
        "utility": _with_notes(
            "Made for aggregate statistics over few columns at a time. Not for facts about individuals, "
            "rare groups, or relations between columns that no step of the mechanism measured. "
            f"{_measured(inputs)}",
            notes.utility,
        ),
        "bias": _with_notes(
            "Systemic: bias of the source data, and of who is in it, is kept. Human: bins and categories "
            "were chosen by people and hide what lies inside them. Statistical: noise hides small groups, "
            "whose counts may be far off in relative terms, and removing negative counts pushes small ones "
            "upwards.",
            notes.bias,
        ),
        "bounding": _bounding(inputs),
        "domains": _domains(inputs),
        "structure": _structure(inputs),
        "preprocessing": "Values are encoded by public rules, which costs nothing. For the audit, each unit "
        f"enters a secret coin toss with probability {policy.audits.coin_fraction} and half of those take no "
        f"part in the fit; the guarantee does not count on it. {rule_text(policy.domain())} Settings are "
        "tuned on made-up rows, which costs nothing; what people chose after they had seen rows is not "
        "covered.",
        "delta_note": f"Delta {inputs.guarantee.delta} comes from converting "
        f"{_variant(inputs.guarantee)} for reading; no step of the mechanism fails outright with "
        "probability delta.",
        "query_model": "One release; no questions are answered from the data afterwards. Further releases "
        "are charged to the same lifetime cap.",
        "trust": "A central curator holds the rows and is trusted; the synthesizer saw "
        f"{_saw(inputs.plan)}. The attacks of the audit read rows inside the same worker. Anyone may read "
        "the release, with any other knowledge.",
        "side_channels": f"{_rounding(inputs.plan)} Progress is shown as stages only; finer timing of the "
        "run is not covered.",
        "security": "Only the worker opens the source. Charges are kept in a hash chain. Where signing keys "
        "are held by a server, whoever controls that server can sign as the people they belong to.",
        "collection": _with_notes(
            f"Identifiers and columns not needed are dropped before synthesis. {policy.lawful_basis_note}",
            notes.collection,
        ),
        "audits": _audits(inputs),
        "decision_note": DECISION_NOTE,
    } | others


def _checklist(sections: dict[str, Any]) -> list[dict[str, Any]]:
    items = []
    for number, (element, name) in enumerate(CHECKLIST, start=1):
        item: dict[str, Any] = {"item": number, "element": element, "field": name, "status": "stated"}
        if sections[name] == _NOT_STATED:
            item |= {"status": "not applicable", "reason": _NOT_STATED}
        items.append(item)
    return items


def privacy_statement(inputs: ReleaseInputs) -> dict[str, Any]:
    """The statement as a JSON value; numbers of the guarantee and the budget are strings.

    Holds nothing that was computed from the rows except what was charged: no row count of the source, no
    result of an attack on the release.
    """
    sections = _sections(inputs)
    policy = inputs.policy
    if inputs.measures is not None:
        sections["utility_measures"] = inputs.measures.as_json()
    return sections | {
        "outline": "checklist of NIST SP 800-226, as read in its draft of December 2023",
        "checklist": _checklist(sections),
        "release_id": inputs.release_id,
        "policy": {"id": policy.id, "version": policy.version, "title": policy.title},
        "purpose": inputs.purpose,
        "recipients": list(inputs.recipients),
        "rows": f"{policy.synthesis.output_rows_value} synthetic rows: a number fixed by the policy, which "
        "says nothing about the number of people",
        "contact": policy.owner.contact,
        "issued": utc_text(inputs.issued),
        "expires": utc_text(inputs.expires()),
    }
