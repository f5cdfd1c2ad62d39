"""What browser tests share: people and requests, the pages served from them, a Chromium to look with.

No fixtures here: `.ci/screenshots.py` uses the same, and it is no test.
"""

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
from dataclasses import dataclass
from pathlib import Path

import statsmodels.api as sm
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dpsynth.service import Person, Platform, RequestForm

ROOT = Path(__file__).parents[2]
WAIT = 90_000
WIDTHS = (1280, 390)
FOLDER = Path(os.environ.get("DPSYNTH_SCREENSHOTS", ROOT / "test-output"))
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PEOPLE = {
    "sam": ("Sam Rivera", "data_scientist"),
    "carol": ("Carol Okafor", "compliance_officer"),
    "dana": ("Dana Lindqvist", "data_owner"),
    "ada": ("Ada Brandt", "auditor"),
    "amal": ("Amal Said", "admin"),
    "bela": ("Bela Novak", "admin"),
}
PURPOSE = "Compare counts of outpatient visits between insurance plans in a course on methods, week {week}."
REASON = "The purpose fits the policy, and the audit is explained in the file note."


def peopled(home: Path) -> Platform:
    """A demonstration with one person of each role (two admins) and one table."""
    platform = Platform.open(home)
    platform.access.mark_demo()
    for person, (name, role) in PEOPLE.items():
        platform.add_person(person, name, (role,))
    source = home / "rand.csv"
    sm.datasets.randhie.load_pandas().data.to_csv(source, index=False)
    platform.register_dataset("dana", ROOT / "policies" / "rand-health.yaml", source)
    return platform


def ask(platform: Platform, week: int, epsilon: str = "1") -> str:
    """Sam asks for a release; its id."""
    purpose = PURPOSE.format(week=week)
    form = RequestForm(
        "rand-health", "independent", purpose, "accredited-researchers", epsilon=epsilon, key=f"week-{week}"
    )
    return platform.submit("sam", form).id


def sign_and_publish(platform: Platform, request_id: str) -> None:
    """Both approvers sign, and one publishes."""
    found = platform.dossier("carol", request_id)
    for person in ("carol", "dana"):
        ticks = tuple(found.body["must_tick"])
        platform.approve(person, request_id, found.sha256, REASON, ticks)
    platform.publish("dana", request_id)


@dataclass(frozen=True)
class Served:
    """The pages at an address, the state behind them, and what the server printed."""

    address: str
    home: Path
    log: Path

    @property
    def platform(self) -> Platform:
        """The state, as a program at this machine opens it."""
        return Platform.open(self.home)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(address: str, log: Path) -> None:
    """Until the server answers; fails with what it printed."""
    for _ in range(400):
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(log.read_text())


@contextmanager
def running(module: list[str], home: Path, log: Path, **environment: str) -> Iterator[None]:
    """A child process with its output in a file; ended when the block ends."""
    given = {**os.environ, "DPSYNTH_DEMO": "1", **environment, "DPSYNTH_STATE": str(home)}
    kept = {name: value for name, value in given.items() if value}
    with log.open("w") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", *module], cwd=ROOT, env=kept, stdout=output, stderr=output
        )
        try:
            yield
        finally:
            child.terminate()
            child.wait(20)


@contextmanager
def serving(home: Path, log: Path, *options: str, port: int = 0, **environment: str) -> Iterator[Served]:
    """The real pages on a free port of this machine. ``DPSYNTH_DEMO=""`` serves them to real people."""
    port = port or free_port()
    address = f"http://localhost:{port}"
    command = ["streamlit", "run", "app.py", "--server.port", str(port), *options]
    with running(command, home, log, **environment):
        wait_for(address, log)
        yield Served(address, home, log)


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """A real browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def fresh_page(browser: Browser, width: int = 1280, height: int = 900) -> Iterator[Page]:
    """A page of a visitor whom the server does not know yet: no cookie, nothing stored."""
    context = browser.new_context(viewport={"width": width, "height": height})
    try:
        page = context.new_page()
        page.set_default_timeout(WAIT)
        yield page
    finally:
        context.close()


def settled(page: Page) -> None:
    """Until the page is drawn: the script has ended and nothing stands in for what is to come."""
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=WAIT)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=WAIT)
    expect(page.locator("[data-testid=stApp][data-test-script-state=running]")).to_have_count(0, timeout=WAIT)


def title(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", name=text, exact=True, level=1)).to_be_visible(timeout=WAIT)


def become(page: Page, address: str, name: str) -> None:
    """Sign in at the demonstration, from its first page."""
    page.goto(address)
    page.get_by_role("button", name=f"Continue as {name}").click()
    expect(page.get_by_role("heading", name="Who are you?")).to_have_count(0, timeout=WAIT)
    expect(page.get_by_role("heading", level=1)).to_have_count(1, timeout=WAIT)
    settled(page)


def menu(page: Page) -> list[str]:
    """Titles of the pages that this person's own menu lists; none where they have one page only."""
    links = page.get_by_test_id("stSidebarNavLink").all()
    return [link.locator("[label]").get_attribute("label") or "" for link in links]


def each_page(page: Page) -> Iterator[str]:
    """Open every page of the menu, one after the other; its title, once it is drawn."""
    names = menu(page)
    if not names:  # Streamlit draws no menu of one page
        yield page.get_by_role("heading", level=1).inner_text()
    for name in names:
        link = page.get_by_test_id("stSidebarNavLink").filter(has_text=name)
        link.first.evaluate("link => link.click()")  # also where a narrow window has folded the menu
        title(page, name)
        settled(page)
        yield name


def open_first(page: Page) -> bool:
    """Where a page asks which request it shall show: the one it offers, with its exact numbers if any."""
    button = page.get_by_role("button", name=re.compile("^Open (dossier|report)$"))
    if button.count() != 1 or page.get_by_role("heading", name="Inbox", exact=True).count():
        return False
    button.click()
    page.get_by_text("SHA-256 of", exact=False).first.wait_for(state="attached")
    settled(page)
    for number, exact in enumerate(
        page.get_by_role("button", name=re.compile("this look is logged")).all(), 1
    ):
        exact.click()
        expect(page.get_by_text("Do not pass them on")).to_have_count(number, timeout=WAIT)
        settled(page)
    return True


def one_of_each_role(platform: Platform) -> list[Person]:
    """The first person of each set of roles, in order of id."""
    found: dict[tuple[str, ...], Person] = {}
    for person in sorted(platform.people(), key=lambda one: one.id):
        if person.roles:
            found.setdefault(person.roles, person)
    return list(found.values())


def photograph(page: Page, folder: Path, name: str, widths: tuple[int, ...] = WIDTHS) -> None:
    """The whole page at each width, not only what fits the window."""
    folder.mkdir(parents=True, exist_ok=True)
    settled(page)
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(400)
        height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        # Charts are drawn anew for the new size.
        page.set_viewport_size({"width": width, "height": max(900, min(height, 12_000))})
        page.wait_for_timeout(500)
        page.screenshot(path=folder / f"{name}-{width}.png")
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})
