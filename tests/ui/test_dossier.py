"""The dossier and the decision: what is shown, who decides, and that it counts once."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dpsynth.core.errors import AuditBlocked, IntegrityError, PolicyRefusal
from dpsynth.publish.keys import load_public_keys
from dpsynth.publish.verify import verify_bundle
from dpsynth.service import RequestForm
from dpsynth.ui.words import SPENT_NOTE

REASON = "It fits the purpose and the audit is explained in the file note."


def words(at: AppTest) -> list[str]:
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
    return [re.sub(r"\\(.)", r"\1", element.value) for kind in kinds for element in kind]


def said(at: AppTest, piece: str) -> bool:
    return any(piece in text for text in words(at))


def looks(desk: Any) -> int:
    return sum(entry.kind == "view" for entry in desk.platform.ledger_entries("carol"))


def press(at: AppTest, label: str) -> AppTest:
    return next(button for button in at.button if button.label == label).click().run()


def ready(open_as: Any, person: str, request_id: str) -> AppTest:
    """The dossier with everything ticked and a reason written."""
    at = open_as(person, request=request_id)
    for box in at.checkbox:
        box.check()
    at.text_area[0].set_value(REASON)
    return at.run()


def test_the_dossier_says_all_that_is_signed_for(desk: Any, open_as: Any) -> None:
    at = open_as("carol", request=desk.view.id)
    body = desk.platform.dossier("carol", desk.view.id).body
    assert said(at, "All 3 checks of policy rand-health version 1 pass")
    assert [one.value for one in at.header] == [
        "What leaves, to whom, why, until when",
        "The promise",
        "Budget before, this, after",
        "Attacks",
        "How useful the rows are",
        "Who might be hurt, and what it is for",
        "What changed since the last release",
        "Decision",
    ]
    for words in body["harm"].values():
        assert said(at, words)
    assert said(at, "Nothing of this dataset has been published before.")
    gaussian = body["guarantee"]["gaussian_epsilon"]
    assert 0.9 < float(gaussian) < 1
    assert [one.value for one in at.metric] == ["0.024355957", "1", gaussian, "1e-6"]
    assert at.metric[2].label == "epsilon, Gaussian"
    assert said(at, "The second epsilon is by the exact Gaussian conversion. Both hold")
    assert said(at, "could become at most 74 in 100 sure")
    for check in body["audit"]["checks"]:
        assert said(at, f"{check['id']} {check['name']}")
    for item in body["must_tick"]:
        assert item in [box.label for box in at.checkbox]
    assert said(at, "Copies of a published release cannot be recalled")
    assert said(at, "does not come back")
    assert said(at, "may draw further rows from it, also under conditions or with given margins")
    budget = at.table[0].value.iloc[0].map(lambda cell: cell.replace("\\", ""))
    assert budget["Left for ever"] == "0.034017566"
    assert budget["Promise"] == "epsilon 1.6 at delta 1e-6"
    assert budget["Spent with this"] == f"epsilon {body['budget'][0]['epsilon_after']} at delta 1e-6"
    assert any(SPENT_NOTE in re.sub(r"\\(.)", r"\1", one.value) for one in at.caption)


def test_a_loss_that_no_gaussian_states_shows_one_epsilon(
    desk: Any, open_as: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dpsynth.service import Dossier, Platform

    found = desk.platform.dossier("carol", desk.view.id)
    body = found.body | {"guarantee": found.body["guarantee"] | {"gaussian_epsilon": ""}}
    monkeypatch.setattr(Platform, "dossier", lambda *_: Dossier(found.sha256, body))
    at = open_as("carol", request=desk.view.id)
    assert [one.value for one in at.metric] == ["0.024355957", "1", "1e-6"]
    assert not said(at, "The second epsilon")


def test_approving_needs_every_tick(desk: Any, open_as: Any) -> None:
    at = open_as("carol", request=desk.view.id)
    assert at.button(key="approve").disabled
    for box in at.checkbox[:-1]:
        box.check()
    assert at.run().button(key="approve").disabled
    at.checkbox[-1].check()
    assert not at.run().button(key="approve").disabled


def test_two_people_sign_and_the_published_bundle_verifies(desk: Any, open_as: Any) -> None:
    at = ready(open_as, "carol", desk.view.id)
    press(at, "Approve and sign")
    assert said(at, "Your signature is in.")
    assert desk.view.waiting_for == ("data_owner",)
    assert not [button for button in at.button if button.label in ("Approve and sign", "Publish")]
    at = press(ready(open_as, "dana", desk.view.id), "Approve and sign")
    assert desk.view.state == "approved"
    at = press(at, "Publish")
    assert desk.view.state == "published"
    assert any(desk.view.bundle == block.value for block in at.code)
    trust = load_public_keys(desk.platform.keys_dir)
    assert verify_bundle(Path(desk.view.bundle), trust, datetime.now(UTC)).lines
    mine = open_as("sam", "my-requests")
    assert REASON not in [element.value for element in mine.text]
    assert any(f"dpsynth verify {desk.view.bundle}" in block.value for block in mine.code)


def test_a_published_release_is_revoked_by_those_who_may_with_a_reason(desk: Any, open_as: Any) -> None:
    for person in ("carol", "dana"):
        at = press(ready(open_as, person, desk.view.id), "Approve and sign")
    at = press(at, "Publish")
    assert "Revoke" not in [button.label for button in open_as("sam", "my-requests").button]
    at.text_area(key=f"why-{desk.view.id}").input("short").run()
    at = press(at, "Revoke")
    assert said(at, "This needs a written reason")
    assert desk.view.state == "published"
    at.selectbox(key=f"kind-{desk.view.id}").select("fault")
    at.text_area(key=f"why-{desk.view.id}").input("A column was released that should not be.").run()
    assert said(at, "revocation adds a signed list entry")
    at = press(at, "Revoke")
    assert desk.view.state == "revoked"
    assert said(at, "This release was revoked")
    assert not [button for button in at.button if button.label == "Revoke"]
    mine = open_as("sam", "my-requests")
    assert said(mine, "stop using it and delete your copies")
    assert "should not be" not in " ".join(element.value for element in mine.markdown)


def test_a_double_click_is_one_decision(desk: Any, open_as: Any) -> None:
    first, second = ready(open_as, "carol", desk.view.id), ready(open_as, "carol", desk.view.id)
    press(first, "Approve and sign")
    press(second, "Approve and sign")
    assert not second.exception
    assert len(desk.view.decisions) == 1


def test_a_decision_that_comes_second_is_told_kindly(
    desk: Any, open_as: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dpsynth.core.errors import Conflict
    from dpsynth.service import Platform

    at = ready(open_as, "carol", desk.view.id)

    def late(*_: Any) -> None:
        raise Conflict("You have already decided on this request", remedy="nothing more to do")

    monkeypatch.setattr(Platform, "approve", late)
    press(at, "Approve and sign")
    assert said(at, "It counts once.")
    assert said(at, "You have already decided on this request.")
    assert not at.exception


def test_a_dossier_that_changed_meanwhile_is_not_signed(
    desk: Any, open_as: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dpsynth.service import Dossier, Platform

    found = desk.platform.dossier("carol", desk.view.id)
    with monkeypatch.context() as before:
        before.setattr(Platform, "dossier", lambda *_: Dossier("0" * 64, found.body))
        at = ready(open_as, "carol", desk.view.id)
    press(at, "Approve and sign")
    assert said(at, "changed since you opened it")
    assert desk.view.decisions == ()
    press(at, "I have read it again")
    assert not said(at, "changed since you opened it")
    assert [button for button in at.button if button.label == "Approve and sign"]


def test_rejecting_needs_a_reason_and_the_requester_reads_it(desk: Any, open_as: Any) -> None:
    at = open_as("dana", request=desk.view.id)
    press(at, "Reject")
    assert said(at, "Rejecting needs a reason.")
    assert desk.view.state == "awaiting_decision"
    at.text_area[0].set_value("The purpose *names* no question.")
    press(at, "Reject")
    assert desk.view.state == "rejected"
    mine = open_as("sam", "my-requests")
    assert "The purpose *names* no question." in [element.value for element in mine.text]


def test_a_failing_audit_leads_the_page_and_bars_approval(blocked_desk: Any, open_as: Any) -> None:
    view = blocked_desk.view
    assert view.state == "blocked"
    at = open_as("carol", request=view.id)
    assert said(at, "1 of 3 checks of policy rand-health version 1 fail.")
    results = [text for text in words(at) if "-badge[" in text and ("Pass" in text or "Fail" in text)]
    assert "Fail" in results[0]
    for box in at.checkbox:
        box.check()
    at.text_area[0].set_value(REASON)
    assert at.run().button(key="approve").disabled
    body = blocked_desk.platform.dossier("carol", view.id)
    with pytest.raises(AuditBlocked):
        blocked_desk.platform.approve("carol", view.id, body.sha256, REASON, tuple(body.body["must_tick"]))
    press(at, "Reject")
    assert blocked_desk.view.state == "rejected"


def test_nobody_is_offered_a_decision_on_their_own_request(desk: Any, open_as: Any) -> None:
    desk.sql("UPDATE request SET requester = 'dana'")
    at = open_as("dana", request=desk.view.id)
    assert said(at, "Nobody reviews or decides on their own request.")
    assert not at.header
    assert not [button for button in at.button if button.label in ("Approve and sign", "Reject")]


def test_each_look_at_exact_numbers_is_logged_once(desk: Any, open_as: Any) -> None:
    at = open_as("carol", request=desk.view.id)
    assert looks(desk) == 0
    # Ruler and waterfall stand on the dossier with their tables; the release attacks' pictures do not.
    assert len(at.get("image")) == 2
    assert len(at.table) == 4
    press(at, "Show exact numbers (this look is logged)")
    assert len(at.get("image")) == 6
    assert len(at.table) == 9
    assert at.run().checkbox[0].check().run().table[3].value.shape[1] == 7
    assert looks(desk) == 1
    press(at, "Back to the inbox")
    press(at, "Open dossier")
    assert looks(desk) == 1
    assert not said(at, "Do not pass them on")


def test_the_dossier_says_what_the_verdict_means_and_draws_the_mechanism(desk: Any, open_as: Any) -> None:
    at = open_as("dana", request=desk.view.id)
    body = desk.platform.dossier("dana", desk.view.id).body["audit"]
    for sentence in (body["meaning"], *body["next_steps"]):
        assert said(at, sentence)
    drawn = desk.platform.mechanism_pictures("dana", desk.view.id)
    assert [one.absent for one in drawn] == ["", ""]
    folded = [re.sub(r"\\(.)", r"\1", one.label) for one in at.expander]
    for one in drawn:
        assert one.title in folded
        assert {row[0] for row in one.rows} <= {
            re.sub(r"\\(.)", r"\1", n) for t in at.table for n in t.value.index
        }
    assert looks(desk) == 0


def test_the_mechanism_is_drawn_without_the_release_attacks_file(desk: Any) -> None:
    (desk.home / "review" / f"{desk.view.id}.json").unlink()
    assert len(desk.platform.mechanism_pictures("carol", desk.view.id)) == 2
    with pytest.raises(PolicyRefusal):
        desk.platform.mechanism_pictures("sam", desk.view.id)
    kept = desk.home / "review" / f"{desk.view.id}.mechanism.json"
    assert "class_b" not in json.loads(kept.read_text())
    kept.write_text(kept.read_text().replace('"S1"', '"S9"'))
    with pytest.raises(IntegrityError, match="not the one that the dossier names"):
        desk.platform.mechanism_pictures("carol", desk.view.id)


def test_exact_numbers_do_not_stay_for_the_next_person_at_the_screen(desk: Any, open_as: Any) -> None:
    at = open_as("carol", request=desk.view.id)
    press(at, "Show exact numbers (this look is logged)")
    assert said(at, "Do not pass them on")
    at.sidebar.selectbox[0].set_value("dana").run()
    assert at.title[0].value == "Dossier"
    assert not said(at, "Do not pass them on")
    assert "Show exact numbers (this look is logged)" not in [button.label for button in at.button]


def test_a_request_without_a_dossier_says_to_wait(empty_desk: Any, open_as: Any) -> None:
    form = RequestForm("rand-health", "independent", "p" * 80, "r", epsilon="0.3")
    made = empty_desk.platform.submit("sam", form)
    at = open_as("carol", request=made.id)
    assert said(at, "The request has no dossier yet.")
    assert not at.exception
    assert open_as("carol", "dossier").info[0].value == "No request has a dossier yet."


def test_a_dossier_can_be_chosen_from_a_list(desk: Any, open_as: Any) -> None:
    at = press(open_as("carol", "dossier"), "Open dossier")
    assert at.query_params["request"] == desk.view.id or at.query_params["request"] == [desk.view.id]
    assert said(at, "The promise")


def test_a_requester_is_not_told_that_the_audit_blocked_the_release(blocked_desk: Any, open_as: Any) -> None:
    at = open_as("sam", "my-requests")
    assert said(at, "Waiting for signatures")
    assert not said(at, "Blocked")
    assert said(open_as("carol"), "Blocked by a check")
