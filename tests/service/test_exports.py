"""The record of processing: whole, for those who answer for the dataset alone, and never without an entry."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dpsynth.core.errors import BadInput, IntegrityError, PolicyRefusal
from dpsynth.policy.loader import load_policy_text
from dpsynth.publish.gdpr import Processing, gdpr_page, gdpr_record
from dpsynth.service import GdprExport, Platform, RequestForm

Form = Callable[..., RequestForm]

ARTICLE_30 = [f"30(1)({letter})" for letter in "abcdefg"]
ARTICLE_35 = ["35(7)(a)", "35(7)(b)", "35(7)(c)", "35(7)(d)", "35(2)", "35(9)"]
POLICY = Path(__file__).parents[2] / "policies" / "rand-health.yaml"


def views(platform: Platform) -> list[dict[str, Any]]:
    return [entry.body for entry in platform.ledger_entries("ada") if entry.kind == "view"]


def points(made: GdprExport) -> dict[str, dict[str, Any]]:
    return {one["point"]: one for one in (*made.record["article_30"], *made.record["article_35"])}


@pytest.mark.parametrize("who", ["carol", "dana"])
def test_officers_and_owners_get_the_record_and_the_chain_names_the_look(
    platform: Platform, who: str
) -> None:
    made = platform.exports.gdpr(who, "rand-health")
    assert made.record["made_for"] == who
    assert views(platform) == [{"actor": who, "dataset": "rand-health", "what": "gdpr record"}]
    assert platform.verify_ledger() == len(platform.ledger_entries("ada"))


@pytest.mark.parametrize("who", ["sam", "ada", "nobody"])
def test_nobody_else_gets_it_and_a_refusal_leaves_no_entry(platform: Platform, who: str) -> None:
    with pytest.raises(PolicyRefusal):
        platform.exports.gdpr(who, "rand-health")
    assert views(platform) == []


def test_a_dataset_that_is_not_registered_is_bad_input(platform: Platform) -> None:
    with pytest.raises(BadInput, match="No dataset"):
        platform.exports.gdpr("carol", "nosuch")
    assert views(platform) == []


def test_every_point_of_both_articles_is_answered_or_left_to_the_controller_by_name(
    platform: Platform,
) -> None:
    made = platform.exports.gdpr("carol", "rand-health")
    assert [one["point"] for one in made.record["article_30"]] == ARTICLE_30
    assert [one["point"] for one in made.record["article_35"]] == ARTICLE_35
    for one in points(made).values():
        assert one["answers"] or one["left_to_the_controller"]
        assert all(answer.strip() for answer in one["answers"])
    text = json.dumps(made.record)
    for words in (
        "data-protection@example.org", "person-year", "rand-hie-participants", "accredited-researchers",
        "Columns, sensitive: mdvis (kept)", "365 days", "epsilon 1", "1 in 2", "never erased",
    ):  # fmt: skip
        assert words in text


def test_page_and_json_say_the_same(platform: Platform) -> None:
    made = platform.exports.gdpr("carol", "rand-health")
    page = made.page.replace("\\", "")
    for one in points(made).values():
        assert f"### {one['point']}: {one['asks']}\n" in page
        assert all(f"- {' '.join(answer.split())}\n" in page for answer in one["answers"])
        left = one["left_to_the_controller"]
        assert (f"**Left to the controller:** {left}." in page) == bool(left)


def test_a_release_and_what_it_cost_appear_once_it_is_published(platform: Platform, form: Form) -> None:
    before = platform.exports.gdpr("dana", "rand-health")
    assert points(before)["30(1)(d)"]["answers"][-1] == "No release was published yet."
    request = platform.submit("sam", form())
    platform.run_once("worker")
    dossier = platform.dossier("carol", request.id)
    for who in ("carol", "dana"):
        platform.approve(
            who, request.id, dossier.sha256, "Read and discussed.", tuple(dossier.body["must_tick"])
        )
    held = points(platform.exports.gdpr("dana", "rand-health"))
    assert held["30(1)(d)"]["answers"][-1] == "No release was published yet."
    platform.publish("carol", request.id)
    after = points(platform.exports.gdpr("dana", "rand-health"))
    line = after["30(1)(d)"]["answers"][-1]
    assert request.id in line
    assert f"epsilon {request.epsilon} at delta {request.delta}; published" in line
    spent = f"rho {request.rho_nano / 1e9:.9f}".rstrip("0")
    assert any(f"{spent} of " in answer for answer in after["35(7)(a)"]["answers"])
    # Neither what the requester wrote nor who asked is a matter of this record.
    assert request.purpose not in json.dumps(after)
    assert not re.search(r"\bsam\b", json.dumps(after))


def test_an_export_that_cannot_be_witnessed_is_not_made(
    open_platform: Callable[..., Platform], tmp_path: Path
) -> None:
    """A sink that is down stops the look, as it stops everything that the chain must name."""
    (tmp_path / "sink").mkdir()
    platform = open_platform(checkpoints=f"dir:{tmp_path / 'sink'}")
    platform.exports.gdpr("carol", "rand-health")
    (tmp_path / "sink").rename(tmp_path / "gone")
    (tmp_path / "sink").write_text("not a directory", encoding="utf-8")
    with pytest.raises(IntegrityError):
        platform.exports.gdpr("carol", "rand-health")
    assert len(views(platform)) == 1


def processing(**changes: str) -> Processing:
    text = POLICY.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return Processing(load_policy_text(text, "policy.yaml"), "0" * 64, "2026-03-01", (), (), "now", "carol")


def test_text_of_people_cannot_become_markup() -> None:
    made = processing(**{"Teaching and": "Teaching [x](https://example.org) <b> and"})
    page = gdpr_page(gdpr_record(made))
    assert "[x](" not in page.replace("\\[x\\](", "")
    assert "<b>" not in page.replace("\\<b\\>", "")


def test_a_library_that_is_given_rows_is_named_among_the_risks() -> None:
    plainly = json.dumps(gdpr_record(processing()))
    assert "given rows, on their own word" not in plainly
    name = '{name: mst, min_version: "0.1.0"}'
    entrusted = processing(**{name: '{name: "smartnoise:mst", min_version: "1.0.0"}'})
    assert "given rows, on their own word: smartnoise:mst" in json.dumps(gdpr_record(entrusted))
