"""The pages that people read: privacy-statement.md on one page, README.md and VERIFY.md."""

from __future__ import annotations

from typing import Any

from dpsynth.publish.measured import measure_lines, query_lines
from dpsynth.publish.statement import odds_after
from dpsynth.publish.wording import plain as _plain

__all__ = ["readme_page", "statement_page", "verify_page", "worked_example"]

_MOST_RULES = 10


def _percent(probability: float) -> str:
    """A probability as a percentage rounded up to one digit; never a flat 100."""
    tenths = int(-(-probability * 1000 // 1))
    return "more than 99.9%" if tenths >= 1000 else f"{tenths / 10:.1f}%"


def worked_example(epsilon: str, delta: str) -> str:
    """How far two suspicions may move, rounded against the promise."""
    half, rare = _percent(odds_after(epsilon)), _percent(odds_after(epsilon, 0.01))
    return (
        f"a suspicion of 1 in 2 becomes at most {half}, one of 1 in 100 at most {rare}, except with a chance "
        f"of about {delta}."
    )


def _promise(statement: dict[str, Any]) -> list[str]:
    guarantee, unit = statement["guarantee"], statement["unit"]
    epsilon, delta, kind = guarantee["epsilon"], guarantee["delta"], _plain(unit["kind"])
    lines = [
        "## The promise",
        "",
        f"Whether or not any one {kind} is in the data, what a reader can infer about that {kind} from this",
        "release changes by at most a bounded amount, whatever else the reader knows.",
        "",
        _in_numbers(guarantee),
        f"- Worked example: {worked_example(epsilon, delta)}",
        f"- Protected unit: {kind}. {_plain(unit['plain'])}",
    ]
    return [*lines, f"- Mind: {_plain(unit['note'])}"] if unit["note"] else lines


def _in_numbers(guarantee: dict[str, Any]) -> str:
    epsilon, delta, relies = guarantee["epsilon"], guarantee["delta"], guarantee.get("relies_on")
    if relies is None:
        kind = _plain(guarantee["variant"])
        return f"- In numbers: rho {guarantee['rho']} ({kind}), which is epsilon {epsilon} at delta {delta}."
    faults = "".join(f"\n  - {_plain(fault)}" for fault in relies["known_faults"])
    return (
        f"- In numbers: epsilon {epsilon} at delta {delta}, booked as rho {guarantee['rho']}.\n"
        f"- **This promise {_plain(relies['plain'])}.** The numbers are that library's own word.\n"
        f"  Known faults of its {_plain(relies['method'])}, which speak against it:{faults}"
    )


def _total(statement: dict[str, Any]) -> list[str]:
    lines = ["## The total over time", "", "Releases about the same people add up."]
    for scope in statement["composition"]["scopes"]:
        lines.append(
            f"- {_plain(scope['title'])}: rho {scope['to_date']} of at most {scope['cap']} "
            f"is spent with this release ({scope['this']} by it)."
        )
    return [*lines, f"- Resets: {statement['composition']['resets']}."]


def _limits(statement: dict[str, Any]) -> list[str]:
    return [
        "## What is not covered",
        "",
        "- Facts about groups: a true statistic may let a reader infer things about people who took no part.",
        f"- Other releases without differential privacy: {_plain(statement['other_releases'])}",
        f"- {statement['side_channels']}",
        f"- {statement['security']}",
        f"- {statement['decision_note']}",
        f"- Use: {_plain(statement['utility'])}",
        f"- Bias: {_plain(statement['bias'])}",
        *_measures(statement),
    ]


def _measures(statement: dict[str, Any]) -> list[str]:
    paid = statement.get("utility_measures")
    if paid is None:
        return []
    lines = [f"  {line}" for line in (*measure_lines(statement), *query_lines(statement))]
    return [f"- Measures of utility, rho {paid['rho']} in all. {_plain(paid['note'])}", *lines]


def _evidence(statement: dict[str, Any]) -> list[str]:
    audits, mechanism = statement["audits"], statement["mechanism"]
    return [
        "## How it was made and tested",
        "",
        f"- Synthesizer {_plain(mechanism['synthesizer'])} {_plain(mechanism['version'])}; it saw",
        f"  {mechanism['saw']}. Noise: {mechanism['noise']}.",
        f"- Audits: {audits['result']}, {len(audits['checks'])} public checks in audits/audit.json.",
        f"  {audits['limits']}",
        f"- {statement['rows']}.",
        *_structure(statement),
    ]


def _structure(statement: dict[str, Any]) -> list[str]:
    structure = statement["structure"]
    rules = [*structure["impossible"], *structure["determined"]]
    if not rules:
        return []
    lines = [f"  - {_plain(rule['rule'][:300])} ({_plain(rule['because'])})" for rule in rules[:_MOST_RULES]]
    more = [f"  - and {len(rules) - _MOST_RULES} more"] if len(rules) > _MOST_RULES else []
    return [f"- {structure['note']} All of them are in policy.yaml:", *lines, *more]


def statement_page(statement: dict[str, Any]) -> str:
    """privacy-statement.md: one page from the JSON statement."""
    policy = statement["policy"]
    head = [
        f"# Privacy statement: {_plain(policy['title'])}",
        "",
        f"Release {statement['release_id']}, policy {policy['id']} version {_plain(policy['version'])}.",
        f"Issued {statement['issued']}, use permitted until {statement['expires']}.",
        "",
        "",
    ]
    tail = [
        f"All {len(statement['checklist'])} items of the checklist are in privacy-statement.json.",
        f"Questions: {_plain(statement['contact'])}.",
    ]
    parts = [_promise(statement), _total(statement), _limits(statement), _evidence(statement), tail]
    return "\n".join(head) + "\n\n".join("\n".join(part) for part in parts) + "\n"


def readme_page(statement: dict[str, Any], names: tuple[str, ...]) -> str:
    """README.md of a release: what it is, for whom, and what each file holds."""
    recipients = ", ".join(statement["recipients"])
    lines = [
        f"# {_plain(statement['policy']['title'])}: synthetic data",
        "",
        f"Release {statement['release_id']}. {statement['rows']}.",
        "",
        f"- Purpose: {_plain(statement['purpose'])}",
        f"- Recipients: {_plain(recipients)}",
        f"- Use permitted until {statement['expires']}. Copies cannot be recalled; expiry ends permission.",
        "- Do not use these data for decisions about individuals.",
        "",
        "No row stands for a person. Read privacy-statement.md first; VERIFY.md tells how to check files.",
        "",
        *(f"- {name}" for name in sorted(names)),
        "- manifest.json: SHA-256 and size of each file",
        "- attestation.dsse.json: signatures of the approvers and the service",
        "- ledger-proof.json: what the ledger says of this release, up to a signed checkpoint",
    ]
    return "\n".join(lines) + "\n"


def verify_page(release_id: str) -> str:
    """VERIFY.md: three commands, no account and no network needed."""
    return f"""# How to verify release {release_id}

No account and no network are needed. Get the public keys of the approvers and of the service from the data
owner over another channel than this bundle, and put them in a directory `keys/`.

    ls keys/
    dpsynth-verify . --keys DIRECTORY-OF-KEYS-YOU-TRUST
    sha256sum data.*

The second command ends with exit code 0, or with 5 and the name of what fails (`dpsynth verify` does the
same). Give it the publisher's list of revoked releases with `--revocations FILE`, and a checkpoint of the
ledger that you kept, if you have one, with `--checkpoint FILE`. The sums of the third command must be those
in manifest.json.
"""
