"""A library that was given rows is never said to have passed a structural test."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.plan import load_plan
from dpsynth.audit.report import AuditReport
from dpsynth.audit.result import CheckResult, Claim
from dpsynth.audit.run import run_audit
from dpsynth.audit.verdict import judge
from dpsynth.core.curator import Entrustment
from dpsynth.core.domain import Column, Domain
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.synthesizers.registry import load_synthesizer
from dpsynth.vault.surrogate import Door

PLAN = load_plan(Path(__file__).parents[2] / "audits" / "plans", "quick")
TRUST = Entrustment("smartnoise", "smartnoise-synth", "1.0.8", "mst", "1", "1e-7")
DOMAIN = Domain((Column("a", "categorical", ("x", "y")), Column("b", "categorical", ("x", "y", "z"))))
STRUCTURAL = ["S1", "S2", "S3", "S4", "S5", "S6"]
ATTACKS = [CheckResult(test, test, "?", "B", "pass", "fine") for test in ("R1", "R3", "R6", "R7", "L1")]


def report(release_results: list[CheckResult]) -> AuditReport:
    door = Door(DOMAIN, PrivacyUnit("person", None, 1, "add_remove"), OpenDPNoise())
    return run_audit(
        Pipeline(load_synthesizer("smartnoise:mst"), door, Claim(367_662_833, "1", "1e-7"), 1000),
        PLAN,
        release_results=release_results,
        subject={},
        rng=np.random.default_rng(0),
        entrusted=TRUST,
    )


def test_structural_tests_are_not_made_and_said_not_to_be() -> None:
    found = report(ATTACKS)
    structural = found.of_class("A")
    assert [result.id for result in structural] == STRUCTURAL
    for result in structural:
        assert result.outcome == "not_tested"
        assert "smartnoise-synth 1.0.8" in result.plain
        assert not result.could_have_found
    public = found.public_json()["predicate"]
    assert public["result"] == "WARNED"
    assert public["warnedTests"] == STRUCTURAL
    assert public["passedTests"] == []


def test_the_verdict_is_no_pass_even_where_every_attack_fails() -> None:
    found = report(ATTACKS).verdict
    assert found.outcome == "inconclusive"
    assert found.could_have_found == "nothing was shown about what would have been found"
    assert sum("Not tested" in reason for reason in found.why) == len(STRUCTURAL)


def test_a_release_attack_that_succeeds_still_stops_the_line() -> None:
    stopped = [CheckResult("R1", "R1", "?", "B", "fail", "guessed"), *ATTACKS[1:]]
    assert report(stopped).verdict.outcome == "stop"


def test_not_tested_is_one_of_the_plans_tests_or_nothing() -> None:
    results = [CheckResult(test, test, "?", "A", "pass", "fine") for test in STRUCTURAL]
    assert judge([*results, *ATTACKS], PLAN).outcome == "pass"
    untested = [CheckResult("S6", "S6", "?", "A", "not_tested", "Not tested"), *results[:-1]]
    assert judge([*untested, *ATTACKS], PLAN).outcome == "inconclusive"
