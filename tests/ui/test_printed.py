"""The printed dossier: one A4 page whatever people typed, and nothing in it runs or is fetched."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from dpsynth.service import Dossier
from dpsynth.ui.printed import printed

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run"]
LONG = "Words that go on and on, with <b>marks</b> & \u202ehidden turns. " * 60


def crowded(found: Dossier) -> Dossier:
    """The most that a dossier may hold: long words, failing checks, forty tests, many budgets."""
    body: dict[str, Any] = dict(found.body)
    checks = [
        {**body["audit"]["checks"][0], "id": f"R{at}", "name": LONG, "plain": LONG, "result": "fail"}
        for at in range(20)
    ]
    body["audit"] = body["audit"] | {"checks": checks, "why": [LONG[:300]] * 20, "could_have_found": LONG}
    body["checks"] = [{"name": "A check", "ok": False, "plain": LONG}] * 3
    body["request"] = body["request"] | {"purpose": LONG, "recipients": LONG}
    body["utility"] = body["utility"] | {"sentences": [LONG] * 20}
    body["harm"] = dict.fromkeys(("utility", "bias", "other_releases"), LONG)
    body["guarantee"] = body["guarantee"] | {"unit_note": LONG}
    line = {"what": LONG, "before": LONG, "now": LONG}
    body["differences"] = {"since": "r-000000000001", "lines": [line] * 20}
    return replace(found, body=body)


def test_failing_items_come_first_and_all_parts_are_there(desk: Any) -> None:
    found = desk.platform.dossier("carol", desk.view.id)
    page = printed(found)
    parts = re.findall(r"<h2>(.*?)</h2>", page)
    assert parts == [
        "What leaves, to whom, why, until when",
        "The promise",
        "Budget before, this, after",
        "Attacks",
        "Who might be hurt, and what it is for",
        "What changed since the last release",
        "Decision",
    ]
    assert "Nothing of this dataset has been published before." in page
    assert "could become at most 74 in 100 sure" in page
    assert "No measure of the quality of these rows was released." in page
    assert found.sha256 in page
    failing = printed(crowded(found))
    assert failing.index("FAIL") < failing.index("<h2>")
    assert "[more in the pages]" in failing


def test_measures_that_were_paid_for_are_printed_and_what_is_left_out_is_said(desk: Any) -> None:
    found = desk.platform.dossier("carol", desk.view.id)
    bought = [f"measure {at}: 0.0{at}, 0 to 0.1 at 95% confidence or more (charged)." for at in range(7)]
    for most, more in ((4, False), (7, True)):
        told = found.body["utility"] | {"sentences": bought[:most]}
        page = printed(replace(found, body=dict(found.body) | {"utility": told}))
        part = page.split("<h2>How useful the rows are</h2>")[1].split("<h2>")[0]
        assert [one in part for one in bought[:5]] == [at < most for at in range(5)]
        assert ("[more in the pages]" in part) is more


def test_no_word_of_a_person_is_markup(desk: Any) -> None:
    page = printed(desk.platform.dossier("carol", desk.view.id))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.findall(r"(?:src|href)\s*=|url\(|@import", page)
    assert "\u202e" not in printed(crowded(desk.platform.dossier("carol", desk.view.id)))


@pytest.mark.needs_browser
@pytest.mark.parametrize("most", [False, True])
def test_it_prints_to_one_page_of_a4(desk: Any, chromium_path: str, tmp_path: Path, most: bool) -> None:
    found = desk.platform.dossier("carol", desk.view.id)
    path = tmp_path / "dossier.html"
    path.write_text(printed(crowded(found) if most else found), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        page = browser.new_page()
        page.goto(path.as_uri())
        page.emulate_media(media="print")
        lines = page.locator(".amount").evaluate_all("all => all.map(one => one.getClientRects().length)")
        assert lines
        assert set(lines) == {1}, "an amount is broken over two lines"
        pdf = page.pdf(prefer_css_page_size=True, print_background=True)
        (tmp_path / "dossier.pdf").write_bytes(pdf)
        page.emulate_media(media="screen")
        page.set_viewport_size({"width": 390, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        browser.close()
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    assert re.search(rb"/MediaBox\s*\[0 0 59[45](?:\.\d+)? 84[12]", pdf)
