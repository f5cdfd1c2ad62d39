"""Photograph every page of every role at two widths: ``make screenshots``.

Pages are listed by the app's own menu, so that none can be forgotten; of pages that show one request there
are pictures of each request too. The folder is test-output/pages, or DPSYNTH_SCREENSHOTS.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))
import stage  # noqa: E402


def scene(home: Path) -> None:
    """A state with a request in every state that a few runs can reach."""
    platform = stage.peopled(home)
    print("scene: six people and one table; three runs of about five seconds each")
    published, waiting = stage.ask(platform, 1), stage.ask(platform, 2, "0.5")
    for _ in range(2):
        platform.run_once("worker of the pictures")
    stage.sign_and_publish(platform, published)
    seen = platform.dossier("carol", waiting)
    platform.approve("carol", waiting, seen.sha256, stage.REASON, tuple(seen.body["must_tick"]))
    platform.audit_report("carol", waiting)
    rejected = stage.ask(platform, 3, "0.5")
    platform.run_once("worker of the pictures")
    why = "The question is not one that this table can answer."
    platform.reject("dana", rejected, platform.dossier("dana", rejected).sha256, why)
    stage.ask(platform, 4, "0.5")
    platform.access.propose("bela", "grant", "sam", "auditor")


def slug(text: str) -> str:
    """A title as part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def visit(browser: Browser, served: stage.Served, folder: Path) -> list[str]:
    """Every page of one person of each role; the names of the pictures."""
    names: list[str] = []
    with stage.fresh_page(browser) as page:
        page.goto(served.address)
        stage.title(page, "Who are you?")
        names.append("start-who-are-you")
        stage.photograph(page, folder, names[-1])
    for person in stage.one_of_each_role(served.platform):
        with stage.fresh_page(browser) as page:
            stage.become(page, served.address, person.name)
            for title in stage.each_page(page):
                name = f"{'-'.join(person.roles)}-{slug(title)}"
                stage.photograph(page, folder, name)
                names.append(name)
                if stage.open_first(page):
                    names.append(f"{name}-one")
                    stage.photograph(page, folder, names[-1])
        print(f"{person.name}: {sum(one.startswith('-'.join(person.roles)) for one in names)} pages")
    return names


def main() -> int:
    """Make the scene, serve it, photograph it."""
    folder = Path(os.environ.get("DPSYNTH_SCREENSHOTS", ROOT / "test-output" / "pages"))
    shutil.rmtree(folder, ignore_errors=True)
    program = os.environ.get("DPSYNTH_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        print("There is no Chromium here: apt-get install chromium, or set DPSYNTH_CHROMIUM to the program.")
        return 2
    with tempfile.TemporaryDirectory() as where:
        home = Path(os.environ.get("DPSYNTH_SCENE", Path(where) / "state"))
        if not home.exists():
            scene(home)
        with (
            stage.serving(home, Path(where) / "pages.log") as served,
            stage.chromium(program) as browser,
        ):
            names = visit(browser, served, folder)
    print(f"{len(names)} pages at {' and '.join(map(str, stage.WIDTHS))} pixels in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
