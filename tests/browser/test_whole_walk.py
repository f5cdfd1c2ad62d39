"""The whole walk in a real browser: ask, run, sign twice, publish, verify; each page is photographed."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import fitness
import pytest
import stage
from forger import forger
from playwright.sync_api import Browser, Page, expect
from stage import REASON, WAIT, title

from dpsynth.publish.keys import load_public_keys
from dpsynth.publish.verify import verify_bundle
from dpsynth.service.attack_reports import EXPORTED
from dpsynth.ui.places import PLACES

pytestmark = pytest.mark.needs_browser
PURPOSE = (
    "Compare counts of outpatient visits between insurance plans in a course on methods. "
    "<b>No markup</b> [here](javascript:alert(1))."
)


@dataclass(frozen=True)
class Walked:
    """After the walk: the pages, the release that was published, and a request that waits for a decision."""

    served: stage.Served
    published: str
    waiting: str


@pytest.fixture(scope="module")
def walked(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    """The walk, once for all tests of this file; after it the same worker runs a second request."""
    folder = tmp_path_factory.mktemp("walk")
    home = folder / "state"
    stage.peopled(home)
    with stage.serving(home, folder / "pages.log") as served, stage.fresh_page(browser) as page:
        page.goto(served.address)
        title(page, "Who are you?")
        expect(page.get_by_text("anyone at this machine can act as anyone")).to_be_visible()
        photograph(page, "00-sign-in")
        ask(page, served.address)
        worker = ["dpsynth.cli", "run", "--worker", "browser-test", "--poll", "0.2"]
        with stage.running(worker, home, folder / "worker.log"):
            expect(page.get_by_text("The run is done.")).to_be_visible(timeout=WAIT)
            photograph(page, "03-my-requests-waiting")
            decide_and_publish(page, served.address)
            (published,) = (one.id for one in served.platform.requests("carol"))
            waiting = stage.ask(served.platform, 2)
            wait_until_run(served, waiting)
        yield Walked(served, published, waiting)


def photograph(page: Page, name: str) -> None:
    stage.photograph(page, stage.FOLDER, name, (1280,))


def sign_in(page: Page, address: str, name: str) -> None:
    page.goto(address)
    page.get_by_role("button", name=f"Continue as {name}").click()


def titles(role: str) -> list[str]:
    return [place.title for place in PLACES if role in place.roles]


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def ask(page: Page, address: str) -> None:
    sign_in(page, address, "Sam Rivera")
    title(page, "New request")
    assert stage.menu(page) == titles("data_scientist")
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


def sign(page: Page, address: str, person: str, pictures: tuple[str, str]) -> None:
    name, role = stage.PEOPLE[person]
    sign_in(page, address, name)
    title(page, "Inbox")
    assert stage.menu(page) == titles(role)
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


def decide_and_publish(page: Page, address: str) -> None:
    sign(page, address, "carol", ("04-inbox-officer", "05-dossier-officer"))
    page.get_by_role("button", name=re.compile("^Show exact numbers")).click()
    expect(page.get_by_text("Do not pass them on")).to_be_visible(timeout=WAIT)
    photograph(page, "06-dossier-exact-numbers")
    sign(page, address, "dana", ("07-inbox-owner", "08-dossier-owner"))
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


def wait_until_run(served: stage.Served, request_id: str) -> None:
    for _ in range(300):
        if served.platform.request("carol", request_id).state == "awaiting_decision":
            return
        time.sleep(0.3)
    pytest.fail("the worker did not run the second request")


def test_a_release_is_asked_for_run_signed_twice_published_and_verified(walked: Walked) -> None:
    """The state agrees with what the pages showed, and the bundle stands on its own."""
    platform = walked.served.platform
    published = platform.request("sam", walked.published)
    assert published.state == "published"
    assert [decision.person for decision in published.decisions] == ["carol", "dana"]
    trust = load_public_keys(platform.keys_dir)
    assert verify_bundle(Path(published.bundle), trust, datetime.now(UTC)).lines
    assert platform.verify_ledger() > 0


@pytest.mark.parametrize("person", [who for who in stage.PEOPLE if who != "bela"])
def test_every_page_of_every_role_is_fit_for_all_eyes_and_at_200_percent(
    walked: Walked, page: Page, person: str
) -> None:
    """axe-core finds nothing serious that is ours; enlarged, no control is cut, nothing scrolls sideways."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    stage.become(page, walked.served.address, stage.PEOPLE[person][0])
    wrong: dict[str, object] = {}
    for name in stage.each_page(page):
        wrong |= unfit(page, name)
        if stage.open_first(page):
            wrong |= unfit(page, f"{name} of one request")
    assert not wrong
    ours = (walked.served.address, walked.served.address.replace("http", "ws", 1), "data:", "blob:")
    assert not [url for url in asked if not url.startswith(ours)], "a page asks a server of somebody else"


def unfit(page: Page, name: str) -> dict[str, object]:
    found = {"faults": fitness.faults(page), "cut": fitness.cut(page)}
    return {f"{name}, {what}": some for what, some in found.items() if some}


def test_planted_faults_of_accessibility_are_found(walked: Walked, page: Page) -> None:
    page.goto(walked.served.address)
    title(page, "Who are you?")
    stage.settled(page)
    assert not unfit(page, "start")
    page.evaluate("""() => document.querySelector('[data-testid=stMain]').insertAdjacentHTML('beforeend', `
        <img src='data:,' width='9' height='9'><p style='color:#aaa; background:#fff'>pale words</p>
        <input><button style='position:absolute; left:560px; width:200px'>out of sight</button>
        <h5>a heading that leaves levels out</h5>`)""")
    rules = {one.rule for one in fitness.faults(page)}
    assert rules >= {"image-alt", "color-contrast", "label", "heading-order"}
    assert "out of sight" in fitness.cut(page)


def test_a_bundle_that_is_dropped_in_is_verified_and_a_changed_one_is_named(
    walked: Walked, page: Page, tmp_path: Path
) -> None:
    bundle = Path(walked.served.platform.request("carol", walked.published).bundle)
    whole = Path(shutil.make_archive(str(tmp_path / "whole"), "zip", bundle.parent, bundle.name))
    stage.become(page, walked.served.address, "Ada Brandt")
    page.get_by_role("link", name="Release verifier").click()
    title(page, "Release verifier")
    page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(whole)
    expect(page.get_by_text("whole.zip")).to_be_visible(timeout=WAIT)
    press(page, "Verify")
    expect(page.get_by_text(f"Release {walked.published} verifies")).to_be_visible(timeout=WAIT)
    photograph(page, "12-verified")
    # The form forgot the file, and so did the server.
    expect(page.get_by_test_id("stFileUploaderFile")).to_have_count(0)
    files = [path for path in bundle.rglob("*") if path.is_file()]
    changed = shutil.copy(bundle / "TERMS.md", tmp_path / "TERMS.md")
    Path(changed).write_text("Do what you like.")
    page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(
        [changed, *(path for path in files if path.name != "TERMS.md")]
    )
    expect(page.get_by_text("TERMS.md").first).to_be_visible(timeout=WAIT)
    press(page, "Verify")
    expect(page.get_by_text("TERMS.md does not have the")).to_be_visible(timeout=WAIT)


def test_what_an_auditor_takes_along_is_whole_or_watermarked_and_logged(walked: Walked, page: Page) -> None:
    platform = walked.served.platform
    stage.become(page, walked.served.address, "Ada Brandt")
    page.get_by_role("link", name="Ledger").click()
    title(page, "Ledger")
    press(page, "Prepare: the whole chain and a signed checkpoint (JSON lines)")
    with page.expect_download() as taken:
        page.get_by_role("button", name="Download ledger.jsonl").click()
    *entries, checkpoint = taken.value.path().read_text("utf-8").splitlines()
    assert entries == platform.book.export("ada").decode().splitlines()[:-1]
    assert '"signatures"' in checkpoint  # of that second, so not compared
    page.goto(f"{walked.served.address}/attack-reports?request={walked.published}")
    page.get_by_role("button", name="Continue as Ada Brandt").click()
    page.get_by_role("button", name=re.compile("^Show exact numbers")).click()
    prepare = page.get_by_role("button", name=re.compile("^Prepare: the report"))
    expect(prepare).to_be_visible(timeout=WAIT)
    stage.settled(page)
    looks = len(platform.access.looks("ada"))
    prepare.click()
    with page.expect_download() as report:
        page.get_by_role("button", name=re.compile("^Download review-room-")).click()
    html = report.value.path().read_text()
    assert re.search(rf"Review room only · ada · [^<]* · {walked.published}</span>", html)
    assert len(platform.access.looks("ada")) == looks + 1
    assert platform.access.looks("ada")[0].what == EXPORTED


def test_a_forged_click_on_a_disabled_button_by_a_raw_message_writes_nothing(walked: Walked) -> None:
    """What stops it is the server: the same message from who may sign, once all is ticked, signs."""
    platform, request_id = walked.served.platform, walked.waiting

    def signed() -> list[str]:
        return [one.person for one in platform.request("carol", request_id).decisions]

    with forger(walked.served.address) as carol, forger(walked.served.address) as sam:
        carol.click(carol.id_of("-choose-carol"))
        carol.open("dossier", f"request={request_id}")
        approve = carol.id_of("-approve")
        assert carol.widgets[approve].disabled
        before = platform.book.status("ada").seq
        carol.click(approve)
        assert carol.widgets[carol.id_of("-approve")].disabled
        sam.click(sam.id_of("-choose-sam"))
        sam.open("dossier", f"request={request_id}")
        assert "This page is for the compliance officer" in sam.words
        sam.click(approve)
        assert signed() == []
        kinds = {one.kind for one in platform.ledger_entries("ada", before)}
        assert kinds == {"sign in"}
        carol.tick("-tick-")
        raised = platform.reviews.object(
            "ada", request_id, platform.dossier("ada", request_id).sha256, REASON
        )
        assert not carol.widgets[carol.id_of("-approve")].disabled  # as drawn before the objection
        carol.click(carol.id_of("-approve"))
        assert "an auditor objects" in carol.words
        assert signed() == []
        platform.reviews.withdraw("ada", raised.id)
        carol.send()
        carol.click(carol.id_of("-approve"))
        assert signed() == ["carol"]
    assert platform.verify_ledger() > 0
