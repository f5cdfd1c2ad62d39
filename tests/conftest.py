"""What this machine cannot run is left out loudly, never silently.

A test marked ``needs_browser`` is left out where there is no Chromium. The summary then says in capitals
what was left out, why, and how to get it; with DPSYNTH_REQUIRE_ALL=1 the omission fails the run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FIRST = (
    "engines/test_real_library.py",
    "browser",
    "audit",
    "engines",
    "service",
    "cli",
    "ui",
    "ledger",
    "synthesizers",
)
"""Rooms with files that take minutes: begun first, so that no worker is left alone with one at the end.

The first file builds the environment that others of its room use: they come later, and need not wait for it.
"""
LEFT_OUT = pytest.StashKey[set[str]]()

# A run in the background may be told to ignore Ctrl-C, and programs that tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Wall time is no promise of ours, and a run in CI must be repeatable from its commit alone.
settings.register_profile(
    "dpsynth",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("dpsynth")


def find_browser() -> str | None:
    """Path of a Chromium: $DPSYNTH_CHROMIUM, then $CHROMIUM, then the usual names; None if there is none."""
    for variable in ("DPSYNTH_CHROMIUM", "CHROMIUM"):
        if named := os.environ.get(variable):
            if found := shutil.which(named):
                return found
            raise pytest.UsageError(f"{variable} names no program that can be run here")
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Path of the browser for Playwright's ``executable_path``; only for tests marked needs_browser."""
    found = find_browser()
    assert found is not None, "mark the test needs_browser"
    return found


@pytest.fixture(scope="session")
def engine_python() -> Path:
    """Interpreter of the real smartnoise environment: built by the program itself, once on a machine."""
    from dpsynth.core.errors import Conflict, PolicyRefusal
    from dpsynth.engines.build import add_engine
    from dpsynth.engines.catalog import kind_of
    from dpsynth.engines.store import engine_of

    pins = hashlib.sha256(kind_of("smartnoise").pins.read_bytes()).hexdigest()
    home = Path(__file__).parents[1] / ".engines" / pins[:16]
    try:
        return engine_of(home, "smartnoise").python
    except PolicyRefusal:
        home.mkdir(parents=True, exist_ok=True)
    try:
        return add_engine(home, "smartnoise", print).python
    except Conflict:  # another process of this run built it meanwhile
        return engine_of(home, "smartnoise").python


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = set()


def _place(path: Path) -> int:
    """Where in the order a file comes: a file that is named before its room, others after all rooms."""
    named = [name for name in (path.as_posix(), path.parts[0]) if name in FIRST]
    return FIRST.index(named[0]) if named else len(FIRST)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(item.path.relative_to(Path(__file__).parent)))
    if find_browser():
        return
    without = [item for item in items if item.get_closest_marker("needs_browser")]
    if not without:
        return
    config.stash[LEFT_OUT].update(item.nodeid for item in without)
    items[:] = [item for item in items if item not in without]
    config.hook.pytest_deselected(items=without)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Bring the list home from an xdist worker, which collects in a process of its own."""
    output: dict[str, list[str]] = getattr(node, "workeroutput", {})
    node.config.stash[LEFT_OUT].update(output.get("left_out", ()))  # type: ignore[attr-defined]


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    left_out = session.config.stash[LEFT_OUT]
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = sorted(left_out)
    elif left_out and os.environ.get("DPSYNTH_REQUIRE_ALL") == "1":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = sorted(config.stash[LEFT_OUT])
    if not left_out:
        return
    terminalreporter.section(f"LEFT OUT: {len(left_out)} TESTS THAT NEED A BROWSER", red=True, bold=True)
    for name in left_out:
        terminalreporter.line(f"  {name}")
    terminalreporter.line("WHY: THERE IS NO CHROMIUM ON THIS MACHINE. THE PAGES WERE NOT TESTED.")
    terminalreporter.line("TO GET IT: apt-get install chromium, or set DPSYNTH_CHROMIUM to the program.")
    if os.environ.get("DPSYNTH_REQUIRE_ALL") == "1":
        terminalreporter.line("DPSYNTH_REQUIRE_ALL=1: THIS OMISSION FAILS THE RUN.", red=True, bold=True)
