"""Sign-ins that end or grow old, forged clicks, roles that go, and the pages of admins and auditors."""

from __future__ import annotations

import re
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dpsynth.core.errors import BadInput, PolicyRefusal
from dpsynth.service import NotFresh, Platform, SignInOver
from dpsynth.service.clock import iso_at, unix_now

REASON = "It fits the purpose and the audit is explained in the file note."


def words(at: AppTest) -> str:
    kinds = (
        at.title,
        at.header,
        at.subheader,
        at.markdown,
        at.text,
        at.error,
        at.warning,
        at.info,
        at.success,
    )
    return "\n".join(re.sub(r"\\(.)", r"\1", element.value) for kind in kinds for element in kind)


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def press(at: AppTest, label: str) -> AppTest:
    return next(button for button in at.button if button.label == label).click().run()


def ready(open_as: Any, person: str, request_id: str) -> AppTest:
    at = open_as(person, request=request_id)
    for box in at.checkbox:
        box.check()
    at.text_area[0].set_value(REASON)
    return at.run()


def grow_old(desk: Any) -> None:
    desk.sql("UPDATE sign_in SET authenticated = ?", iso_at(unix_now() - 11 * 60))


def test_an_expired_sign_in_shows_nothing_and_does_nothing(desk: Any, open_as: Any) -> None:
    at = ready(open_as, "carol", desk.view.id)
    desk.sql("UPDATE sign_in SET expires = ?", iso_at(unix_now() - 1))
    press(at, "Approve and sign")
    assert not at.exception
    assert at.title[0].value == "Your sign-in is over"
    assert desk.view.id not in words(at)
    assert desk.view.decisions == ()


def test_a_sign_in_that_was_ended_elsewhere_is_over_here_too(desk: Any, open_as: Any) -> None:
    at = ready(open_as, "carol", desk.view.id)
    Platform.open(desk.home).access.sign_out(at.session_state["sign-in"])
    press(at, "Approve and sign")
    assert at.title[0].value == "Your sign-in is over"
    assert desk.view.decisions == ()


def test_signing_out_forgets_the_person_and_ends_the_sign_in(desk: Any, open_as: Any) -> None:
    at = open_as("carol", request=desk.view.id)
    name = at.session_state["sign-in"]
    press(at, "Sign out")
    assert at.title[0].value == "Who are you?"
    with pytest.raises(SignInOver):
        desk.platform.access.actor(name)


def test_an_old_sign_in_reads_and_does_not_decide(desk: Any, open_as: Any) -> None:
    at = ready(open_as, "carol", desk.view.id)
    grow_old(desk)
    press(at, "Approve and sign")
    assert not at.exception
    assert "Deciding needs a sign-in of the last ten minutes" in words(at)
    assert "The promise" in words(at)
    assert "Approve and sign" not in labels(at)
    assert desk.view.decisions == ()
    press(at, "Confirm who you are")
    for box in at.checkbox:
        box.check()
    at.text_area[0].set_value(REASON)
    press(at.run(), "Approve and sign")
    assert [one.person for one in desk.view.decisions] == ["carol"]


def test_a_sign_in_that_grows_old_between_look_and_click_is_refused_by_the_service(
    desk: Any, open_as: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page believes the sign-in to be fresh; the service asks the database."""
    from dpsynth.service.access import Access

    at = ready(open_as, "carol", desk.view.id)
    seen = desk.platform.access.this(at.session_state["sign-in"])
    assert seen.fresh
    grow_old(desk)
    monkeypatch.setattr(Access, "this", lambda *_: seen)
    press(at, "Approve and sign")
    assert "It is too long ago that you showed who you are." in words(at)
    assert desk.view.decisions == ()


@pytest.mark.parametrize("person", ["sam", "ada", "amal"])
def test_a_page_opened_for_somebody_elses_role_decides_nothing(desk: Any, person: str) -> None:
    page = Platform.open(desk.home, served=True)
    name = page.access.demo_sign_in(person)
    ticks = tuple(desk.platform.dossier("carol", desk.view.id).body["must_tick"])
    told = (desk.view.id, desk.view.dossier_sha256, REASON)
    for actor in (person, "carol"):
        with pytest.raises((PolicyRefusal, BadInput)):
            page.approve(actor, *told, ticks, name)
        with pytest.raises((PolicyRefusal, BadInput)):
            page.reject(actor, *told, name)
    assert desk.view.decisions == ()


def test_pages_open_the_service_as_one_that_is_served(desk: Any, open_as: Any) -> None:
    from dpsynth.ui.session import open_platform

    with pytest.raises(PolicyRefusal, match="needs the sign-in"):
        open_platform().reject("carol", desk.view.id, desk.view.dossier_sha256, REASON)
    grow_old(desk)
    name = open_platform().access.demo_sign_in("carol")
    grow_old(desk)
    with pytest.raises(NotFresh):
        open_platform().reject("carol", desk.view.id, desk.view.dossier_sha256, REASON, name)


def test_a_forged_click_on_a_disabled_button_does_nothing(desk: Any, open_as: Any) -> None:
    at = open_as("carol", request=desk.view.id)
    approve = at.button(key="approve")
    assert approve.disabled
    with pytest.raises(Exception, match="disabled"):
        approve.click().run()
    page = Platform.open(desk.home, served=True)
    with pytest.raises(Exception, match="ticked"):
        page.approve("carol", desk.view.id, desk.view.dossier_sha256, REASON, (), at.session_state["sign-in"])
    assert desk.view.decisions == ()


def test_a_role_that_was_taken_is_gone_from_an_open_page(desk: Any, open_as: Any) -> None:
    at = ready(open_as, "carol", desk.view.id)
    desk.platform.access.take("amal", "carol", "compliance_officer")
    press(at, "Approve and sign")
    assert not at.exception
    assert "You have no role here." in words(at)
    assert "The promise" not in words(at)
    assert desk.platform.request("dana", desk.request_ids[0]).decisions == ()


def test_a_demo_needs_a_server_on_this_machine(
    desk: Any, open_as: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import streamlit as st

    asked = st.get_option
    for address in ("0.0.0.0", "192.168.1.5", None):
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(
                st, "get_option", lambda key, a=address: a if key == "server.address" else asked(key)
            )
            at = open_as("carol")
            assert at.title[0].value == "No demo sign-in here"
            assert not at.button
            assert not at.selectbox
            assert desk.view.id not in words(at)
    assert open_as("carol").title[0].value == "Inbox"


def test_a_demo_needs_a_state_without_keys_of_real_people(
    desk: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathlib import Path

    Platform.open(tmp_path / "real").add_person("carol", "Carol", ("compliance_officer",))
    monkeypatch.setenv("DPSYNTH_STATE", str(tmp_path / "real"))
    at = AppTest.from_file(str(Path(__file__).parents[2] / "app.py"), default_timeout=60).run()
    assert at.title[0].value == "No demo sign-in here"
    assert "keys of real people" in words(at)
    assert not at.button
    assert not at.selectbox


def test_an_auditor_objects_on_the_dossier_and_approvers_see_why_they_may_not_sign(
    desk: Any, open_as: Any
) -> None:
    at = open_as("ada", request=desk.view.id)
    assert "Approve and sign" not in labels(at)
    press(at, "Object")
    assert "An objection needs a reason." in words(at)
    at.text_area[0].set_value("The <b>zebra</b> group is *too* small.")
    press(at, "Object")
    assert "Your objection bars this release." in words(at)
    theirs = ready(open_as, "carol", desk.view.id)
    assert "Approving is not possible: an auditor objects." in words(theirs)
    assert theirs.button(key="approve").disabled
    assert "The <b>zebra</b> group is *too* small." in [one.value for one in theirs.text]
    assert not any("zebra" in one.value for one in (*theirs.markdown, *theirs.caption, *theirs.info))
    press(at, "Withdraw my objection")
    assert "Object" in labels(at)
    press(ready(open_as, "carol", desk.view.id), "Approve and sign")
    assert [one.person for one in desk.view.decisions] == ["carol"]


def test_an_objection_after_all_have_signed_bars_publishing(desk: Any, open_as: Any) -> None:
    for person in ("carol", "dana"):
        press(ready(open_as, person, desk.view.id), "Approve and sign")
    desk.platform.reviews.object("ada", desk.view.id, desk.view.dossier_sha256, "A group is too small.")
    at = open_as("dana", request=desk.view.id)
    assert at.button(key="publish").disabled
    assert "Publishing is not possible: an auditor objects." in words(at)


def test_an_auditor_signs_reviewed_once(desk: Any, open_as: Any) -> None:
    at = press(open_as("ada", request=desk.view.id), "Sign as reviewed")
    assert "You signed that you reviewed the dossier." in words(at)
    assert "Sign as reviewed" not in labels(at)
    assert len(desk.platform.reviews.of("carol", desk.view.id)[1]) == 1
    assert desk.view.decisions == ()


def test_the_access_log_says_who_saw_what_and_when(desk: Any, open_as: Any) -> None:
    assert "Nobody has looked at exact numbers yet." in words(open_as("ada", "access-log"))
    desk.platform.audit_report("carol", desk.view.id)
    shown = open_as("ada", "access-log").table[0].value.to_csv().replace("\\", "")
    for piece in ("carol", desk.view.id, "exact audit report", "UTC"):
        assert piece in shown


def test_one_admin_proposes_and_only_another_confirms(desk: Any, open_as: Any) -> None:
    at = open_as("amal")
    assert at.title[0].value == "People and keys"
    assert "Nothing waits." in words(at)
    person, change = (
        next(box for box in at.selectbox if box.label == label) for label in ("Person", "Change")
    )
    assert "amal" not in [option.rpartition("(")[2].rstrip(")") for option in person.options]
    person.set_value("noor")
    change.set_value("grant")
    at.run()
    next(box for box in at.selectbox if box.label == "Role").set_value("auditor")
    press(at.run(), "Propose")
    assert "Give noor the role auditor" in words(at)
    assert next(button for button in at.button if button.label == "Confirm").disabled
    other = press(open_as("bela"), "Confirm")
    assert "Done: Give noor the role auditor." in words(other)
    noor = next(one for one in desk.platform.people() if one.id == "noor")
    assert noor.roles == ("data_scientist", "auditor")
    assert "noor" in "".join(table.value.to_csv() for table in other.table)


def test_a_role_is_taken_at_once_and_a_person_is_added_without_one(desk: Any, open_as: Any) -> None:
    at = open_as("amal")
    next(box for box in at.selectbox if box.label == "Person").set_value("carol")
    next(box for box in at.selectbox if box.label == "Change").set_value("take")
    press(at.run(), "Take it now")
    assert next(one for one in desk.platform.people() if one.id == "carol").roles == ()
    name, person = (
        next(box for box in at.text_input if box.label.startswith(label)) for label in ("Full name", "Id")
    )
    name.set_value("[Eve](javascript:alert(1))")
    person.set_value("eve")
    press(at.run(), "Add without a role")
    assert next(one for one in desk.platform.people() if one.id == "eve").roles == ()
    assert not any("](javascript" in one.value for one in (*at.markdown, *at.success, *at.caption))
    assert "[Eve](javascript" in "".join(t.value.to_csv() for t in at.table).replace("\\", "")


def test_an_admin_with_an_old_sign_in_changes_nothing(desk: Any, open_as: Any) -> None:
    proposal = desk.platform.access.propose("bela", "grant", "noor", "auditor")
    at = open_as("amal")
    assert not at.button(key=f"confirm-{proposal}").disabled
    grow_old(desk)
    at.run()
    assert at.button(key=f"confirm-{proposal}").disabled
    assert "Propose" not in labels(at)
    with pytest.raises(NotFresh):
        Platform.open(desk.home, served=True).access.confirm("amal", proposal, at.session_state["sign-in"])
