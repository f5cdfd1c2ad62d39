"""The ledger, the attack reports and the release verifier: who sees them, what they show, what they log."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dpsynth.service.attack_reports import EXPORTED
from dpsynth.ui.audit_view import passed_in_doubt

PAGES = ("ledger", "attack-reports", "verify")


def words(at: AppTest) -> str:
    kinds = (at.title, at.header, at.markdown, at.text, at.error, at.warning, at.info, at.success, at.caption)
    return "\n".join(re.sub(r"\\(.)", r"\1", element.value) for kind in kinds for element in kind)


def tables(at: AppTest) -> str:
    return "".join(table.value.to_csv() for table in at.table).replace("\\", "")


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def press(at: AppTest, label: str) -> AppTest:
    return next(button for button in at.button if button.label == label).click().run()


def exact_numbers(desk: Any) -> list[str]:
    """As the pages print them, those long enough to be nothing else; each look of this kind is logged too."""
    report = desk.platform.audit_report("carol", desk.view.id)
    printed = [f"{one['estimate']:.6g}" for one in report["class_b"] if one["estimate"] is not None]
    found = [one for one in printed if len(one.replace(".", "").lstrip("-0")) > 2]
    assert found
    return found


@pytest.mark.parametrize(("person", "page"), [*(("sam", page) for page in PAGES), ("amal", "ledger")])
def test_requesters_and_admins_find_none_of_the_auditors_pages(
    desk: Any, open_as: Any, person: str, page: str
) -> None:
    at = open_as(person, page)
    assert "This page is for the" in words(at)
    assert not at.table


def test_a_data_owner_finds_the_ledger_and_no_attack_reports(desk: Any, open_as: Any) -> None:
    assert "This page is for the" in words(open_as("dana", "attack-reports", desk.view.id))
    assert "Newest entry" in tables(open_as("dana", "ledger"))


def test_the_ledger_page_shows_the_chain_and_recomputes_it_on_demand(desk: Any, open_as: Any) -> None:
    at = open_as("ada", "ledger")
    entries = desk.platform.ledger_entries("ada")
    shown = at.table[1].value
    assert list(shown.index) == [str(one.seq) for one in entries[::-1][:25]]
    assert at.code[0].value.startswith(entries[-1].hash)
    assert "Not recomputed yet" in words(at)
    press(at, "Recompute the whole chain now")
    assert not at.exception
    assert "Whole" in words(at)
    assert f"{len(entries)} entries were recomputed" in words(at)
    desk.platform.audit_report("carol", desk.view.id)
    assert "Grown since it was recomputed" in words(at.run())


def test_older_entries_are_on_further_pages_and_a_question_begins_anew(desk: Any, open_as: Any) -> None:
    for _ in range(10):
        desk.platform.access.demo_sign_in("dana")
    at = open_as("ada", "ledger")
    first = list(at.table[1].value.index)
    assert len(first) == 25
    assert at.button(key="ledger-newest").disabled
    press(at, "Older")
    assert int(at.table[1].value.index[0]) == int(first[-1]) - 1
    at.text_input(key="ledger-about").set_value(desk.view.id).run()
    about = [one.seq for one in desk.platform.ledger_entries("ada") if desk.view.id in str(one.body)]
    assert list(at.table[1].value.index) == [str(one) for one in about[::-1]]
    at.text_input(key="ledger-about").set_value("nobody").run()
    assert "No entry here is like that." in words(at)


def test_a_broken_chain_is_said_to_be_broken(desk: Any, open_as: Any) -> None:
    desk.sql("DROP TRIGGER entry_no_update")
    desk.sql("""UPDATE entry SET body = replace(body, '"carol"', '"karol"') WHERE body LIKE '%"carol"%'""")
    at = press(open_as("dana", "ledger"), "Recompute the whole chain now")
    assert not at.exception
    assert "hash chain is broken at entry" in words(at)
    assert "were recomputed" not in words(at)


def test_a_checkpoint_that_somebody_kept_is_compared(desk: Any, open_as: Any) -> None:
    kept = desk.platform.checkpoint("ada").envelope
    desk.platform.audit_report("carol", desk.view.id)
    at = open_as("ada", "ledger")
    for text, said in (
        (kept, "Your checkpoint is part of this ledger"),
        (kept.replace('"sig":"', '"sig":"A'), "checkpoint"),
        ("<b>none</b>", "checkpoint is not well-formed JSON"),
        (" ", "Paste a checkpoint first."),
    ):
        at.text_area[0].set_value(text)
        press(at, "Compare")
        assert not at.exception
        assert said in words(at)
        assert ("part of this ledger" in words(at)) == (text == kept)


def test_exact_numbers_of_an_attack_report_are_logged_watermarked_and_forgotten(
    desk: Any, open_as: Any
) -> None:
    canaries = exact_numbers(desk)
    looks = len(desk.platform.access.looks("ada"))
    at = open_as("ada", "attack-reports", desk.view.id)
    assert "Noise scale and shape" in words(at)
    assert not [one for one in canaries if one in words(at) + tables(at)]
    press(at, "Show exact numbers (this look is logged)")
    assert not at.exception
    assert all(one in tables(at) for one in canaries)
    drawn = [one.proto.spec for one in at.get("vega_lite_chart")]
    declared = ['"declared"' in spec for spec in drawn]
    assert declared.count(True) == 1  # the scale of noise; attacks have limits
    assert ['"limit"' in spec for spec in drawn] == [not one for one in declared]
    assert tables(at).count(",declared 1,") == 1
    assert "Linkage by size of group" in [one.label for one in at.expander]
    assert len(desk.platform.access.looks("ada")) == looks + 1
    mark = next(one for one in at.get("html") if "review-room-mark" in one.proto.body)
    assert re.search(rf'data-words="ada · \d{{4}}-\d\d-\d\d \d\d:\d\d UTC · {desk.view.id}"', mark.proto.body)
    assert EXPORTED not in [one.what for one in desk.platform.access.looks("ada")]
    press(at, "All reports")
    assert not at.exception
    assert not [one for one in canaries if one in words(at) + tables(at)]
    assert "exact-numbers" not in at.session_state


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, True),
        ({"high": 0.05}, True),
        ({"high": 0.049}, False),
        ({"low": 0.05}, False),
        ({"outcome": "warn"}, False),
        ({"threshold": None}, False),
        ({"low": None}, False),
        ({"details": {"epsilon_lower_bound": 0.0}}, False),
    ],
)
def test_a_pass_whose_interval_holds_the_limit_is_said_to_rule_nothing_out(
    changed: dict[str, Any], said: bool
) -> None:
    numbers = {"estimate": 0.01, "low": -0.02, "high": 0.07, "threshold": 0.05, "p_value": 0.31}
    check = {"id": "R6", "name": "Exact copies", "outcome": "pass", "details": {}} | numbers | changed
    words = (
        "R6 passed though the limit lies inside its interval: an excess of the limit was not shown (p 0.31), "
        "and neither was it ruled out."
    )
    assert passed_in_doubt({"class_a": [check], "class_b": [check]}) == ([words] if said else [])
    # Of the mechanism: the declared scale of noise lies inside the interval that was measured, as it should.
    assert passed_in_doubt({"class_a": [check], "class_b": []}) == []


def test_an_auditor_reviews_and_objects_where_the_report_is_read(desk: Any, open_as: Any) -> None:
    at = open_as("ada", "attack-reports", desk.view.id)
    assert "Nobody has reviewed it or objected to it yet." in words(at)
    press(at, "Sign as reviewed")
    assert "You signed that you reviewed the dossier." in words(at)
    at.text_area[0].set_value("The smallest group is at risk.")
    press(at, "Object")
    assert "Your objection bars this release." in words(at)
    objections, reviews = desk.platform.reviews.of("carol", desk.view.id)
    assert [one.person for one in (*objections, *reviews)] == ["ada", "ada"]
    theirs = open_as("carol", "attack-reports", desk.view.id)
    assert "The smallest group is at risk." in words(theirs)
    assert not {"Object", "Sign as reviewed"} & set(labels(theirs))


def test_a_report_that_one_may_not_see_is_answered_like_one_that_is_not_there(
    desk: Any, open_as: Any
) -> None:
    assert "no request with this id that you may see" in words(open_as("ada", "attack-reports", "r-nothing"))
    assert desk.view.id in tables(open_as("carol", "attack-reports"))
    assert "Blocked" not in tables(open_as("carol", "attack-reports"))


def test_a_hostile_zip_is_refused_on_the_page_and_the_form_forgets_it(desk: Any, open_as: Any) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("../[x](javascript:alert(1))", b"x")
    at = press(open_as("ada", "verify"), "Verify")
    assert "Drop in the bundle first." in words(at)
    at.file_uploader(key="bundle").set_value([("hostile.zip", data.getvalue(), "application/zip")])
    press(at, "Verify")
    assert not at.exception
    assert "is not a name that a bundle may hold" in words(at)
    assert "nothing was kept" in words(at)
    assert not any("](javascript" in one.value for one in at.markdown)
