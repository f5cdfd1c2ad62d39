"""What is taken along is made once, logged when it is made, refused in words, and forgotten with the page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dpsynth.core.errors import Conflict
from dpsynth.service.attack_reports import EXPORTED, AttackReports

REPORT = "Prepare: the report, with a watermark (this is logged)"
CHAIN = "Prepare: the whole chain and a signed checkpoint (JSON lines)"
PROOF = "Prepare: the ledger proof of this release"
NUMBERS = "Show exact numbers (this look is logged)"


def press(at: AppTest, label: str) -> AppTest:
    at = next(button for button in at.button if button.label == label).click().run()
    assert not at.exception
    return at


def offered(at: AppTest) -> list[str]:
    return [one.proto.label for one in at.get("download_button")]


def exports(desk: Any) -> int:
    return [one.what for one in desk.platform.access.looks("ada")].count(EXPORTED)


def test_a_report_is_made_and_logged_once_and_handed_over_as_often_as_wanted(desk: Any, open_as: Any) -> None:
    at = press(open_as("ada", "attack-reports", desk.view.id), NUMBERS)
    assert offered(at) == []
    assert exports(desk) == 0
    press(at, REPORT)
    assert offered(at) == [f"Download review-room-{desk.view.id}.html"]
    assert any(re.fullmatch(r"As it was at .* UTC\.", one.value) for one in at.caption)
    assert offered(at.run()) == [f"Download review-room-{desk.view.id}.html"]
    assert exports(desk) == 1
    press(at, REPORT)
    assert exports(desk) == 2


def test_what_was_made_is_forgotten_with_the_page(desk: Any, open_as: Any) -> None:
    at = press(press(open_as("ada", "attack-reports", desk.view.id), NUMBERS), REPORT)
    assert "made-to-take-along" in at.session_state
    press(at, "All reports")
    assert "made-to-take-along" not in at.session_state


def test_a_refusal_has_words_and_leaves_nothing_to_download(
    desk: Any, open_as: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: AttackReports, actor: str, request_id: str) -> str:
        raise Conflict("The run failed", allowed="runs that ended well", remedy="nothing was exported")

    at = press(press(open_as("ada", "attack-reports", desk.view.id), NUMBERS), REPORT)
    monkeypatch.setattr(AttackReports, "export", refused)
    press(at, REPORT)
    assert offered(at) == []
    assert "The run failed." in [one.value.replace("\\", "") for one in at.markdown]


def test_the_chain_is_the_one_of_the_moment_it_was_asked_for(desk: Any, open_as: Any) -> None:
    def entries() -> int:
        return len(at.session_state["made-to-take-along"]["export-chain"][1].splitlines()) - 1

    at = press(open_as("dana", "ledger"), CHAIN)
    assert offered(at) == ["Download ledger.jsonl"]
    before = entries()
    assert before == desk.platform.book.status("dana").seq
    desk.platform.audit_report("carol", desk.view.id)  # its look is an entry
    at.run()
    assert entries() == before
    press(at, CHAIN)
    assert entries() == desk.platform.book.status("dana").seq > before


def test_before_any_release_is_published_there_is_no_proof_to_take_along(desk: Any, open_as: Any) -> None:
    assert PROOF not in [button.label for button in open_as("ada", "ledger").button]


def test_a_proof_that_was_made_for_another_release_is_not_handed_over(
    published_desk: Any, open_as: Any
) -> None:
    at = press(open_as("ada", "ledger"), PROOF)
    name = f"ledger-proof-{published_desk.view.id}.json"
    assert offered(at) == [f"Download {name}"]
    made = at.session_state["made-to-take-along"]
    (mine, data, time) = made["export-proof"]
    assert mine == ("ada", name)
    made["export-proof"] = (("ada", "ledger-proof-r-another.json"), data, time)
    assert offered(at.run()) == []
