"""One bar for each stage of a run, driven by the stage that the platform states and by nothing else."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

__all__ = ["StageBars"]


class StageBars:
    """A context manager that draws a bar for each stage entered.

    How long a stage takes is not known, so its bar moves without a length until the next stage begins.
    Stages between two looks were passed all the same: they are drawn as done.
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
                self._progress.update(task, total=1, completed=1)
        if stage in self._order:
            self._task(stage)

    def _task(self, stage: str) -> TaskID:
        if stage not in self._tasks:
            words = self._words[stage]
            self._tasks[stage] = self._progress.add_task(words, total=None, stage=stage)
        return self._tasks[stage]
