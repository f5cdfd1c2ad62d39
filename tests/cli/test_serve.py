"""Pages and workers as one program: really started, really killed, and nothing is left of them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dpsynth.cli import supervisor
from dpsynth.cli.supervisor import Child, supervise

ROOT = Path(__file__).parents[2]
LINE_FIELDS = {
    "time", "level", "event", "request", "stage", "duration", "outcome", "process", "code", "notice", "kind",
    "channel", "error", "library",
}  # fmt: skip


def eventually(what: Callable[[], Any], why: Callable[[], str]) -> None:
    """Wait until something holds, two minutes at most."""
    for _ in range(600):
        if what():
            return
        time.sleep(0.2)
    pytest.fail(why())


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def children_of(pid: int) -> set[int]:
    done = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return {int(word) for word in done.stdout.split()}


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


class Served:
    """A running `dpsynth serve` and what it wrote."""

    def __init__(self, state: Path, out: Path, *options: str) -> None:
        self.port = free_port()
        self._out = out
        words = ["--state", str(state), "serve", "--port", str(self.port), "--poll", "0.1", *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "DPSYNTH_DEMO": "1"}
        with out.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dpsynth.cli", *words],
                cwd=out.parent,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=stream,
            )

    def text(self) -> str:
        return self._out.read_text()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]

    def events(self, name: str) -> list[str]:
        return [one.get("process", "") for one in self.lines() if one["event"] == name]

    def wait_ready(self, *processes: str) -> None:
        eventually(lambda: set(processes) <= set(self.events("process ready")), self.text)

    def page(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://localhost:{self.port}{path}", timeout=10) as answer:
            return bytes(answer.read())


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def begin(state: Path, *options: str) -> Served:
        out = tmp_path / f"served-{len(started)}.log"
        started.append(Served(state, out, *options))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait(60)


@pytest.fixture
def desk(fresh: Path, files: Path, run: Any, kit: Any) -> Path:
    """A state with people, one table, and one request that waits."""
    words = ["dataset", "register", files / "policy.yaml", files / "table.csv"]
    assert run(*words, state=fresh, person="dana").code == 0
    assert run(*kit.submit_words(), state=fresh, person="sam").code == 0
    return fresh


def state_of_request(run: Any, state: Path) -> str:
    return str(run("request", "list", "--json", state=state, person="sam").json["requests"][0]["state"])


def test_a_request_runs_to_its_end_a_dead_worker_is_replaced_and_sigterm_leaves_nothing(
    serve: Callable[..., Served], desk: Path, run: Any, kit: Any
) -> None:
    served = serve(desk, "--workers", "2", "--log-format", "json")
    served.wait_ready("pages", "worker 1", "worker 2")
    assert b"streamlit" in served.page("/").lower()
    assert served.page("/_stcore/health") == b"ok"
    eventually(lambda: state_of_request(run, desk) == "awaiting_decision", served.text)
    family = children_of(served.process.pid)
    assert len(family) == 3
    killed = max(family)
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: len(served.events("process ready")) == 4, served.text)
    assert len(served.events("process died")) == 1
    family |= children_of(served.process.pid)
    assert len(family) == 4
    served.process.terminate()
    assert served.process.wait(60) == 0
    assert not [pid for pid in family if alive(pid)]
    assert sorted(served.events("process ended")) == ["pages", "worker 1", "worker 2"]
    said = served.text()
    assert kit.canary not in said
    assert kit.purpose.split()[0] not in said
    assert all(set(line) <= LINE_FIELDS for line in served.lines())
    stages = [line["stage"] for line in served.lines() if line["event"] == "stage ended"]
    assert stages == ["committing", "opening", "fitting", "sampling", "auditing", "measuring"]
    assert (desk / "review" / "pages.log").stat().st_mode & 0o077 == 0
    assert run("ledger", "verify", state=desk).code == 0


def test_ctrl_c_ends_with_130_and_lines_for_people(serve: Callable[..., Served], fresh: Path) -> None:
    served = serve(fresh)
    eventually(lambda: served.text().count("process ready") == 2, served.text)
    family = children_of(served.process.pid)
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(60) == 130
    assert not [pid for pid in family if alive(pid)]
    assert re.search(r"(?m)^\d{4}-\S+Z?\+00:00 info process ready process=worker-1$", served.text())


def test_a_port_that_is_taken_is_bad_input_and_starts_nothing(run: Any, fresh: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = run("serve", "--port", str(taken.getsockname()[1]), state=fresh)
    assert answer.code == 2
    assert "--port" in answer.err


def test_another_address_needs_a_sign_in_and_no_demo(
    run: Any, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DPSYNTH_DEMO", raising=False)
    answer = run("serve", "--address", "0.0.0.0", state=fresh)
    assert (answer.code, "sign in" in answer.err) == (2, True)
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text("[auth]\nclient_id = 'x'\n")
    monkeypatch.setenv("DPSYNTH_DEMO", "1")
    answer = run("serve", "--address", "0.0.0.0", state=fresh)
    assert (answer.code, "demo sign-in" in answer.err) == (2, True)


def test_a_read_only_ledger_is_not_served(run: Any, fresh: Path, tmp_path: Path) -> None:
    sink = tmp_path / "sink"
    sink.mkdir()
    assert run("--checkpoints", f"dir:{sink}", "people", "list", state=fresh).code == 0
    answer = run("serve", "--port", str(free_port()), state=fresh)  # the sink is not named
    assert answer.code == 5
    assert "read-only" in answer.err


# The supervisor alone, with small programs of ours as children.


def small(name: str, code: str, **more: Any) -> Child:
    return Child(name, [sys.executable, "-c", code], dict(os.environ), **more)


SAYS_READY = "import os, sys; os.write(int(sys.argv[-1]), b'1'); "
FOR_EVER = "import time; time.sleep(600)"


def told(events: list[tuple[str, str]]) -> supervisor.Tell:
    def tell(event: str, level: int = 0, /, **fields: object) -> None:
        events.append((event, str(fields["process"])))

    return tell


def soon(number: signal.Signals, when: Callable[[], Any]) -> threading.Thread:
    """Sends this process a signal once something holds."""

    def wait() -> None:
        for _ in range(1200):
            if when():
                break
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.parametrize(("code", "exit_code"), [(5, 5), (0, 1), (-9, 1)])
def test_a_child_that_cannot_start_ends_everything_with_its_code(code: int, exit_code: int) -> None:
    end = f"sys.exit({code})" if code >= 0 else "os.kill(os.getpid(), 9)"
    events: list[tuple[str, str]] = []
    good = small("pages", FOR_EVER, answers=lambda: True)
    bad = small("worker 1", f"import os, sys; {end}")
    assert supervise([good, bad], told(events)) == exit_code
    assert good.process is None
    assert ("process died", "worker 1") in events
    assert ("process ended", "pages") in events


def test_pages_that_never_answer_end_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_START_SECONDS", 0.5)
    events: list[tuple[str, str]] = []
    pages = small("pages", FOR_EVER, answers=lambda: False)
    assert supervise([pages], told(events)) == 1
    assert ("process not ready in time", "pages") in events


def test_a_child_that_keeps_dying_is_started_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[tuple[str, str]] = []
    child = small("worker 1", SAYS_READY + "time = __import__('time'); time.sleep(0.3)")
    thread = soon(signal.SIGTERM, lambda: child.deaths >= 3)
    assert supervise([child], told(events)) == 0
    thread.join()
    names = [event for event, _ in events]
    assert names.count("process started again") == 2
    assert child.again - child.since >= 2.0  # after the third death: four seconds


def test_a_child_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_END_SECONDS", 0.5)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    child = small("worker 1", deaf + SAYS_READY + FOR_EVER)
    seen: list[int] = []

    def ready() -> bool:
        if child.was_ready and child.process:
            seen.append(child.process.pid)
        return child.was_ready

    thread = soon(signal.SIGHUP, ready)
    assert supervise([child], told([])) == 0
    thread.join()
    assert not alive(seen[0])


def test_the_old_signal_handlers_are_put_back() -> None:
    before = [signal.getsignal(one) for one in supervisor._ENDS]
    supervise([small("worker 1", "raise SystemExit(3)")], told([]))
    assert [signal.getsignal(one) for one in supervisor._ENDS] == before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_where_the_program_itself_is_killed_its_children_end(tmp_path: Path) -> None:
    note = tmp_path / "child.pid"
    child = f"import os, pathlib; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); "
    code = (
        "import os, sys; from dpsynth.cli.supervisor import Child, supervise; "
        "child = Child('worker 1', [sys.executable, '-c', sys.argv[1]], dict(os.environ)); "
        "supervise([child], lambda *words, **fields: None)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, "-c", code, child + SAYS_READY + FOR_EVER], env=environment)
    eventually(lambda: note.exists() and note.read_text(), lambda: "the child never began")
    parent.kill()
    parent.wait(60)
    eventually(lambda: not alive(int(note.read_text())), lambda: "the child is still there")
