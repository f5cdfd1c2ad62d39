"""The whole walk in a real browser: ask, run, sign twice, publish, verify; each page is photographed."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import statsmodels.api as sm
from playwright.sync_api import Page, expect, sync_playwright

from dpsynth.publish.keys import load_public_keys
from dpsynth.publish.verify import verify_bundle
from dpsynth.service import Platform

pytestmark = pytest.mark.needs_browser
ROOT = Path(__file__).parents[2]
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PURPOSE = (
    "Compare counts of outpatient visits between insurance plans in a course on methods. "
    "<b>No markup</b> [here](javascript:alert(1))."
)
REASON = "The purpose fits the policy, and the audit is explained in the file note."
WAIT = 90_000


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state with three people and one table."""
    platform = Platform.open(tmp_path / "state")
    platform.access.mark_demo()
    platform.add_person("sam", "Sam Rivera", ("data_scientist",))
    platform.add_person("carol", "Carol Okafor", ("compliance_officer",))
    platform.add_person("dana", "Dana Lindqvist", ("data_owner",))
    source = tmp_path / "rand.csv"
    sm.datasets.randhie.load_pandas().data.to_csv(source, index=False)
    platform.register_dataset("dana", ROOT / "policies" / "rand-health.yaml", source)
    return tmp_path / "state"


@contextmanager
def running(command: list[str], home: Path, log: Path) -> Iterator[None]:
    """A child process with its output in a file; ended when the block ends."""
    environment = {**os.environ, "DPSYNTH_DEMO": "1", "DPSYNTH_STATE": str(home)}
    with log.open("w") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
        try:
            yield
        finally:
            child.terminate()
            child.wait(20)


@pytest.fixture
def address(home: Path, tmp_path: Path) -> Iterator[str]:
    """The pages, on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path / "pages.log"
    with running(["streamlit", "run", "app.py", "--server.port", str(port)], home, log):
        url = f"http://localhost:{port}"
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        else:
            pytest.fail(log.read_text())
        yield url


@pytest.fixture
def page(chromium_path: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(WAIT)
        yield page
        browser.close()


def photograph(page: Page, name: str) -> None:
    """A picture of the whole page, not only of what fits the window."""
    folder = Path(os.environ.get("DPSYNTH_SCREENSHOTS", ROOT / "test-output"))
    folder.mkdir(parents=True, exist_ok=True)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=WAIT)
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": 1280, "height": max(900, height)})
    # Charts are drawn anew for the new size.
    page.wait_for_timeout(700)
    page.screenshot(path=folder / f"{name}.png")
    page.set_viewport_size({"width": 1280, "height": 900})


def sign_in(page: Page, address: str, name: str) -> None:
    page.goto(address)
    page.get_by_role("button", name=f"Continue as {name}").click()


def menu(page: Page) -> list[str]:
    return page.get_by_test_id("stSidebarNav").get_by_role("link").all_inner_texts()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def title(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", name=text, exact=True, level=1)).to_be_visible(timeout=WAIT)


def ask(page: Page, address: str) -> None:
    sign_in(page, address, "Sam Rivera")
    title(page, "New request")
    theirs = ["New request", "Catalogue", "My requests", "Downloads", "Budget board"]
    assert [name.splitlines()[-1] for name in menu(page)] == theirs
    purpose = page.get_by_role("textbox", name=re.compile("^Purpose"))
    purpose.fill(PURPOSE)
    purpose.press("Control+Enter")
    exact = page.get_by_role("textbox", name="Epsilon, exact")
    exact.fill("1")
    exact.press("Enter")
    expect(page.get_by_text("rho 0.024355957", exact=True)).to_be_visible(timeout=WAIT)
    expect(page.get_by_role("button", name="Submit request")).to_be_enabled(timeout=WAIT)
    photograph(page, "01-new-request")
    page.get_by_role("button", name="Submit request").click()
    title(page, "My requests")
    expect(page.get_by_text("Waiting for the worker:")).to_be_visible(timeout=WAIT)
    photograph(page, "02-my-requests-queued")


def tick_all(page: Page) -> None:
    """By keyboard, as somebody without a mouse would."""
    boxes = page.get_by_role("checkbox")
    expect(boxes).to_have_count(3, timeout=WAIT)
    for box in boxes.all():
        box.press("Space")
        expect(box).to_be_checked(timeout=WAIT)


def sign(page: Page, address: str, name: str, pictures: tuple[str, str]) -> None:
    sign_in(page, address, name)
    title(page, "Inbox")
    owners = ["Datasets"] if name.startswith("Dana") else []
    theirs = ["Inbox", "Dossier", "Releases", "Policies", *owners, "Budget board"]
    assert [entry.splitlines()[-1] for entry in menu(page)] == theirs
    expect(page.get_by_text("Waiting for you: 1")).to_be_visible(timeout=WAIT)
    photograph(page, pictures[0])
    press(page, "Open dossier")
    title(page, "Dossier")
    expect(page.get_by_text(PURPOSE)).to_be_visible(timeout=WAIT)
    # While a page is drawn anew the old button stands for a moment beside the new one.
    approve = page.get_by_role("button", name="Approve and sign").first
    expect(approve).to_be_disabled(timeout=WAIT)
    tick_all(page)
    reason = page.get_by_role("textbox", name=re.compile("^Reason"))
    reason.fill(REASON)
    reason.press("Control+Enter")
    expect(approve).to_be_enabled(timeout=WAIT)
    photograph(page, pictures[1])
    approve.click()
    expect(page.get_by_text("Your signature is in.")).to_be_visible(timeout=WAIT)


def check_what_was_published(home: Path) -> None:
    """The state agrees with what the pages showed, and the bundle stands on its own."""
    platform = Platform.open(home)
    published = platform.requests("sam")[0]
    assert published.state == "published"
    assert [decision.person for decision in published.decisions] == ["carol", "dana"]
    trust = load_public_keys(platform.keys_dir)
    assert verify_bundle(Path(published.bundle), trust, datetime.now(UTC)).lines
    assert platform.verify_ledger() > 0


def test_a_release_is_asked_for_run_signed_twice_published_and_verified(
    page: Page, address: str, home: Path, tmp_path: Path
) -> None:
    page.goto(address)
    title(page, "Who are you?")
    expect(page.get_by_text("anyone at this machine can act as anyone")).to_be_visible()
    photograph(page, "00-sign-in")
    ask(page, address)
    worker = ["dpsynth.cli", "run", "--worker", "browser-test", "--poll", "0.2"]
    with running(worker, home, tmp_path / "worker.log"):
        expect(page.get_by_text("The run is done.")).to_be_visible(timeout=WAIT)
    photograph(page, "03-my-requests-waiting")
    sign(page, address, "Carol Okafor", ("04-inbox-officer", "05-dossier-officer"))
    page.get_by_role("button", name=re.compile("^Show exact numbers")).click()
    expect(page.get_by_text("Do not pass them on")).to_be_visible(timeout=WAIT)
    photograph(page, "06-dossier-exact-numbers")
    sign(page, address, "Dana Lindqvist", ("07-inbox-owner", "08-dossier-owner"))
    expect(page.get_by_role("button", name=re.compile("^Show exact numbers"))).to_have_count(0)
    press(page, "Publish")
    expect(page.get_by_text("This release is published.")).to_be_visible(timeout=WAIT)
    photograph(page, "09-dossier-published")
    page.get_by_role("link", name="Budget board").click()
    title(page, "Budget board")
    photograph(page, "10-budget-board")
    sign_in(page, address, "Sam Rivera")
    title(page, "New request")
    page.get_by_role("link", name="My requests").click()
    expect(page.get_by_text("dpsynth verify")).to_be_visible(timeout=WAIT)
    photograph(page, "11-my-requests-published")
    check_what_was_published(home)
