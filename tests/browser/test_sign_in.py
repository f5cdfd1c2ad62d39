"""Signing in by a real provider in a real browser: who gets in, who does not, and who may decide."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import statsmodels.api as sm
from playwright.sync_api import Page, expect, sync_playwright

from dpsynth.service import Platform, RequestForm, account_text

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
WAIT = 60_000
PURPOSE = "Compare counts of outpatient visits between insurance plans in a course on methods, week four."
REASON = "The purpose fits the policy, and the audit is explained in the file note."
PEOPLE = {
    "sam": "data_scientist",
    "carol": "compliance_officer",
    "dana": "data_owner",
    "ada": "auditor",
    "amal": "admin",
}


def _neighbour(name: str) -> ModuleType:
    """A module of this folder: the tests are no package."""
    spec = importlib.util.spec_from_file_location(f"browser_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


oidc = _neighbour("provider")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state of real people, so no demonstration, with one request of Sam's that waits for two."""
    home = tmp_path_factory.mktemp("real") / "state"
    platform = Platform.open(home)
    for person, role in PEOPLE.items():
        platform.add_person(person, person.title(), (role,))
    source = home / "rand.csv"
    sm.datasets.randhie.load_pandas().data.to_csv(source, index=False)
    platform.register_dataset("dana", ROOT / "policies" / "rand-health.yaml", source)
    platform.submit("sam", RequestForm("rand-health", "independent", PURPOSE, "students", epsilon="1"))
    platform.run_once("worker")
    return home


@dataclass
class House:
    """The pages, the provider that signs people in, and the state behind both."""

    address: str
    provider: object
    platform: Platform
    log: Path

    @property
    def request(self) -> str:
        return self.platform.requests("dana")[0].id

    def entries(self, kind: str) -> list[dict[str, str]]:
        return [one.body for one in self.platform.ledger_entries("ada") if one.kind == kind]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def secrets_file(folder: Path, port: int, issuer: str) -> Path:
    client = (
        f'client_id = "{oidc.CLIENT}"\nclient_secret = "{oidc.CLIENT_SECRET}"\n'
        f'server_metadata_url = "{issuer}/.well-known/openid-configuration"\n'
    )
    path = folder / "secrets.toml"
    path.write_text(
        f'[auth]\nredirect_uri = "http://localhost:{port}/oauth2callback"\ncookie_secret = "{"s" * 40}"\n'
        f'{client}[auth.again]\n{client}client_kwargs = {{ prompt = "login" }}\n'
        'authorize_params = { max_age = "0" }\n'
    )
    path.chmod(0o600)
    return path


@pytest.fixture
def house(ran: Path, tmp_path: Path) -> Iterator[House]:
    home, port, log = tmp_path / "state", free_port(), tmp_path / "pages.log"
    shutil.copytree(ran, home)
    platform = Platform.open(home)
    with oidc.serving(f"http://localhost:{port}/oauth2callback") as provider:
        for person in PEOPLE:
            platform.access.link("", person, account_text(provider.issuer, "subject", f"id-of-{person}"))
        settings = secrets_file(tmp_path, port, provider.issuer)
        command = ["streamlit", "run", "app.py", "--server.port", str(port), "--secrets.files", str(settings)]
        environment = {**os.environ, "DPSYNTH_STATE": str(home)}
        environment.pop("DPSYNTH_DEMO", None)
        with log.open("w") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=ROOT, env=environment, stdout=output, stderr=output
            )
            try:
                wait_for(f"http://localhost:{port}", log)
                yield House(f"http://localhost:{port}", provider, platform, log)
            finally:
                child.terminate()
                child.wait(20)


def wait_for(url: str, log: Path) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(log.read_text())


@pytest.fixture
def page(chromium_path: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(WAIT)
        yield page
        browser.close()


def photograph(page: Page, name: str) -> None:
    """The whole page on a desk and on a telephone."""
    folder = Path(os.environ.get("DPSYNTH_SCREENSHOTS", ROOT / "test-output"))
    folder.mkdir(parents=True, exist_ok=True)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=WAIT)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=WAIT)
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(500)
        height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": width, "height": max(900, height)})
        page.wait_for_timeout(500)
        page.screenshot(path=folder / f"{name}-{width}.png")
    page.set_viewport_size({"width": 1280, "height": 900})


def title(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", name=text, exact=True, level=1)).to_be_visible(timeout=WAIT)


def at_provider(page: Page, user: str) -> None:
    expect(page.get_by_role("heading", name="Provider of the tests")).to_be_visible(timeout=WAIT)
    page.get_by_label("Name").fill(user)
    page.get_by_label("Password").fill(oidc.PASSWORD)
    page.get_by_role("button", name="Log in").click()


def sign_in(page: Page, house: House, user: str) -> None:
    page.goto(house.address)
    title(page, "Sign in")
    page.get_by_role("button", name=re.compile("^Sign in with")).click()
    at_provider(page, user)


def test_nothing_is_shown_before_somebody_signs_in_and_then_only_their_pages(
    house: House, page: Page
) -> None:
    for place in ("", "/inbox", f"/dossier?request={house.request}", "/people", "/access-log"):
        page.goto(house.address + place)
        title(page, "Sign in")
        expect(page.get_by_text("rand-health")).to_have_count(0)
        expect(page.get_by_test_id("stSidebarNavLink")).to_have_count(0)
    photograph(page, "20-sign-in")
    sign_in(page, house, "ada")
    title(page, "Inbox")
    links = page.get_by_test_id("stSidebarNav").get_by_role("link").all_inner_texts()
    theirs = ["Inbox", "Dossier", "Releases", "Policies", "Budget board", "Access log"]
    assert [one.splitlines()[-1] for one in links] == theirs
    expect(page.get_by_text("Ada", exact=False).first).to_be_visible()
    page.reload()
    title(page, "Inbox")
    assert [one["person"] for one in house.entries("sign in")] == ["ada"]
    assert house.platform.verify_ledger() > 0


def test_an_old_sign_in_decides_after_the_provider_asked_again_and_goes_on_where_it_was(
    house: House, page: Page
) -> None:
    house.provider.age = 11 * 60
    sign_in(page, house, "carol")
    title(page, "Inbox")
    page.get_by_role("button", name="Open dossier").click()
    title(page, "Dossier")
    expect(page.get_by_text("Deciding needs a sign-in of the last ten minutes.")).to_be_visible(timeout=WAIT)
    expect(page.get_by_role("button", name="Approve and sign")).to_have_count(0)
    photograph(page, "21-dossier-step-up")
    house.provider.age = 0
    assert house.provider.forms == 1
    page.get_by_role("button", name="Confirm who you are").click()
    at_provider(page, "carol")
    assert house.provider.forms == 2
    title(page, "Dossier")
    boxes = page.get_by_role("checkbox")
    expect(boxes).to_have_count(3, timeout=WAIT)
    for box in boxes.all():
        box.press("Space")
        expect(box).to_be_checked(timeout=WAIT)
    approve = page.get_by_role("button", name="Approve and sign").first
    expect(approve).to_be_enabled(timeout=WAIT)
    approve.click()
    expect(page.get_by_text("Your signature is in.")).to_be_visible(timeout=WAIT)
    (told,) = house.entries("approve")
    assert told["method"] == "oidc"
    assert told["authenticated"] == house.entries("sign in")[-1]["authenticated"]
    assert house.platform.verify_ledger() > 0


@pytest.mark.parametrize("says_auth_time", [True, False])
def test_a_provider_that_does_not_ask_again_makes_nobody_fresh(
    house: House, page: Page, says_auth_time: bool
) -> None:
    """With auth_time its own word counts; without, only a token that was asked for anew does."""
    house.provider.age, house.provider.deaf = 11 * 60, True
    house.provider.says_auth_time = says_auth_time
    sign_in(page, house, "carol")
    title(page, "Inbox")
    page.get_by_role("button", name="Open dossier").click()
    title(page, "Dossier")
    again = page.get_by_role("button", name="Confirm who you are")
    expect(again).to_be_visible(timeout=WAIT)
    if says_auth_time:
        again.click()
        title(page, "Dossier")
        expect(page.get_by_role("button", name="Confirm who you are")).to_be_visible(timeout=WAIT)
    assert house.provider.forms == 1
    expect(page.get_by_role("button", name="Approve and sign")).to_have_count(0)
    assert house.platform.request("dana", house.request).decisions == ()


def test_an_account_that_nobody_linked_sees_one_plain_page(house: House, page: Page) -> None:
    sign_in(page, house, "mallory")
    title(page, "This account is not known here")
    expect(page.get_by_text("id-of-mallory")).to_be_visible()
    photograph(page, "22-unknown-account")
    for place in ("/inbox", f"/dossier?request={house.request}", "/people"):
        page.goto(house.address + place)
        title(page, "This account is not known here")
        expect(page.get_by_text("rand-health")).to_have_count(0)
        expect(page.get_by_test_id("stSidebarNavLink")).to_have_count(0)
    assert house.entries("sign in") == []


@pytest.mark.parametrize("fault", ["signature", "nonce", "audience", "issuer"])
def test_a_token_that_is_not_the_providers_signs_nobody_in(house: House, page: Page, fault: str) -> None:
    house.provider.spoil = fault
    sign_in(page, house, "carol")
    title(page, "Sign in")
    assert house.entries("sign in") == []
    house.provider.spoil = ""
    page.get_by_role("button", name=re.compile("^Sign in with")).click()
    title(page, "Inbox")


def test_a_copied_cookie_is_dead_once_its_owner_signed_out(house: House, page: Page) -> None:
    sign_in(page, house, "carol")
    title(page, "Inbox")
    copied = page.context.cookies(house.address)
    assert any(one["name"] == "_streamlit_user" for one in copied)
    page.get_by_role("button", name="Sign out").click()
    title(page, "Sign in")
    page.context.add_cookies(copied)
    page.goto(house.address)
    title(page, "Your sign-in is over")
    expect(page.get_by_test_id("stSidebarNavLink")).to_have_count(0)
    # The way back in is a new token, not the old one.
    page.get_by_role("button", name=re.compile("^Sign in with")).click()
    title(page, "Inbox")
    assert len(house.entries("sign in")) == 2


def test_no_demo_sign_in_on_a_state_of_real_people(ran: Path, page: Page, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "pages.log"
    environment = {**os.environ, "DPSYNTH_STATE": str(ran), "DPSYNTH_DEMO": "1"}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with log.open("w") as output:
        child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
        try:
            wait_for(f"http://localhost:{port}", log)
            page.goto(f"http://localhost:{port}")
            title(page, "No demo sign-in here")
            photograph(page, "23-no-demo")
            expect(page.get_by_role("button", name=re.compile("^Continue as"))).to_have_count(0)
        finally:
            child.terminate()
            child.wait(20)


def test_two_admins_change_a_role_and_the_auditor_sees_who_looked(house: House, page: Page) -> None:
    house.platform.add_person("bela", "Bela", ("admin",))
    house.platform.audit_report("carol", house.request)
    proposal = house.platform.access.propose("bela", "grant", "sam", "auditor")
    sign_in(page, house, "amal")
    title(page, "People and keys")
    expect(page.get_by_text("Give sam the role auditor")).to_be_visible(timeout=WAIT)
    photograph(page, "24-people-and-keys")
    page.get_by_role("button", name="Confirm", exact=True).click()
    expect(page.get_by_text("Done: Give sam the role auditor.")).to_be_visible(timeout=WAIT)
    told = next(one for one in house.entries("access confirmed") if one["proposal"] == proposal)
    assert (told["actor"], told["method"]) == ("amal", "oidc")
    page.get_by_role("button", name="Sign out").click()
    title(page, "Sign in")
    page.context.clear_cookies()
    sign_in(page, house, "sam")
    page.get_by_role("link", name="Access log").click()
    title(page, "Access log")
    expect(page.get_by_text("exact audit report")).to_be_visible(timeout=WAIT)
    photograph(page, "25-access-log")
