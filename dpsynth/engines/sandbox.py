"""One run of an engine's program, in a process of its own: no network, clean environment, hard limits.

The program's stdout and stderr may hold rows: they go nowhere, unless the rows are made up and the caller
listens. Encoded rows reach it through an anonymous
file on stdin, so that no file with rows has a name; what it leaves is read back and its directory removed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dpsynth.core.errors import EngineFailure

__all__ = ["Answer", "Isolation", "Job", "Limits", "anonymous_file", "run_program"]

_LAUNCHER = Path(__file__).with_name("launcher.py")
_SMALL = 2**20


@dataclass(frozen=True)
class Limits:
    """Public limits of a run: wall-clock seconds, and bytes of address space."""

    seconds: int = 3600
    memory: int = 16 * 2**30


@dataclass(frozen=True)
class Isolation:
    """What the system gave to keep a run apart.

    Attributes:
        alone: network and process namespaces of its own.
        locked: the kernel kept it from the hidden files and from writing elsewhere (Landlock).
    """

    alone: bool
    locked: bool

    def words(self) -> str:
        """One sentence for people; what was missing is said as plainly as what was there."""
        network = (
            "had no network (a network namespace of its own)"
            if self.alone
            else "had NO network namespace, which its system does not give: only a guard inside its own "
            "process kept it from the network"
        )
        files = (
            "could reach neither the source file nor the platform's own files"
            if self.locked
            else "was NOT kept from the files of its user, for want of Landlock"
        )
        return f"The library ran in a process of its own that {network}, and that {files}."


@dataclass(frozen=True)
class Answer:
    """What a program left: its JSON document, its table as Parquet bytes, and how it was kept apart."""

    document: Mapping[str, Any]
    table: bytes
    isolation: Isolation


@dataclass(frozen=True)
class Job:
    """What to run, and where.

    Attributes:
        python, program: the interpreter of the engine, and the file that it runs.
        request: public facts, JSON values.
        limits: of time and memory.
        most_bytes: largest answer that is read.
        place: directory in which the private directory of the run is made.
        hidden: paths that the program must not reach.
        readable: paths in hidden ones that it may read nevertheless.
        heard: is called with each line of the program's stdout; None: it goes nowhere. Made-up rows only.
    """

    python: Path
    program: Path
    request: Mapping[str, Any]
    limits: Limits
    most_bytes: int
    place: Path
    hidden: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    heard: Callable[[bytes], None] | None = None


def anonymous_file() -> IO[bytes]:
    """A file without a name: in memory on Linux, else unlinked; it is gone with the last process using it."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("rows", os.MFD_CLOEXEC), "w+b")
    return tempfile.TemporaryFile()


def run_program(job: Job, rows: IO[bytes]) -> Answer:
    """Run the job with ``rows`` on its stdin.

    Raises EngineFailure, in words that depend on no row, when it ends badly, runs too long or leaves no
    answer. All of its processes are dead when this returns, whatever happens.
    """
    job.place.mkdir(parents=True, exist_ok=True, mode=0o700)
    _sweep(job.place)
    mine = f"run-{socket.gethostname()}-{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=mine, dir=job.place, ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        (scratch / "request.json").write_text(json.dumps(dict(job.request)))
        isolation = _run(job, rows, scratch)
        try:
            document = json.loads(_read(scratch / "answer.json", _SMALL))
            return Answer(dict(document), _read(scratch / "answer.parquet", job.most_bytes), isolation)
        except (OSError, ValueError, TypeError):
            raise _failed("left no answer that can be read") from None


def _sweep(place: Path) -> None:
    """Remove what workers of this machine left behind that were killed in the middle of a run."""
    for path in place.glob(f"run-{socket.gethostname()}-*-*"):
        pid = path.name.rsplit("-", 2)[1]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(path, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _run(job: Job, rows: IO[bytes], scratch: Path) -> Isolation:
    read, write = os.pipe()
    rows.seek(0)
    command = [sys.executable, "-I", "-S", "-B", str(_LAUNCHER), json.dumps(_task(job, write, scratch))]
    listener: threading.Thread | None = None
    with os.fdopen(read, "rb") as status:
        try:
            process = subprocess.Popen(
                command,
                stdin=rows,
                stdout=subprocess.DEVNULL if job.heard is None else subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=scratch,
                env=_environment(scratch),
                pass_fds=(write,),
                start_new_session=True,
            )
        finally:
            os.close(write)
        try:
            listener = _listen(process, job.heard)
            said = status.read()
            code = process.wait(job.limits.seconds)
        except subprocess.TimeoutExpired:
            raise _failed(f"did not end within {job.limits.seconds} seconds and was stopped") from None
        finally:
            _end(process)
            if listener is not None:
                listener.join()
    if code != 0 or not said:
        raise _failed("ended with an error")
    return Isolation(**json.loads(said))


def _listen(
    process: subprocess.Popen[bytes], heard: Callable[[bytes], None] | None
) -> threading.Thread | None:
    """A thread that passes each line on, until the last process that could write one is gone."""
    if heard is None or (stream := process.stdout) is None:
        return None

    def listen() -> None:
        with stream:
            for line in stream:
                heard(line)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    return thread


def _task(job: Job, status: int, scratch: Path) -> dict[str, Any]:
    """What the launcher is told; paths are those that links lead to."""
    return {
        "python": str(job.python),
        "program": str(job.program.resolve()),
        "parent": os.getpid(),
        "status": status,
        "memory": job.limits.memory,
        "cpu": 2 * job.limits.seconds,
        "file": max(job.most_bytes, 2**28),
        "hidden": [str(path.resolve()) for path in job.hidden],
        "readable": [str(path.resolve()) for path in job.readable],
        "scratch": str(scratch.resolve()),
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole process group; the process namespace takes whatever left the group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _environment(scratch: Path) -> dict[str, str]:
    """Nothing of ours: no secret, no proxy, no home; one thread for each numeric library."""
    threads = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "RAYON")
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        **{f"{name}_NUM_THREADS": "1" for name in threads},
    }


def _read(path: Path, most: int) -> bytes:
    """A plain file that the program left, at most so large; a link could lead anywhere."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            raise ValueError("not a plain file of a sensible size")
        return stream.read(most)


def _failed(what: str) -> EngineFailure:
    return EngineFailure(
        f"The entrusted library {what}",
        remedy="nothing was published; the budget is spent; find out on made-up rows why it fails",
    )
