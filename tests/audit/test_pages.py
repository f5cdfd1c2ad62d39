"""The report's pages: the order, both classes apart, and what is said where there is nothing."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpsynth.audit.export import part_of
from dpsynth.audit.gallery import Beside, figures
from dpsynth.audit.pages import write_report
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.plan import load_plan
from dpsynth.audit.report import AuditReport
from dpsynth.audit.result import CheckResult
from dpsynth.audit.run import run_audit
from dpsynth.audit.verdict import judge
from dpsynth.audit.verdict_words import verdict_words
from dpsynth.core.errors import BadInput

CANARIES = (0.123456789, 0.987123987, 31337.25, 424242, 777888.5, 0.000998877, 515151, 616161.5)
VOID = ("meta", "line", "rect", "circle", "polygon", "polyline")
VIEWED = ("carol", "2026-11-26 11:40 UTC")


def check(name: str, outcome: str = "pass", **other: Any) -> CheckResult:
    evidence = "B" if name[0] in "RL" else "A"
    return CheckResult(name, f"test {name}", "Is it so?", evidence, outcome, f"{name} says so.", **other)


def planted(outcome: str = "pass") -> CheckResult:
    estimate, low, high, n, control, p, right, listed = CANARIES
    rates = {"estimate": listed, "low": listed, "high": listed}
    details = {"right_guesses": right, "roc": [[0.1, listed]], "tpr_at_low_fpr": rates, "fpr": rates}
    numbers = {"estimate": estimate, "low": low, "high": high, "n": n, "control": control, "p_value": p}
    return check("R1", outcome, **numbers, details={**details, "epsilon_lower_bound": estimate})


@pytest.fixture
def full(plan, claim):
    def make(r1: str = "pass", **changed: CheckResult) -> dict[str, Any]:
        s4 = check("S4", estimate=1.0157, low=0.9713, high=1.0613, could_have_found="noise below 77 %")
        results = {name: check(name) for name in ("S1", "S3", "R3", "R6")} | {"S4": s4, "R1": planted(r1)}
        found = tuple((results | changed).values())
        verdict = judge(found, plan)
        return AuditReport(plan, {"rows.csv": "ab" * 32}, found, verdict, "0" * 32, claim).as_json()

    return make


class Checked(HTMLParser):
    """Every element is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def written(report: dict[str, Any], folder: Path, evidence: str = "A", beside: Beside | None = None) -> str:
    signed = VIEWED if evidence == "B" else ("", "")
    path = write_report(report, folder, evidence, beside or Beside(), *signed)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("evidence", ["A", "B"])
def test_a_page_is_whole_and_needs_neither_script_nor_network(full, tmp_path, evidence) -> None:
    text = written(full(), tmp_path, evidence)
    page = Checked()
    page.feed(text)
    assert page.open == []
    assert "script" not in page.seen
    assert not {"link", "img", "iframe", "object"} & set(page.seen)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert written(full(), tmp_path, evidence) == text


@pytest.mark.parametrize("evidence", ["A", "B"])
def test_claim_comes_first_then_the_smallest_leak_then_scores_then_distances(
    full, tmp_path, evidence
) -> None:
    text = written(full(), tmp_path, evidence)
    heads = re.findall(r"<h2>\d\. ([^<]+)</h2>", text)
    assert heads[:4] == [
        "The claim",
        "The smallest leak that would have been found",
        "Attack scores",
        "Distances",
    ]
    names = re.findall(r"<dt>([^<]+)</dt>", text)
    assert names[:3] == ["Claim", "Smallest leak", "Verdict"]
    assert "epsilon 1.5 at delta 1e-6" in text


@pytest.mark.parametrize("outcome", ["pass", "warn", "fail", "inconclusive"])
def test_the_page_of_class_a_holds_nothing_of_class_b(full, tmp_path, outcome) -> None:
    text = written(full(outcome), tmp_path)
    # All forms in which a canary could be printed.
    forms = {form for number in CANARIES for form in (repr(number), f"{number:.4g}", f"{number:,}")}
    assert not [form for form in forms if form in text]
    assert "R1" not in text
    assert "says so" in text
    assert "1.016" in text
    assert text == written(full("pass"), tmp_path)


def test_what_class_a_is_drawn_from_needs_no_class_b_in_its_file(full, tmp_path) -> None:
    whole = full("fail")
    kept = {name: value for name, value in whole.items() if name not in ("class_b", "verdict", "nonce")}
    assert written(kept, tmp_path / "one") == written(whole, tmp_path / "two")

    class Guarded(dict):
        def __getitem__(self, name: str) -> Any:
            assert name not in ("class_b", "verdict")
            return super().__getitem__(name)

    assert part_of(Guarded(whole), "A").verdict.outcome == "pass"
    with pytest.raises(AssertionError):
        part_of(Guarded(whole), "B")


def test_a_result_in_the_wrong_class_is_refused(full, tmp_path) -> None:
    report = full()
    report["class_a"].append(report["class_b"][0])
    with pytest.raises(BadInput, match="wrong evidence class"):
        write_report(report, tmp_path)
    with pytest.raises(BadInput, match="no such evidence class"):
        part_of(full(), "C")
    assert list(tmp_path.iterdir()) == []


def test_the_page_of_class_b_holds_its_numbers_and_nobody_of_class_a(full, tmp_path) -> None:
    text = written(full(), tmp_path, "B")
    assert "0.1235" in text
    assert "1.016" not in text
    assert "S4" not in text.replace("measured by S4", "")
    assert "noise below 77" not in text


def test_the_page_of_class_b_says_who_looks_and_when_across_every_page(full, tmp_path) -> None:
    path = write_report(full(), tmp_path, "B", viewer="carol <script>", viewed="2026-11-26")
    text = path.read_text()
    mark = "Review room only · carol &lt;script&gt; · 2026-11-26"
    assert text.count(mark) >= 4
    assert path.stat().st_mode & 0o077 == 0
    for missing in ({}, {"viewer": "carol"}, {"viewed": "today"}, {"viewer": " ", "viewed": "today"}):
        with pytest.raises(BadInput, match="names who looks"):
            write_report(full(), tmp_path / "none", "B", **missing)
    assert not (tmp_path / "none").exists()


def test_the_page_of_class_a_has_no_watermark(full, tmp_path) -> None:
    text = written(full(), tmp_path)
    assert "Review room only" not in text
    assert "This page may be published" in text


def test_every_picture_without_input_says_not_tested(full, tmp_path) -> None:
    text = written(full(), tmp_path)
    drawn = figures(part_of(full(), "A"))
    absent = [figure for figure in drawn.values() if figure.absent]
    assert {name for name, figure in drawn.items() if not figure.absent} == {"ruler"}
    assert text.count("Not tested: ") == len(absent) == 6
    assert text.count("<svg") == 1


def test_a_missing_test_of_the_plan_is_no_pass(full, tmp_path) -> None:
    report = full()
    report["class_a"] = report["class_a"][1:]
    assert part_of(report, "A").verdict.outcome == "inconclusive"
    assert "S1: there is no result." in written(report, tmp_path)


def test_without_a_claim_the_page_says_so(full, tmp_path) -> None:
    report = full()
    report["claim"] = None
    text = written(report, tmp_path)
    assert "This report states no claim" in text
    assert "the report states no claim to measure against" in text


def test_each_number_has_unit_words_and_interval(full, tmp_path) -> None:
    text = written(full(), tmp_path)
    assert "1.016, drawn / declared standard deviation. How large the noise was" in text
    assert "0.9713 to 1.061 at 95% confidence" in text


@pytest.mark.parametrize("outcome", ["pass", "warn", "inconclusive", "block", "stop"])
def test_every_verdict_says_what_it_means_and_what_may_be_done(outcome) -> None:
    words = verdict_words(outcome, "leaks of at least X would have been found with 90 % probability")
    assert words.meaning
    assert len(words.next_steps) >= 2
    assert all(step.endswith(".") for step in (words.headline, words.meaning, *words.next_steps))


def test_a_pass_is_printed_with_what_would_have_been_found() -> None:
    found = "leaks of at least X would have been found with 90 % probability"
    assert verdict_words("pass", found).headline == f"No violation found; {found}."
    assert found not in verdict_words("block", found).headline


def test_a_page_from_a_real_audit_has_ruler_waterfall_and_noise(
    plan, claim, make_door, make_synthesizer, tmp_path
) -> None:
    report = run_audit(
        Pipeline(make_synthesizer(), make_door(), claim, 1000),
        plan,
        release_results=[check(name) for name in ("R1", "R3", "R6")],
        subject={"rows.csv": "ab" * 32},
        rng=np.random.default_rng(3),
    ).as_json()
    drawn = figures(part_of(json.loads(json.dumps(report)), "A"))
    assert not any(drawn[name].absent for name in ("ruler", "waterfall", "qq"))
    steps = {row[0]: row[1:3] for row in drawn["waterfall"].rows}
    assert steps["counts of 2 columns"][0] == "10"
    assert steps["private choices"] == ("2", "0.0025")
    spent = next(result for result in report["class_a"] if result["id"] == "S1")["estimate"]
    assert float(steps["This fit"][1]) == pytest.approx(spent, rel=1e-3)
    assert len(drawn["qq"].rows) == 12
    assert "4 further blocks are not shown" in drawn["qq"].caption
    assert written(report, tmp_path).count("<svg") == 3


def test_a_charge_without_an_answer_is_a_bar_of_its_own(plan, claim, make_door, make_synthesizer) -> None:
    def waste(run: Any) -> None:
        run.charged.append(run.charged[0])

    report = run_audit(
        Pipeline(make_synthesizer(misbehave=waste), make_door(), claim, 1000),
        plan,
        release_results=[],
        subject={},
        rng=np.random.default_rng(3),
    ).as_json()
    rows = figures(part_of(report, "A"))["waterfall"].rows
    assert [row[3] for row in rows if row[0] == "charged without an answer"] == ["no"]


def test_blocks_with_too_little_noise_come_first(plan, claim, make_door, make_synthesizer) -> None:
    report = run_audit(
        Pipeline(make_synthesizer(), make_door(silent_clique=("a", "b")), claim, 1000),
        plan,
        release_results=[],
        subject={},
        rng=np.random.default_rng(3),
    ).as_json()
    first = figures(part_of(report, "A"))["qq"].rows[0]
    assert first[0] == "a x b"
    assert float(first[2]) < 0.1


@pytest.mark.parametrize("name", ["quick", "standard", "deep"])
def test_each_shipped_plan_names_its_attacker_and_when_it_stops(name) -> None:
    plan = load_plan(Path(__file__).parents[2] / "audits" / "plans", name)
    threat = plan.threat_model
    assert all((threat.goal, threat.generator, threat.data, threat.words, plan.stop_rule))


def test_larger_plans_ask_for_no_less() -> None:
    quick, standard, deep = (
        load_plan(Path(__file__).parents[2] / "audits" / "plans", name)
        for name in ("quick", "standard", "deep")
    )
    for small, large in ((quick, standard), (standard, deep)):
        assert set(small.tests) <= set(large.tests)
        assert small.noise_fits < large.noise_fits
        assert small.surrogate_rows < large.surrogate_rows
        assert small.noise_ratio_needed <= large.noise_ratio_needed
        limits = ("family_alpha", "noise_alpha", "excess_warn", "excess_stop", "label_alpha", "alpha")
        assert all(getattr(small, limit) == getattr(large, limit) for limit in limits)
