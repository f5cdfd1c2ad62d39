"""A run under a policy with public structure: it is honoured, and a release that breaks it never settles."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dpsynth.core.structure import violating
from dpsynth.core.table import SyntheticTable
from dpsynth.policy.loader import load_policy_text
from dpsynth.service import Platform, RequestForm
from dpsynth.synthesizers.structure import StructuredModel

POLICY = Path(__file__).parents[2] / "policies" / "rand-health.yaml"
STRUCTURE = """\
structure:
  determined:
    - {column: hlthp, by: hlthf, map: {"0": "0", "1": "0"}, because: made up for this test}
synthesis:
"""


@pytest.fixture
def structured(tmp_path: Path, rand_csv: Path) -> Platform:
    text = POLICY.read_text(encoding="utf-8").replace("synthesis:\n", STRUCTURE)
    path = tmp_path / "rand-health.yaml"
    path.write_text(text.replace("output_rows_value: 25000", "output_rows_value: 2000"), encoding="utf-8")
    platform = Platform.open(tmp_path / "state")
    for person, role in (("sam", "data_scientist"), ("carol", "compliance_officer"), ("dana", "data_owner")):
        platform.add_person(person, person.title(), (role,))
    platform.add_person("ada", "Ada", ("auditor",))
    platform.register_dataset("dana", path, rand_csv)
    return platform


def _kinds(platform: Platform) -> list[str]:
    return [entry.kind for entry in platform.ledger_entries("ada")]


def test_a_run_keeps_to_the_structure_and_its_plan_says_so(
    structured: Platform, form: Callable[..., RequestForm], tmp_path: Path
) -> None:
    request = structured.submit("sam", form())
    structured.run_once("worker")
    assert structured.request("sam", request.id).state == "awaiting_decision"
    assert "settled" in _kinds(structured)
    (written,) = tmp_path.rglob("data.csv")
    with written.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["hlthp"] for row in rows} == {"0"}
    assert {row["hlthf"] for row in rows} == {"0", "1"}
    statement = json.loads((written.parent / "privacy-statement.json").read_bytes())
    assert statement["mechanism"]["steps"][0].startswith("Column hlthp follows from hlthf")


def test_a_release_against_the_structure_is_refused_before_it_settles_and_its_charge_is_kept(
    structured: Platform, form: Callable[..., RequestForm], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sample = StructuredModel.sample

    def careless(self: StructuredModel, rows: int, rng: np.random.Generator) -> SyntheticTable:
        table = sample(self, rows, rng)
        codes = table.codes | {"hlthp": table.codes["hlthp"].copy()}
        codes["hlthp"][5] = 1
        return SyntheticTable(table.domain, codes)

    monkeypatch.setattr(StructuredModel, "sample", careless)
    request = structured.submit("sam", form())
    structured.run_once("worker")
    failed = structured.request("sam", request.id)
    assert failed.state == "failed"
    assert _kinds(structured).count("committed") == 1
    assert "settled" not in _kinds(structured)
    assert not list(tmp_path.rglob("data.csv"))


def test_the_table_of_the_test_breaks_a_rule_only_where_it_is_made_to() -> None:
    text = POLICY.read_text(encoding="utf-8").replace("synthesis:\n", STRUCTURE)
    domain = load_policy_text(text, "x.yaml").domain()
    codes = {name: np.zeros(10, dtype=np.int64) for name in domain.names}
    assert not violating(domain, codes).any()
    codes["hlthp"][5] = 1
    assert violating(domain, codes).nonzero()[0].tolist() == [5]
