"""What `dpsynth serve` starts, from a directory that holds nothing of ours, is drawn by a real browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from dpsynth.service import Platform

pytestmark = pytest.mark.needs_browser
ROOT = Path(__file__).parents[2]
WAIT = 120_000


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Address of the pages of a demonstration with one person."""
    platform = Platform.open(tmp_path / "state")
    platform.access.mark_demo()
    platform.add_person("carol", "Carol Okafor", ("compliance_officer",))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--state", str(tmp_path / "state"), "serve", "--port", str(port)]
    environment = {**os.environ, "DPSYNTH_DEMO": "1", "PYTHONPATH": str(ROOT)}
    with (tmp_path / "serve.log").open("w") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "dpsynth.cli", *words],
            cwd=tmp_path,
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=2).close()
                    break
                except OSError:
                    time.sleep(0.2)
            yield f"http://localhost:{port}"
        finally:
            child.terminate()
            assert child.wait(90) == 0


def test_the_pages_are_drawn_in_their_own_colours(chromium_path: str, served: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.goto(served)
        expect(page.get_by_role("heading", name="Who are you?")).to_be_visible(timeout=WAIT)
        page.get_by_role("button", name="Continue as Carol Okafor").click()
        expect(page.get_by_role("heading", name="Inbox", exact=True)).to_be_visible(timeout=WAIT)
        side = page.get_by_test_id("stSidebar")
        assert side.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(238, 243, 246)"
        browser.close()
