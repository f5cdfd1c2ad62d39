"""A policy may pin the standard plan: its games, its copies and all release attacks come with the release."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dpsynth.audit.plan import load_plan, plan_sha256
from dpsynth.policy.loader import load_policy
from dpsynth.service import Platform, RequestForm

ROOT = Path(__file__).parents[2]
SMALL = {"fits: 600": "fits: 30", "canaries: 1000": "canaries: 40", "copy_fits: 180": "copy_fits: 3"}
"""The shipped plan takes half an hour; everything that takes long is made smaller."""


@pytest.fixture
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    text = (ROOT / "audits" / "plans" / "standard.yaml").read_text(encoding="utf-8")
    for old, new in (SMALL | {"noise_fits: 8": "noise_fits: 3", "rows: 2000": "rows: 300"}).items():
        assert old in text
        text = text.replace(old, new, 1)
    folder = tmp_path / "plans"
    folder.mkdir()
    (folder / "standard.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("DPSYNTH_AUDIT_PLANS", str(folder))
    return folder


def test_a_release_under_the_standard_plan_has_a_result_of_every_test_in_it(
    tmp_path: Path, plans: Path, rand_csv: Path, form: Callable[..., RequestForm]
) -> None:
    plan = load_plan(plans, "standard")
    text = (ROOT / "policies" / "rand-health.yaml").read_text(encoding="utf-8")
    text = text.replace("plan: quick", "plan: standard")
    text = re.sub(r'plan_sha256: "[0-9a-f]+"', f'plan_sha256: "{plan_sha256(plan)}"', text)
    policy = tmp_path / "policy.yaml"
    policy.write_text(text, encoding="utf-8")
    assert load_policy(policy).audits.plan == "standard"
    platform = Platform.open(tmp_path / "state")
    for person, role in (("sam", "data_scientist"), ("carol", "compliance_officer"), ("dana", "data_owner")):
        platform.add_person(person, person.title(), (role,))
    platform.register_dataset("dana", policy, rand_csv)
    request = platform.submit("sam", form())
    platform.run_once("worker")
    report = platform.audit_report("carol", request.id)
    found = {one["id"]: one["outcome"] for one in (*report["class_a"], *report["class_b"])}
    assert set(found) == set(plan.tests)
    assert "fail" not in found.values()
    # Games this small could not have seen much: that is no pass.
    assert found["G1"] == "inconclusive"
    assert report["verdict"]["outcome"] == "inconclusive"
