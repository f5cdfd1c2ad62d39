"""What a piece of a pipeline says beside its result: log records, warnings, output, files, other programs."""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from contextvars import ContextVar
from pathlib import Path
from typing import TextIO

__all__ = ["Said", "watched"]

_TOUCHED: ContextVar[list[str] | None] = ContextVar("touched", default=None)
_EVENTS = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.system")
_OUTSIDE = ("socket.connect", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork")
_hooked = threading.Event()


class Said:
    """What was said, by kind.

    Attributes:
        logged: log records, (logger, level, text), from INFO on.
        warned: warnings, (category, text).
        out, err: what was written to Python's standard streams.
        touched: files that were opened for writing, with their sizes, and programs or hosts turned to.
    """

    def __init__(self) -> None:
        self.logged: list[tuple[str, str, str]] = []
        self.warned: list[tuple[str, str]] = []
        self.out = self.err = ""
        self.touched: list[str] = []


class _Listener(logging.Handler):
    """Keeps the records of its own thread; those of others go on to the handlers that were there."""

    def __init__(self, kept: list[tuple[str, str, str]], root: logging.Logger) -> None:
        super().__init__(logging.INFO)
        self._kept, self._thread = kept, threading.get_ident()
        self._level, self._others = root.level, root.handlers[:]

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._kept.append((record.name, record.levelname, record.getMessage()))
            return
        for other in self._others:
            if record.levelno >= max(self._level, other.level):
                other.handle(record)


class _OwnThread(io.StringIO):
    """Keeps what its own thread writes: a progress bar of another thread goes on where it was."""

    def __init__(self, past: TextIO) -> None:
        super().__init__()
        self._past, self._thread = past, threading.get_ident()

    def write(self, text: str) -> int:
        """Characters written."""
        return super().write(text) if self._mine() else self._past.write(text)

    def flush(self) -> None:
        """Of the other threads' stream."""
        if not self._mine():
            self._past.flush()

    def isatty(self) -> bool:
        """As the other threads see it."""
        return not self._mine() and self._past.isatty()

    def _mine(self) -> bool:
        return threading.get_ident() == self._thread


@contextmanager
def watched() -> Iterator[Said]:
    """Listen to this thread; nothing that is said goes further. Files are written where they are written.

    Files that libraries write by their own system calls, past Python, are not seen.
    """
    said, touched = Said(), list[str]()
    if not _hooked.is_set():
        _hooked.set()
        sys.addaudithook(_hear)
    root, out, err = logging.getLogger(), _OwnThread(sys.stdout), _OwnThread(sys.stderr)
    kept_level, kept_handlers = root.level, root.handlers[:]
    token = _TOUCHED.set(touched)
    root.handlers[:] = [_Listener(said.logged, root)]
    root.setLevel(logging.INFO)
    try:
        with redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield said
    finally:
        root.setLevel(kept_level)
        root.handlers[:] = kept_handlers
        _TOUCHED.reset(token)
    said.warned = [(one.category.__name__, str(one.message)) for one in warned]
    said.out, said.err = out.getvalue(), err.getvalue()
    said.touched = [_sized(one) for one in touched]


def _hear(event: str, args: tuple[object, ...]) -> None:
    """An audit hook of Python (PEP 578), deaf outside of a watch."""
    touched = _TOUCHED.get()
    if touched is None:
        return
    if event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        if "__pycache__" not in str(args[0]):  # what is imported is compiled once
            touched.append(f"file {args[0]}")
    elif event in _EVENTS or event in _OUTSIDE:
        touched.append(f"{event} {args[:2]!r}")


def _sized(touched: str) -> str:
    path = Path(touched.removeprefix("file "))
    if not touched.startswith("file ") or not path.is_file():
        return touched
    return f"{touched} of {path.stat().st_size} bytes"
