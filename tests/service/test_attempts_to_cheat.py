"""What people with some access have tried, and what stops them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from dpsynth.audit.verdict import Verdict
from dpsynth.core.errors import AuditBlocked, BudgetExceeded, Conflict, IntegrityError, PolicyRefusal
from dpsynth.publish.candidate import manifest_bytes
from dpsynth.service import Dossier, Platform, RequestForm, RequestView, pipeline
from dpsynth.service.jobs import Superseded, recover

Form = Callable[..., RequestForm]
POLICY = Path(__file__).parents[2] / "policies" / "rand-health.yaml"


def finished(platform: Platform, form: RequestForm, who: str = "sam") -> tuple[RequestView, Dossier]:
    request = platform.submit(who, form)
    platform.run_once("worker")
    return platform.request("carol", request.id), platform.dossier("carol", request.id)


def approve(platform: Platform, who: str, dossier: Dossier) -> RequestView:
    ticks = tuple(dossier.body["must_tick"])
    return platform.approve(who, dossier.body["release_id"], dossier.sha256, "Read and discussed.", ticks)


def block(monkeypatch: pytest.MonkeyPatch, outcome: str) -> None:
    """Let the audit of the next run end as it would on a leaking synthesizer."""
    honest = pipeline.run_audit

    def audit(*args: object, **kwargs: object) -> object:
        report = honest(*args, **kwargs)
        return replace(report, verdict=Verdict(outcome, ("S4 Noise scale: too little noise.",), "nothing"))

    monkeypatch.setattr(pipeline, "run_audit", audit)


def test_an_officer_who_asks_sees_nothing_of_the_attacks_on_the_own_request(
    platform: Platform, form: Form
) -> None:
    request, _ = finished(platform, form(), "otto")
    for look in (platform.audit_report, platform.dossier):
        with pytest.raises(PolicyRefusal, match="own request"):
            look("otto", request.id)


@pytest.mark.parametrize("outcome", ["block", "stop", "inconclusive"])
def test_a_blocked_release_is_approved_by_nobody_and_looks_to_its_requester_like_any_other(
    platform: Platform, form: Form, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    good, _ = finished(platform, form(key="good"))
    seen_good = platform.request("sam", good.id)
    block(monkeypatch, outcome)
    bad, dossier = finished(platform, form(key="bad"))
    seen_bad = platform.request("sam", bad.id)
    assert (bad.state, bad.verdict) == ("blocked", outcome)
    for name in ("state", "stage", "message", "verdict", "waiting_for", "decisions", "bundle"):
        assert getattr(seen_bad, name) == getattr(seen_good, name), name
    for who in ("carol", "dana"):
        with pytest.raises(AuditBlocked):
            approve(platform, who, dossier)
    with pytest.raises(AuditBlocked):
        platform.publish("carol", bad.id)
    assert platform.reject("carol", bad.id, dossier.sha256, "The audit blocks it.").state == "rejected"


def test_the_chain_says_nothing_of_how_attacks_ended_and_is_not_for_requesters(
    platform: Platform, form: Form
) -> None:
    finished(platform, form())
    with pytest.raises(PolicyRefusal):
        platform.ledger_entries("sam")
    assert not any("verdict" in entry.body for entry in platform.ledger_entries("ada"))


def test_files_swapped_before_the_signatures_are_not_signed(platform: Platform, form: Form) -> None:
    request, dossier = finished(platform, form())
    candidate = platform.bundles_dir.parent / "candidates" / request.id
    (candidate / "data.csv").write_bytes((candidate / "data.csv").read_bytes()[:-1])
    files = {
        path.relative_to(candidate).as_posix(): path.read_bytes()
        for path in candidate.rglob("*.*")
        if path.name != "manifest.json"
    }
    (candidate / "manifest.json").write_bytes(manifest_bytes(files))
    with pytest.raises(IntegrityError, match="dossier describes"):
        approve(platform, "carol", dossier)


def test_a_planted_bundle_is_not_passed_off_as_published(platform: Platform, form: Form) -> None:
    request, dossier = finished(platform, form())
    for who in ("carol", "dana"):
        approve(platform, who, dossier)
    planted = platform.bundles_dir / f"release-{request.id}"
    planted.mkdir()
    (planted / "data.csv").write_text("anything at all")
    with pytest.raises(IntegrityError):
        platform.publish("carol", request.id)
    assert platform.request("carol", request.id).state == "approved"
    shutil.rmtree(planted)
    assert platform.publish("carol", request.id) == planted


def test_a_publish_that_died_half_way_is_finished_and_not_repeated(platform: Platform, form: Form) -> None:
    request, dossier = finished(platform, form())
    for who in ("carol", "dana"):
        approve(platform, who, dossier)
    bundle = platform.publish("carol", request.id)
    with platform._store.write() as connection:
        connection.execute(text("UPDATE request SET state = 'approved', bundle = ''"))
    assert platform.publish("dana", request.id) == bundle


def test_the_same_file_under_another_id_space_is_no_second_budget(
    platform: Platform, form: Form, rand_csv: Path, tmp_path: Path
) -> None:
    other = POLICY.read_text().replace("dataset_id: rand-health", "dataset_id: rand-again")
    other = other.replace("\nid: rand-health", "\nid: rand-again")
    renamed = tmp_path / "renamed.yaml"
    renamed.write_text(other.replace("rand-hie-participants", "other-people"))
    with pytest.raises(Conflict, match="id_space"):
        platform.register_dataset("dana", renamed, rand_csv)
    same_people = tmp_path / "same.yaml"
    same_people.write_text(other)
    with pytest.raises(Conflict, match="bound to policy rand-health"):
        platform.register_dataset("dana", same_people, rand_csv)
    more_rows = tmp_path / "more.csv"
    more_rows.write_bytes(rand_csv.read_bytes() + b"0,0,0,0,0,0,0,0,0,0\n")
    assert platform.register_dataset("dana", same_people, more_rows).dataset_id == "rand-again"
    found = platform.budget("dana")
    assert [scope.kind for scope in found] == ["id_space", "dataset", "dataset", "table", "table"]
    for key in ("one", "two"):
        platform.submit("sam", replace(form(key=key), dataset_id="rand-health"))
    with pytest.raises(BudgetExceeded, match="everyone in rand-hie-participants"):
        platform.submit("otto", replace(form(key="three"), dataset_id="rand-again"))


def test_a_request_cannot_hide_behind_a_large_delta(platform: Platform, form: Form) -> None:
    with pytest.raises(PolicyRefusal, match="delta"):
        platform.submit("sam", form(delta="0.9"))


def test_a_decision_that_comes_too_late_is_refused(platform: Platform, form: Form) -> None:
    _, dossier = finished(platform, form())
    with platform._store.write() as connection:
        connection.execute(text("UPDATE request SET due = '2000-01-01T00:00:00+00:00'"))
    with pytest.raises(PolicyRefusal, match="time to decide"):
        approve(platform, "carol", dossier)


@pytest.mark.parametrize(
    "tamper",
    [
        """UPDATE person SET roles = '["compliance_officer"]' WHERE id = 'sam'""",
        "UPDATE person SET key_id = 'other' WHERE id = 'carol'",
        "UPDATE dataset SET policy_text = replace(policy_text, 'approvers: 2', 'approvers: 3')",
        "UPDATE request SET requester = 'dana'",
        "UPDATE request SET state = 'published'",
        "UPDATE request SET dossier = replace(dossier, 'sha256\": \"', 'sha256\": \"0')",
        "INSERT INTO decision VALUES ((SELECT id FROM request), 'x', 'data_owner', 'approve', '', '', '')",
    ],
)
def test_records_changed_behind_the_ledger_are_found(platform: Platform, form: Form, tamper: str) -> None:
    finished(platform, form())
    assert platform.verify_ledger() > 0
    with platform._store.write() as connection:
        connection.execute(text(tamper))
    with pytest.raises(IntegrityError):
        platform.verify_ledger()


def test_a_worker_that_lost_its_claim_changes_nothing(
    open_platform: Callable[..., Platform], form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = open_platform(lease_seconds=60)
    request = platform.submit("sam", form())
    honest = pipeline.Run._commit

    def stalled(self: pipeline.Run) -> tuple[str, str]:
        with platform._store.write() as connection:
            connection.execute(text("UPDATE request SET lease_until = 0"))
        recover(platform._store)
        platform.cancel("sam", request.id)
        return honest(self)

    monkeypatch.setattr(pipeline.Run, "_commit", stalled)
    platform.run_once("stalled worker")
    assert platform.request("sam", request.id).state == "cancelled"
    assert platform.budget("carol")[0].spent_nano == 0
    assert issubclass(Superseded, Exception)


def test_the_state_directory_is_for_its_owner_even_if_it_was_there_before(tmp_path: Path) -> None:
    home = tmp_path / "state"
    (home / "review").mkdir(parents=True)
    (home / "review").chmod(0o777)
    home.chmod(0o755)
    Platform.open(home)
    assert {path.stat().st_mode & 0o077 for path in (home, home / "review", home / "secrets")} == {0}


def test_the_dossier_tells_outcomes_in_words_and_no_number_of_the_release_attacks(
    platform: Platform, form: Form
) -> None:
    _, dossier = finished(platform, form())
    for check in dossier.body["audit"]["checks"]:
        if check["evidence"] == "B":
            assert not any(character.isdigit() for character in json.dumps(check["plain"]))


def test_reasons_for_approving_are_not_told_to_the_requester_but_reasons_for_refusing_are(
    platform: Platform, form: Form
) -> None:
    request, dossier = finished(platform, form())
    approve(platform, "carol", dossier)
    platform.reject("dana", request.id, dossier.sha256, "The purpose is too wide.")
    reasons = [decision.reason for decision in platform.request("sam", request.id).decisions]
    assert sorted(reasons) == ["", "The purpose is too wide."]
    assert "Read and discussed." in [d.reason for d in platform.request("dana", request.id).decisions]


def test_an_officer_can_see_why_a_run_failed_and_the_requester_cannot(
    platform: Platform, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret of row 7")

    monkeypatch.setattr(pipeline, "open_table", broken)
    request = platform.submit("sam", form())
    platform.run_once("worker")
    failed = platform.request("sam", request.id)
    assert failed.state == "failed"
    assert "row 7" not in repr(failed) + repr(platform.ledger_entries("ada"))
    assert any("a secret of row 7" in note for note in platform.audit_report("carol", request.id)["notes"])
    assert platform.ledger_entries("ada")[-1].kind == "view"
    with pytest.raises(PolicyRefusal):
        platform.audit_report("sam", request.id)
