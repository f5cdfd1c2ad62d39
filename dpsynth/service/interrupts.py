"""SIGINT and SIGTERM in a worker: they may end a run, and must not end what puts its ledger right.

Inside :class:`Interrupts` both signals are noted and wait; only inside :meth:`Interrupts.allowed` do they
raise, at once, as ``Stopped``. So a claim is never half made, and the clean-up after a stopped run is never
itself stopped, however often somebody presses Ctrl-C. SIGKILL remains; leases are for that.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interrupts", "Stopped"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """Somebody ended this process. Its text says in plain words where that leaves the request."""


class Interrupts:
    """A context in which SIGINT and SIGTERM wait for their moment. In other threads it does nothing."""

    def __init__(self) -> None:
        self._old: dict[signal.Signals, Any] = {}
        self._open = self._noted = False

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._old = {one: signal.signal(one, self._note) for one in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one, handler in self._old.items():
            signal.signal(one, signal.SIG_DFL if handler is None else handler)
        if self._noted and error is None:
            raise Stopped

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Inside, a signal raises Stopped: also one that came before, or whose exception was swallowed."""
        try:
            self._open = True
            if self._noted:
                raise Stopped
            yield
            if self._noted:
                raise Stopped
        finally:
            self._open = False

    def hold(self) -> None:
        """From here signals wait again: an exception inside a transaction could leave its lock behind."""
        self._open = False

    def allow(self) -> None:
        """From here signals raise again, and one that came meanwhile does so now."""
        if self._noted:
            raise Stopped
        self._open = True

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._noted = True
        if self._open:
            self._open = False
            raise Stopped
