"""Loading: all problems at once, places in the file, core objects, hash, and files that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from dpsynth.core.domain import Column
from dpsynth.core.errors import BadInput
from dpsynth.core.unit import PrivacyUnit
from dpsynth.policy.loader import load_policy, load_policy_text, policy_from_data, policy_sha256
from dpsynth.policy.places import PolicyInvalid, show_path
from dpsynth.policy.yaml_strict import load_yaml

Edit = Callable[..., str]


def test_all_problems_are_listed_with_their_lines_even_across_sections(edited: Edit) -> None:
    text = edited(
        "title: Regional", "title: ' Regional",
        "person table\n", "person table'\n",
        'report_delta: "1e-6"', 'report_delta: "1e-5"',
        "id_column: person_id", "id_column: pid",
        "approvers: 2", "approvers: 1",
        "  expires_after_days: 365\n", "  expires_after_day: 365\n",
    )  # fmt: skip
    with pytest.raises(PolicyInvalid) as caught:
        load_policy_text(text, "many.yaml")
    assert {show_path(problem.path) for problem in caught.value.problems} == {
        "title",
        "budget.report_delta",
        "privacy_unit.id_column",
        "approval.approvers",
        "release.expires_after_days",
        "release.expires_after_day",
    }
    assert "many.yaml: 6 problems" in caught.value.what
    assert "many.yaml, line 4, key title: " in caught.value.what
    assert "did you mean expires_after_days?" in str(caught.value)


def test_problems_within_one_section_are_all_listed(edited: Edit) -> None:
    text = edited('per_release: {rho: "0.10"}', 'per_release: {rho: "9"}', '"0.20"', '"8"')
    with pytest.raises(PolicyInvalid) as caught:
        load_policy_text(text, "two.yaml")
    paths = [show_path(problem.path) for problem in caught.value.problems]
    assert paths == ["budget.per_release", "budget.per_requester"]


def test_rules_on_partitions_and_refresh_are_judged_though_other_sections_are_broken(edited: Edit) -> None:
    text = edited(
        "max_rows: 500000", "max_rows: 0",
        "decimals: 2", "decimals: 10",
        "id_column: person_id", "id_column: null",
        "max_rows_per_unit: 2", "max_rows_per_unit: 1",
        "adjacency: add_remove", "adjacency: replace_one\n  partition_column: height_cm",
        "refresh: none", "refresh: new_units_only",
    )  # fmt: skip
    with pytest.raises(PolicyInvalid) as caught:
        load_policy_text(text, "many.yaml")
    assert {show_path(problem.path) for problem in caught.value.problems} == {
        "source.max_rows",
        "columns[3].decimals",
        "privacy_unit.adjacency",
        "budget.refresh",
    }


def test_both_problems_of_a_partition_column_are_listed(edited: Edit) -> None:
    text = edited("adjacency: add_remove", "adjacency: replace_one\n  partition_column: height_cm")
    with pytest.raises(PolicyInvalid) as caught:
        load_policy_text(text, "two.yaml")
    paths = [show_path(problem.path) for problem in caught.value.problems]
    assert paths == ["privacy_unit.adjacency", "privacy_unit.partition_column"]


def test_unstated_keys_mean_no_mass_no_further_caps_and_no_partitions(base: str) -> None:
    policy = load_policy_text(base, "base.yaml")
    assert policy.budget.lifetime.entrusted_delta == "0"
    assert (policy.budget.per_dataset, policy.budget.per_table) == (None, None)
    assert policy.privacy_unit.partition_column is None


def test_domain_and_unit_are_those_of_the_kept_columns(base: str) -> None:
    policy = load_policy_text(base, "base.yaml")
    assert policy.unit() == PrivacyUnit("person", "person_id", 2, "add_remove")
    assert policy.domain().names == ("region", "height_cm", "score", "diabetes")
    assert policy.domain().shape == (5, 5, 4, 3)
    assert policy.domain()["height_cm"] == Column(
        "height_cm", "integer", edges=("50", "140", "160", "180", "230"), has_missing=True
    )
    assert policy.domain()["score"] == Column(
        "score", "real", edges=("-1", "-0.5", "0", "0.25", "1"), decimals=2
    )
    assert policy.domain()["diabetes"] == Column(
        "diabetes", "categorical", values=("yes", "no", "not_stated")
    )


def test_budget_numbers_stay_as_written(edited: Edit) -> None:
    policy = load_policy_text(edited('rho: "0.10"', 'rho: "0.100000000000000000001"'), "exact.yaml")
    assert policy.budget.per_release.rho == "0.100000000000000000001"
    assert policy.budget.per_release.epsilon is None


def test_hash_depends_on_meaning_and_not_on_layout(base: str, edited: Edit) -> None:
    first = policy_sha256(load_policy_text(base, "a.yaml"))
    commented = "# a comment\n" + base.replace("{rho: ", "{ rho:   ").replace("\n", "\r\n")
    assert policy_sha256(load_policy_text(commented.encode(), "b.yaml")) == first
    assert policy_sha256(load_policy_text(b"\xef\xbb\xbf" + base.encode(), "c.yaml")) == first
    assert policy_sha256(load_policy_text(edited("approvers: 2", "approvers: 3"), "d.yaml")) != first


def test_loaded_policy_cannot_be_changed(base: str) -> None:
    policy = load_policy_text(base, "base.yaml")
    with pytest.raises(ValidationError):
        policy.approval.approvers = 1
    with pytest.raises(ValidationError):
        policy.budget = policy.budget


def test_policy_may_come_as_plain_data_but_not_as_something_else(base: str) -> None:
    data = load_yaml(base, "base.yaml").data
    assert policy_from_data(data, "data") == load_policy_text(base, "base.yaml")
    for other in ([], "text", None, 3):
        with pytest.raises(BadInput, match="data: a policy is a mapping"):
            policy_from_data(other, "data")


def test_file_is_read_from_disk_and_named_in_errors(base: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(base, encoding="utf-8")
    assert load_policy(path) == load_policy_text(base, "base.yaml")
    path.write_text(base + "extra: 1\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"policy\.yaml, line \d+, key extra: is not a known key"):
        load_policy(path)


def test_file_that_cannot_be_read_is_bad_input(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.yaml", tmp_path, Path("nul\0byte")):
        with pytest.raises(BadInput, match="cannot be read") as caught:
            load_policy(path)
        assert caught.value.exit_code == 2
        assert caught.value.remedy


@pytest.mark.parametrize("text", ["[]", "just text", "null", "- a\n- b\n"])
def test_document_that_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="a policy is a mapping of keys"):
        load_policy_text(text, "odd.yaml")


def test_message_shows_long_and_odd_values_cut_and_escaped(edited: Edit) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        load_policy_text(edited("adjacency: add_remove", f"adjacency: {'å' * 5000}"), "long.yaml")
    assert len(str(caught.value)) < 400
    assert str(caught.value).isascii()


def test_very_many_problems_are_counted_and_the_first_hundred_shown(edited: Edit) -> None:
    wrong = ", ".join(str(number) for number in range(20_000))
    with pytest.raises(PolicyInvalid) as caught:
        load_policy_text(edited("domain: [North, ", f"domain: [{wrong}, "), "many.yaml")
    assert len(caught.value.problems) == 101
    assert "and 19900 more problems" in caught.value.what


def test_data_that_json_cannot_state_is_bad_input() -> None:
    with pytest.raises(BadInput, match="not JSON data"):
        policy_from_data({"id": object()}, "data")
