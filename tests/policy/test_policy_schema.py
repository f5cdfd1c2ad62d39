"""The published schema is the model's, and holds for what is shipped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from dpsynth.policy.schema import SCHEMA_FILE, json_schema, schema_text
from dpsynth.policy.yaml_strict import load_yaml

ROOT = Path(__file__).parents[2]
Edit = Callable[..., str]


def _errors(text: str | bytes) -> list[str]:
    validator = jsonschema.Draft202012Validator(json_schema())
    return [error.json_path for error in validator.iter_errors(load_yaml(text, "x.yaml").data)]


def test_published_schema_is_the_one_of_the_model() -> None:
    assert (ROOT / SCHEMA_FILE).read_text(encoding="utf-8") == schema_text()
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("name", ["rand-health", "adult"])
def test_shipped_policies_satisfy_the_schema(name: str) -> None:
    assert _errors((ROOT / "policies" / f"{name}.yaml").read_bytes()) == []


BAD = [
    (["refresh:", "refesh:"], "$.budget"),
    (['{rho: "0.10"}', "{rho: 1}"], "$.budget.per_release.rho"),
    (['{rho: "0.10"}', '{rho: "0.1", delta: "1e-6"}'], "$.budget.per_release"),
    (['{rho: "0.10"}', '{rho: "0.1", epsilon: "1", delta: "1e-6"}'], "$.budget.per_release"),
    (['{rho: "0.10"}', '{epsilon: "1", entrusted_delta: "1e-7"}'], "$.budget.per_release"),
    (['{rho: "0.10"}', '{entrusted_delta: "1e-7"}'], "$.budget.per_release"),
    (['{rho: "0.10"}', '{rho: "0.1", entrusted_delta: "-1"}'], "$.budget.per_release.entrusted_delta"),
    (["refresh: none", "refresh: yearly"], "$.budget.refresh"),
    (['{rho: "0.10"}', '{rho: "NaN"}'], "$.budget.per_release.rho"),
    (["approvers: 2", "approvers: 1"], "$.approval.approvers"),
    (["seed: os_csprng", "seed: 42"], "$.synthesis.seed"),
    (["requester_may_approve: false", "requester_may_approve: true"], "$.approval.requester_may_approve"),
]


@pytest.mark.parametrize(
    "cap",
    [
        'rho: "0.1"',
        'rho: "0.1", entrusted_delta: "1e-7"',
        'epsilon: "1", delta: "1e-6"',
        'epsilon: "1", delta: "1e-6", entrusted_delta: "1e-7"',
    ],
)
@pytest.mark.parametrize("key", ["per_release", "per_dataset", "per_table"])
def test_schema_takes_a_cap_in_both_forms_with_and_without_entrusted_mass(
    edited: Edit, key: str, cap: str
) -> None:
    per = 'per_release: {rho: "0.10"}'
    stated = f"{key}: {{{cap}}}" if key == "per_release" else f"{per}\n  {key}: {{{cap}}}"
    assert _errors(edited(per, stated)) == []


@pytest.mark.parametrize(("edits", "place"), BAD, ids=[place for _, place in BAD])
def test_schema_refuses_what_an_editor_can_see(edited: Edit, edits: list[str], place: str) -> None:
    assert _errors(edited()) == []
    assert place in _errors(edited(*edits))
