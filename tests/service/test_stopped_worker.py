"""SIGINT and SIGTERM at a real worker, at several moments: the ledger is right before the process ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dpsynth.mechanisms.rng import os_generator
from dpsynth.service import Platform
from dpsynth.service.interrupts import Interrupts, Stopped
from dpsynth.service.jobs import STOPPED

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SIGNALS = (signal.SIGINT, signal.SIGTERM)

POINTS = {
    # name: (room, what is patched, seconds that it then takes)
    "while claiming": ("worker", "claim", 1.0),
    "in the commit": ("pipeline", "commit_charge", 1.0),
    "after commit": ("pipeline", "read_bytes", 600.0),
    "in the fit": ("curator", "measure", 600.0),
    "after settle": ("pipeline", "run_release_attacks", 600.0),
    "while packing": ("pipeline", "write_candidate", 600.0),
    "while tidying up": ("worker", "_give_up", 1.0),
}


def work(home: str, point: str, complaints: str, here: Any) -> None:
    """A worker that says when it is at the point, and then takes its time there."""
    from dpsynth.cli import main
    from dpsynth.service import pipeline, worker
    from dpsynth.vault.curator import TableCurator

    def wait(room: Any, name: str, seconds: float) -> None:
        real = getattr(room, name)

        def slow(*arguments: Any, **named: Any) -> Any:
            here.release()
            time.sleep(seconds)
            return real(*arguments, **named)

        setattr(room, name, slow)

    room, name, seconds = POINTS[point]
    wait({"worker": worker, "pipeline": pipeline, "curator": TableCurator}[room], name, seconds)
    if point == "while tidying up":
        wait(pipeline, "read_bytes", 600.0)
    handle = os.open(complaints, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    code = main(["--state", home, "run", "--once"])
    sys.stderr.flush()
    os._exit(code)


def processes() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dpsynth.cli", "dpsynth.service", "opendp.prelude"])
    return context


@pytest.fixture(autouse=True)
def _children_find_this_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """They load what they run by the name of this module, whatever pytest was started from."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2]))


@pytest.fixture(scope="module")
def torture() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        return import_module("torture")


@pytest.fixture
def asked(torture: ModuleType, tmp_path: Path) -> tuple[Path, str]:
    """A state with one queued request, and its id."""
    home = tmp_path / "state"
    torture.prepare(home)
    return home, torture.ask(home, 1)


def stop_at(home: Path, point: str, *signals: signal.Signals) -> tuple[int | None, str]:
    """Start a worker, wait until it is at the point, send it each signal; its exit code and what it said."""
    context, complaints = processes(), home.parent / "complaints"
    here = context.Semaphore(0)
    worker = context.Process(target=work, args=(str(home), point, str(complaints), here))
    worker.start()
    assert worker.pid is not None
    for one in signals:
        assert here.acquire(timeout=60)
        os.kill(worker.pid, one)
    worker.join(60)
    return worker.exitcode, complaints.read_text()


def money(platform: Platform) -> tuple[int, int, int]:
    """Spent, held and forfeited nano-rho of the people's budget."""
    people = platform.budget("carol")[0]
    return people.spent_nano, people.held_nano, people.forfeited_nano


@pytest.mark.parametrize(
    ("point", "number"), [("while claiming", signal.SIGTERM), ("while claiming", signal.SIGINT)]
)
def test_stopped_before_commit_nothing_is_spent_and_the_request_waits_for_another_worker(
    asked: tuple[Path, str], point: str, number: signal.Signals
) -> None:
    home, request = asked
    code, said = stop_at(home, point, number)
    assert code == 130
    assert f"stopped. {request}: queued. A worker stopped before it began; queued again." in said
    assert "Traceback" not in said
    platform = Platform.open(home)
    assert platform.request("sam", request).state == "queued"
    assert money(platform) == (0, 1_000_000, 0)
    assert platform.verify_ledger() > 0
    after = platform.run_once("second worker")
    assert after is not None
    assert (after.id, after.state) == (request, "awaiting_decision")


@pytest.mark.parametrize(
    ("point", "number", "forfeited"),
    [
        ("in the commit", signal.SIGINT, 1_000_000),
        ("after commit", signal.SIGTERM, 1_000_000),
        ("in the fit", signal.SIGINT, 1_000_000),
        ("after settle", signal.SIGTERM, 0),
        ("while packing", signal.SIGINT, 0),
    ],
)
def test_stopped_after_commit_the_charge_stays_spent_and_the_request_says_so_in_plain_words(
    asked: tuple[Path, str], point: str, number: signal.Signals, forfeited: int
) -> None:
    home, request = asked
    code, said = stop_at(home, point, number)
    assert code == 130
    assert f"stopped. {request}: failed. {STOPPED}" in said
    assert "Traceback" not in said
    platform = Platform.open(home)
    view = platform.request("sam", request)
    assert (view.state, view.message) == ("failed", STOPPED)
    assert money(platform) == (1_000_000, 0, forfeited)
    assert platform.verify_ledger() > 0
    assert platform.run_once("second worker") is None, "a committed run is never taken up again"
    assert list(platform.bundles_dir.iterdir()) == []
    notes = platform.audit_report("carol", request)["notes"]
    assert any("stopped by SIGINT or SIGTERM" in note for note in notes)


def test_a_second_ctrl_c_does_not_stop_the_tidying_up(asked: tuple[Path, str]) -> None:
    home, request = asked
    assert stop_at(home, "while tidying up", signal.SIGINT, signal.SIGINT)[0] == 130
    platform = Platform.open(home)
    assert platform.request("sam", request).message == STOPPED
    assert money(platform) == (1_000_000, 0, 1_000_000)


def test_an_idle_worker_ends_at_once(asked: tuple[Path, str]) -> None:
    home, request = asked
    Platform.open(home).cancel("sam", request)
    command = [sys.executable, "-m", "dpsynth.cli", "--state", str(home), "run", "--poll", "30"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "waits for requests" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "stopped.\n")


def _work(home: str, stages: Any) -> None:
    platform = Platform.open(Path(home))
    stages.release()
    try:
        platform.run_once("worker", lambda _: stages.release())
    except KeyboardInterrupt:
        sys.exit(130)


def test_signals_somewhere_inside_any_stage_leave_no_run_half_done(
    asked: tuple[Path, str], torture: ModuleType
) -> None:
    home, _ = asked
    context, seen = processes(), set()
    for number in range(7):
        stages = context.Semaphore(0)
        worker = context.Process(target=_work, args=(str(home), stages))
        worker.start()
        for _ in range(1 + number):  # queued, committing, opening, ..., packing
            assert stages.acquire(timeout=60)
        time.sleep(0.05 * float(os_generator().random()))
        if worker.exitcode is None:
            os.kill(worker.pid or 0, SIGNALS[number % 2])
        worker.join(60)
        # Before the run and after it, Python's own handling ends the process; nothing is running then.
        assert worker.exitcode in (130, 0, 1, -signal.SIGTERM)
        platform = Platform.open(home)
        asked_for = platform.requests("carol")
        states = {one.state for one in asked_for}
        assert not states & {"running"}, states
        assert platform.verify_ledger() > 0
        spent, held, _ = money(platform)
        paid = [one for one in asked_for if one.message == STOPPED or one.state == "awaiting_decision"]
        assert (spent, held) == (1_000_000 * len(paid), 1_000_000 * ("queued" in states))
        seen |= {one.message for one in asked_for}
        if "queued" not in states:
            torture.ask(home, number + 2)
    assert STOPPED in seen


def steps_of(moment: str, number: signal.Signals) -> tuple[list[str], bool]:
    """What is reached when a signal comes at a moment, and whether Stopped is raised at the end."""
    steps = []
    try:
        with Interrupts() as interrupts:
            if moment == "before":
                signal.raise_signal(number)
            steps.append("claim")
            with interrupts.allowed():
                steps.append("run begins")
                if moment == "inside":
                    signal.raise_signal(number)
                if moment == "swallowed":
                    with suppress(BaseException):
                        signal.raise_signal(number)
                steps.append("run ends")
            if moment == "after":
                signal.raise_signal(number)
            steps.append("tidy")
    except Stopped:
        return steps, True
    return steps, False


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    ("moment", "reached"),
    [
        ("before", ["claim"]),
        ("inside", ["claim", "run begins"]),
        ("swallowed", ["claim", "run begins", "run ends"]),
        ("after", ["claim", "run begins", "run ends", "tidy"]),
    ],
)
def test_a_signal_waits_outside_the_allowed_part_raises_inside_it_and_is_never_lost(
    moment: str, reached: list[str], number: signal.Signals
) -> None:
    before = [signal.getsignal(one) for one in SIGNALS]
    assert steps_of(moment, number) == (reached, True)
    assert [signal.getsignal(one) for one in SIGNALS] == before
    assert steps_of("never", number) == (["claim", "run begins", "run ends", "tidy"], False)


def test_outside_the_main_thread_nothing_is_installed() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def enter() -> None:
        with Interrupts() as interrupts, interrupts.allowed():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_synthesizer_that_exits_the_program_fails_its_run_and_not_the_worker(
    asked: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dpsynth.synthesizers.mst import MST

    def leave(*_: object) -> None:
        sys.exit(0)

    monkeypatch.setattr(MST, "fit", leave)
    platform = Platform.open(asked[0])
    done = platform.run_once("worker")
    assert done is not None
    assert done.state == "failed"
    assert money(platform) == (1_000_000, 0, 1_000_000)
