"""Rules of identity, source, privacy unit, synthesis, audits, approval and release.

The bad variant is refused by key and remedy; its good counterpart loads.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

Check = Callable[[list[str], str, str, list[str]], None]

ID = "id_column: person_id"
ROWS = "max_rows_per_unit: 2"
ADJACENCY = "adjacency: add_remove"
REGION = f"{ADJACENCY}\n  partition_column: region"
REFRESH = ["refresh: none", "refresh: new_units_only"]


# (what is changed, bad edit, key, words of the refusal, good edit)
RULES: list[tuple[str, list[str], str, str, list[str]]] = [
    (
        "unquoted version",
        ['version: "3"', "version: 3"],
        "version",
        "something else",
        ['version: "3"', 'version: "4"'],
    ),
    (
        "id upper case",
        ["\nid: health-survey-2026", "\nid: Health"],
        "id",
        "not allowed",
        ["\nid: health-survey-2026", "\nid: h2"],
    ),
    (
        "id too short",
        ["\nid: health-survey-2026", "\nid: h"],
        "id",
        "not allowed",
        ["\nid: health-survey-2026", f"\nid: {'h' * 63}"],
    ),
    ("id too long", ["\nid: health-survey-2026", f"\nid: {'h' * 64}"], "id", "not allowed", []),
    ("id with line break", ["\nid: health-survey-2026", '\nid: "health\\n"'], "id", "not allowed", []),
    (
        "title over lines",
        ["title: Regional health survey 2026, person table", 'title: "a\\nb"'],
        "title",
        "line break",
        [],
    ),
    (
        "blank purpose",
        ["purpose: Teaching and method development by accredited researchers.", 'purpose: " "'],
        "purpose",
        "blank",
        [],
    ),
    (
        "bad delimiter",
        ["  format: csv", '  format: csv\n  delimiter: "::"'],
        "source.delimiter",
        "not allowed",
        ["  format: csv", '  format: csv\n  delimiter: "\\t"'],
    ),
    ("rows as text", ["max_rows: 500000", 'max_rows: "500000"'], "source.max_rows", "something else", []),
    ("no rows", ["max_rows: 500000", "max_rows: 0"], "source.max_rows", "greater than", []),
    ("truth for number", ["max_rows: 500000", "max_rows: true"], "source.max_rows", "something else", []),
    (
        "unknown adjacency",
        ["adjacency: add_remove", "adjacency: bounded"],
        "privacy_unit.adjacency",
        "not allowed",
        ["adjacency: add_remove", "adjacency: replace_one"],
    ),
    ("id column not declared", [ID, "id_column: pid"], "privacy_unit.id_column", "role identifier", []),
    (
        "id column not an identifier",
        [ID, "id_column: region"],
        "privacy_unit.id_column",
        "role identifier",
        [],
    ),
    (
        "several rows without id",
        [ID, "id_column: null"],
        "privacy_unit.max_rows_per_unit",
        "must be 1",
        [ID, "id_column: null", ROWS, "max_rows_per_unit: 1"],
    ),
    (
        "partition by no column",
        [ADJACENCY, f"{ADJACENCY}\n  partition_column: state"],
        "privacy_unit.partition_column",
        "is not a column",
        [ADJACENCY, REGION],
    ),
    (
        "partition by a dropped column",
        [ADJACENCY, f"{ADJACENCY}\n  partition_column: person_id"],
        "privacy_unit.partition_column",
        "is dropped",
        [ADJACENCY, f"{ADJACENCY}\n  partition_column: diabetes"],
    ),
    (
        "partition by a numeric column",
        [ADJACENCY, f"{ADJACENCY}\n  partition_column: height_cm"],
        "privacy_unit.partition_column",
        "is not categorical",
        [ADJACENCY, f"{ADJACENCY}\n  partition_column: null"],
    ),
    (
        "partition under replace_one",
        [ADJACENCY, REGION.replace("add_remove", "replace_one")],
        "privacy_unit.adjacency",
        "two partitions",
        [ADJACENCY, "adjacency: replace_one"],
    ),
    (
        "new units without ids",
        [*REFRESH, ID, "id_column: null", ROWS, "max_rows_per_unit: 1"],
        "budget.refresh",
        "needs privacy_unit.id_column",
        REFRESH,
    ),
    ("unknown refresh", ["refresh: none", "refresh: yearly"], "budget.refresh", "not allowed", REFRESH),
    ("fixed seed", ["seed: os_csprng", "seed: 42"], "synthesis.seed", "not allowed", []),
    ("seed as text", ["seed: os_csprng", 'seed: "42"'], "synthesis.seed", "not allowed", []),
    ("exact rows", ["output_rows: fixed", "output_rows: exact"], "synthesis.output_rows", "not allowed", []),
    (
        "model too small",
        ["max_model_cells: 5000000", "max_model_cells: 24"],
        "synthesis.max_model_cells",
        "largest",
        ["max_model_cells: 5000000", "max_model_cells: 25"],
    ),
    (
        "synthesizer twice",
        ["{name: mst,", "{name: aim,"],
        "synthesis.allowed[1]",
        "twice",
        ["{name: mst,", "{name: independent,"],
    ),
    (
        "no synthesizer",
        ['allowed: [{name: aim, min_version: "0.1.0"}, {name: mst, min_version: "0.1.0"}]', "allowed: []"],
        "synthesis.allowed",
        "at least 1",
        [],
    ),
    (
        "coin zero",
        ['coin_fraction: "0.10"', 'coin_fraction: "0"'],
        "audits.coin_fraction",
        "out of range",
        ['coin_fraction: "0.10"', 'coin_fraction: "0.5"'],
    ),
    (
        "coin above half",
        ['coin_fraction: "0.10"', 'coin_fraction: "0.51"'],
        "audits.coin_fraction",
        "out of range",
        [],
    ),
    (
        "ignore inconclusive",
        ["on_inconclusive: block", "on_inconclusive: pass"],
        "audits.on_inconclusive",
        "not allowed",
        ["on_inconclusive: block", "on_inconclusive: officer_reason"],
    ),
    (
        "one approver",
        ["approvers: 2", "approvers: 1"],
        "approval.approvers",
        "greater than",
        ["approvers: 2", "approvers: 3"],
    ),
    (
        "no roles",
        ["roles: [compliance_officer, data_owner]", "roles: []"],
        "approval.roles",
        "at least 1",
        ["roles: [compliance_officer, data_owner]", "roles: [data_owner]"],
    ),
    (
        "requester role",
        ["roles: [compliance_officer, data_owner]", "roles: [data_scientist, data_owner]"],
        "approval.roles[0]",
        "not allowed",
        [],
    ),
    (
        "role twice",
        ["roles: [compliance_officer, data_owner]", "roles: [data_owner, data_owner]"],
        "approval.roles[1]",
        "twice",
        [],
    ),
    (
        "roles above approvers",
        ["data_owner]", "data_owner, auditor]"],
        "approval.approvers",
        "number of roles",
        ["data_owner]", "data_owner, auditor]", "approvers: 2", "approvers: 3"],
    ),
    (
        "requester approves",
        ["requester_may_approve: false", "requester_may_approve: true"],
        "approval.requester_may_approve",
        "not allowed",
        [],
    ),
    (
        "requester approves by number",
        ["requester_may_approve: false", "requester_may_approve: 0"],
        "approval.requester_may_approve",
        "something else",
        [],
    ),
    (
        "unknown format",
        ["formats: [csv, parquet]", "formats: [csv, xlsx]"],
        "release.formats[1]",
        "not allowed",
        ["formats: [csv, parquet]", "formats: [parquet]"],
    ),
    (
        "no recipients",
        ["recipients: [accredited-researchers]", "recipients: []"],
        "release.recipients",
        "at least 1",
        [],
    ),
]


@pytest.mark.parametrize(("name", "bad", "key", "says", "good"), RULES, ids=[rule[0] for rule in RULES])
def test_rule_names_file_key_and_remedy_and_the_counterpart_loads(
    check_rule: Check, name: str, bad: list[str], key: str, says: str, good: list[str]
) -> None:
    check_rule(bad, key, says, good)
