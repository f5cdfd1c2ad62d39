"""The catalogue in a real browser: on a phone, on paper, and asking nobody for anything."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from dpsynth.publish.catalogue import catalogue_page, listed
from dpsynth.publish.revocation import Revoked

pytestmark = pytest.mark.needs_browser

NOW = datetime(2026, 4, 1, tzinfo=UTC)
LONG = "<script>document.title = 'run'</script>" + "unbreakable" * 30


def statement(release_id: str, expires: str) -> dict[str, Any]:
    """What a bundle's privacy statement says, with a long hostile title."""
    return {
        "release_id": release_id,
        "policy": {"id": "p", "version": "1", "title": LONG},
        "guarantee": {"epsilon": "1", "delta": "1e-6", "rho": "0.02", "variant": "zCDP"},
        "unit": {"kind": "person", "plain": LONG},
        "rows": "100 synthetic rows",
        "audits": {"result": "PASSED", "limits": "An attack that fails proves nothing."},
        "issued": "2026-03-01T12:00:00Z",
        "expires": expires,
    }


def test_the_page_fits_a_phone_and_paper_and_loads_and_runs_nothing(
    chromium_path: str, tmp_path: Path
) -> None:
    gone = Revoked("r-2", "2026-03-20T00:00:00Z", "fault")
    releases = [
        listed(statement("r-1", "2027-03-01T12:00:00Z"), None, NOW),
        listed(statement("r-2", "2027-03-01T12:00:00Z"), gone, NOW),
        listed(statement("r-3", "2026-03-02T12:00:00Z"), None, NOW),
    ]
    path = tmp_path / "index.html"
    path.write_text(catalogue_page(releases, NOW), encoding="utf-8")
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.title() == "Published synthetic data"
        assert page.get_by_role("heading", name="Releases that may be used").is_visible()
        assert page.get_by_role("article").count() == 3
        paper = page.pdf(format="A4")
        browser.close()
    assert asked == [path.as_uri()]
    assert paper.startswith(b"%PDF")
