"""The catalogue page: static, escaped, complete, and nothing on it that is not public."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from dpsynth.publish.catalogue import catalogue_page, listed
from dpsynth.publish.revocation import REASONS, SENTENCE, Revoked

NOW = datetime(2026, 4, 1, tzinfo=UTC)
EXPIRES = datetime(2027, 3, 1, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script><img src=https://e.example/x onerror=y> \"'&amp; </style></title>"
LOADS = ("src", "href", "srcset", "action", "poster", "background", "data", "style")


class Tags(HTMLParser):
    """Tags and attributes as a browser would see them, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def said(published: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((published / "privacy-statement.json").read_bytes())
    return read


def poisoned(value: Any) -> Any:
    """Every text that a policy or a requester wrote, replaced by markup."""
    kept = {"epsilon", "delta", "rho", "issued", "expires"}
    if isinstance(value, dict):
        return {name: one if name in kept else poisoned(one) for name, one in value.items()}
    if isinstance(value, list):
        return [poisoned(one) for one in value]
    return HOSTILE if isinstance(value, str) else value


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (NOW, "published"),
        (EXPIRES - timedelta(days=30, seconds=1), "published"),
        (EXPIRES - timedelta(days=30), "expiring"),
        (EXPIRES - timedelta(seconds=1), "expiring"),
        (EXPIRES, "expired"),
    ],
)
def test_a_release_is_published_expiring_or_expired_by_its_signed_day(
    now: datetime, state: str, said: dict[str, Any]
) -> None:
    assert listed(said, None, now).state == state
    gone = Revoked("r-1", "2026-03-20T00:00:00Z", "fault")
    assert listed(said, gone, now).state == "revoked"


def test_the_page_tells_the_promise_the_end_and_how_to_verify(said: dict[str, Any]) -> None:
    page = Tags(catalogue_page([listed(said, None, NOW)], NOW)).text
    guarantee = said["guarantee"]
    for words in (
        f"epsilon {guarantee['epsilon']} at delta {guarantee['delta']}, rho {guarantee['rho']} (zCDP)",
        f"except with a chance of about {guarantee['delta']}.",
        said["unit"]["plain"],
        said["expires"],
        said["policy"]["title"],
        "dpsynth-verify DIRECTORY-OF-THE-RELEASE",
        SENTENCE,
        "None was revoked.",
    ):
        assert words in page
    assert said["purpose"] not in page
    assert not any(one in page for one in said["recipients"])


def test_a_revoked_release_is_told_with_its_reason_and_not_among_those_to_use(
    said: dict[str, Any],
) -> None:
    gone = Revoked(said["release_id"], "2026-03-20T00:00:00Z", "fault")
    page = Tags(catalogue_page([listed(said, gone, NOW)], NOW)).text
    usable, _, over = page.partition("Expired and revoked")
    assert said["release_id"] not in usable
    assert f"Revoked on 2026-03-20T00:00:00Z: {REASONS['fault']}" in over


def test_hostile_words_are_text_and_nothing_is_loaded_or_run(said: dict[str, Any]) -> None:
    gone = Revoked(HOSTILE, HOSTILE, HOSTILE)
    hostile = poisoned(said)
    clean = Tags(catalogue_page([listed(said, None, NOW), listed(said, gone, NOW)], NOW))
    page = Tags(catalogue_page([listed(hostile, None, NOW), listed(hostile, gone, NOW)], NOW))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in clean.tags]
    assert HOSTILE in page.text
    for tag, attributes in page.tags:
        assert tag not in {"script", "img", "iframe", "link", "object", "embed", "form", "a", "base"}
        assert not any(name in LOADS or name.startswith("on") for name in attributes), (tag, attributes)
    policies = [a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_a_promise_that_relies_on_a_library_says_so(said: dict[str, Any]) -> None:
    relies = {"plain": "relies on smartnoise 1.0, not structurally audited"}
    entrusted = {**said, "guarantee": {**said["guarantee"], "relies_on": relies}}
    page = Tags(catalogue_page([listed(entrusted, None, NOW)], NOW)).text
    assert "This promise relies on smartnoise 1.0, not structurally audited" in page


def test_an_empty_catalogue_is_a_page_too_and_the_same_facts_give_the_same_bytes(
    said: dict[str, Any],
) -> None:
    assert Tags(catalogue_page([], NOW)).text.count("None.") == 2
    one = listed(said, None, NOW)
    assert catalogue_page([one], NOW) == catalogue_page([one], NOW)
