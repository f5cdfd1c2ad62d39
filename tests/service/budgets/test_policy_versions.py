"""A new version of a policy: one person may tighten, two must agree to loosen, and nothing is a reset."""

from __future__ import annotations

from typing import Any

import pytest

from dpsynth.core.errors import BadInput, Conflict, PolicyRefusal
from dpsynth.service import pipeline

WHY = "The board agreed to two further releases for the new course."
MORE = {"lifetime": {"rho": "0.1"}, "per_requester": {"rho": "0.06"}}
SHARED = ("id-space:residents", "dataset:residents:register", "table:residents:visits")
CEILING = "requester:residents:register:sam"


def spend(house: Any, rho: str = "0.01") -> None:
    house.ask(rho)
    assert house.platform.run_once("worker").state == "awaiting_decision"


def test_a_version_that_only_tightens_is_in_force_at_once_and_what_is_spent_stays_spent(house: Any) -> None:
    house.register()
    spend(house)
    info = house.register(version="2", budget={"lifetime": {"rho": "0.06"}, "per_requester": {"rho": "0.03"}})
    assert (info.pending, info.policy.version) == ("", "2")
    scopes = house.scopes()
    assert {scopes[name].rho_cap_nano for name in SHARED} == {60_000_000}
    assert scopes[CEILING].rho_cap_nano == 30_000_000
    assert {scope.spent_nano for scope in scopes.values()} == {10_000_000}
    assert house.platform.verify_ledger() > 0


def test_a_version_that_loosens_needs_a_written_reason_and_is_only_proposed(house: Any) -> None:
    house.register()
    before = house.scopes()
    with pytest.raises(BadInput, match=r"lifetime rho 0\.08 to 0\.1: LOOSER"):
        house.register(version="2", budget=MORE)
    with pytest.raises(BadInput, match="second person"):
        house.register(version="2", budget=MORE, reason="because")
    info = house.register(version="2", budget=MORE, reason=WHY)
    assert (bool(info.pending), info.policy.version) == (True, "1")
    assert house.platform.dataset("visits").policy.version == "1"
    assert house.scopes() == before
    (told,) = house.platform.policy_changes()
    assert (told.id, told.state, told.proposer, told.reason) == (info.pending, "proposed", "dana", WHY)
    assert any("lifetime rho 0.08 to 0.1: LOOSER" in line for line in told.lines)


def test_a_second_person_with_the_officers_role_puts_it_in_force_and_nobody_else(house: Any) -> None:
    house.register(who="olga")
    pending = house.register(version="2", who="olga", budget=MORE, reason=WHY).pending
    for who in ("olga", "dana", "sam", "ada", "nobody"):
        with pytest.raises(PolicyRefusal):
            house.platform.approve_change(who, pending)
    assert house.platform.dataset("visits").policy.version == "1"
    assert house.platform.approve_change("carol", pending).policy.version == "2"
    with pytest.raises(Conflict, match="waits for approval"):
        house.platform.approve_change("carol", pending)


def test_a_raised_cap_is_no_reset_and_reaches_the_ceilings_of_people_who_asked_before(house: Any) -> None:
    house.register()
    spend(house)
    pending = house.register(version="2", budget=MORE, reason=WHY).pending
    house.platform.approve_change("carol", pending)
    scopes = house.scopes()
    assert {scopes[name].rho_cap_nano for name in SHARED} == {100_000_000}
    assert scopes[CEILING].rho_cap_nano == 60_000_000
    assert {scope.spent_nano for scope in scopes.values()} == {10_000_000}
    entries = house.platform.ledger_entries("ada")
    opened = {e.body["scope"]["id"]: e.body["scope"]["rho_cap"] for e in entries if e.kind == "scope"}
    assert (opened[SHARED[0]], opened[CEILING]) == ("80000000", "50000000")
    raised = [e.body for e in entries if e.kind == "cap"]
    assert {body["id"] for body in raised} == {*SHARED, CEILING}
    assert all(body["approvers"] == ["carol", "dana"] for body in raised)
    assert house.platform.verify_ledger() == len(entries)


def test_the_same_words_and_file_under_the_same_version_change_nothing(house: Any) -> None:
    first = house.register()
    entries = house.platform.ledger_entries("ada")
    assert house.register() == first
    pending = house.register(version="2", budget=MORE, reason=WHY).pending
    proposed = house.platform.ledger_entries("ada")
    assert len(proposed) == len(entries) + 1
    assert house.register(version="2", budget=MORE, reason=WHY).pending == pending
    assert house.platform.ledger_entries("ada") == proposed


@pytest.mark.parametrize(
    "other",
    [
        {"title": "Another title"},
        {"people": range(241)},
        {"people": range(241), "source": {"snapshot": "2026-02"}},
        {"budget": {"lifetime": {"rho": "0.07"}}},
    ],
)
def test_other_words_or_another_file_under_the_same_version_are_a_conflict(
    house: Any, other: dict[str, Any]
) -> None:
    house.register()
    with pytest.raises(Conflict, match="Version 1 of visits is registered already") as refused:
        house.register(**other)
    assert refused.value.exit_code == 6
    assert house.register(version="2", **{"source": {"snapshot": "2026-02"}, **other}).policy.version == "2"


def test_a_snapshots_name_stands_for_one_file_for_good(house: Any) -> None:
    house.register()
    with pytest.raises(Conflict, match=r"source\.snapshot"):
        house.register(version="2", people=range(241))
    house.register(version="2", people=range(241), source={"snapshot": "2026-02"})
    with pytest.raises(Conflict, match=r"source\.snapshot"):
        house.register(version="3", people=range(242))
    assert house.register(version="3", people=range(241), source={"snapshot": "2026-02"}).pending == ""
    with pytest.raises(Conflict, match="names a snapshot that another one has replaced"):
        house.register(version="4", people=range(243))
    assert house.register(version="4", people=range(243), source={"snapshot": "2026-03"}).pending == ""


def test_a_request_bound_to_the_old_version_ends_before_anything_is_spent(house: Any) -> None:
    house.register()
    request = house.ask()
    house.register(version="2", budget={"lifetime": {"rho": "0.06"}})
    assert house.held() != {}
    ended = house.platform.run_once("worker")
    assert (ended.id, ended.state) == (request.id, "failed")
    assert "Nothing was spent" in ended.message
    assert house.held() == {}
    assert {scope.spent_nano for scope in house.scopes().values()} == {0}
    house.ask(key="again, under the new version")
    assert house.platform.run_once("worker").state == "awaiting_decision"


def test_a_request_bound_to_the_old_version_never_opens_the_source(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    honest = pipeline.read_bytes
    monkeypatch.setattr(pipeline, "read_bytes", lambda *args: opened.append(args) or honest(*args))
    house.register()
    house.ask()
    house.register(version="2", budget={"lifetime": {"rho": "0.06"}})
    house.platform.run_once("worker")
    assert opened == []
    house.ask(key="again")
    house.platform.run_once("worker")
    assert len(opened) == 1


def test_a_proposal_against_a_version_no_longer_in_force_is_refused_and_can_be_made_again(house: Any) -> None:
    house.register()
    stale = house.register(version="3", budget=MORE, reason=WHY).pending
    house.register(version="2", budget={"lifetime": {"rho": "0.06"}})
    with pytest.raises(Conflict, match="changed since this version was proposed"):
        house.platform.approve_change("carol", stale)
    assert house.scopes()[SHARED[0]].rho_cap_nano == 60_000_000
    anew = house.register(version="3", budget=MORE, reason=WHY).pending
    assert anew != stale
    assert house.platform.approve_change("carol", anew).policy.version == "3"
    assert house.platform.verify_ledger() > 0


TABLES = {"name": "stays", "people": range(300)}


def neighbours(house: Any, **budget: Any) -> None:
    """Two tables of one dataset, about the same people."""
    house.register(budget=budget)
    house.register(**TABLES, budget=budget)


@pytest.mark.parametrize("told_of_others_before", [False, True])
@pytest.mark.parametrize(
    ("caps", "scope"),
    [
        (("lifetime", "per_dataset", "per_requester"), SHARED[0]),
        (("per_dataset", "per_requester"), SHARED[1]),
        (("per_requester",), CEILING),
    ],
)
def test_a_tightening_that_the_second_person_never_saw_is_not_taken_back_by_an_approval(
    house: Any, caps: tuple[str, ...], scope: str, told_of_others_before: bool
) -> None:
    stated = {"per_dataset": {"rho": "0.08"}}
    neighbours(house, **stated)
    house.ask()
    if told_of_others_before:
        house.register(**TABLES, version="1b", budget=stated | {key: {"rho": "0.045"} for key in caps})
    wider = {"budget": stated, "release": {"recipients": ["anybody"]}}
    pending = house.register(version="2", reason=WHY, **wider).pending
    house.register(**TABLES, version="2", budget=stated | {key: {"rho": "0.04"} for key in caps})
    with pytest.raises(Conflict, match="changed since this version was proposed"):
        house.platform.approve_change("carol", pending)
    assert house.scopes()[scope].rho_cap_nano == 40_000_000
    anew = house.register(version="2", reason=WHY, **wider).pending
    (told,) = [one for one in house.platform.policy_changes() if one.id == anew]
    assert any("rho 0.04 in force to" in line for line in told.lines)
    house.platform.approve_change("carol", anew)


def test_what_changes_no_cap_that_a_proposal_touches_leaves_it_to_be_approved(house: Any) -> None:
    neighbours(house)
    other = {"name": "beds", "people": range(310), "privacy_unit": {"id_space": "patients"}}
    house.register(**other)
    pending = house.register(version="2", budget=MORE, reason=WHY).pending
    house.ask(who="sue")  # opens a ceiling, by the policy in force
    house.register(**TABLES, version="2", title="Another title")
    house.register(**other, version="2", budget={"lifetime": {"rho": "0.06"}})
    assert house.platform.approve_change("carol", pending).policy.version == "2"
    assert house.platform.verify_ledger() > 0


def test_words_that_were_approved_once_must_be_approved_again_after_they_were_taken_back(house: Any) -> None:
    house.register()
    first = house.register(version="2", budget=MORE, reason=WHY).pending
    house.platform.approve_change("carol", first)
    house.register()
    again = house.register(version="2", budget=MORE, reason=WHY).pending
    assert house.scopes()[SHARED[0]].rho_cap_nano == 80_000_000
    with pytest.raises(Conflict):
        house.platform.approve_change("carol", first)
    house.platform.approve_change("carol", again)
    assert house.scopes()[SHARED[0]].rho_cap_nano == 100_000_000
    assert house.platform.verify_ledger() > 0


@pytest.mark.parametrize(("before", "after"), [("new_units_only", "none"), ("none", "new_units_only")])
def test_the_refresh_rule_of_a_register_is_for_life_because_another_rule_would_be_a_fresh_budget(
    house: Any, before: str, after: str
) -> None:
    house.register(budget={"refresh": before})
    with pytest.raises(Conflict, match="refresh"):
        house.register(version="2", budget={"refresh": after}, reason=WHY)
    assert len([name for name in house.scopes() if name.startswith("id-space:")]) == 1
    assert house.register(version="2", budget={"refresh": before}, title="Another title", reason=WHY)
