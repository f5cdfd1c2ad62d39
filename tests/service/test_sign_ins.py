"""Sign-ins: how long they last, what ends them, and how fresh one must be to decide by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from dpsynth.core.errors import BadInput, Conflict, IntegrityError, PolicyRefusal
from dpsynth.service import (
    Account,
    NotFresh,
    Platform,
    RequestForm,
    SignInOver,
    UnknownAccount,
    account_text,
)
from dpsynth.service.clock import iso_at, unix_now

ISSUER = "https://id.test"
LATER = 11 * 60


def token(subject: str = "1", nonce: str = "n" * 20, age: int = 0, **more: object) -> Account:
    return Account(ISSUER, subject, nonce, unix_now() - age, **more)  # type: ignore[arg-type]


@pytest.fixture
def house(tmp_path: Path) -> Platform:
    """Carol and Dana, each with an account; opened as pages open it."""
    platform = Platform.open(tmp_path / "state")
    platform.add_person("carol", "Carol", ("compliance_officer",))
    platform.add_person("dana", "Dana", ("data_owner",))
    platform.access.link("", "carol", account_text(ISSUER, "subject", "1"))
    platform.access.link("", "dana", account_text(ISSUER, "subject", "2"))
    return Platform.open(tmp_path / "state", served=True)


def change(platform: Platform, words: str) -> None:
    with platform._store.write() as connection:
        connection.execute(text(words))


def test_a_token_gives_the_linked_person_and_the_same_sign_in_after_a_reload(house: Platform) -> None:
    same = token()
    name = house.access.sign_in(same)
    assert house.access.sign_in(same) == name
    assert house.access.actor(name).id == "carol"
    assert house.access.this(name).method == "oidc"
    assert house.access.sign_in(token(nonce="m" * 20)) != name
    with house._store.read() as connection:
        stored = connection.execute(text("SELECT id_sha256 FROM sign_in")).scalars().all()
    assert name not in stored
    assert house.verify_ledger() > 0


@pytest.mark.parametrize(
    "stranger",
    [
        token("3"),
        Account("https://other.test", "1", "n" * 20, unix_now()),
        token("3", email="carol@x.org"),
    ],
)
def test_an_unknown_account_gets_no_sign_in(house: Platform, stranger: Account) -> None:
    with pytest.raises(UnknownAccount, match="Nobody here is linked"):
        house.access.sign_in(stranger)


@pytest.mark.parametrize(
    "odd",
    [
        token(""),
        token(nonce="short"),
        token(nonce=""),
        token(age=-3600),
        token(auth_time=unix_now() + 3600),
        Account("", "1", "n" * 20, unix_now()),
        Account(ISSUER, "1", "n" * 20, 0),
        Account(ISSUER, "1", "n" * 20, 10**18),
        token("1" * 256),
    ],
)
def test_a_token_that_lacks_a_fact_is_refused(house: Platform, odd: Account) -> None:
    with pytest.raises(BadInput, match="lacks a fact"):
        house.access.sign_in(odd)


def test_a_verified_address_is_a_link_once_and_then_bound_to_its_subject(house: Platform) -> None:
    Platform.open(house.keys_dir.parent).access.link("", "dana", account_text(ISSUER, "email", "Dana@X.org"))
    with pytest.raises(UnknownAccount):
        house.access.sign_in(token("9"))
    assert house.access.actor(house.access.sign_in(token("9", email="dana@x.org"))).id == "dana"
    assert house.access.actor(house.access.sign_in(token("9", nonce="m" * 20))).id == "dana"
    with pytest.raises(UnknownAccount):
        house.access.sign_in(token("10", email="dana@x.org"))
    assert house.verify_ledger() > 0


def test_a_sign_in_ends_after_a_working_day_though_the_cookie_lives_on(house: Platform) -> None:
    old = token(age=8 * 3600 - 60)
    name = house.access.sign_in(old)
    assert house.access.actor(name).id == "carol"
    with pytest.raises(SignInOver):
        house.access.sign_in(token(nonce="m" * 20, age=8 * 3600))
    change(house, f"UPDATE sign_in SET expires = '{iso_at(unix_now())}'")
    with pytest.raises(SignInOver):
        house.access.actor(name)
    assert house.access.sign_in(old) == name
    with pytest.raises(IntegrityError, match="Sign-ins"):
        house.verify_ledger()


def test_signing_out_kills_the_token_for_good(house: Platform) -> None:
    copied = token()
    name = house.access.sign_in(copied)
    other = house.access.sign_in(token(nonce="m" * 20))
    house.access.sign_out(name)
    house.access.sign_out(name)
    assert house.access.sign_in(copied) == name
    with pytest.raises(SignInOver):
        house.access.actor(name)
    assert house.access.actor(other).id == "carol"
    assert house.verify_ledger() > 0


@pytest.mark.parametrize("name", ["", "carol", "0" * 64])
def test_what_is_no_sign_in_gives_nobody(house: Platform, name: str) -> None:
    with pytest.raises(SignInOver):
        house.access.actor(name)


def test_roles_that_were_taken_and_links_that_were_cut_act_on_open_sign_ins(tmp_path: Path) -> None:
    platform = Platform.open(tmp_path / "state")
    for person, role in (("amal", "admin"), ("carol", "compliance_officer")):
        platform.add_person(person, person.title(), (role,))
    platform.access.link("", "carol", account_text(ISSUER, "subject", "1"))
    platform.add_person("bela", "Bela", ("admin",))
    name = platform.access.sign_in(token())
    platform.access.take("amal", "carol", "compliance_officer")
    with pytest.raises(PolicyRefusal, match="no role"):
        platform.access.actor(name)
    platform.access.confirm("bela", platform.access.propose("amal", "grant", "carol", "auditor"))
    assert platform.access.actor(name).roles == ("auditor",)
    platform.access.unlink("amal", account_text(ISSUER, "subject", "1"))
    with pytest.raises(SignInOver):
        platform.access.actor(name)
    with pytest.raises(UnknownAccount):
        platform.access.sign_in(token(nonce="m" * 20))
    assert platform.verify_ledger() > 0


FRESH = [
    ("asked just now", {"auth_time": -5}, True),
    ("asked nine minutes ago", {"auth_time": -540}, True),
    ("asked eleven minutes ago", {"auth_time": -LATER}, False),
    ("a new token of an old sign-in at the provider", {"auth_time": -LATER, "asked": True}, False),
    ("asked again, and the provider states no time", {"asked": True}, True),
    ("not asked again, and the provider states no time", {}, False),
]


@pytest.mark.parametrize(("told", "fresh"), [one[1:] for one in FRESH], ids=[one[0] for one in FRESH])
def test_only_a_person_who_was_asked_lately_decides(
    house: Platform, told: dict[str, int], fresh: bool
) -> None:
    if "auth_time" in told:
        told = {**told, "auth_time": unix_now() + told["auth_time"]}
    name = house.access.sign_in(token(**told))
    assert house.access.this(name).fresh == fresh
    # Known to be nobody's request: what is asked here is only whether the sign-in would do.
    with house._store.read() as connection:
        from dpsynth.service.signins import proof

        if fresh:
            assert proof(connection, "carol", name, True)["method"] == "oidc"
        else:
            with pytest.raises(NotFresh, match="too long ago"):
                proof(connection, "carol", name, True)
        with pytest.raises(PolicyRefusal, match="sign-in of the person who decides"):
            proof(connection, "dana", name, True)


def test_every_decision_of_a_page_needs_a_sign_in_and_the_chain_says_which_kind(
    platform: Platform, form: Callable[..., RequestForm]
) -> None:
    request = platform.submit("sam", form())
    platform.run_once("worker")
    read = platform.dossier("carol", request.id)
    ticks = tuple(read.body["must_tick"])
    page = Platform.open(platform.keys_dir.parent, served=True)
    platform.access.link("", "carol", account_text(ISSUER, "subject", "1"))
    fresh = page.access.sign_in(token(asked=True))
    stale = page.access.sign_in(token(nonce="m" * 20))
    for person, name, why in (("carol", "", "needs the sign-in"), ("dana", fresh, "needs the sign-in")):
        with pytest.raises(PolicyRefusal, match=why):
            page.approve(person, request.id, read.sha256, "Read and discussed.", ticks, name)
        with pytest.raises(PolicyRefusal, match=why):
            page.reject(person, request.id, read.sha256, "Read and discussed.", name)
    with pytest.raises(PolicyRefusal, match="needs the sign-in"):
        page.reviews.review("ada", request.id, read.sha256)
    with pytest.raises(PolicyRefusal, match="needs the sign-in"):
        page.reviews.object("ada", request.id, read.sha256, "A group is too small.")
    with pytest.raises(NotFresh):
        page.approve("carol", request.id, read.sha256, "Read and discussed.", ticks, stale)
    assert page.request("carol", request.id).decisions == ()
    page.approve("carol", request.id, read.sha256, "Read and discussed.", ticks, fresh)
    platform.approve("dana", request.id, read.sha256, "Read and discussed.", ticks)
    told = {e.body["actor"]: e.body for e in platform.ledger_entries("ada") if e.kind == "approve"}
    assert told["carol"]["method"] == "oidc"
    assert told["carol"]["authenticated"] == page.access.this(fresh).authenticated
    assert (told["dana"]["method"], told["dana"]["authenticated"]) == ("cli", "")
    assert platform.verify_ledger() > 0


def test_a_page_revokes_with_a_fresh_sign_in_only(
    platform: Platform, form: Callable[..., RequestForm]
) -> None:
    request = platform.submit("sam", form())
    platform.run_once("worker")
    read = platform.dossier("carol", request.id)
    for person in ("carol", "dana"):
        platform.approve(
            person, request.id, read.sha256, "Read and discussed.", tuple(read.body["must_tick"])
        )
    page = Platform.open(platform.keys_dir.parent, served=True)
    platform.access.link("", "carol", account_text(ISSUER, "subject", "1"))
    fresh = page.access.sign_in(token(asked=True))
    stale = page.access.sign_in(token(nonce="m" * 20))
    platform.publish("carol", request.id)
    with pytest.raises(PolicyRefusal, match="needs the sign-in"):
        page.releases.revoke("carol", request.id, "A mistake in the terms.")
    with pytest.raises(NotFresh):
        page.releases.revoke("carol", request.id, "A mistake in the terms.", sign_in=stale)
    assert page.request("carol", request.id).state == "published"
    page.releases.revoke("carol", request.id, "A mistake in the terms.", sign_in=fresh)
    (revoked,) = [e.body for e in platform.ledger_entries("ada") if e.kind == "revoke"]
    assert revoked["method"] == "oidc"
    assert platform.verify_ledger() > 0


def test_demo_sign_ins_are_for_states_that_were_made_for_it(tmp_path: Path, house: Platform) -> None:
    with pytest.raises(PolicyRefusal, match="keys of real people"):
        house.access.demo_sign_in("carol")
    with pytest.raises(Conflict, match="no demonstration"):
        house.access.mark_demo()
    demo = Platform.open(tmp_path / "demo")
    demo.access.mark_demo()
    demo.add_person("sam", "Sam", ("data_scientist",))
    one, two = demo.access.demo_sign_in("sam"), demo.access.demo_sign_in("sam")
    assert one != two
    assert demo.access.this(one).fresh
    assert demo.access.actor(one).id == "sam"
    with pytest.raises(PolicyRefusal, match="Nobody with this id"):
        demo.access.demo_sign_in("carol")
    assert demo.verify_ledger() > 0


def test_words_of_a_requester_do_not_make_a_state_a_demonstration(tmp_path: Path) -> None:
    platform = Platform.open(tmp_path / "state")
    platform.add_person("eve", 'Eve ","kind":"demo","x":"', ("data_scientist",))
    assert not platform.access.is_demo
