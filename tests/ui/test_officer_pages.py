"""Releases, policies and datasets: what officers, owners and auditors see and do on their pages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dpsynth.core.errors import PolicyRefusal
from dpsynth.service import Platform, RequestForm, pipeline
from dpsynth.service.clock import iso_at, unix_now
from dpsynth.ui.words import local_time

POLICY = Path(__file__).parents[2] / "policies" / "rand-health.yaml"
PURPOSE = "Compare counts of outpatient visits between insurance plans in a method course, week four of it."
WHY = "The course runs for another year, with the same people."


def words(at: AppTest) -> str:
    kinds = (at.title, at.header, at.markdown, at.text, at.caption, at.error, at.warning, at.info, at.success)
    return "\n".join(re.sub(r"\\(.)", r"\1", element.value) for kind in kinds for element in kind)


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def press(at: AppTest, label: str) -> AppTest:
    return next(button for button in at.button if button.label == label).click().run()


def cells(table: Any) -> list[list[str]]:
    frame = table.value.reset_index()
    return [[str(cell).replace("\\", "") for cell in row] for row in frame.itertuples(index=False)]


def version(folder: Path, number: str, attempts: str) -> Path:
    text = POLICY.read_text().replace("max_attempts_per_purpose: 3", f"max_attempts_per_purpose: {attempts}")
    path = folder / f"v{number}.yaml"
    path.write_text(text.replace('\nversion: "1"', f'\nversion: "{number}"'))
    return path


@pytest.fixture(scope="module")
def published(registered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sam's release ends in five days, version 2 tightened the policy, and version 3 is proposed."""
    home = tmp_path_factory.mktemp("published") / "state"
    shutil.copytree(registered, home)
    platform = Platform.open(home)
    form = RequestForm("rand-health", "independent", PURPOSE, "accredited-researchers", epsilon="0.5")
    request = platform.submit("sam", form).id
    with pytest.MonkeyPatch.context() as patch:
        earlier = SimpleNamespace(now=lambda zone: datetime.now(zone) - timedelta(days=360))
        patch.setattr(pipeline, "datetime", earlier)
        platform.run_once("worker of the test")
    found = platform.dossier("carol", request)
    for person in ("carol", "dana"):
        platform.approve(person, request, found.sha256, "Read.", tuple(found.body["must_tick"]))
    platform.publish("carol", request)
    platform.register_dataset("dana", version(home, "2", "2"), home / "rand.csv")
    platform.register_dataset("dana", version(home, "3", "6"), home / "rand.csv", WHY)
    return home


@pytest.fixture
def desk(desk_of: Callable[[Path], Any], published: Path) -> Any:
    return desk_of(published)


def release(desk: Any) -> Any:
    (found,) = desk.platform.releases.listing("ada")
    return found


def grow_old(desk: Any) -> None:
    desk.sql("UPDATE sign_in SET authenticated = ?", iso_at(unix_now() - 11 * 60))


def test_the_releases_page_says_how_each_stands_by_what_was_signed(desk: Any, open_as: Any) -> None:
    one = release(desk)
    for person in ("carol", "dana", "ada"):
        at = open_as(person, "releases")
        (row,) = cells(at.table[0])
        assert row == [
            one.request,
            "rand-health",
            "Published, expires within 30 days",
            one.guarantee,
            local_time(one.issued),
            local_time(one.until),
        ]
        assert "Privacy budget that was spent does not come back" in words(at)
        assert ("Revoke" in labels(at)) == ("Propose and sign" in labels(at)) == (person != "ada")
    with pytest.raises(PolicyRefusal):
        desk.platform.releases.listing("sam")


def test_two_people_extend_a_release_on_the_page_and_one_alone_does_not(desk: Any, open_as: Any) -> None:
    one = release(desk)
    at = open_as("carol", "releases")
    at.text_area(key=f"extend-why-{one.request}").set_value(WHY)
    at.date_input(key=f"day-{one.request}").set_value(date.fromisoformat(one.first_day) + timedelta(days=90))
    at = press(at.run(), "Propose and sign")
    assert not at.exception
    waiting = release(desk).waiting
    assert [who for who, _, _ in waiting.signed] == ["carol"]
    assert next(button for button in at.button if button.label == "Sign the extension").disabled
    assert release(desk).until == one.until
    assert "Extensions of releases that wait for you: 1" not in labels(open_as("carol", "inbox"))
    at = press(open_as("dana", "inbox"), "Extensions of releases that wait for you: 1")
    assert at.title[0].value == "Releases"
    at = press(open_as("dana", "releases"), "Sign the extension")
    assert not at.exception
    after = release(desk)
    assert (after.state, after.until > one.until) == ("published", True)
    assert f"extension-{one.request}.json" in words(at)
    assert (desk.home / "bundles" / f"extension-{one.request}.json").is_file()
    assert desk.platform.verify_ledger() > 0


def test_an_old_sign_in_extends_nothing_until_it_is_fresh(desk: Any, open_as: Any) -> None:
    at = open_as("carol", "releases")
    grow_old(desk)
    assert "Deciding needs a sign-in of the last ten minutes" in words(at.run())
    button = next(button for button in at.button if button.label == "Propose and sign")
    assert button.disabled
    at = press(at, "Confirm who you are")
    assert not next(button for button in at.button if button.label == "Propose and sign").disabled


def test_a_release_is_revoked_on_the_page_and_then_offers_nothing(desk: Any, open_as: Any) -> None:
    one = release(desk)
    at = open_as("dana", "releases")
    at.text_area(key=f"why-{one.request}").set_value("The table held a column that nobody may use.")
    at = press(at.run(), "Revoke")
    assert not at.exception
    assert release(desk).state == "revoked"
    assert "Revoked: 1" in words(at)
    assert not {"Revoke", "Propose and sign"} & set(labels(at))


def test_policies_are_shown_with_versions_changes_and_findings(desk: Any, open_as: Any) -> None:
    (ruled,) = desk.platform.rulebook.policies("ada")
    at = open_as("ada", "policies")
    told = words(at)
    assert "Waiting for a second person: 1" in told
    assert "Looser: max attempts per purpose 2 to 6" in told.replace("**", "")
    assert "Tighter: max attempts per purpose 3 to 2" in told
    tables = [cells(table) for table in at.table]
    assert [row[0] for row in tables[-1]] == [one.version for one in ruled.versions] == ["2", "1"]
    assert [row[1] for row in tables[-1]] == [local_time(one.since) for one in ruled.versions]
    assert [row[2] for row in tables[1]] == [one.found for one in ruled.findings]
    assert ruled.text.strip() in [block.value.strip() for block in at.code]
    assert "Approve this version" not in labels(at)


def test_nobody_approves_their_own_version_and_a_second_person_does_so_fresh(desk: Any, open_as: Any) -> None:
    assert "Approve this version" not in labels(open_as("dana", "policies"))
    assert "Versions of policies that wait for you: 1" not in labels(open_as("dana", "inbox"))
    at = press(open_as("carol", "inbox"), "Versions of policies that wait for you: 1")
    assert at.title[0].value == "Policies"
    at = open_as("carol", "policies")
    grow_old(desk)
    assert next(button for button in at.run().button if button.label == "Approve this version").disabled
    at = press(press(at, "Confirm who you are"), "Approve this version")
    assert not at.exception
    assert "Version 3 of rand-health is in force." in words(at)
    assert desk.platform.dataset("rand-health").policy.version == "3"
    (entry,) = [one for one in desk.platform.ledger_entries("ada") if one.kind == "policy approved"]
    assert (entry.body["actor"], entry.body["method"]) == ("carol", "demo")


def test_an_owner_registers_by_path_and_faults_are_told_without_a_registration(
    desk: Any, open_as: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    shutil.copy(desk.home / "rand.csv", tables / "rand.csv")
    policy = version(tables, "4", "1")
    (tables / "odd.csv").write_text("a,b\n1,2\n")
    monkeypatch.setenv("DPSYNTH_SOURCES", str(tables))
    at = open_as("dana", "datasets")
    assert desk.platform.rulebook.owned("dana")[0].path in words(at)
    assert str(tables) in words(at)
    for table, said in (
        (tables / "odd.csv", "schema differs from policy"),
        (desk.home / "rand.csv", "not one that pages may open"),
        ("https://example.org/rand.csv", "Tables are read from files of the machine"),
    ):
        at.text_input(key="policy-path").set_value(str(policy))
        at.text_input(key="source-path").set_value(str(table))
        assert said in words(press(at, "Check and register"))
        assert desk.platform.dataset("rand-health").policy.version == "2"
    at.text_input(key="source-path").set_value(f"file://{tables / 'rand.csv'}")
    at = press(at, "Check and register")
    assert not at.exception
    assert "is registered under version 4" in words(at)
    assert desk.platform.dataset("rand-health").policy.version == "4"
    with pytest.raises(PolicyRefusal):
        desk.platform.rulebook.owned("carol")


def test_an_owner_withdraws_a_dataset_only_by_typing_its_name(desk: Any, open_as: Any) -> None:
    at = open_as("dana", "datasets")
    button = next(button for button in at.button if button.label == "Withdraw rand-health")
    assert button.disabled
    at.text_area(key="why-rand-health").set_value("The consent for this table has ended.")
    at.text_input(key="sure-rand-health").set_value("rand-health")
    at = press(at.run(), "Withdraw rand-health")
    assert not at.exception
    assert "The consent for this table has ended." in words(at)
    assert "Withdraw rand-health" not in labels(at)
    assert "Withdrawn" in words(open_as("ada", "policies"))
    form = RequestForm("rand-health", "independent", f"{PURPOSE} More.", "students", epsilon="0.1")
    with pytest.raises(PolicyRefusal, match="withdrawn"):
        desk.platform.submit("sam", form)


def test_a_state_without_releases_or_tables_says_so(empty_desk: Any, open_as: Any) -> None:
    assert "Nothing has been published yet." in words(open_as("carol", "releases"))
    empty_desk.sql("DELETE FROM dataset")
    assert "No policy is registered yet." in words(open_as("carol", "policies"))
    assert "No dataset is registered yet." in words(open_as("dana", "datasets"))
