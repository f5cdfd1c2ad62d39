"""The requester's pages: what is offered, rehearsed, followed and fetched; nothing exact is on them."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dpsynth.core.errors import Conflict
from dpsynth.service import Limits
from dpsynth.ui import rehearse
from dpsynth.ui.words import RECALL, epsilon_band, hour_text, odds_rows

PAGES = ("new-request", "catalogue", "my-requests", "downloads", "budget")


def plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text).replace("\N{WORD JOINER}", "")


def words(at: AppTest) -> str:
    kinds = (
        at.title,
        at.header,
        at.subheader,
        at.markdown,
        at.caption,
        at.text,
        at.error,
        at.warning,
        at.info,
    )
    return plain("\n".join(element.value for kind in kinds for element in kind))


def everything(at: AppTest) -> str:
    """All text of a page: every element of the tree, charts and tables with their data."""
    parts = [str(getattr(node, "proto", "")) for node in at]
    parts += [value.to_csv() for node in at if hasattr(value := getattr(node, "value", ""), "to_csv")]
    return plain("\n".join(parts))


def labels(at: AppTest) -> list[str]:
    return [one.label for one in at.button]


def box(at: AppTest, label: str) -> Any:
    return next(one for one in at.selectbox if one.label == label)


# Catalogue


def test_the_catalogue_shows_public_facts_terms_and_a_coarse_band(empty_desk: Any, open_as: Any) -> None:
    at = open_as("sam", "catalogue")
    shown = words(at)
    policy = empty_desk.platform.dataset("rand-health").policy
    assert policy.title in shown
    assert "■■■■ more than three quarters is left" in shown
    told = everything(at)
    assert policy.release.terms in told
    assert all(column.name in told for column in policy.domain().columns)
    for scope in empty_desk.platform.budget("sam"):
        assert f"{scope.left_nano / 1e9:.9f}".rstrip("0") not in told


def test_a_request_is_started_from_the_catalogue_on_the_dataset_that_was_looked_at(
    empty_desk: Any, open_as: Any
) -> None:
    second = (empty_desk.home / "second.yaml", empty_desk.home / "second.csv")
    text = (Path(__file__).parents[2] / "policies" / "rand-health.yaml").read_text()
    text = re.sub(r"\bid: rand-health|dataset_id: rand-health", lambda found: f"{found[0]}-two", text)
    second[0].write_text(text.replace("id_space: rand-hie-participants", "id_space: others"))
    rows = (empty_desk.home / "rand.csv").read_bytes().splitlines(keepends=True)
    second[1].write_bytes(b"".join(rows[:200]))
    empty_desk.platform.register_dataset("dana", *second)
    at = open_as("sam", "catalogue")
    next(one for one in at.button if one.key == "start-rand-health-two").click().run()
    assert not at.exception
    assert at.title[0].value == "New request"
    assert box(at, "Dataset").value == "rand-health-two"


def test_a_paused_dataset_says_so_in_the_catalogue_and_starts_nothing(empty_desk: Any, open_as: Any) -> None:
    empty_desk.platform.releases.pause("dana", "rand-health", "A column is looked into.")
    at = open_as("sam", "catalogue")
    assert "Paused" in words(at)
    assert at.button(key="start-rand-health").disabled
    assert "A column is looked into." not in everything(at)


# New request: the budget and the rehearsal


def test_a_budget_can_be_stated_as_rho_up_to_the_last_step_of_the_slider(
    empty_desk: Any, open_as: Any
) -> None:
    at = open_as("sam")
    at.radio(key="budget-as").set_value("rho").run()
    at.slider(key="rho-slider").set_value(at.slider(key="rho-slider").max).run()
    assert not at.exception
    cap = empty_desk.platform.rehearsals.cap_of_release(empty_desk.platform.dataset("rand-health").policy)
    exact = at.text_input(key="rho-exact").value
    assert 0.98 * cap < round(float(exact) * 1e9) <= cap
    assert f"rho {exact} is held now" in words(at).replace("**", "")
    at.text_input(key="rho-exact").set_value("0.012345").run()
    assert at.slider(key="rho-slider").value == 0.012345
    assert "rho 0.012345 is held now" in words(at).replace("**", "")
    at.radio(key="budget-as").set_value("epsilon").run()
    assert at.text_input(key="epsilon-exact").value == "0.5"


def test_a_rehearsal_says_what_to_expect_of_ones_choice_and_charges_nothing(
    empty_desk: Any, open_as: Any
) -> None:
    before = empty_desk.platform.ledger_entries("ada")
    at = open_as("sam")
    at.number_input(key="stand-in-rows-rand-health").set_value(300).run()
    at.button(key="rehearse").click().run(timeout=120)
    assert not at.exception
    shown = words(at)
    assert "A rehearsal, not your data. 300 rows stood in for the table." in shown
    assert "expect two-way tables to be off by about" in shown
    table = next(one.value for one in at.table if "Off by, two columns" in one.value.columns)
    mine = [name for name in table.index if "your choice" in name]
    assert len(mine) == 1
    cell = plain(str(table["Off by, two columns"][mine[0]]))
    assert re.fullmatch(r"[0-9.]+ % \([0-9.]+ to [0-9.]+\)", cell)
    assert f"off by about {cell.split(' ')[0]} % of the rows" in shown
    assert list(table.index)[-2:] == ["by chance, no noise", "no relation kept"]
    newest = empty_desk.platform.ledger_entries("ada")
    assert newest[len(before) :] == [one for one in newest[len(before) :] if one.kind == "sign in"]
    # Another budget is not the one that was rehearsed, and the page says so.
    at.text_input(key="epsilon-exact").set_value("0.77").run()
    assert "Your present budget was not rehearsed" in words(at)
    at.number_input(key="stand-in-rows-rand-health").set_value(400).run()
    assert "The last rehearsal was of another choice" in words(at)


def test_a_rehearsal_that_cannot_be_is_refused_in_words(empty_desk: Any, open_as: Any) -> None:
    at = open_as("sam")
    at.text_input(key="epsilon-exact").set_value("none").run()
    at.button(key="rehearse").click().run()
    assert not at.exception
    assert words(at).count("This cannot be accepted as it is") == 2
    assert "A rehearsal, not your data" not in words(at)


def test_a_rehearsal_that_takes_too_long_says_so_and_shows_no_empty_chart(
    empty_desk: Any, open_as: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearse, "_LIMITS", Limits(fits=1, seconds=1e-9))
    at = open_as("sam")
    box(at, "Synthesizer").set_value("aim").run()
    at.number_input(key="stand-in-rows-rand-health").set_value(200).run()
    at.button(key="rehearse").click().run()
    assert not at.exception
    assert "No fit could be measured here" in words(at)
    table = next(one.value for one in at.table if "Off by, two columns" in one.value.columns)
    assert all("0 of 1 fits" in plain(name) for name in table.index)
    assert "expect two-way tables" not in words(at)


def test_what_an_epsilon_means_is_told_as_odds_that_are_rounded_up() -> None:
    rows = odds_rows("1")
    assert rows[0] == {"Before": "1 in 100", "After, at most": "3 in 100"}
    assert rows[2] == {"Before": "50 in 100", "After, at most": "74 in 100"}
    assert all(row["After, at most"] == "100 in 100" for row in odds_rows("800"))
    assert "conservative" in epsilon_band("1")
    assert "not approval" in epsilon_band("1")
    assert "says little" in epsilon_band("20.5")


# My requests


def test_a_way_is_told_in_steps_with_hours_and_who_is_asked(desk: Any, open_as: Any) -> None:
    shown = words(open_as("sam", request=desk.view.id))
    assert "**Packing** · done · 20" in shown
    assert "**Waiting for signatures** · now" in shown
    assert "**Published** · to come" in shown
    assert "asked: compliance officer and data owner" in shown
    assert hour_text("2026-11-23T11:00:00+00:00") == "2026-11-23, between 11:00 and 12:00 UTC"


def test_a_rejected_request_ends_with_the_coarse_reason_and_the_next_step(desk: Any, open_as: Any) -> None:
    desk.platform.reject("carol", desk.view.id, desk.view.dossier_sha256, "The purpose names no question.")
    shown = words(open_as("sam", "my-requests"))
    assert "**Rejected** · the way ended here" in shown
    assert "The purpose names no question." in shown
    assert "a new run is a new charge" in shown
    assert "**Published**" not in shown


def test_a_blocked_request_looks_to_its_requester_like_one_that_waits(
    desk_of: Any, open_as: Any, blocked: Path
) -> None:
    desk = desk_of(blocked)
    assert desk.view.state == "blocked"
    shown = everything(open_as("sam", request=desk.view.id))
    assert "Waiting for signatures" in shown
    assert "Blocked" not in shown
    assert "blocked" not in shown


# Downloads


def test_a_bundle_is_prepared_logged_and_offered_with_the_command_that_verifies_it(
    published_desk: Any, open_as: Any
) -> None:
    at = open_as("sam", "downloads")
    request = published_desk.view.id
    assert not at.get("download_button")
    assert published_desk.platform.access.looks("ada") == []
    at.button(key=f"prepare-{request}").click().run()
    assert not at.exception
    (look,) = published_desk.platform.access.looks("ada")
    assert (look.person, look.request, look.what) == ("sam", request, "published bundle")
    assert [one.proto.label.split(" (")[0] for one in at.get("download_button")] == [
        f"Download release-{request}.zip",
        "Download the list of revoked releases",
    ]
    entry = next(one for one in published_desk.platform.ledger_entries("ada") if one.kind == "view")
    assert entry.body["sha256"] in [one.value for one in at.code]
    assert any(f"dpsynth-verify release-{request} --keys keys" in one.value for one in at.code)
    assert RECALL in words(at)
    assert "permission ends 20" in words(at)


def test_a_revoked_release_says_so_and_offers_nothing(published_desk: Any, open_as: Any) -> None:
    at = open_as("sam", "downloads")
    why = "A column that nobody may use was in it."
    published_desk.platform.releases.revoke("carol", published_desk.view.id, why, "fault")
    # The page still shows the button of a moment ago; the service has the last word.
    at.button(key=f"prepare-{published_desk.view.id}").click().run()
    assert not at.exception
    assert not at.get("download_button")
    shown = words(open_as("sam", "downloads"))
    assert "No longer to be used" in shown
    assert "It was revoked: the data or the way they were made are faulty" in shown
    assert why not in shown
    assert "Verify and prepare" not in labels(open_as("sam", "downloads"))
    with pytest.raises(Conflict):
        published_desk.platform.requester.fetch("sam", published_desk.view.id)


def test_nobody_is_offered_somebody_elses_release(published_desk: Any, open_as: Any) -> None:
    at = open_as("noor", "downloads")
    assert published_desk.view.id not in everything(at)
    assert "None of your requests is published yet" in words(at)


# All of them


def exact_numbers(desk: Any) -> list[float]:
    """Of the review room: estimates with their intervals."""
    found: list[float] = []

    def walk(value: Any) -> None:
        for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(one)
        if isinstance(value, float):
            found.append(abs(value))

    walk(desk.platform.audit_report("carol", desk.view.id)["class_b"])
    return found


def canaries(numbers: list[float], digits: int) -> set[str]:
    """The first significant digits of each number that has more of them; what has fewer is no canary."""
    texts = [format(Decimal(repr(one)), "f") for one in numbers]
    prefix = re.compile(rf"0\.0*[1-9][0-9]{{{digits - 1}}}")
    return {found[0] for text in texts if (found := prefix.match(text))}


def test_no_page_of_a_requester_holds_an_exact_number_of_the_rows_or_the_audit(
    published_desk: Any, open_as: Any
) -> None:
    numbers = exact_numbers(published_desk)
    people = str(len(pd.read_csv(published_desk.home / "rand.csv")))
    # A rehearsal shows numbers of its own, and some of many agree by chance in a few digits.
    short, long = canaries(numbers, 5) | {people}, canaries(numbers, 9) | {people}
    assert min(len(short), len(long)) > 4
    for page in PAGES:
        at = open_as("sam", page)
        if page == "downloads":
            at.button(key=f"prepare-{published_desk.view.id}").click().run()
        assert not at.exception
        shown = everything(at)
        assert "Sam Rivera" in shown
        assert [one for one in short if one in shown] == []
        if page == "new-request":
            at.number_input(key="stand-in-rows-rand-health").set_value(300).run()
            at.button(key="rehearse").click().run(timeout=120)
            assert "A rehearsal, not your data" in words(at)
            assert [one for one in long if one in everything(at)] == []
    told = str(published_desk.platform.requester.timeline("sam", published_desk.view.id))
    assert [one for one in short if one in told] == []
    # What is looked for can be found: an officer's page holds it.
    at = open_as("carol", request=published_desk.view.id)
    next(one for one in at.button if one.label.startswith("Show exact numbers")).click().run()
    assert any(one[:6] in everything(at) for one in short)


@pytest.mark.parametrize("page", ["downloads", "my-requests"])
def test_hostile_words_of_the_requester_are_text_on_their_own_pages(
    published_desk: Any, open_as: Any, page: str
) -> None:
    at = open_as("sam", page)
    purpose = published_desk.view.purpose
    assert "<script>" in purpose
    assert any(purpose == one.value for one in at.text)
    elsewhere = [*at.markdown, *at.caption, *at.info, *at.title, *at.header, *at.subheader]
    for piece in ("<script>", "javascript:", "LaTeX", ":smile:"):
        assert not any(piece in one.value for one in elsewhere)
