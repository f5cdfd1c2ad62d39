"""A line that tells how far a fit is: rewritten on a terminal, now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self, TextIO

from dpsynth.core.curator import Progress

__all__ = ["ProgressLine"]

_TERMINAL_SECONDS, _LOG_SECONDS = 0.1, 15.0


class ProgressLine:
    """Shows the newest progress of a run on ``stream``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._terminal = stream, stream.isatty()
        self._start = self._shown = time.monotonic()
        self._width = 0

    def show(self, progress: Progress) -> None:
        """Show it, unless another was shown a moment ago."""
        now = time.monotonic()
        if now - self._shown < (_TERMINAL_SECONDS if self._terminal else _LOG_SECONDS):
            return
        self._shown = now
        text = _text(progress, now - self._start)
        end = "" if self._terminal else "\n"
        print(
            ("\r" if self._terminal else "") + text.ljust(self._width), end=end, file=self._stream, flush=True
        )
        self._width = len(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, where: TracebackType | None) -> None:
        if self._terminal and self._width:
            print("\r" + " " * self._width, end="\r", file=self._stream, flush=True)


def _text(progress: Progress, seconds: float) -> str:
    rounds = f" {progress.done}/{progress.most}" if progress.most else ""
    left = (
        f", about {seconds * (1 - progress.spent) / progress.spent:.0f} s left"
        if progress.spent > 0.05
        else ""
    )
    model = f", model of {progress.model_cells:,} cells" if progress.model_cells else ""
    return f"{progress.step}{rounds}: {progress.spent:.0%} of the budget{model}, {seconds:.0f} s{left}"
