"""``dpsynth run``: the worker. The only command that opens sensitive rows."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict
from typing import Annotated

import typer

from dpsynth.cli.output import emit, plain
from dpsynth.cli.requests import request_lines
from dpsynth.cli.session import AsJson, session
from dpsynth.core.errors import BadInput

__all__ = ["run"]


def _whisper(stage: str) -> None:
    """Progress goes to stderr, so that stdout holds the answer only."""
    typer.echo(plain(stage), err=True)


def run(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Do at most one request, then end.")] = False,
    worker: Annotated[str, typer.Option(help="Name of this worker; default host and process id.")] = "",
    poll: Annotated[float, typer.Option(min=0.05, max=3600, help="Seconds between looks.")] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Work on queued requests, oldest first. Exit 0 says that it worked, whatever the outcome."""
    if as_json and not once:
        raise BadInput(
            "A worker without end prints no JSON document",
            allowed="--json together with --once",
            remedy="add --once",
        )
    platform = session(context).platform()
    name = worker or f"{socket.gethostname()}-{os.getpid()}"
    if not once:
        _whisper(f"worker {name} waits for requests; end it with Ctrl-C")
        platform.run_forever(name, poll)
        return
    view = platform.run_once(name, None if as_json else _whisper)
    if view is None:
        emit(as_json, {"request": None}, ["Nothing is queued."])
    else:
        emit(as_json, {"request": asdict(view)}, request_lines(view))
