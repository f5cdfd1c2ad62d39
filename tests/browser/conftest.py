"""One Chromium for the tests of a file; each test is a visitor of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stage
from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with stage.chromium(chromium_path) as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with stage.fresh_page(browser) as opened:
        yield opened
