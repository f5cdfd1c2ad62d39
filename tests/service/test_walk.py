"""The walk, station by station: who may do what, what is held, spent, signed and published."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dpsynth.accounting.cost import cost_of, total
from dpsynth.accounting.events import event_from_json
from dpsynth.accounting.recount import recount_epsilon, recount_rho
from dpsynth.accounting.statement import gaussian_epsilon_at
from dpsynth.core.errors import (
    BadInput,
    BudgetExceeded,
    Conflict,
    IntegrityError,
    PolicyRefusal,
)
from dpsynth.publish.keys import load_public_keys
from dpsynth.publish.verify import verify_bundle
from dpsynth.service import Dossier, Platform, RequestForm, RequestView

Form = Callable[..., RequestForm]


def walk_to_decision(platform: Platform, form: RequestForm) -> tuple[RequestView, Dossier]:
    request = platform.submit("sam", form)
    done = platform.run_once("worker")
    assert done is not None
    assert done.state == "awaiting_decision", done
    return platform.request("sam", request.id), platform.dossier("carol", request.id)


def approve(platform: Platform, who: str, dossier: Dossier, request: RequestView) -> RequestView:
    ticks = tuple(dossier.body["must_tick"])
    return platform.approve(who, request.id, dossier.sha256, "All of it was read and discussed.", ticks)


@pytest.mark.parametrize("synthesizer", ["independent", "mst", "aim"])
def test_every_synthesizer_spends_at_most_its_charge_and_at_least_99_percent_of_it(
    platform: Platform, form: Form, synthesizer: str
) -> None:
    request = platform.submit("sam", form(synthesizer))
    platform.run_once("worker")
    settled = [entry for entry in platform.ledger_entries("ada") if entry.kind == "settled"]
    events = [event_from_json(event) for event in settled[0].body["events"]]
    assert 0.99 * request.rho_nano <= recount_rho(events) * 1e9 <= request.rho_nano
    assert recount_epsilon(events, 1e-6) <= float(request.epsilon)
    told = platform.dossier("carol", request.id).body["guarantee"]["gaussian_epsilon"]
    # None of them spends so much on choices that its sum of mu squared would say no less than its curve.
    drawn = gaussian_epsilon_at(total(cost_of(event) for event in events), "1e-6")
    assert float(drawn) <= float(told) < float(request.epsilon)


def test_two_approvals_of_both_roles_publish_a_bundle_that_anyone_can_verify(
    platform: Platform, form: Form
) -> None:
    request, dossier = walk_to_decision(platform, form())
    assert approve(platform, "carol", dossier, request).state == "awaiting_decision"
    with pytest.raises(PolicyRefusal, match="cannot be published"):
        platform.publish("carol", request.id)
    assert approve(platform, "dana", dossier, request).state == "approved"
    bundle = platform.publish("carol", request.id)
    report = verify_bundle(bundle, load_public_keys(platform.keys_dir), datetime.now(UTC))
    assert any("carol" in line and "dana" in line for line in report.lines)
    assert platform.publish("dana", request.id) == bundle
    assert platform.request("sam", request.id).state == "published"
    assert platform.verify_ledger() == len(platform.ledger_entries("ada"))


def test_how_long_a_run_took_is_published_to_the_hour_only(platform: Platform, form: Form) -> None:
    """A clock at half past the hour would show in every file and entry that a run writes."""
    late = datetime.now(UTC).replace(minute=31, second=7)

    class Late(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Late:
            return cls.fromtimestamp(late.timestamp(), tz)

    with pytest.MonkeyPatch.context() as patch:
        for room in ("dpsynth.ledger.chain", "dpsynth.service.pipeline"):
            patch.setattr(f"{room}.datetime", Late)
        request, _ = walk_to_decision(platform, form())
    candidate = platform.bundles_dir.parent / "candidates" / request.id
    for path in candidate.rglob("*.*"):
        assert b":31:07" not in path.read_bytes(), path.name
    times = {entry.kind: entry.time[14:19] for entry in platform.ledger_entries("ada")}
    assert (times["settled"], times["dossier"]) == ("00:00", "00:00")
    assert times["committed"] == "31:07"


def test_nobody_approves_their_own_request_nor_twice_nor_without_a_role(
    platform: Platform, form: Form
) -> None:
    own = platform.submit("otto", form())
    platform.run_once("worker")
    dossier = platform.dossier("carol", own.id)
    with pytest.raises(PolicyRefusal, match="own request"):
        approve(platform, "otto", dossier, own)
    approve(platform, "carol", dossier, own)
    with pytest.raises(Conflict, match="already decided"):
        approve(platform, "carol", dossier, own)
    for stranger in ("sam", "ada", "nobody"):
        with pytest.raises((PolicyRefusal, BadInput)):
            approve(platform, stranger, dossier, own)


def test_two_people_of_the_same_role_do_not_make_four_eyes(platform: Platform, form: Form) -> None:
    request, dossier = walk_to_decision(platform, form())
    approve(platform, "carol", dossier, request)
    assert approve(platform, "otto", dossier, request).state == "awaiting_decision"
    assert approve(platform, "dana", dossier, request).state == "approved"


def test_a_signature_for_another_dossier_is_refused(platform: Platform, form: Form) -> None:
    request, dossier = walk_to_decision(platform, form())
    with pytest.raises(Conflict, match="changed since you opened it"):
        approve(platform, "carol", replace(dossier, sha256="0" * 64), request)


def test_checks_that_only_a_person_can_make_must_all_be_ticked(platform: Platform, form: Form) -> None:
    request, dossier = walk_to_decision(platform, form())
    with pytest.raises(BadInput, match="ticked"):
        platform.approve("carol", request.id, dossier.sha256, "", tuple(dossier.body["must_tick"][:-1]))


def test_one_no_is_enough_and_the_budget_stays_spent(platform: Platform, form: Form) -> None:
    request, dossier = walk_to_decision(platform, form())
    with pytest.raises(BadInput, match="reason"):
        platform.reject("dana", request.id, dossier.sha256, "no")
    approve(platform, "carol", dossier, request)
    rejected = platform.reject("dana", request.id, dossier.sha256, "The purpose is too wide.")
    assert rejected.state == "rejected"
    with pytest.raises(PolicyRefusal):
        platform.publish("carol", request.id)
    assert platform.budget("carol")[0].spent_nano == request.rho_nano


def test_the_third_request_is_refused_because_the_budget_is_gone(platform: Platform, form: Form) -> None:
    for key in ("one", "two"):
        platform.submit("sam", form(key=key))
    assert not platform.quote("sam", form()).fits
    held = platform.budget("sam")
    with pytest.raises(BudgetExceeded, match="smaller epsilon") as refusal:
        platform.submit("sam", form(key="three"))
    refused, *others = platform.requests("sam")
    assert [refused.state, *(view.state for view in others)] == ["refused", "queued", "queued"]
    assert f"dpsynth ledger explain {refused.id}" in refusal.value.remedy
    assert platform.budget("sam") == held
    with pytest.raises(BudgetExceeded):
        platform.submit("sam", form(key="three"))
    assert len(platform.requests("sam")) == 3
    explained = platform.explain("sam", refused.id)
    assert explained.state == "REFUSED"
    assert any("is left" in scope.refusal for scope in explained.scopes)
    assert platform.verify_ledger() > 0


def test_a_purpose_has_a_limited_number_of_attempts(platform: Platform, form: Form) -> None:
    for key in ("1", "2", "3"):
        platform.submit("sam", form(key=key, epsilon="0.2"))
    with pytest.raises(PolicyRefusal, match="attempts"):
        platform.submit("sam", form(key="4", epsilon="0.2"))
    same = f"  {form().purpose.upper()}".replace(" ", "\n ")
    with pytest.raises(PolicyRefusal, match="attempts"):
        platform.submit("otto", form(key="5", epsilon="0.2", purpose=same))


def test_a_quote_holds_nothing_and_names_what_would_be_charged(platform: Platform, form: Form) -> None:
    before = platform.ledger_entries("ada")
    quote = platform.quote("sam", form("aim"))
    assert quote.fits
    assert quote.rho_nano == pytest.approx(24_355_957, abs=5)
    assert [scope.id for scope in quote.scopes] == [
        "id-space:rand-hie-participants",
        "dataset:rand-hie-participants:rand-health",
        "table:rand-hie-participants:rand-health",
        "requester:rand-hie-participants:rand-health:sam",
    ]
    assert [scope.kind for scope in quote.scopes] == ["id_space", "dataset", "table", "requester"]
    assert quote.lines
    assert platform.ledger_entries("ada") == before


def test_the_same_key_gives_the_same_request_and_another_form_a_conflict(
    platform: Platform, form: Form
) -> None:
    first = platform.submit("sam", form(key="k"))
    assert platform.submit("sam", form(key="k")) == first
    with pytest.raises(Conflict):
        platform.submit("sam", form(key="k", epsilon="0.5"))


def test_cancelling_releases_the_hold_and_is_not_possible_after_the_run(
    platform: Platform, form: Form
) -> None:
    request = platform.submit("sam", form())
    assert platform.budget("sam")[0].held_nano == request.rho_nano
    with pytest.raises(PolicyRefusal):
        platform.cancel("dana", request.id)
    assert platform.cancel("sam", request.id).state == "cancelled"
    assert platform.budget("sam")[0].held_nano == 0
    assert platform.run_once("worker") is None
    again, _ = walk_to_decision(platform, form(key="second"))
    with pytest.raises(Conflict):
        platform.cancel("sam", again.id)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"epsilon": "1.1"}, PolicyRefusal),
        ({"epsilon": "nan"}, BadInput),
        ({"epsilon": "1", "rho": "0.1"}, BadInput),
        ({"epsilon": None, "rho": "900000"}, PolicyRefusal),
        ({"partition": "1"}, BadInput),
        ({"purpose": "short"}, BadInput),
        ({"purpose": "x" * 4001}, BadInput),
        ({"purpose": "a" * 80 + "\u202e"}, BadInput),
        ({"recipients": ""}, BadInput),
    ],
)
def test_what_public_facts_can_refuse_is_refused_before_anything_is_held(
    platform: Platform, form: Form, change: dict[str, str | None], error: type[Exception]
) -> None:
    with pytest.raises(error):
        platform.submit("sam", form(**change))
    assert platform.requests("sam") == []


def test_unknown_datasets_and_synthesizers_are_refused(platform: Platform, form: Form) -> None:
    with pytest.raises(BadInput):
        platform.submit("sam", replace(form(), dataset_id="nothing"))
    with pytest.raises(PolicyRefusal, match="independent"):
        platform.submit("sam", form("gan"))
    with pytest.raises(PolicyRefusal):
        platform.submit("carol", form())


def test_exact_audit_numbers_are_for_the_review_room_and_every_look_is_logged(
    platform: Platform, form: Form
) -> None:
    request, dossier = walk_to_decision(platform, form())
    for outsider in ("sam", "dana"):
        with pytest.raises(PolicyRefusal):
            platform.audit_report(outsider, request.id)
    with pytest.raises(PolicyRefusal):
        platform.dossier("sam", request.id)
    before = len(platform.ledger_entries("ada"))
    report = platform.audit_report("carol", request.id)
    last = platform.ledger_entries("ada")[-1]
    assert len(platform.ledger_entries("ada")) == before + 1
    assert (last.kind, last.body["actor"]) == ("view", "carol")
    exact = [check["estimate"] for check in report["class_b"] if check["estimate"]]
    shown = json.dumps(dossier.body) + repr(platform.request("sam", request.id))
    assert exact
    assert not any(repr(number) in shown for number in exact)


def test_a_request_of_somebody_else_looks_like_one_that_does_not_exist(
    platform: Platform, form: Form
) -> None:
    platform.add_person("eve", "Eve", ("data_scientist",))
    request = platform.submit("sam", form())
    with pytest.raises(BadInput) as hidden:
        platform.request("eve", request.id)
    with pytest.raises(BadInput) as absent:
        platform.request("eve", "r-000000000000")
    assert str(hidden.value) == str(absent.value)
    assert platform.requests("eve") == []


def test_a_candidate_changed_after_the_first_signature_is_never_published(
    platform: Platform, form: Form
) -> None:
    request, dossier = walk_to_decision(platform, form())
    approve(platform, "carol", dossier, request)
    approve(platform, "dana", dossier, request)
    data = next(platform.bundles_dir.parent.glob("candidates/*/data.csv"))
    data.write_bytes(data.read_bytes() + b"\n")
    with pytest.raises(IntegrityError):
        platform.publish("carol", request.id)
    assert list(platform.bundles_dir.iterdir()) == []
    assert platform.request("sam", request.id).state == "approved"


def test_a_source_that_changed_since_registration_is_charged_and_never_read(
    open_platform: Callable[..., Platform], form: Form, rand_csv: Path, tmp_path: Path
) -> None:
    source = tmp_path / "copy.csv"
    source.write_bytes(rand_csv.read_bytes())
    platform = open_platform(source=source)
    request = platform.submit("sam", form())
    source.write_bytes(rand_csv.read_bytes() + b"0,0,0,0,0,0,0,0,0,0\n")
    failed = platform.run_once("worker")
    assert failed is not None
    assert failed.state == "failed"
    assert "spent" in failed.message
    assert platform.budget("carol")[0].forfeited_nano == request.rho_nano
    assert list(platform.bundles_dir.iterdir()) == []


def test_registration_is_for_data_owners_and_one_dataset_has_one_policy_and_file(
    platform: Platform, tmp_path: Path, rand_csv: Path, small_release: Path
) -> None:
    policy = small_release
    with pytest.raises(PolicyRefusal):
        platform.register_dataset("sam", policy, rand_csv)
    assert platform.register_dataset("dana", policy, rand_csv).dataset_id == "rand-health"
    other = tmp_path / "other.csv"
    other.write_bytes(rand_csv.read_bytes() + b"0,0,0,0,0,0,0,0,0,0\n")
    with pytest.raises(Conflict):
        platform.register_dataset("dana", policy, other)
