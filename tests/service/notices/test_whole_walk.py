"""Every notice of a whole walk, on a state full of canaries: who is told, and never too much."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from dpsynth.core.errors import DpsynthError
from dpsynth.service import Platform, RequestForm
from dpsynth.service.outbox import Settings

POLICY = Path(__file__).parents[3] / "policies" / "rand-health.yaml"
NAMES = ("Zebulon Marigold", "Ottoline Quill", "Cassius Umber")
PURPOSE = (
    "Xylophone lessons for 918273645 pupils by Zebulon Marigold, who compares visit counts between plans."
)
REASON = "Periwinkle 564738291: it was read and discussed, and the purpose fits."
CANARIES = ("918273645", "564738291", "Xylophone", "Periwinkle", "plumbago", *" ".join(NAMES).split())


@pytest.fixture
def told(
    tmp_path: Path, rand_csv: Path, web: Any, mail: Any
) -> tuple[Platform, Callable[[], list[tuple[str, str]]]]:
    """A platform whose notices go to real servers, and what has arrived: (kind, about) of each."""
    platform = Platform.open(tmp_path / "state")
    for person, name, role in zip(
        ("sam", "carol", "dana"), NAMES, ("data_scientist", "compliance_officer", "data_owner"), strict=True
    ):
        platform.add_person(person, name, (role,))
    platform.register_dataset("dana", POLICY, rand_csv)
    platform.notices.set(
        "carol",
        Settings(
            web.url, "team@example.org", f"localhost:{mail.port}", "d@example.org", "https://p.example.org"
        ),
    )

    def arrived() -> list[tuple[str, str]]:
        platform.notices.deliver()
        found = [(one["kind"], one["about"]) for one in (json.loads(body) for _, body in web.got)]
        everything = "".join(str(one) for one in (*web.got, *mail.got))
        assert len(mail.got) == len(web.got)
        assert not [canary for canary in CANARIES if canary in everything]
        return found

    return platform, arrived


def ask(platform: Platform, **more: str) -> str:
    values = {"epsilon": "0.5", "purpose": PURPOSE, "recipients": "plumbago", **more}
    return platform.submit("sam", RequestForm("rand-health", "independent", **values)).id


def approve(platform: Platform, who: str, request: str) -> None:
    found = platform.dossier(who, request)
    platform.approve(who, request, found.sha256, REASON, tuple(found.body["must_tick"]))


def test_every_step_that_somebody_waits_for_is_told_without_a_word_of_it(told: Any) -> None:
    platform, arrived = told
    first = ask(platform)
    assert arrived() == []
    platform.run_once("worker")
    assert arrived() == [("your_turn", first)]
    approve(platform, "carol", first)
    approve(platform, "dana", first)
    assert arrived()[1:] == [("your_turn", first), ("decided", first)]
    platform.publish("carol", first)
    second = ask(platform)
    platform.run_once("worker")
    platform.reject("dana", second, platform.dossier("dana", second).sha256, REASON)
    assert arrived()[3:] == [("your_turn", second), ("decided", second)]
    due = datetime.fromisoformat(platform.request("sam", first).created) + timedelta(days=360)
    for _ in range(2):  # told once
        platform.notices.deliver(int(due.timestamp()))
    assert arrived()[5:] == [("expiring", first)]
    assert platform.verify_ledger()


def test_a_decision_that_is_due_in_two_days_is_told_once_and_not_before(told: Any) -> None:
    platform, arrived = told
    request = ask(platform)
    platform.run_once("worker")
    due = datetime.fromisoformat(platform.request("sam", request).due)
    platform.notices.deliver(int((due - timedelta(days=3)).timestamp()))
    assert arrived() == [("your_turn", request)]
    for hours in (47, 40, -1):
        platform.notices.deliver(int((due - timedelta(hours=hours)).timestamp()))
    assert arrived()[1:] == [("due_soon", request)]


def test_a_lost_run_and_a_low_budget_are_told(told: Any, rand_csv: Path, tmp_path: Path) -> None:
    platform, arrived = told
    with platform._store.write() as connection:
        connection.execute(text("UPDATE dataset SET source_path = :gone"), {"gone": str(tmp_path / "gone")})
    lost = ask(platform)
    platform.run_once("worker")
    assert arrived() == [("forfeited", lost)]
    found = []
    for number in range(20):
        try:
            ask(platform, epsilon="1", purpose=f"{PURPOSE} Once more: {number}.")
        except DpsynthError:
            break
        shared = [one for one in platform.budget("carol") if one.kind != "requester"]
        found.append(any(one.left_nano * 100 < 20 * one.rho_cap_nano for one in shared))
    low = [one for one in arrived() if one[0] == "budget_low"]
    assert low == ([("budget_low", "rand-health")] if any(found) else [])
    assert any(found), "this policy lets one person take shared budgets below a fifth"


def test_a_target_that_is_down_stops_no_decision_and_the_notice_is_in_the_same_transaction(
    told: Any, web: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dpsynth.service import decisions

    platform, _ = told
    web.status = 500
    request = ask(platform)
    platform.run_once("worker")
    platform.notices.deliver()

    def fail(*_words: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(decisions, "post", fail)
        with pytest.raises(OSError, match="full"):
            approve(platform, "carol", request)
    assert platform.request("carol", request).decisions == ()  # no change without its notice
    approve(platform, "carol", request)
    approve(platform, "dana", request)
    assert platform.request("sam", request).state == "approved"


def test_a_worker_that_died_after_commit_is_told_when_its_lease_is_over(told: Any) -> None:
    from dpsynth.ledger.charges import commit
    from dpsynth.service.clock import unix_now
    from dpsynth.service.jobs import claim, recover

    platform, arrived = told
    request = ask(platform)
    assert claim(platform._store, "doomed", 60) == request
    with platform._store.write() as connection:
        commit(connection, request, unix_now() + 60)
    recover(platform._store)
    assert arrived() == []
    recover(platform._store, unix_now() + 3600)
    assert arrived() == [("forfeited", request)]


def test_a_policy_that_waits_for_a_second_person_is_told(told: Any, rand_csv: Path, tmp_path: Path) -> None:
    platform, arrived = told
    looser = tmp_path / "looser.yaml"
    words = POLICY.read_text().replace('\nversion: "1"', '\nversion: "2"')
    looser.write_text(words.replace("max_attempts_per_purpose: 3", "max_attempts_per_purpose: 5"))
    change = platform.register_dataset("dana", looser, rand_csv, "Periwinkle: more tries for lessons").pending
    assert change.startswith("p-")
    assert arrived() == [("your_turn", change)]
    platform.approve_change("carol", change)
    assert arrived()[1:] == [("decided", change)]


def test_a_worker_delivers_between_its_runs(told: Any, web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    platform, _ = told
    request = ask(platform)
    real, calls = platform.run_once, []

    def once(*arguments: Any) -> Any:
        calls.append(arguments)
        if web.got or len(calls) > 20:
            raise KeyboardInterrupt  # the run is over and what it made due has arrived
        return real(*arguments)

    monkeypatch.setattr(platform, "run_once", once)
    with pytest.raises(KeyboardInterrupt):
        platform.run_forever("worker", 0.1)
    assert [json.loads(body)["about"] for _, body in web.got] == [request]
