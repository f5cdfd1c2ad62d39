"""``dpsynth rehearse``: what utility to expect at which budget, on rows that are public; free."""

from __future__ import annotations

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
from dpsynth.cli.session import AsJson

if TYPE_CHECKING:
    from dpsynth.policy.model import Policy
    from dpsynth.service import Rehearsal, RehearsedPoint
    from dpsynth.service.standin import StandIn

__all__ = ["rehearse"]


def rehearse(
    policy: Annotated[Path, typer.Argument(help="A policy file; only its public facts are used.")],
    synthesizer: Annotated[str, typer.Option(help="One that the policy allows.")],
    rho_: Annotated[
        list[str] | None, typer.Option("--rho", help="A budget to rehearse; may be repeated.")
    ] = None,
    epsilon: Annotated[
        list[str] | None, typer.Option(help="A budget at the policy's delta; may be repeated.")
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(help="Made-up rows; default: as many as the policy releases, at most 25,000."),
    ] = None,
    release: Annotated[
        Path | None, typer.Option(help="A published bundle whose rows stand in, instead of made-up ones.")
    ] = None,
    fits: Annotated[int, typer.Option(help="Fits of each budget; their spread is chance.")] = 3,
    seconds: Annotated[float, typer.Option(help="Nothing is begun after that.")] = 300.0,
    as_json: AsJson = False,
) -> None:
    """Run a synthesizer on a stand-in of the policy's table and say how far off its tables come.

    Free: no row of the real table is read, no ledger is asked. Without a budget: four parts of the policy's
    cap for one release are rehearsed.
    """
    from dpsynth.policy.loader import load_policy
    from dpsynth.service.rehearsal import Limits, budgets_of
    from dpsynth.service.rehearsal import rehearse as rehearsed

    known = load_policy(policy)
    stand_in = _stand_in(known, rows, release)
    asked = _budgets(known, rho_ or [], epsilon or []) or budgets_of(known)
    with _Bar() as bar:
        found = rehearsed(known, synthesizer, asked, stand_in, Limits(fits, seconds), bar.tell)
    emit(as_json, asdict(found), _lines(found))


def _stand_in(policy: Policy, rows: int | None, release: Path | None) -> StandIn:
    from dpsynth.service.rehearsal import default_rows
    from dpsynth.service.standin import MOST_ROWS, Published, made_up, of_release

    if release is None:
        return made_up(policy.domain(), default_rows(policy) if rows is None else rows)
    place = Published(release.name or str(release), release)
    return of_release(place, policy.domain(), MOST_ROWS if rows is None else rows)


def _budgets(policy: Policy, rhos: list[str], epsilons: list[str]) -> tuple[int, ...]:
    from dpsynth.service import RequestForm
    from dpsynth.service.plans import requested_rho

    forms = [RequestForm("", "", "", "", rho=one) for one in rhos]
    forms += [RequestForm("", "", "", "", epsilon=one) for one in epsilons]
    return tuple(requested_rho(form, policy) for form in forms)


class _Bar:
    """One bar where stderr is a terminal; elsewhere a plain line for each fit."""

    def __init__(self) -> None:
        self._said = ""
        self._drawn = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._drawn.add_task("rehearsal", total=1.0)

    def __enter__(self) -> _Bar:
        self._drawn.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drawn.stop()

    def tell(self, words: str, share: float) -> None:
        """This is being done, and so much of the whole is behind it."""
        self._drawn.update(self._task, completed=share, description=escape(plain(words)))
        if self._drawn.disable and words != self._said:
            typer.echo(plain(words), err=True)
        self._said = words


def _percent(point: RehearsedPoint, width: int) -> str:
    if not point.errors:
        return ""
    low, mean, high = point.spread(width)
    return f"{100 * mean:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def _lines(found: Rehearsal) -> list[str]:
    head = ("RHO", "EPSILON", "ONE COLUMN", "TWO COLUMNS", "THREE COLUMNS", "FITS")
    table = [
        (
            rho(one.rho_nano),
            one.epsilon or "refused",
            *(_percent(one, width) for width in (1, 2, 3)),
            str(len(one.errors)),
        )
        for one in found.points
    ]
    for name, errors in (("by chance", found.by_chance), ("unrelated", found.unrelated)):
        table.append((name, "", *(f"{100 * error:.1f} %" for error in errors), ""))
    return [
        "A REHEARSAL ON A STAND-IN: these are not your data. Nothing was read, nothing charged.",
        f"{found.synthesizer} on {found.rows:,} rows: {found.stand_in}.",
        *columns(head, table),
        *dict.fromkeys(f"rho {rho(one.rho_nano)}: {one.note}" for one in found.points if one.note),
        "Each number: the part of rows that stands in a wrong cell, mean over tables of so many columns, and",
        "over fits, with the lowest and highest fit. By chance: rows of the stand-in drawn again, no noise.",
        "Unrelated: every column right and every relation lost. Real columns may hang together otherwise,",
        "and the real number of rows is private: with fewer rows the same noise weighs more.",
    ]
