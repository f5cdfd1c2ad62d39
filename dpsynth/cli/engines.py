"""``dpsynth engine``: libraries that insist on rows, each in an environment of its own."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from dpsynth.cli.output import columns, emit, plain
from dpsynth.cli.session import AsJson, session

if TYPE_CHECKING:
    from dpsynth.service.engines import EngineView

__all__ = ["add", "app", "list_engines", "remove"]

app = typer.Typer(help="Libraries that are given rows, each in an environment and a process of its own.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the engine, such as smartnoise.")]


@app.command()
def add(
    context: typer.Context,
    name: Name,
    python: Annotated[
        Path | None,
        typer.Option("--from", metavar="PYTHON", help="Interpreter of an environment made elsewhere."),
    ] = None,
    seconds: Annotated[
        int | None, typer.Option(min=1, max=604_800, help="Longest run in seconds; default 3600.")
    ] = None,
    memory: Annotated[
        int | None, typer.Option(min=1, max=4096, help="Memory of a run in GB; default 16.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build an engine's environment (about 2 GB, some minutes), test it, and put it in its place.

    A policy must still allow each of its synthesizers by name before any is given rows.
    """
    from dpsynth.service.engines import add_engine

    state = session(context).state
    with Progress(
        SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}"), console=Console(stderr=True)
    ) as progress:
        task = progress.add_task("starting", total=None)

        def tell(step: str) -> None:
            progress.update(task, description=plain(step))

        view = add_engine(state, name, tell, python, seconds, memory)
    lines = [
        f"Added {view.name}: {view.library} {view.version}.",
        f"Its synthesizers, which a policy may allow by name: {', '.join(view.synthesizers)}.",
        "Whatever they release relies on that library and is not structurally audited. Known faults:",
        *_faults(view),
    ]
    emit(as_json, {"engine": asdict(view)}, lines)


@app.command("list")
def list_engines(context: typer.Context, as_json: AsJson = False) -> None:
    """List the engines: version, state, size, limits and where they lie."""
    from dpsynth.service import engines

    found = engines.list_engines(session(context).state)
    rows = [
        (
            one.name,
            f"{one.library} {one.version}",
            one.state,
            f"{one.bytes / 1e6:.0f} MB",
            f"{one.seconds} s, {one.memory_gb} GB" if one.seconds else "",
            one.where,
        )
        for one in found
    ]
    head = ("NAME", "LIBRARY", "STATE", "SIZE", "LIMITS", "WHERE")
    emit(as_json, {"engines": [asdict(one) for one in found]}, columns(head, rows))


@app.command()
def remove(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Remove an engine. Releases that were made with it stay."""
    from dpsynth.service.engines import remove_engine

    gone = remove_engine(session(context).state, name)
    emit(as_json, {"removed": gone}, [f"Removed {gone}."])


def _faults(view: EngineView) -> list[str]:
    return [f"  {name}: {fault}" for name, faults in view.faults.items() for fault in faults]
