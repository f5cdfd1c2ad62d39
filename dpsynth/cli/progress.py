"""How a run is shown to the person at the worker: bars on a terminal, a few plain lines anywhere else.

Stages come from the platform. The rounds of a fit come from the worker's own process: rounds, budget used and
model size are post-processing of noisy answers, so they may be seen; how long a round takes depends on the
rows and is covered by nothing, so times stand on this terminal only, never in a log, the database or a file.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from dpsynth.cli.output import plain

if TYPE_CHECKING:
    from dpsynth.core.curator import Progress as FitProgress

__all__ = ["PlainLines", "StageBars", "WorkerDisplay", "progress_pipe", "progress_words"]

_CELL_BYTES = 8
_FITTING = "fitting"


def progress_words(progress: FitProgress) -> str:
    """How far a fit is, in one line and without a time."""
    words = []
    if progress.most or progress.done:
        most = f" of at most {progress.most:,}" if progress.most else ""
        words.append(f"round {progress.done:,}{most}")
    words.append(f"{100 * _share(progress):.0f}% of the budget used")
    if progress.model_cells:
        size = progress.model_cells * _CELL_BYTES / 1e6
        words.append(f"model {progress.model_cells:,} cells ({size:,.1f} MB)")
    return ", ".join(words) + (f": {plain(progress.step)}" if progress.step else "")


def _share(progress: FitProgress) -> float:
    """The share of the budget that is used; a synthesizer's word is kept within 0 and 1."""
    return min(1.0, max(0.0, float(progress.spent)))


class StageBars:
    """A context manager that draws a bar for each stage entered.

    How long a stage takes is not known, so its bar moves without a length until the next stage begins; the
    fit's bar shows the share of the budget that is used, once the fit tells it. Stages between two looks were
    passed all the same: they are drawn as done.
    """

    def __init__(self, *, on_stderr: bool) -> None:
        from dpsynth.service import STAGES

        self._words = dict(STAGES)
        self._order = [name for name, _ in STAGES if name != "done"]
        self._progress = Progress(
            TextColumn("{task.fields[stage]:<10}", style="bold", table_column=Column(width=10)),
            BarColumn(bar_width=10, table_column=Column(width=10)),
            TimeElapsedColumn(table_column=Column(width=8)),
            TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            expand=True,
            console=Console(stderr=on_stderr),
        )
        self._tasks: dict[str, TaskID] = {}
        self._told: tuple[float, float] | None = None

    def __enter__(self) -> StageBars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def enter(self, stage: str) -> None:
        """The run is in this stage now: finish the bars before it and start its own."""
        last = self._order.index(stage) if stage in self._order else len(self._order)
        for name in self._order[:last]:
            task = self._task(name)
            if not self._progress.tasks[task].finished:
                self._progress.update(task, total=1, completed=1, description=self._words[name])
        if stage in self._order:
            self._task(stage)

    def tell(self, progress: FitProgress) -> None:
        """How far the fit is; shown while it lasts."""
        task = self._tasks.get(_FITTING)
        if task is None or self._progress.tasks[task].finished:
            return
        words = self._left(_share(progress)) + progress_words(progress)
        self._progress.update(task, total=1, completed=0.999 * _share(progress), description=escape(words))

    def _left(self, share: float) -> str:
        """The time left if the rest of the budget takes as long as what was used since the first word."""
        now = time.monotonic()
        if self._told is None:
            self._told = (now, share)
        since, used = now - self._told[0], share - self._told[1]
        if used <= 0.0 or share >= 1.0:
            return ""
        seconds = round(since * (1.0 - share) / used)
        return f"about {seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d} left, "

    def _task(self, stage: str) -> TaskID:
        if stage not in self._tasks:
            words = self._words[stage]
            self._tasks[stage] = self._progress.add_task(words, total=None, stage=stage)
        return self._tasks[stage]


class PlainLines:
    """One line on stderr for each stage, and in a fit one for each tenth of the budget.

    Tenths and not seconds: what a log holds then depends on the noisy answers alone, not on the clock.
    """

    def __init__(self) -> None:
        self._tenth = 0

    def enter(self, stage: str) -> None:
        """The run is in this stage now."""
        self._tenth = 0
        typer.echo(plain(stage), err=True)

    def tell(self, progress: FitProgress) -> None:
        """How far the fit is."""
        tenth = int(10 * _share(progress) + 1e-9)
        if tenth > self._tenth:
            self._tenth = tenth
            typer.echo(f"{_FITTING}: {progress_words(progress)}", err=True)


class WorkerDisplay:
    """Shows each run of a worker as it comes: bars where stderr is a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._shown: StageBars | PlainLines | None = None

    def __enter__(self) -> WorkerDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def enter(self, stage: str) -> None:
        """A run is in this stage now; ``done`` ends what is shown of it."""
        if self._shown is None:
            self._shown = StageBars(on_stderr=True).__enter__() if sys.stderr.isatty() else PlainLines()
        self._shown.enter(stage)
        if stage == "done":
            self._close()

    def tell(self, progress: FitProgress) -> None:
        """How far the fit is."""
        if self._shown is not None:
            self._shown.tell(progress)

    def _close(self) -> None:
        if isinstance(self._shown, StageBars):
            self._shown.__exit__(None, None, None)
        self._shown = None


def progress_pipe(handle: int) -> Callable[[FitProgress], None]:
    """Sends each word of a fit as one JSON line into a pipe, for the program that started this worker.

    What the reader does not take in time is dropped: nobody who watches may hold up a run.
    """
    import json
    from dataclasses import asdict

    os.set_blocking(handle, False)

    def send(progress: FitProgress) -> None:
        with suppress(OSError):
            os.write(handle, (json.dumps(asdict(progress)) + "\n").encode())

    return send
