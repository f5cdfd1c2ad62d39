from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.report import AuditReport, report_sha256
from dpsynth.audit.result import CheckResult
from dpsynth.audit.run import run_audit
from dpsynth.audit.verdict import holm_rejected, judge

TESTS = ("S1", "S3", "S4", "R1", "R3", "R6")
CANARIES = (0.123456789, 0.987123987, 31337.25, 424242, 777888.5, 0.000998877)


def check(name, outcome="pass", **other):
    evidence = "A" if name.startswith("S") else "B"
    return CheckResult(name, name, "?", evidence, outcome, f"{name} says so.", **other)


def results(**changed):
    return [changed.get(name) or check(name) for name in TESTS]


@pytest.mark.parametrize(
    ("name", "outcome", "verdict"),
    [
        ("S1", "pass", "pass"),
        ("S1", "fail", "block"),
        ("S4", "fail", "block"),
        ("S4", "warn", "warn"),
        ("R1", "fail", "stop"),
        ("R3", "fail", "stop"),
        ("R3", "warn", "warn"),
        ("S3", "inconclusive", "inconclusive"),
        ("R1", "inconclusive", "inconclusive"),
    ],
)
def test_verdict_follows_the_gravest_result(plan, name, outcome, verdict) -> None:
    found = judge(results(**{name: check(name, outcome)}), plan)
    assert found.outcome == verdict
    assert outcome == "pass" or any(f"{name} says so." in why for why in found.why)


@pytest.mark.parametrize("missing", TESTS)
def test_a_missing_result_is_not_a_pass(plan, missing) -> None:
    kept = [result for result in results() if result.id != missing]
    assert judge(kept, plan).outcome == "inconclusive"


def test_no_results_at_all_are_not_a_pass(plan) -> None:
    assert judge([], plan).outcome == "inconclusive"


def test_what_is_only_shown_counts_neither_way(plan) -> None:
    named = plan.model_copy(update={"tests": (*TESTS, "R7")})
    assert judge([*results(), check("R7", "shown")], named).outcome == "pass"
    assert judge([*results(R1=check("R1", "warn")), check("R7", "shown")], named).outcome == "warn"
    assert judge([*results(R1=check("R1", "inconclusive")), check("R7", "shown")], named).outcome == (
        "inconclusive"
    )


def test_nothing_turns_green_by_what_is_only_shown(plan) -> None:
    alone = judge([check("R7", "shown")], plan.model_copy(update={"tests": ("R7",), "training_tests": ()}))
    assert alone.outcome == "inconclusive"
    assert alone.why == ("Nothing was judged.",)


def test_mechanism_evidence_cannot_be_only_shown() -> None:
    with pytest.raises(ValueError, match="judged"):
        check("S4", "shown")


def test_failed_mechanism_evidence_outweighs_everything_and_every_reason_is_listed(plan) -> None:
    found = judge(
        results(S1=check("S1", "fail"), R1=check("R1", "fail"), R3=check("R3", "inconclusive")),
        plan,
    )
    assert found.outcome == "block"
    assert [why[:2] for why in found.why] == ["S1", "R1", "R3"]


def test_a_pass_says_what_would_have_been_found(plan) -> None:
    found = judge(results(S4=check("S4", could_have_found="noise below half")), plan)
    assert len(found.why) == 1
    assert found.why[0].startswith("No violation found; leaks of at least this size would have been found")
    assert found.why[0].endswith("90 % probability: noise below half.")


def test_holm_steps_down_and_stops_at_the_first_survivor() -> None:
    tested = [check("R6", p_value=p, holm=True) for p in (0.004, 0.2, 0.0003, 0.006)]
    # Ordered: .0003 <= .01/4, .004 > .01/3: stop there.
    assert holm_rejected(tested, 0.01) == {2}
    assert holm_rejected([check("R1", p_value=1e-9)], 0.01) == set()


def test_a_warning_by_p_value_counts_only_after_holm(plan) -> None:
    alone = judge(results(R6=check("R6", "warn", p_value=0.002, holm=True)), plan)
    crowd = results(R6=check("R6", "warn", p_value=0.008, holm=True), S4=check("S4", p_value=0.5, holm=True))
    assert alone.outcome == "warn"
    assert judge(crowd, plan).outcome == "pass"


def test_a_failure_by_p_value_blocks_only_after_holm_and_is_never_a_pass(plan) -> None:
    others = [check(f"G{at}", p_value=0.5, holm=True) for at in range(2, 13)]
    others = [replace(one, evidence="A") for one in others]
    clear, near = (replace(check("G1", "fail", p_value=p, holm=True), evidence="A") for p in (0.0005, 0.0009))
    assert judge([*results(), clear, *others], plan).outcome == "block"
    found = judge([*results(), near, *others], plan)
    assert found.outcome == "inconclusive"
    assert [why[:2] for why in found.why] == ["G1"]
    assert judge([*results(), near], plan).outcome == "block"


def test_nothing_computed_on_people_decides_whether_a_failure_by_p_value_blocks(plan) -> None:
    game = replace(check("G1", "fail", p_value=0.004, holm=True), evidence="A")
    crowd = results(**{name: check(name, p_value=0.9, holm=True) for name in ("R1", "R3", "R6")})
    assert judge([*crowd, game], plan).outcome == "block"


def test_a_failure_without_a_p_value_needs_no_correction(plan) -> None:
    assert judge(results(S4=check("S4", "fail", holm=True)), plan).outcome == "block"


def _report(plan, **changed):
    canaries = {
        "estimate": CANARIES[0],
        "low": CANARIES[1],
        "high": CANARIES[2],
        "n": CANARIES[3],
        "control": CANARIES[4],
        "p_value": CANARIES[5],
        "details": {"right_guesses": 515151, "list": [616161.5]},
    }
    found = results(
        R1=check("R1", changed.get("R1", "pass"), **canaries),
        S4=check("S4", estimate=1.015, could_have_found="x"),
    )
    return AuditReport(plan, {"rows.csv": "ab" * 32}, tuple(found), judge(found, plan), "00" * 16)


@pytest.mark.parametrize("outcome", ["pass", "fail", "inconclusive"])
def test_the_public_part_holds_no_number_computed_on_people(plan, outcome) -> None:
    text = json.dumps(_report(plan, R1=outcome).public_json())
    for canary in (*CANARIES, 515151, 616161.5):
        assert repr(canary) not in text
    assert "1.015" in text


def test_the_public_part_does_not_tell_how_a_release_attack_ended(plan) -> None:
    texts = {
        json.dumps(_report(plan, R1=outcome).public_json()) for outcome in ("pass", "fail", "inconclusive")
    }
    assert len(texts) == 1


def test_the_verdict_holds_no_number_computed_on_people(plan) -> None:
    text = json.dumps(_report(plan, R1="fail").verdict.as_json())
    for canary in CANARIES:
        assert repr(canary) not in text


def test_the_full_report_keeps_both_classes_apart(plan) -> None:
    full = _report(plan).as_json()
    assert [r["id"] for r in full["class_a"]] == ["S1", "S3", "S4"]
    assert [r["id"] for r in full["class_b"]] == ["R1", "R3", "R6"]
    assert full["class_b"][0]["details"]["right_guesses"] == 515151


def test_the_public_part_is_an_in_toto_test_result(plan) -> None:
    public = _report(plan).public_json()
    assert public["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert public["subject"] == [{"name": "rows.csv", "digest": {"sha256": "ab" * 32}}]
    assert public["predicate"]["result"] == "PASSED"
    assert public["predicate"]["passedTests"] == ["S1", "S3", "S4"]


@pytest.mark.parametrize(
    ("outcome", "result"), [("fail", "FAILED"), ("warn", "WARNED"), ("inconclusive", "WARNED")]
)
def test_mechanism_evidence_decides_the_public_result(plan, outcome, result) -> None:
    found = tuple(results(S3=check("S3", outcome)))
    report = AuditReport(plan, {}, found, judge(found, plan), "")
    assert report.public_json()["predicate"]["result"] == result


def test_a_public_part_without_evidence_is_not_passed(plan) -> None:
    report = AuditReport(plan, {}, (), judge([], plan), "")
    assert report.public_json()["predicate"]["result"] == "FAILED"


def test_the_report_digest_changes_with_any_number(plan) -> None:
    first = _report(plan)
    other = AuditReport(plan, first.subject, tuple(results()), first.verdict, first.nonce)
    assert report_sha256(first) != report_sha256(other)


def test_numbers_that_are_not_finite_become_null(plan) -> None:
    assert check("R1", estimate=float("nan"), details={"x": [float("inf")]}).as_json()["details"] == {
        "x": [None]
    }


def test_a_quick_audit_weighs_both_classes(plan, claim, make_door, make_synthesizer) -> None:
    def audit(**leaks):
        return run_audit(
            Pipeline(make_synthesizer(), make_door(**leaks), claim, 1000),
            plan,
            release_results=[check(name) for name in ("R1", "R3", "R6")],
            subject={"rows.csv": "ab" * 32},
            rng=np.random.default_rng(3),
        )

    assert audit().verdict.outcome == "pass"
    assert "noise below" in audit().verdict.could_have_found
    assert audit(noise_factor=0.5).verdict.outcome == "block"
