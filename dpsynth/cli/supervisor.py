"""Pages and workers as child processes of one: started together, mended when they die, ended together.

A child that dies after it was ready is started again after a delay that grows while it keeps dying. One that
dies before it was ever ready ends everything: what cannot start once will not start better alone. On Linux
the children end also where this process is killed: the kernel tells them.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import IO, Protocol

__all__ = ["Child", "Tell", "supervise"]

_LOOK_SECONDS = 0.2
_START_SECONDS = 120.0
_END_SECONDS = 30.0
_LONGEST_DELAY = 60.0
_STEADY_SECONDS = 60.0
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FAILED_TO_START = 1
_PDEATHSIG = 1  # of prctl(2)
_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None


class Tell(Protocol):
    """Writes one line about a process."""

    def __call__(self, event: str, level: int = logging.INFO, /, **fields: object) -> None:
        """The event, how grave it is, and its fields."""


def _end_with_parent() -> None:
    """Between fork and exec: have the kernel send SIGTERM when the parent dies, however it dies."""
    if _LIBRARY is not None:
        _LIBRARY.prctl(_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """One process that is kept running.

    Attributes:
        name: what lines call it.
        command: what is run; a worker's is given the descriptor that it says it is ready on.
        environment: its whole environment.
        answers: whether it is ready, asked again and again; None for one that says so itself.
        output: where its words go; None: where ours go.
    """

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    answers: Callable[[], bool] | None = None
    output: IO[bytes] | None = None
    process: subprocess.Popen[bytes] | None = None
    ready: bool = False
    was_ready: bool = False
    deaths: int = 0
    since: float = 0.0
    again: float = 0.0
    _pipe: int = field(default=-1, repr=False)

    def start(self) -> None:
        """Run it, in a process group of its own: Ctrl-C at the terminal is passed on by us alone."""
        more: list[str] = []
        passed: tuple[int, ...] = ()
        if self.answers is None:
            self._close()
            self._pipe, theirs = os.pipe()
            os.set_blocking(self._pipe, False)
            more, passed = ["--ready-to", str(theirs)], (theirs,)
        self.process = subprocess.Popen(
            [*self.command, *more],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            pass_fds=passed,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - it takes no lock
        )
        for handle in passed:
            os.close(handle)
        self.ready, self.since = False, time.monotonic()

    def look(self) -> bool:
        """Whether it is ready now."""
        if not self.ready:
            self.ready = self._said_so() if self.answers is None else self.answers()
        return self.ready

    def _said_so(self) -> bool:
        with suppress(BlockingIOError):
            return os.read(self._pipe, 1) == b"1"
        return False

    def code(self) -> int | None:
        """Its exit code, or None while it runs or is not started."""
        return None if self.process is None else self.process.poll()

    def _close(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def end(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def gone(self) -> None:
        """It ended and is not started again."""
        self._close()
        self.process = None


def supervise(children: Sequence[Child], tell: Tell) -> int:
    """Run the children until a signal comes, or one cannot start.

    Returns 0 after SIGTERM or SIGHUP, 130 after SIGINT, else the exit code of the one that could not start.
    No child is left when it returns.
    """
    asked = threading.Event()
    got: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        got.append(number)
        asked.set()

    old = {one: signal.signal(one, note) for one in _ENDS}
    code = 0
    try:
        for child in children:
            child.start()
            tell("process started", process=child.name)
        while not asked.is_set() and not code:
            code = _look_after(children, tell)
            asked.wait(_LOOK_SECONDS)
    finally:
        _end_all(children, tell)
        for one, handler in old.items():
            signal.signal(one, handler)
    return code or (130 if got[0] == signal.SIGINT else 0)


def _look_after(children: Sequence[Child], tell: Tell) -> int:
    """One look at each child; the exit code to end everything with, or 0."""
    now = time.monotonic()
    for child in children:
        code = child.code()
        if code is not None:
            tell("process died", logging.WARNING, process=child.name, code=code)
            child.gone()
            if not child.was_ready:
                return _as_exit(code)
            child.deaths = child.deaths + 1 if now - child.since < _STEADY_SECONDS else 1
            child.again = now + min(2.0 ** (child.deaths - 1), _LONGEST_DELAY)
        elif child.process is None:
            if now >= child.again:
                child.start()
                tell("process started again", process=child.name)
        elif not child.ready and child.look():
            child.was_ready = True
            tell("process ready", process=child.name)
        elif not child.was_ready and now - child.since > _START_SECONDS:
            tell("process not ready in time", logging.ERROR, process=child.name)
            return FAILED_TO_START
    return 0


def _as_exit(code: int) -> int:
    """A child's end as an exit code of ours: never 0, and a signal as what could not start."""
    return code if 0 < code < 126 else FAILED_TO_START


def _end_all(children: Sequence[Child], tell: Tell) -> None:
    """SIGTERM for all, and SIGKILL for those that do not end: leases and the commit are made for that."""
    for child in children:
        child.end(signal.SIGTERM)
    until = time.monotonic() + _END_SECONDS
    for child in children:
        if child.process is None:
            continue
        try:
            code = child.process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.end(signal.SIGKILL)
            code = child.process.wait()
        tell("process ended", process=child.name, code=code)
        child.gone()
