"""The candidate release is complete, says what it must, and holds nothing from the review room."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frictionless import Package

from dpsynth.accounting.events import DiscreteGaussian, SampledGaussian
from dpsynth.audit.result import CheckResult
from dpsynth.core.errors import Conflict, IntegrityError
from dpsynth.core.table import SyntheticTable
from dpsynth.publish.candidate import candidate_names, write_candidate
from dpsynth.publish.inputs import AuditSummary, ReleaseInputs, release_guarantee, rho_text
from dpsynth.publish.statement import CHECKLIST, odds_after, privacy_statement
from dpsynth.publish.statement_page import statement_page


def test_the_candidate_holds_every_file_and_its_digest(candidate: Path, inputs: Any) -> None:
    listed = json.loads((candidate / "manifest.json").read_bytes())["files"]
    assert tuple(listed) == candidate_names(("csv", "parquet"))
    for name, entry in listed.items():
        assert (candidate / name).stat().st_size == entry["bytes"]
    assert (candidate / "policy.yaml").read_text(encoding="utf-8") == inputs.policy_text


def test_same_inputs_give_the_same_bytes(inputs: Any, tmp_path: Path) -> None:
    first, second = (write_candidate(tmp_path / name, inputs, np.random.default_rng(3)) for name in "ab")
    assert first == second
    assert write_candidate(tmp_path / "c", inputs) != first


def test_a_candidate_is_whole_or_absent(inputs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(100))

    def full_disk(handle: int) -> None:
        if next(calls) == 4:
            raise OSError(28, "no space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_candidate(tmp_path / "r1", inputs)
    assert not list(tmp_path.iterdir())


def test_a_candidate_is_never_overwritten(candidate: Path, inputs: Any) -> None:
    with pytest.raises(Conflict):
        write_candidate(candidate, inputs)


def test_the_data_package_is_valid_frictionless(candidate: Path) -> None:
    descriptor = json.loads((candidate / "datapackage.json").read_bytes())
    assert not list(Package.metadata_validate(descriptor))
    resource = next(item for item in descriptor["resources"] if item["path"] == "data.csv")
    report = Package.from_descriptor(
        descriptor | {"resources": [resource]}, basepath=str(candidate)
    ).validate()
    assert report.valid, report.flatten(["message"])


def test_the_data_package_refuses_a_value_outside_the_domain(candidate: Path) -> None:
    descriptor = json.loads((candidate / "datapackage.json").read_bytes())
    resource = next(item for item in descriptor["resources"] if item["path"] == "data.csv")
    resource["schema"]["fields"][-1]["constraints"]["enum"] = ["7"]
    package = Package.from_descriptor(descriptor | {"resources": [resource]}, basepath=str(candidate))
    assert not package.validate().valid


def test_the_statement_answers_all_eighteen_items(inputs: Any) -> None:
    statement = privacy_statement(inputs)
    assert [item["item"] for item in statement["checklist"]] == list(range(1, 19))
    assert len(CHECKLIST) == 18
    for item in statement["checklist"]:
        assert statement[item["field"]]
        if item["status"] != "stated":
            assert item["status"] == "not applicable"
            assert item["reason"]


def test_an_item_the_owner_left_open_is_said_to_be_open(inputs: Any) -> None:
    statement = privacy_statement(inputs)
    item = next(item for item in statement["checklist"] if item["field"] == "other_releases")
    assert item["status"] == "not applicable"
    notes = replace(inputs.notes, other_releases="None since 1990.")
    told = privacy_statement(replace(inputs, notes=notes))
    assert all(item["status"] == "stated" for item in told["checklist"])
    assert "None since 1990." in statement_page(told)


def test_the_page_says_the_promise_on_one_page(candidate: Path, inputs: Any) -> None:
    page = (candidate / "privacy-statement.md").read_text(encoding="utf-8")
    assert len(page.splitlines()) < 60
    assert len(page.split()) < 700
    guarantee = inputs.guarantee
    said = (f"epsilon {guarantee.epsilon}", f"delta {guarantee.delta}", "rho 0.01", "0.015 of at most 0.03")
    for text in (*said, "one person-year", "non-private measurements", "1 in 2", inputs.policy.owner.contact):
        assert text in page


def test_the_page_warns_where_the_unit_is_less_than_a_person(candidate: Path, inputs: Any) -> None:
    page = (candidate / "privacy-statement.md").read_text(encoding="utf-8")
    assert inputs.policy.privacy_unit.note.split(".")[0] in page


@pytest.mark.parametrize(("epsilon", "after"), [("0", 0.5), ("2.146", 0.8953), ("1", math.e / (1 + math.e))])
def test_the_worked_odds_are_those_of_bayes(epsilon: str, after: float) -> None:
    assert odds_after(epsilon) == pytest.approx(after, abs=1e-4)


def test_a_large_epsilon_is_not_printed_as_certainty(inputs: Any) -> None:
    statement = privacy_statement(inputs)
    statement["guarantee"]["epsilon"] = "30"
    assert "more than 99.9%" in statement_page(statement)
    assert "100.0%" not in statement_page(statement)


def test_text_of_people_cannot_become_markup(inputs: Any) -> None:
    statement = privacy_statement(replace(inputs, notes=replace(inputs.notes, bias="<b>[x](y)\n# z</b>")))
    page = statement_page(statement)
    assert "<b>" not in page.replace("\\<", "")
    assert "\n# z" not in page


@pytest.mark.parametrize(
    ("nano", "text"), [(1, "0.000000001"), (10**9, "1"), (1_500_000_000, "1.5"), (0, "0")]
)
def test_rho_is_written_exactly(nano: int, text: str) -> None:
    assert rho_text(nano) == text


def class_b(inputs: ReleaseInputs) -> AuditSummary:
    planted = CheckResult("R1", "membership", "?", "B", "pass", "found 0.731337 of them", n=20190)
    return replace(inputs.audit, checks=(*inputs.audit.checks, planted))


def test_evidence_from_the_review_room_is_never_written(inputs: Any, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="class A"):
        write_candidate(tmp_path / "r1", replace(inputs, audit=class_b(inputs)))
    assert not list(tmp_path.iterdir())


def test_numbers_of_a_check_beyond_its_plain_words_are_not_published(inputs: Any, tmp_path: Path) -> None:
    canary = replace(inputs.audit.checks[0], estimate=0.731337, n=20190, details={"rows": 20190})
    write_candidate(tmp_path / "r1", replace(inputs, audit=replace(inputs.audit, checks=(canary,))))
    for path in (tmp_path / "r1").rglob("*.*"):
        if path.is_file() and path.name not in ("data.csv", "data.parquet"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"731337|\b20190\b", text), path.name


def test_the_run_is_described_without_a_seed(candidate: Path, inputs: Any, tmp_path: Path) -> None:
    run = json.loads((candidate / "run.json").read_bytes())
    assert run["parameters"] == {"max_cells": "1000"}
    plan = replace(inputs.plan, options={"seed": 3})
    with pytest.raises(IntegrityError, match="seed"):
        write_candidate(tmp_path / "r1", replace(inputs, plan=plan))


DISAGREEMENTS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "policy text": lambda given: {"policy_text": given.policy_text.replace("approvers: 2", "approvers: 3")},
    "number of rows": lambda given: {
        "table": SyntheticTable(given.table.domain, {k: v[:-1] for k, v in given.table.codes.items()})
    },
    "recomputation": lambda given: {"guarantee": replace(given.guarantee, epsilon="0.01")},
    "recomputation (of the Gaussian epsilon)": lambda given: {
        "guarantee": replace(given.guarantee, gaussian_epsilon="0.01")
    },
    "recomputation (without mu squared)": lambda given: {
        "guarantee": replace(given.guarantee, mu2_nano=None)
    },
    "events": lambda given: {"events": (*given.events, DiscreteGaussian(1.0))},
    "events (mu squared)": lambda given: {
        "guarantee": release_guarantee(given.policy, given.guarantee.rho_nano, 20_000_000)
    },
    "events (one that no Gaussian dominates)": lambda given: {"events": (SampledGaussian(1e-4, 10.0, 1),)},
    "audit plan": lambda given: {"audit": replace(given.audit, plan_sha256="f" * 64)},
}


@pytest.mark.parametrize("what", DISAGREEMENTS)
def test_inputs_that_tell_two_stories_are_refused(what: str, inputs: Any, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=what.split(" (")[0]):
        write_candidate(tmp_path / "r1", replace(inputs, **DISAGREEMENTS[what](inputs)))
    assert not list(tmp_path.iterdir())


def test_an_audit_with_a_warning_can_be_published(
    release: Callable[..., Path], inputs: Any, tmp_path: Path
) -> None:
    assert release(audit=replace(inputs.audit, result="WARNED")).is_dir()


def test_a_release_with_failed_audits_does_not_appear(
    release: Callable[..., Path], inputs: Any, tmp_path: Path
) -> None:
    with pytest.raises(IntegrityError, match="audits did not pass"):
        release(audit=replace(inputs.audit, result="FAILED"))
    assert not (tmp_path / "made" / "b").exists()
