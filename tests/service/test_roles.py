"""Who may do what: every action as every role, through the service; and how roles come and go."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from dpsynth.core.errors import BadInput, Conflict, IntegrityError, PolicyRefusal
from dpsynth.publish.keys import load_public_keys
from dpsynth.service import Limits, Platform, RehearsalForm, RequestForm, Upload, account_text

POLICY = Path(__file__).parents[2] / "policies" / "rand-health.yaml"
PURPOSE = "Teaching health economics: students compare visit counts by insurance plan, nobody is looked at."
WHY = "The board agreed to three more attempts for the new course."
PEOPLE = {
    "sam": ("data_scientist",),
    "noor": ("data_scientist",),
    "carol": ("compliance_officer",),
    "dana": ("data_owner",),
    "ada": ("auditor",),
    "amal": ("admin",),
    "bela": ("admin",),
}


def form(key: str = "") -> RequestForm:
    return RequestForm("rand-health", "independent", PURPOSE, "students", epsilon="1", key=key)


def published_long_ago(platform: Platform) -> None:
    """A release of Noor's whose permission ends in a few days."""
    from dpsynth.service import pipeline

    asked = RequestForm("rand-health", "independent", f"{PURPOSE} Before.", "students", epsilon="0.3")
    request = platform.submit("noor", asked)
    earlier = SimpleNamespace(now=lambda zone: datetime.now(zone) - timedelta(days=360))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "datetime", earlier)
        platform.run_once("worker")
    found = platform.dossier("carol", request.id)
    for person in ("carol", "dana"):
        platform.approve(person, request.id, found.sha256, "Read.", tuple(found.body["must_tick"]))
    platform.publish("carol", request.id)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, rand_csv: Path) -> Path:
    """One person of each role, set-up over; Noor has a release, another request of hers waits, and a looser
    policy is proposed."""
    home = tmp_path_factory.mktemp("roles") / "state"
    platform = Platform.open(home)
    for person, roles in PEOPLE.items():
        platform.add_person(person, person.title(), roles)
    platform.add_person("rolf", "Rolf", (), "amal")
    platform.register_dataset("dana", POLICY, rand_csv)
    published_long_ago(platform)
    platform.submit("noor", form())
    platform.run_once("worker")
    looser = home / "looser.yaml"
    words = POLICY.read_text().replace("max_attempts_per_purpose: 3", "max_attempts_per_purpose: 6")
    looser.write_text(words.replace('\nversion: "1"', '\nversion: "2"'))
    assert platform.register_dataset("dana", looser, rand_csv, WHY).pending
    return home


@pytest.fixture
def platform(made: Path, tmp_path: Path) -> Platform:
    shutil.copytree(made, tmp_path / "state")
    return Platform.open(tmp_path / "state")


class Desk:
    """What a caller of the service can do, each action on Noor's request where it needs one."""

    def __init__(self, platform: Platform, rand_csv: Path) -> None:
        self.platform, self.rand_csv = platform, rand_csv
        self.request = next(one for one in platform.requests("carol") if one.requester == "noor")
        self.dossier = platform.dossier("carol", self.request.id)
        (self.release,) = platform.releases.listing("ada")

    def sign(self, who: str) -> None:
        ticks = tuple(self.dossier.body["must_tick"])
        self.platform.approve(who, self.request.id, self.dossier.sha256, "Read and discussed.", ticks)

    def publish(self, who: str) -> None:
        for approver in ("carol", "dana"):
            self.sign(approver)
        self.platform.publish(who, self.request.id)

    def rehearse(self, who: str) -> None:
        self.platform.rehearsals.stand_ins(who, "rand-health")
        self.platform.rehearsals.run(
            who, RehearsalForm("rand-health", "independent", rows=100, limits=Limits(1, 0.001))
        )

    def fetch(self, who: str) -> None:
        if who in ("carol", "dana", "ada"):  # others are refused whatever its state
            self.publish("dana")
        self.platform.requester.fetch(who, self.request.id)

    def confirm(self, who: str) -> None:
        proposer = "bela" if who == "amal" else "amal"
        self.platform.access.confirm(who, self.platform.access.propose(proposer, "grant", "rolf", "auditor"))

    def verify(self, who: str) -> None:
        assert not self.platform.verifier.check(who, [Upload("manifest.json", b"{}")]).verified

    def extend(self, who: str) -> str:
        return self.platform.releases.extend(who, self.release.request, self.release.last_day, WHY)

    def sign_extension(self, who: str) -> None:
        proposal = self.extend("dana" if who == "carol" else "carol")
        self.platform.releases.sign_extension(who, proposal)

    def approve_change(self, who: str) -> None:
        (change,) = self.platform.policy_changes()
        self.platform.approve_change(who, change.id)


ACTIONS: dict[str, tuple[Callable[[Desk, str], Any], set[str]]] = {
    "register a data set": (
        lambda d, who: d.platform.register_dataset(who, POLICY, d.rand_csv),
        {"dana"},
    ),
    # Stricter than the design, which lets a second data owner agree too.
    "approve a policy version": (lambda d, who: d.approve_change(who), {"carol"}),
    "price a request": (lambda d, who: d.platform.quote(who, form()), {"sam", "dana"}),
    "read the catalogue": (lambda d, who: d.platform.requester.offers(who), {"sam", "carol", "dana", "ada"}),
    "rehearse": (lambda d, who: d.rehearse(who), {"sam", "carol", "dana", "ada"}),
    "list releases to fetch": (
        lambda d, who: d.platform.requester.downloads(who),
        {"sam", "carol", "dana", "ada"},
    ),
    "fetch somebody's release": (lambda d, who: d.fetch(who), {"carol", "dana", "ada"}),
    "follow somebody's request": (
        lambda d, who: d.platform.requester.timeline(who, d.request.id),
        {"carol", "dana", "ada"},
    ),
    "submit and cancel a request": (
        lambda d, who: d.platform.cancel(who, d.platform.submit(who, form("mine")).id),
        {"sam", "dana"},
    ),
    "cancel somebody's request": (lambda d, who: d.platform.cancel(who, d.request.id), set()),
    "read the dossier": (
        lambda d, who: d.platform.dossier(who, d.request.id),
        {"carol", "dana", "ada"},
    ),
    "see exact audit numbers": (
        lambda d, who: d.platform.audit_report(who, d.request.id),
        {"carol", "ada"},
    ),
    "see exact measures of utility": (
        lambda d, who: d.platform.utility.exact(who, d.request.id),
        {"carol", "ada"},
    ),
    "approve a release": (lambda d, who: d.sign(who), {"carol", "dana"}),
    "reject a release": (
        lambda d, who: d.platform.reject(who, d.request.id, d.dossier.sha256, "It names no question."),
        {"carol", "dana"},
    ),
    "publish a release": (lambda d, who: d.publish(who), {"carol", "dana"}),
    "object to a release": (
        lambda d, who: d.platform.reviews.object(
            who, d.request.id, d.dossier.sha256, "A group is too small."
        ),
        {"ada"},
    ),
    "sign reviewed": (
        lambda d, who: d.platform.reviews.review(who, d.request.id, d.dossier.sha256),
        {"ada"},
    ),
    "revoke a release": (
        lambda d, who: d.platform.releases.revoke(who, d.release.request, WHY),
        {"carol", "dana"},
    ),
    "extend a release": (lambda d, who: d.extend(who), {"carol", "dana"}),
    "sign an extension": (lambda d, who: d.sign_extension(who), {"carol", "dana"}),
    "withdraw an extension": (
        lambda d, who: d.platform.releases.withdraw_extension(who, d.extend("carol")),
        {"carol", "dana"},
    ),
    "list the releases": (lambda d, who: d.platform.releases.listing(who), {"carol", "dana", "ada"}),
    "pause a data set": (
        lambda d, who: d.platform.releases.pause(who, "rand-health", WHY),
        {"carol", "dana"},
    ),
    "withdraw a data set": (lambda d, who: d.platform.rulebook.withdraw(who, "rand-health", WHY), {"dana"}),
    "see where data sets lie": (
        lambda d, who: (d.platform.rulebook.owned(who), d.platform.rulebook.roots(who)),
        {"dana"},
    ),
    "register by path": (
        lambda d, who: d.platform.rulebook.register(who, str(POLICY), str(d.rand_csv)),
        {"dana"},
    ),
    "read all versions of policies": (
        lambda d, who: d.platform.rulebook.policies(who),
        {"carol", "dana", "ada"},
    ),
    "follow a budget over time": (lambda d, who: d.platform.board.history(who), {"carol", "dana", "ada"}),
    "see budgets in bands": (lambda d, who: d.platform.board.bands(who), {"sam", "carol", "dana", "ada"}),
    "read the sums": (lambda d, who: d.platform.budget(who), {"sam", "carol", "dana", "ada"}),
    "read the ledger": (lambda d, who: d.platform.ledger_entries(who), {"carol", "dana", "ada"}),
    "read the access log": (lambda d, who: d.platform.access.looks(who), {"ada"}),
    "page through the ledger": (lambda d, who: d.platform.book.page(who), {"carol", "dana", "ada"}),
    "see where the chain stands": (lambda d, who: d.platform.book.status(who), {"carol", "dana", "ada"}),
    "recompute the chain": (lambda d, who: d.platform.book.verify(who), {"carol", "dana", "ada"}),
    "export the chain": (lambda d, who: d.platform.book.export(who), {"carol", "dana", "ada"}),
    "take an attack report along": (
        lambda d, who: d.platform.attack_reports.export(who, d.request.id),
        {"carol", "ada"},
    ),
    "have a bundle verified": (lambda d, who: d.verify(who), {"carol", "dana", "ada"}),
    "take a checkpoint": (lambda d, who: d.platform.checkpoint(who), {"carol", "dana", "ada"}),
    "see keys and accounts": (lambda d, who: d.platform.access.keys(who), {"ada", "amal"}),
    "add a person": (lambda d, who: d.platform.add_person("nils", "Nils", (), who), {"amal"}),
    "propose a role": (
        lambda d, who: d.platform.access.propose(who, "grant", "rolf", "auditor"),
        {"amal"},
    ),
    "confirm a role": (lambda d, who: d.confirm(who), {"amal"}),
    "propose a new key": (lambda d, who: d.platform.access.propose(who, "rotate", "noor"), {"amal"}),
    "take a role": (lambda d, who: d.platform.access.take(who, "noor", "data_scientist"), {"amal"}),
    "propose an account": (
        lambda d, who: d.platform.access.link(who, "noor", account_text("https://id.test", "subject", "7")),
        {"amal"},
    ),
}
ACTORS = ("sam", "carol", "dana", "ada", "amal", "rolf", "dpsynth-service", "")


@pytest.mark.parametrize("who", ACTORS)
@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_is_for_its_roles_and_for_nobody_else(
    platform: Platform, rand_csv: Path, action: str, who: str
) -> None:
    act, allowed = ACTIONS[action]
    desk = Desk(platform, rand_csv)
    if who in allowed:
        act(desk, who)
        assert platform.verify_ledger() > 0
    else:
        before = platform.ledger_entries("ada")
        with pytest.raises((PolicyRefusal, BadInput), match=r"may not|not known|Nobody|no request|Only its"):
            act(desk, who)
        told = [one.kind for one in platform.ledger_entries("ada")[len(before) :]]
        prepared = {
            "approve",
            "approved",
            "publish",
            "access proposed",
            "extension proposed",
            "extension signed",
        }
        assert set(told) <= prepared  # what the desk itself did before


@pytest.mark.parametrize("who", ["worker", "service", "root"])
def test_there_is_no_role_that_opens_data(platform: Platform, tmp_path: Path, who: str) -> None:
    with pytest.raises(BadInput, match="roles that exist"):
        Platform.open(tmp_path / "other").add_person("eve", "Eve", (who,))
    with pytest.raises(BadInput, match="no such role"):
        platform.access.propose("amal", "grant", "rolf", who)


def roles(platform: Platform, who: str) -> tuple[str, ...]:
    return next(one.roles for one in platform.people() if one.id == who)


def test_a_role_needs_two_admins_and_works_from_the_next_call_on(platform: Platform) -> None:
    proposal = platform.access.propose("amal", "grant", "rolf", "auditor")
    assert platform.access.propose("bela", "grant", "rolf", "auditor") == proposal
    with pytest.raises(PolicyRefusal, match="may not do this"):
        platform.access.looks("rolf")
    with pytest.raises(PolicyRefusal, match="own proposal"):
        platform.access.confirm("amal", proposal)
    assert platform.access.confirm("bela", proposal).roles == ("auditor",)
    assert platform.access.looks("rolf") == []
    with pytest.raises(Conflict, match="waits for an admin"):
        platform.access.confirm("bela", proposal)
    assert platform.verify_ledger() > 0


def test_nobody_changes_anything_about_themselves(platform: Platform) -> None:
    account = account_text("https://id.test", "subject", "1")
    for kind, detail in (("grant", "auditor"), ("rotate", ""), ("take admin", ""), ("link", account)):
        with pytest.raises(PolicyRefusal, match="their own"):
            platform.access.propose("amal", kind, "amal", detail)
    proposal = platform.access.propose("bela", "rotate", "amal")
    with pytest.raises(PolicyRefusal, match="their own"):
        platform.access.confirm("amal", proposal)


def test_after_set_up_the_command_line_gives_no_role_either(platform: Platform) -> None:
    with pytest.raises(PolicyRefusal, match="Nobody gives a role alone"):
        platform.add_person("eve", "Eve", ("compliance_officer",), "amal")
    with pytest.raises(PolicyRefusal):
        platform.add_person("eve", "Eve", ())
    with pytest.raises(PolicyRefusal):
        platform.access.link("", "carol", account_text("https://id.test", "subject", "1"))


def test_one_admin_is_still_set_up_and_two_end_it_for_good(tmp_path: Path) -> None:
    platform = Platform.open(tmp_path / "state")
    platform.add_person("amal", "Amal", ("admin",))
    platform.add_person("carol", "Carol", ("compliance_officer",))
    assert platform.access.link("", "carol", account_text("https://id.test", "email", "C@x.org")) == ""
    platform.add_person("bela", "Bela", ("admin",))
    with pytest.raises(PolicyRefusal):
        platform.add_person("eve", "Eve", ("data_owner",))
    with pytest.raises(PolicyRefusal, match="Two admins must remain"):
        platform.access.propose("amal", "take admin", "bela")


def test_a_page_never_sets_anything_up(tmp_path: Path) -> None:
    Platform.open(tmp_path / "state").add_person("carol", "Carol", ("compliance_officer",))
    page = Platform.open(tmp_path / "state", served=True)
    for actor in ("", "carol"):
        with pytest.raises(PolicyRefusal):
            page.add_person("eve", "Eve", ("admin",), actor)
        with pytest.raises(PolicyRefusal):
            page.access.link(actor, "carol", account_text("https://id.test", "subject", "1"))


def test_an_admin_holds_no_other_role(platform: Platform, tmp_path: Path) -> None:
    with pytest.raises(PolicyRefusal, match="no other role"):
        platform.access.propose("amal", "grant", "bela", "compliance_officer")
    with pytest.raises(PolicyRefusal, match="no other role"):
        platform.access.propose("amal", "grant", "carol", "admin")
    with pytest.raises(PolicyRefusal, match="no other role"):
        Platform.open(tmp_path / "other").add_person("eve", "Eve", ("admin", "data_owner"))
    with platform._store.write() as connection:
        both = """UPDATE person SET roles = '["admin","compliance_officer"]' WHERE id = 'amal'"""
        connection.execute(text(both))
    desk = Desk(platform, POLICY)
    with pytest.raises(PolicyRefusal, match="may not do this"):
        desk.sign("amal")
    with pytest.raises(IntegrityError, match="People, roles or keys"):
        platform.verify_ledger()


def test_a_role_that_is_taken_is_gone_at_once_with_its_key_and_its_signature(
    platform: Platform, rand_csv: Path
) -> None:
    desk = Desk(platform, rand_csv)
    desk.sign("carol")
    desk.sign("dana")
    assert platform.access.take("amal", "carol", "compliance_officer").roles == ()
    with pytest.raises(PolicyRefusal, match="no longer counts"):
        platform.publish("dana", desk.request.id)
    with pytest.raises(BadInput, match="no request with this id that you may see"):
        platform.publish("carol", desk.request.id)
    assert not (platform.keys_dir.parent / "secrets" / "carol.pem").exists()
    assert platform.verify_ledger() > 0
    # Given back by two admins, the role counts again, and so does what was signed in it.
    platform.access.confirm("bela", platform.access.propose("amal", "grant", "carol", "compliance_officer"))
    assert platform.publish("carol", desk.request.id).is_dir()


def test_a_new_key_replaces_the_old_one_and_what_that_signed_still_verifies(
    platform: Platform, rand_csv: Path
) -> None:
    desk = Desk(platform, rand_csv)
    desk.sign("carol")
    before = next(one for one in platform.people() if one.id == "carol").key_id
    after = platform.access.confirm("bela", platform.access.propose("amal", "rotate", "carol")).key_id
    assert before != after
    known = load_public_keys(platform.keys_dir)
    assert {known[one].person for one in (before, after)} == {"carol"}
    desk.sign("dana")
    assert platform.publish("dana", desk.request.id).is_dir()
    assert platform.verify_ledger() > 0


def test_a_change_that_fails_leaves_key_and_roles_as_they_were(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dpsynth.service import people

    home = platform.keys_dir.parent
    kept = {path.name: path.read_bytes() for path in (*home.glob("keys/*"), *home.glob("secrets/*"))}
    proposal = platform.access.propose("amal", "grant", "sam", "auditor")

    def full(*_: object, **__: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(people, "append", full)
        with pytest.raises(OSError, match="disk full"):
            platform.access.confirm("bela", proposal)
    assert {path.name: path.read_bytes() for path in (*home.glob("keys/*"), *home.glob("secrets/*"))} == kept
    assert roles(platform, "sam") == ("data_scientist",)
    platform.access.confirm("bela", proposal)
    assert roles(platform, "sam") == ("data_scientist", "auditor")


def test_the_admin_role_is_taken_by_two_others_and_never_from_the_last_two(platform: Platform) -> None:
    with pytest.raises(PolicyRefusal, match="by two admins"):
        platform.access.take("amal", "bela", "admin")
    with pytest.raises(PolicyRefusal, match="Two admins must remain"):
        platform.access.propose("amal", "take admin", "bela")
    platform.access.confirm("bela", platform.access.propose("amal", "grant", "rolf", "admin"))
    proposal = platform.access.propose("amal", "take admin", "bela")
    with pytest.raises(PolicyRefusal, match="their own"):
        platform.access.confirm("bela", proposal)
    platform.access.confirm("rolf", proposal)
    assert roles(platform, "bela") == ()
    with pytest.raises(PolicyRefusal):
        platform.access.propose("bela", "grant", "noor", "auditor")


def test_a_proposal_of_somebody_who_is_no_admin_any_more_is_void(platform: Platform) -> None:
    platform.access.confirm("bela", platform.access.propose("amal", "grant", "rolf", "admin"))
    proposal = platform.access.propose("bela", "grant", "noor", "auditor")
    platform.access.confirm("rolf", platform.access.propose("amal", "take admin", "bela"))
    with pytest.raises(PolicyRefusal, match="bela may not"):
        platform.access.confirm("amal", proposal)
    platform.access.withdraw("amal", proposal)
    states = sorted(one.state for one in platform.access.proposals("ada"))
    assert states == ["confirmed", "confirmed", "withdrawn"]
    assert platform.verify_ledger() > 0


def test_an_objection_bars_a_release_until_it_is_withdrawn(platform: Platform, rand_csv: Path) -> None:
    desk = Desk(platform, rand_csv)
    desk.sign("carol")
    said = platform.reviews.object("ada", desk.request.id, desk.dossier.sha256, "A group is too small.")
    with pytest.raises(PolicyRefusal, match="auditor objects"):
        desk.sign("dana")
    with pytest.raises(PolicyRefusal, match="may not"):
        platform.reviews.withdraw("carol", said.id)
    platform.reviews.withdraw("ada", said.id)
    desk.sign("dana")
    platform.reviews.object("ada", desk.request.id, desk.dossier.sha256, "Another thought on it.")
    with pytest.raises(PolicyRefusal, match="auditor objects"):
        platform.publish("dana", desk.request.id)
    assert platform.verify_ledger() > 0
    assert platform.request("ada", desk.request.id).state == "approved"


def test_a_release_that_was_objected_to_can_be_rejected_even_when_all_have_signed(
    platform: Platform, rand_csv: Path
) -> None:
    platform.access.confirm("bela", platform.access.propose("amal", "grant", "rolf", "compliance_officer"))
    desk = Desk(platform, rand_csv)
    desk.sign("carol")
    desk.sign("dana")
    platform.reviews.object("ada", desk.request.id, desk.dossier.sha256, "A group is too small.")
    view = platform.reject("rolf", desk.request.id, desk.dossier.sha256, "The auditor is right.")
    assert view.state == "rejected"
    with pytest.raises(Conflict, match="rejected"):
        platform.reviews.review("ada", desk.request.id, desk.dossier.sha256)
    assert platform.verify_ledger() > 0


def test_auditors_speak_of_the_dossier_they_read_once_and_never_of_their_own_request(
    platform: Platform, rand_csv: Path
) -> None:
    desk = Desk(platform, rand_csv)
    for say in (platform.reviews.review, lambda *a: platform.reviews.object(*a, "A group is too small.")):
        with pytest.raises(Conflict, match="changed since you opened it"):
            say("ada", desk.request.id, "0" * 64)
        say("ada", desk.request.id, desk.dossier.sha256)
        with pytest.raises(Conflict, match="already"):
            say("ada", desk.request.id, desk.dossier.sha256)
    with pytest.raises(BadInput, match="needs a reason"):
        platform.reviews.object("ada", desk.request.id, desk.dossier.sha256, "no")
    platform.access.confirm("bela", platform.access.propose("amal", "grant", "noor", "auditor"))
    with pytest.raises(PolicyRefusal, match="own request"):
        platform.reviews.review("noor", desk.request.id, desk.dossier.sha256)
    with pytest.raises(PolicyRefusal, match="own request"):
        platform.reviews.of("noor", desk.request.id)
    # A review approves nothing.
    assert platform.request("carol", desk.request.id).decisions == ()


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        ("UPDATE objection SET state = 'withdrawn'", "Objections"),
        ("DELETE FROM objection", "Objections"),
        ("UPDATE objection SET reason = 'It is fine, really.'", "Objections"),
        ("INSERT INTO account VALUES ('https://id.test', 'subject', '9', 'carol')", "accounts"),
        ("UPDATE access_proposal SET state = 'confirmed', decider = 'bela'", "Proposed changes"),
        ("DELETE FROM review", "Reviews"),
    ],
)
def test_records_of_access_that_were_changed_by_hand_are_found(
    platform: Platform, rand_csv: Path, tamper: str, words: str
) -> None:
    desk = Desk(platform, rand_csv)
    platform.reviews.object("ada", desk.request.id, desk.dossier.sha256, "A group is too small.")
    platform.reviews.review("ada", desk.request.id, desk.dossier.sha256)
    platform.access.propose("amal", "grant", "rolf", "auditor")
    assert platform.verify_ledger() > 0
    with platform._store.write() as connection:
        connection.execute(text(tamper))
    with pytest.raises(IntegrityError, match=words):
        platform.verify_ledger()
