"""``dpsynth tune``: try synthesizers, budgets and settings on made-up rows; nothing is read or charged."""

from __future__ import annotations

import itertools
import sys
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from dpsynth.cli.output import columns, emit, plain, rho
from dpsynth.cli.progress import progress_words
from dpsynth.cli.session import AsJson
from dpsynth.core.errors import BadInput

if TYPE_CHECKING:
    from dpsynth.core.curator import Progress as FitProgress
    from dpsynth.service.tuning import Trial

__all__ = ["tune"]


def tune(
    policy: Annotated[Path, typer.Argument(help="A policy file; only its public facts are used.")],
    synthesizer: Annotated[
        list[str] | None, typer.Option(help="One that the policy allows; may be repeated.")
    ] = None,
    epsilon: Annotated[list[str] | None, typer.Option(help="A budget to try; may be repeated.")] = None,
    rows: Annotated[int, typer.Option(help="Rows of the stand-in.")] = 10_000,
    vary: Annotated[
        list[str] | None,
        typer.Option(help="A setting and its values: critic_percent=0,10,30; repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fit synthesizers to a made-up stand-in of the policy's table and say how well each does.

    Free: no row of the real table is read. What it shows is how budget, noise and the size of the domain go
    together; the real table's columns may hang together more or less than the stand-in's.
    """
    from dpsynth.policy.loader import load_policy
    from dpsynth.service.tuning import tune as tried

    variants = _variants(vary or [])
    with _Bars() as bars:
        found = tried(load_policy(policy), synthesizer or [], epsilon or ["1"], rows, variants, bars.tell)
    emit(as_json, {"stand_in_rows": rows, "trials": [asdict(one) for one in found]}, _lines(found, rows))


class _Bars:
    """A bar for each trial where stderr is a terminal; one plain line for each elsewhere."""

    def __init__(self) -> None:
        self._drawn = Progress(
            TextColumn("{task.fields[trial]}"),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self) -> _Bars:
        self._drawn.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._end()
        self._drawn.stop()

    def tell(self, trial: str, progress: FitProgress | None) -> None:
        """A trial begins, or this is how far its fit is."""
        if progress is not None:
            share = min(1.0, max(0.0, progress.done / progress.most if progress.most else progress.spent))
            self._drawn.update(
                self._drawn.task_ids[-1],
                completed=0.999 * share,
                description=escape(progress_words(progress)),
            )
            return
        self._end()
        self._drawn.add_task("", total=1, trial=escape(plain(trial)))
        if self._drawn.disable:
            typer.echo(plain(trial), err=True)

    def _end(self) -> None:
        for task in self._drawn.task_ids:
            self._drawn.update(task, completed=1, description="done")


def _variants(vary: list[str]) -> list[dict[str, int]]:
    """All combinations of the values that are given for each setting; one empty one for none."""
    parts = []
    for text in vary:
        name, _, values = text.partition("=")
        numbers = values.split(",")
        if not name or not all(number.isdecimal() and len(number) < 10 for number in numbers):
            raise BadInput(
                f"{text!r} is no setting with values",
                allowed="a name, '=' and whole numbers separated by commas",
                remedy="write, say, --vary critic_percent=0,10,30",
            )
        parts.append([(name, int(number)) for number in numbers])
    return [dict(one) for one in itertools.product(*parts)]


def _lines(found: tuple[Trial, ...], rows: int) -> list[str]:
    table = []
    for one in found:
        errors = ("refused", "", "") if one.error is None else tuple(f"{error:.4f}" for error in one.error)
        settings = " ".join(f"{name}={value}" for name, value in one.settings.items())
        table.append((one.synthesizer, settings, one.epsilon, one.delta, rho(one.rho_nano), *errors))
    head = ("SYNTHESIZER", "SETTINGS", "EPSILON", "DELTA", "RHO", "ERROR 1", "ERROR 2", "ERROR 3")
    return [
        f"Tried on {rows:,} made-up rows from the policy's public domain. Nothing was read, nothing charged.",
        *columns(head, table),
        *dict.fromkeys(f"{one.synthesizer}: {one.refusal}" for one in found if one.refusal),
        "ERROR: mean total variation distance of marginals of so many columns, 0 is best. One fit each:",
        "small differences are chance. People's columns may hang together more or less than made-up ones.",
    ]
