"""A fresh process on one core with a limit on processor seconds and on memory, and what it used."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Limits", "Outcome", "run_limited"]

_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 5
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Limits:
    """Attributes: processor seconds; resident memory in MB; the core to run on, or None for any."""

    cpu_s: int
    memory_mb: int
    core: int | None = None


@dataclass(frozen=True)
class Outcome:
    """How a process ended.

    Attributes:
        status: "ok", "cpu limit", "memory limit" or "failed".
        cpu_s: user and system seconds of the process and of its children.
        wall_s: from spawn to exit.
        last_line: of its output, for a failed one.
    """

    status: str
    cpu_s: float
    wall_s: float
    last_line: str


def run_limited(command: Sequence[str], folder: Path, log: Path, limits: Limits) -> Outcome:
    """Run it in ``folder`` with one thread a library; its output goes to ``log``.

    The limit counts processor seconds, so a busy machine does not cut a run short.
    """
    environment = os.environ | _ONE_THREAD
    with log.open("w") as out:
        start = time.monotonic()
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_limiter(limits),  # noqa: PLW1509 - this process has one thread
        )
        try:
            status, usage, over = _wait(child, limits)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
    child.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    lines = log.read_text(errors="replace").strip().splitlines()
    ended = _status(child.returncode, over)
    last = lines[-1][:300] if lines and ended == "failed" else ""
    return Outcome(ended, round(cpu, 2), round(time.monotonic() - start, 2), last)


def _limiter(limits: Limits) -> Callable[[], None]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + _GRACE_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if limits.core is not None:
            os.sched_setaffinity(0, {limits.core})

    return limit


def _wait(child: subprocess.Popen[bytes], limits: Limits) -> tuple[int, resource.struct_rusage, bool]:
    """(wait status, usage, whether it was ended for its memory)."""
    over = False
    while True:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            return status, usage, over
        if not over and _resident_mb(child.pid) > limits.memory_mb:
            over = True
            os.killpg(child.pid, signal.SIGKILL)
        time.sleep(_LOOK_SECONDS)


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 2**20


def _status(code: int, over: bool) -> str:
    if over:
        return "memory limit"
    if code == -signal.SIGXCPU:
        return "cpu limit"
    return "ok" if code == 0 else "failed"
