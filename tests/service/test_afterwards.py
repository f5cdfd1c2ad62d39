"""What becomes of releases and datasets later: extended by the same rules, withdrawn without a way back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from dpsynth.core.errors import BadInput, Conflict, IntegrityError, PolicyRefusal
from dpsynth.publish.keys import load_public_keys
from dpsynth.publish.offline import verify_files
from dpsynth.publish.verify import Outside, verify_bundle
from dpsynth.service import Platform, RequestForm, downloads, pipeline, samples
from dpsynth.service.samples import SampleForm

Form = Callable[..., RequestForm]
WHY = "The course runs for another year, with the same people and the same purpose."
POLICY = Path(__file__).parents[2] / "policies" / "rand-health.yaml"
PURPOSE = (
    "Teaching health economics: students compare visit counts by plan, without looking at anybody at all."
)


@dataclass(frozen=True)
class Desk:
    """A state in which Otto, an officer too, has a release whose permission ends in five days."""

    home: Path
    platform: Platform
    request: str

    @property
    def release(self) -> Any:
        return next(one for one in self.platform.releases.listing("ada") if one.request == self.request)

    @property
    def file(self) -> Path:
        return self.home / "bundles" / f"extension-{self.request}.json"

    def extend(self, who: str = "carol", day: str = "", why: str = WHY, sign_in: str = "") -> str:
        day = day or self.release.last_day
        return self.platform.releases.extend(who, self.request, day, why, sign_in)

    def verify(self, days: int, **outside: bytes) -> Any:
        now, trust = datetime.now(UTC) + timedelta(days=days), load_public_keys(self.platform.keys_dir)
        return verify_bundle(
            self.home / "bundles" / f"release-{self.request}", trust, now, Outside(**outside)
        )


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, rand_csv: Path) -> tuple[Path, str]:
    platform = Platform.open(tmp_path_factory.mktemp("afterwards") / "state")
    platform.access.mark_demo()
    for person, roles in {
        "sam": ("data_scientist",),
        "carol": ("compliance_officer",),
        "dana": ("data_owner",),
        "otto": ("compliance_officer", "data_scientist"),
        "olga": ("compliance_officer",),
        "ada": ("auditor",),
    }.items():
        platform.add_person(person, person.title(), roles)
    platform.register_dataset("dana", POLICY, rand_csv)
    request = platform.submit(
        "otto", RequestForm("rand-health", "independent", PURPOSE, "students", epsilon="0.5")
    ).id
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "datetime", _ago(360))
        platform.run_once("worker")
    found = platform.dossier("carol", request)
    for person in ("carol", "dana"):
        platform.approve(person, request, found.sha256, "Read.", tuple(found.body["must_tick"]))
    shutil.copytree(platform.bundles_dir.parent, platform.bundles_dir.parent.with_name("approved"))
    platform.publish("carol", request)
    return platform.bundles_dir.parent, request


def _ago(days: int) -> Any:
    return SimpleNamespace(now=lambda zone: datetime.now(zone) - timedelta(days=days))


@pytest.fixture
def desk(published: tuple[Path, str], tmp_path: Path) -> Desk:
    home = shutil.copytree(published[0], tmp_path / "state")
    return Desk(home, Platform.open(home), published[1])


def test_an_extension_by_two_people_makes_an_expired_release_verify_again(desk: Desk) -> None:
    assert desk.release.state == "expiring"
    proposal = desk.extend()
    assert not desk.file.exists()
    with pytest.raises(Conflict, match="no extension in force"):
        desk.platform.releases.extension("ada", desk.request)
    assert desk.platform.releases.sign_extension("dana", proposal)
    data = desk.file.read_bytes()
    assert data == desk.platform.releases.extension("ada", desk.request)
    with pytest.raises(IntegrityError, match="the permission expired"):
        desk.verify(30)
    assert any("extended from" in line for line in desk.verify(30, extension=data).lines)
    assert (desk.release.state, desk.release.until > desk.release.stated) == ("published", True)
    kinds = [one.kind for one in desk.platform.ledger_entries("ada")][-4:]
    assert kinds == ["extension proposed", "extension signed", "extension signed", "extended"]
    assert desk.platform.verify_ledger() > 0
    # What the platform makes itself counts it too: the catalogue, further deliveries, further rows.
    page = desk.platform.releases.catalogue("ada")
    assert desk.release.until in page
    assert f"extension-{desk.request}.json" in page
    verify_files(
        desk.home / "bundles" / f"release-{desk.request}", desk.platform.keys_dir, None, None, desk.file
    )


def test_rows_are_drawn_while_the_extension_lasts_and_the_delivered_copy_lies_beside_it(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = SimpleNamespace(now=lambda zone: datetime.now(zone) + timedelta(days=30))
    monkeypatch.setattr(samples, "datetime", later)
    with pytest.raises(IntegrityError, match="the permission expired"):
        desk.platform.sample("otto", desk.request, SampleForm(10, tmp_path / "more.csv"))
    desk.platform.releases.sign_extension("dana", desk.extend())
    assert desk.platform.sample("otto", desk.request, SampleForm(10, tmp_path / "more.csv")).rows == 10
    (tmp_path / "out").mkdir()
    desk.platform.releases.deliver("carol", desk.request, str(tmp_path / "out"))
    assert (tmp_path / "out" / desk.file.name).read_bytes() == desk.file.read_bytes()


def test_whoever_downloads_an_extended_release_gets_what_verifies_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert desk.platform.requester.fetch("otto", desk.request).extension is None
    desk.platform.releases.sign_extension("dana", desk.extend())
    later = SimpleNamespace(now=lambda zone: datetime.now(zone) + timedelta(days=10))  # it ended in five
    monkeypatch.setattr(downloads, "datetime", later)
    bundle = desk.platform.requester.fetch("otto", desk.request)
    assert (bundle.extension, bundle.extension_name) == (desk.file.read_bytes(), desk.file.name)
    (one,) = desk.platform.requester.downloads("otto")
    (fact,) = desk.platform.requester.offers("otto")[0].releases
    assert one.offered
    assert one.expires == fact.expires == desk.release.until > desk.release.stated


def test_a_withdrawn_dataset_is_offered_to_nobody(desk: Desk) -> None:
    assert desk.platform.requester.offers("sam")
    desk.platform.rulebook.withdraw("dana", "rand-health", WHY)
    assert desk.platform.requester.offers("sam") == ()


def test_who_signs_an_extension_is_as_for_the_release(desk: Desk) -> None:
    releases = desk.platform.releases
    for who in ("sam", "ada", "otto"):
        with pytest.raises((PolicyRefusal, BadInput), match=r"may not|own request|no request"):
            desk.extend(who)
    proposal = desk.extend()
    with pytest.raises(Conflict, match="Another extension"):
        desk.extend("dana")
    with pytest.raises(Conflict, match="already signed"):
        releases.sign_extension("carol", proposal)
    with pytest.raises(PolicyRefusal, match="own request"):
        releases.sign_extension("otto", proposal)
    assert not releases.sign_extension("olga", proposal)  # two officers, and no data owner
    assert desk.release.waiting.waiting_for == ("data_owner",)
    releases.withdraw_extension("dana", proposal)
    with pytest.raises(Conflict, match="No proposed extension"):
        releases.sign_extension("dana", proposal)
    assert desk.release.waiting is None
    assert desk.platform.verify_ledger() > 0


def test_a_signature_counts_only_while_its_role_lasts(desk: Desk) -> None:
    proposal = desk.extend()
    with desk.platform._store.write() as connection:
        connection.execute(text("""UPDATE person SET roles = '[]' WHERE id = 'carol'"""))
    assert not desk.platform.releases.sign_extension("dana", proposal)
    assert desk.release.state == "expiring"


@pytest.mark.parametrize("day", ["soon", "", "2020-01-01", "2999-01-01", "0001-01-01"])
def test_an_extension_reaches_no_further_than_the_policy_and_says_how_far(desk: Desk, day: str) -> None:
    before = desk.platform.ledger_entries("ada")
    with pytest.raises(BadInput, match=f"{desk.release.first_day} to {desk.release.last_day}"):
        desk.platform.releases.extend("carol", desk.request, day, WHY)
    with pytest.raises(BadInput, match="written reason"):
        desk.extend(why="so")
    assert desk.platform.ledger_entries("ada") == before


def test_a_stricter_policy_in_force_shortens_what_may_be_extended(
    desk: Desk, tmp_path: Path, rand_csv: Path
) -> None:
    before = desk.release.last_day
    stricter = tmp_path / "stricter.yaml"
    words = POLICY.read_text().replace("expires_after_days: 365", "expires_after_days: 30")
    stricter.write_text(words.replace('\nversion: "1"', '\nversion: "2"'))
    assert not desk.platform.register_dataset("dana", stricter, rand_csv).pending
    assert desk.release.last_day < before
    with pytest.raises(BadInput, match="cannot be extended to that day"):
        desk.extend(day=before)
    assert desk.platform.releases.sign_extension("dana", desk.extend())


def test_a_paused_dataset_and_a_revoked_release_are_not_extended(desk: Desk) -> None:
    proposal = desk.extend()
    desk.platform.releases.pause("carol", "rand-health", WHY)
    with pytest.raises(PolicyRefusal, match="paused"):
        desk.platform.releases.sign_extension("dana", proposal)
    desk.platform.releases.resume("carol", "rand-health", WHY)
    desk.platform.releases.revoke("carol", desk.request, WHY)
    with pytest.raises(Conflict, match="revoked, not published"):
        desk.platform.releases.sign_extension("dana", proposal)
    with pytest.raises(Conflict, match="revoked, not published"):
        desk.extend()
    assert desk.platform.verify_ledger() > 0


def test_a_page_extends_and_withdraws_with_a_fresh_sign_in_only(desk: Desk) -> None:
    page = Platform.open(desk.home, served=True)
    mine, theirs = page.access.demo_sign_in("carol"), page.access.demo_sign_in("dana")
    day = desk.release.last_day
    for sign_in in ("", theirs):
        with pytest.raises(PolicyRefusal, match="needs the sign-in"):
            page.releases.extend("carol", desk.request, day, WHY, sign_in)
        with pytest.raises(PolicyRefusal, match="needs the sign-in"):
            page.rulebook.withdraw("dana", "rand-health", WHY, mine if sign_in else "")
    proposal = page.releases.extend("carol", desk.request, day, WHY, mine)
    with pytest.raises(PolicyRefusal, match="needs the sign-in"):
        page.releases.sign_extension("dana", proposal)
    assert page.releases.sign_extension("dana", proposal, theirs)
    assert page.rulebook.withdraw("dana", "rand-health", WHY, theirs) == 0


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        ("UPDATE extension SET until = '2999-01-01T00:00:00Z'", "Extensions of releases"),
        ("UPDATE extension SET state = 'in force'", "Extensions of releases"),
        ("UPDATE extension SET reason = 'It is fine, really.'", "Extensions of releases"),
        ("INSERT INTO extension_signature VALUES ('x', 'dana', 'data_owner', '', '{}')", "Signatures under"),
        ("INSERT INTO withdrawal VALUES ('rand-health', 'dana', '', 'It is fine.')", "Withdrawn datasets"),
        ("UPDATE policy_text SET policy_text = replace(policy_text, '1.6', '9')", "Kept texts of policies"),
    ],
)
def test_records_of_it_that_were_changed_by_hand_are_found(desk: Desk, tamper: str, words: str) -> None:
    desk.extend()
    with desk.platform._store.write() as connection:
        connection.execute(text(tamper))
    with pytest.raises(IntegrityError, match=words):
        desk.platform.verify_ledger()


def test_a_withdrawn_dataset_is_closed_for_good_and_what_was_stays(
    desk: Desk, form: Form, rand_csv: Path, tmp_path: Path
) -> None:
    platform = desk.platform
    waiting = platform.submit("sam", form(epsilon="0.3"))
    before = {scope.id: scope.spent_nano for scope in platform.budget("carol")}
    assert platform.rulebook.withdraw("dana", "rand-health", "The consent for this table has ended.") == 1
    assert (platform.request("sam", waiting.id).state, platform.run_once("worker")) == ("cancelled", None)
    after = platform.budget("carol")
    assert {scope.id: scope.spent_nano for scope in after} == before
    assert {scope.held_nano for scope in after} == {0}
    with pytest.raises(PolicyRefusal, match="withdrawn by its data owner"):
        platform.submit("sam", form(epsilon="0.2"))
    with pytest.raises(Conflict, match="closed for good"):
        platform.register_dataset("dana", POLICY, rand_csv)
    with pytest.raises(Conflict, match="withdrawn already"):
        platform.rulebook.withdraw("dana", "rand-health", "The consent for this table has ended.")
    with pytest.raises(PolicyRefusal, match="withdrawn"):
        desk.extend()
    assert desk.verify(1)
    assert platform.rulebook.owned("dana")[0].reason == "The consent for this table has ended."
    assert platform.verify_ledger() > 0
    # The same people under another policy id still have the budget that is left, and no fresh one.
    other = tmp_path / "other.yaml"
    other.write_text(POLICY.read_text().replace("\nid: rand-health", "\nid: rand-again"))
    table = tmp_path / "other.csv"
    table.write_bytes(rand_csv.read_bytes() + b"0,0,0,0,0,0,0,0,0,0\n")
    platform.register_dataset("dana", other, table)
    spent = next(scope for scope in platform.budget("carol") if scope.kind == "id_space").spent_nano
    assert spent == before["id-space:rand-hie-participants"] > 0


def test_nothing_that_was_approved_is_published_once_a_dataset_is_withdrawn(
    published: tuple[Path, str], tmp_path: Path
) -> None:
    home = shutil.copytree(published[0].with_name("approved"), tmp_path / "state")
    platform = Platform.open(home)
    assert platform.request("ada", published[1]).state == "approved"
    platform.rulebook.withdraw("dana", "rand-health", "The consent for this table has ended.")
    with pytest.raises(PolicyRefusal, match="withdrawn"):
        platform.publish("carol", published[1])
    assert not list(platform.bundles_dir.iterdir())


def test_a_run_that_was_claimed_before_the_withdrawal_never_opens_the_table(
    desk: Desk, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = desk.platform.submit("sam", form(epsilon="0.3")).id

    def withdrawn(stage: str) -> None:
        if stage == "committing":
            Platform.open(desk.home).rulebook.withdraw("dana", "rand-health", WHY)

    def opened(*_: object) -> None:
        raise AssertionError("the table was opened")

    monkeypatch.setattr(pipeline, "read_bytes", opened)
    desk.platform.run_once("worker", withdrawn)
    view = desk.platform.request("sam", request)
    assert (view.state, "Nothing was spent" in view.message) == ("failed", True)
    assert {scope.held_nano for scope in desk.platform.budget("carol")} == {0}
    assert desk.platform.verify_ledger() > 0
