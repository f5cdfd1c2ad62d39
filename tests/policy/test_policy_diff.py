"""The difference of two policies says in plain words what gets looser for the people in the data."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dpsynth.policy.diff import diff_policies
from dpsynth.policy.loader import load_policy_text

Edit = Callable[..., str]
LIFE = 'lifetime: {rho: "0.50"}'
BINS = 'bins: ["50", "140", "160", "180", "230"]'
REGION = "domain: [North, East, South, West, Unknown]"
COLUMN = "  - {name: person_id, role: identifier, type: string, action: drop}\n"
DOMAIN = "domain: [f, m], domain_source: x, out_of_domain: f, missing: f"
NEW = f"  - {{name: sex, role: other, type: categorical, {DOMAIN}}}\n"
ALLOWED = 'allowed: [{name: aim, min_version: "0.1.0"}, {name: mst, min_version: "0.1.0"}]'
ROLES = "roles: [compliance_officer, data_owner]"

# (edits that make the policy LOOSER, key); taken backwards the same change is TIGHTER.
LOOSER = [
    ([LIFE, 'lifetime: {rho: "0.80"}'], "budget.lifetime.rho"),
    (['per_release: {rho: "0.10"}', 'per_release: {rho: "0.11"}'], "budget.per_release.rho"),
    (['per_requester: {rho: "0.20"}', 'per_requester: {rho: "0.21"}'], "budget.per_requester.rho"),
    (['report_delta: "1e-6"', 'report_delta: "0.0000011"'], "budget.report_delta"),
    (["max_attempts_per_purpose: 3", "max_attempts_per_purpose: 4"], "budget.max_attempts_per_purpose"),
    (["max_rows_per_unit: 2", "max_rows_per_unit: 3"], "privacy_unit.max_rows_per_unit"),
    (["approvers: 2", "approvers: 2", ROLES, "roles: [data_owner]"], "approval.roles"),
    (["justification_min_chars: 80", "justification_min_chars: 8"], "approval.justification_min_chars"),
    (["expires_after_days: 365", "expires_after_days: 366"], "release.expires_after_days"),
    (["[accredited-researchers]", "[accredited-researchers, press]"], "release.recipients"),
    (["on_inconclusive: block", "on_inconclusive: officer_reason"], "audits.on_inconclusive"),
    (['coin_fraction: "0.10"', 'coin_fraction: "0.05"'], "audits.coin_fraction"),
    ([ALLOWED, ALLOWED.replace("}]", '}, {name: x2, min_version: "1"}]')], "synthesis.allowed[x2]"),
    (['{name: mst, min_version: "0.1.0"}', '{name: mst, min_version: "0.0.9"}'], "synthesis.allowed[mst]"),
    ([COLUMN, COLUMN + NEW], "columns[sex]"),
    ([REGION, "domain: [North, East, South, West, Abroad, Unknown]"], "columns[region].domain"),
    ([BINS, 'bins: ["50", "140", "150", "160", "180", "230"]'], "columns[height_cm].bins"),
    (["decimals: 2", "decimals: 3"], "columns[score].decimals"),
    (["role: sensitive", "role: other"], "columns[diabetes].role"),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "key"), LOOSER, ids=[case[1] for case in LOOSER])
def test_change_is_looser_one_way_and_tighter_the_other(
    base: str, edited: Edit, edits: list[str], key: str
) -> None:
    old, new = load_policy_text(base, "old.yaml"), load_policy_text(edited(*edits), "new.yaml")
    assert [(one.key, one.effect) for one in diff_policies(old, new)] == [(key, "LOOSER")]
    assert [(one.key, one.effect) for one in diff_policies(new, old)] == [(key, "TIGHTER")]


def test_more_approvers_are_tighter(base: str, edited: Edit) -> None:
    old, new = (
        load_policy_text(base, "old.yaml"),
        load_policy_text(edited("approvers: 2", "approvers: 3"), "n"),
    )
    assert [one.text for one in diff_policies(old, new)] == ["approval approvers 2 to 3: TIGHTER"]
    assert [one.text for one in diff_policies(new, old)] == ["approval approvers 3 to 2: LOOSER"]


def test_replace_one_is_tighter_than_add_remove(base: str, edited: Edit) -> None:
    new = load_policy_text(edited("adjacency: add_remove", "adjacency: replace_one"), "new.yaml")
    old = load_policy_text(base, "old.yaml")
    assert [one.effect for one in diff_policies(old, new)] == ["TIGHTER"]
    assert [one.effect for one in diff_policies(new, old)] == ["LOOSER"]


def test_losing_the_id_column_is_looser(base: str, edited: Edit) -> None:
    rows = ["max_rows_per_unit: 2", "max_rows_per_unit: 1"]
    old = load_policy_text(edited(*rows), "old.yaml")
    new = load_policy_text(edited(*rows, "id_column: person_id", "id_column: null"), "new.yaml")
    assert [one.effect for one in diff_policies(old, new)] == ["LOOSER"]
    assert [one.effect for one in diff_policies(new, old)] == ["TIGHTER"]


def test_other_id_space_is_looser_both_ways_since_it_starts_a_fresh_budget(base: str, edited: Edit) -> None:
    old = load_policy_text(base, "old.yaml")
    new = load_policy_text(edited("national-person-register", "other-register"), "new.yaml")
    assert [one.effect for one in (*diff_policies(old, new), *diff_policies(new, old))] == [
        "LOOSER",
        "LOOSER",
    ]


def test_keeping_a_dropped_column_is_looser(base: str, edited: Edit) -> None:
    dropped = "  - {name: sex, role: other, type: categorical, action: drop}\n"
    old = load_policy_text(edited(COLUMN, COLUMN + dropped), "old.yaml")
    new = load_policy_text(edited(COLUMN, COLUMN + NEW), "new.yaml")
    assert [(one.old, one.new, one.effect) for one in diff_policies(old, new)] == [("drop", "keep", "LOOSER")]
    assert [one.effect for one in diff_policies(load_policy_text(base, "base.yaml"), old)] == ["CHANGED"]


def test_wider_bounds_are_looser_and_a_shift_is_only_changed(base: str, edited: Edit) -> None:
    old = load_policy_text(base, "old.yaml")
    bounds = 'bounds: ["50", "230"]'
    wide = edited(
        bounds, 'bounds: ["40", "240"]', BINS, 'bins: ["40", "50", "140", "160", "180", "230", "240"]'
    )
    moved = edited(bounds, 'bounds: ["60", "240"]', BINS, 'bins: ["60", "140", "240"]')
    effects = {one.key: one.effect for one in diff_policies(old, load_policy_text(wide, "wide.yaml"))}
    assert effects == {"columns[height_cm].bounds": "LOOSER", "columns[height_cm].bins": "LOOSER"}
    effects = {one.key: one.effect for one in diff_policies(old, load_policy_text(moved, "moved.yaml"))}
    assert effects == {"columns[height_cm].bounds": "CHANGED", "columns[height_cm].bins": "CHANGED"}


def _epsilon(edited: Edit, epsilon: str, delta: str) -> str:
    cap = f'lifetime: {{epsilon: "{epsilon}", delta: "{delta}"}}'
    return edited(LIFE, cap)


def test_lifetime_epsilon_is_told_in_plain_words(edited: Edit) -> None:
    old = load_policy_text(_epsilon(edited, "2", "1e-6"), "old.yaml")
    new = load_policy_text(_epsilon(edited, "4", "1e-7"), "new.yaml")
    assert [one.text for one in diff_policies(old, new)] == [
        "lifetime epsilon 2 to 4: LOOSER",
        "lifetime delta 1e-6 to 1e-7: TIGHTER",
    ]


def test_partition_column_is_looser_when_declared_tighter_when_removed_else_changed(
    base: str, edited: Edit
) -> None:
    adjacency = "adjacency: add_remove"
    none, region, diabetes = (
        load_policy_text(text, "policy.yaml")
        for text in (
            base,
            edited(adjacency, f"{adjacency}\n  partition_column: region"),
            edited(adjacency, f"{adjacency}\n  partition_column: diabetes"),
        )
    )
    key = "privacy unit partition column"
    assert [one.text for one in diff_policies(none, region)] == [
        f"{key} - to region: LOOSER (budgets of disjoint partitions no longer add up)"
    ]
    assert [one.text for one in diff_policies(region, none)] == [
        f"{key} region to -: TIGHTER (budgets of all partitions add up again)"
    ]
    assert [one.text for one in diff_policies(region, diabetes)] == [
        f"{key} region to diabetes: CHANGED (people lie in other partitions)"
    ]


def test_refresh_with_new_units_is_looser_and_says_what_it_gives(base: str, edited: Edit) -> None:
    old = load_policy_text(base, "old.yaml")
    new = load_policy_text(edited("refresh: none", "refresh: new_units_only"), "new.yaml")
    note = "(under new_units_only new people get a budget of their own)"
    assert [one.text for one in diff_policies(old, new)] == [f"refresh none to new_units_only: LOOSER {note}"]
    assert [one.text for one in diff_policies(new, old)] == [
        f"refresh new_units_only to none: TIGHTER {note}"
    ]


def test_cap_in_other_terms_or_written_differently_is_only_changed(base: str, edited: Edit) -> None:
    old = load_policy_text(base, "old.yaml")
    other = diff_policies(old, load_policy_text(_epsilon(edited, "4", "1e-6"), "new.yaml"))
    assert [(one.key, one.old, one.new, one.effect) for one in other] == [
        ("budget.lifetime", "rho 0.50", "epsilon 4 at delta 1e-6", "CHANGED")
    ]
    same = diff_policies(old, load_policy_text(edited(LIFE, 'lifetime: {rho: "0.5"}'), "new.yaml"))
    assert [one.effect for one in same] == ["CHANGED"]


def test_text_and_order_are_changed_without_direction(base: str, edited: Edit) -> None:
    old = load_policy_text(base, "old.yaml")
    new = edited(
        "team: Health Statistics", "team: Statistics",
        REGION, "domain: [East, North, South, West, Unknown]",
        "plan_sha256: \"0000", "plan_sha256: \"1111",
        "max_model_cells: 5000000", "max_model_cells: 100",
    )  # fmt: skip
    assert {one.key: one.effect for one in diff_policies(old, load_policy_text(new, "new.yaml"))} == {
        "owner.team": "CHANGED",
        "columns[region].domain": "CHANGED",
        "synthesis.max_model_cells": "CHANGED",
        "audits.plan_sha256": "CHANGED",
    }


def test_equal_policies_have_no_difference_whatever_their_layout(base: str) -> None:
    old = load_policy_text(base, "old.yaml")
    assert diff_policies(old, load_policy_text("# note\n" + base, "new.yaml")) == []
