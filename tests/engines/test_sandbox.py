"""The process of an engine: no network, no files of ours, clean, bounded, and gone when it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dpsynth.engines import sandbox
from dpsynth.engines.sandbox import Answer, Isolation, Job, Limits, anonymous_file, run_program

CHILD = Path(sandbox.__file__).with_name("smartnoise_child.py")

TRY = """
import ctypes, json, os, socket, sys

def attempt(step):
    try:
        return ["yes", step()]
    except OSError as error:
        return ["no", error.errno]

def leave(document):
    json.dump(document, open("answer.json", "w"))
    open("answer.parquet", "w").write("x")
"""


@pytest.fixture
def go(tmp_path: Path) -> Callable[..., Answer]:
    """Run a few lines in the sandbox; the state directory and one more file are hidden."""

    def call(lines: str, memory: int = 2**34) -> Answer:
        (tmp_path / "state").mkdir(exist_ok=True)
        program = tmp_path / "program.py"
        program.write_text(TRY + textwrap.dedent(lines))
        job = Job(
            python=Path(sys.executable),
            program=program,
            request={"epsilon": "1"},
            limits=Limits(30, memory),
            most_bytes=1000,
            place=tmp_path / "state" / "engines" / "work",
            hidden=(tmp_path / "state", tmp_path / "source.csv"),
        )
        with anonymous_file() as stream:
            stream.write(b"rows")
            stream.flush()
            return run_program(job, stream)

    return call


@contextmanager
def listener() -> Iterator[tuple[str, int]]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(0.2)
        yield server.getsockname()
        with pytest.raises(TimeoutError):
            server.accept()


CONNECT = "socket.create_connection({address!r}, 3).close()"


def test_a_listening_socket_of_this_machine_cannot_be_reached_from_inside(go: Callable[..., Answer]) -> None:
    with socket.socket() as control:  # the same line reaches a listener from outside the sandbox
        control.bind(("127.0.0.1", 0))
        control.listen()
        line = CONNECT.format(address=control.getsockname())
        subprocess.run([sys.executable, "-c", f"import socket; {line}"], check=True, timeout=30)
    with listener() as address:
        line = CONNECT.format(address=address)
        answer = go(f"""
            leave({{
                "connect": attempt(lambda: {line}),
                "send": attempt(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", {address!r})),
                "interfaces": [name for _, name in socket.if_nameindex()],
            }})
        """)
    assert answer.isolation.alone
    assert answer.document["connect"][0] == answer.document["send"][0] == "no"
    assert answer.document["interfaces"] == ["lo"]


def test_the_guard_of_the_program_alone_refuses_conversations() -> None:
    for step in (
        "socket.create_connection(('127.0.0.1', 9))",
        "socket.getaddrinfo('localhost', 80)",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        "socket.socket().bind(('127.0.0.1', 0))",
    ):
        lines = f"import runpy, socket, sys; guard = runpy.run_path({str(CHILD)!r})['guard']\n"
        lines += (
            f"sys.addaudithook(guard)\ntry:\n    {step}\nexcept PermissionError as error:\n    print(error)"
        )
        done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
        assert "network is not for this process" in done.stdout, step


def test_hidden_files_cannot_be_read_and_nothing_outside_can_be_written(
    go: Callable[..., Answer], tmp_path: Path
) -> None:
    (tmp_path / "state" / "secrets").mkdir(parents=True)
    (tmp_path / "state" / "secrets" / "key").write_text("key")
    (tmp_path / "source.csv").write_text("name")
    (tmp_path / "link").symlink_to(tmp_path / "source.csv")
    (tmp_path / "open.txt").write_text("open")
    here, parent = str(tmp_path), os.getpid()
    answer = go(f"""
        paths = ["state/secrets/key", "source.csv", "link", "open.txt"]
        leave({{
            "read": [attempt(lambda: open({here!r} + "/" + path).read())[0] for path in paths],
            "list": attempt(lambda: os.listdir({here!r} + "/state"))[0],
            "write": attempt(lambda: open({here!r} + "/left", "w"))[0],
            "look": attempt(lambda: open("/proc/{parent}/mem", "rb").read(1))[0],
            "signal": attempt(lambda: os.kill({parent}, 0))[0],
            "own": attempt(lambda: open("own", "w").write("x"))[0],
        }})
    """)
    assert answer.isolation.locked
    assert answer.document["read"] == ["no", "no", "no", "yes"]
    refused = {name for name in ("list", "write", "look", "signal") if answer.document[name] == "no"}
    assert refused == {"list", "write", "look", "signal"}
    assert answer.document["own"] == "yes"
    assert not (tmp_path / "left").exists()


def test_it_starts_clean_in_a_private_directory_that_is_gone_afterwards(
    go: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DPSYNTH_DATABASE", "postgresql://secret")
    monkeypatch.setenv("https_proxy", "http://proxy")
    answer = go("""
        leave({
            "environment": sorted(os.environ), "threads": os.environ["OMP_NUM_THREADS"],
            "mode": os.stat(".").st_mode & 0o777, "here": os.getcwd(), "files": os.listdir("."),
            "home": os.environ["HOME"], "rows": sys.stdin.read(), "open": sorted(os.listdir("/proc/self/fd")),
        })
    """)
    said = answer.document
    assert not [name for name in said["environment"] if "DPSYNTH" in name or "proxy" in name.lower()]
    assert (said["threads"], said["mode"], said["files"]) == ("1", 0o700, ["request.json"])
    assert said["home"] == said["here"]
    assert said["rows"] == "rows"
    assert len(said["open"]) == 4  # three standard ones and the listing itself
    assert not Path(said["here"]).exists()
    assert answer.table == b"x"


def test_memory_and_file_sizes_are_bounded(go: Callable[..., Answer]) -> None:
    answer = go(
        """
        import resource
        try:
            bytearray(2**30)
            memory = "yes"
        except MemoryError:
            memory = "no"
        core, cpu, size = (resource.getrlimit(x)[1] for x in (
            resource.RLIMIT_CORE, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE))
        leave({"memory": memory, "core": core, "cpu": cpu, "size": size})
        """,
        memory=2**29,
    )
    assert answer.document == {"memory": "no", "core": 0, "cpu": 60, "size": 2**28}


def test_an_interrupt_of_the_worker_ends_the_library_at_once(
    go: Callable[..., Answer], tmp_path: Path
) -> None:
    def ring(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 2)
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            go("import time; time.sleep(601)")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < 20
    assert gone("time.sleep(601)")
    assert not list((tmp_path / "state" / "engines" / "work").iterdir())


def gone(words: str) -> bool:
    """Whether no program of these words is left, within a few seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not any(words in _program(path) for path in Path("/proc").iterdir() if path.name.isdigit()):
            return True
        time.sleep(0.05)
    return False


def _program(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        return Path(words[3]).read_text() if len(words) > 3 and words[3].endswith("program.py") else ""
    except OSError:
        return ""


def test_a_library_dies_with_its_worker_and_the_next_run_sweeps_up(
    go: Callable[..., Answer], tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text("import time; open('started', 'w'); time.sleep(602)")
    place = tmp_path / "state" / "engines" / "work"
    worker = f"""
from pathlib import Path
from dpsynth.engines.sandbox import *
job = Job(Path({sys.executable!r}), Path({str(program)!r}), {{}}, Limits(60), 1000, Path({str(place)!r}))
run_program(job, anonymous_file())
"""
    process = subprocess.Popen([sys.executable, "-c", worker])
    deadline = time.monotonic() + 30
    while not list(place.glob("*/started")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(place.glob("*/started"))
    process.kill()
    process.wait()
    assert gone("time.sleep(602)")
    assert list(place.iterdir())
    go("leave({})")
    assert not list(place.iterdir())


def test_what_the_system_does_not_give_is_said_and_not_glossed_over(
    go: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = sandbox._LAUNCHER.read_text()
    refusing = text.replace(".unshare(", ".getppid(").replace("= 444, 445, 446", "= 9444, 9445, 9446")
    assert refusing.count("getppid(") == text.count("getppid(") + 1
    (tmp_path / "launcher.py").write_text(refusing)
    monkeypatch.setattr(sandbox, "_LAUNCHER", tmp_path / "launcher.py")
    assert go("leave({})").isolation == Isolation(False, False)


@pytest.mark.parametrize(("alone", "locked"), [(True, True), (True, False), (False, True), (False, False)])
def test_the_words_about_isolation_promise_no_more_than_was_had(alone: bool, locked: bool) -> None:
    words = Isolation(alone, locked).words()
    assert ("had no network (a network namespace of its own)" in words) == alone
    assert ("NO network namespace" in words) == (not alone)
    assert ("could reach neither" in words) == locked
    assert ("NOT kept from the files" in words) == (not locked)
