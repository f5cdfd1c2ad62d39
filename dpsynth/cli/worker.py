"""``dpsynth run``: the worker. The only command that opens sensitive rows."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from dpsynth.cli.loglines import LogFormat, logged
from dpsynth.cli.output import emit, plain
from dpsynth.cli.progress import WorkerDisplay, progress_pipe
from dpsynth.cli.requests import request_lines
from dpsynth.cli.session import AsJson, session
from dpsynth.core.errors import BadInput

if TYPE_CHECKING:
    from dpsynth.service import Platform

__all__ = ["run"]


def _whisper(words: str) -> None:
    """What is said beside the answer goes to stderr, so that stdout holds the answer only."""
    typer.echo(plain(words), err=True)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def _told_when_stopped() -> Iterator[None]:
    """SIGTERM ends the worker as Ctrl-C does; where that leaves its request is said before it ends."""
    old = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt as error:
        _whisper(f"stopped. {error}".strip())
        raise
    finally:
        signal.signal(signal.SIGTERM, old)


def run(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Do at most one request, then end.")] = False,
    worker: Annotated[str, typer.Option(help="Name of this worker; default host and process id.")] = "",
    poll: Annotated[float, typer.Option(min=0.05, max=3600, help="Seconds between looks.")] = 2.0,
    progress_to: Annotated[
        int, typer.Option(hidden=True, help="File descriptor that gets one JSON line per round of a fit.")
    ] = -1,
    ready_to: Annotated[
        int, typer.Option(hidden=True, help="File descriptor that gets a byte once this worker can work.")
    ] = -1,
    log_format: LogFormat = None,
    as_json: AsJson = False,
) -> None:
    """Work on queued requests, oldest first. Exit 0 says that it worked, whatever the outcome.

    Ctrl-C or SIGTERM ends it with exit code 130 and a ledger that is right: a run that had not committed its
    charge waits for another worker, one that had is failed and stays paid.
    """
    if as_json and not once:
        raise BadInput(
            "A worker without end prints no JSON document",
            allowed="--json together with --once",
            remedy="add --once",
        )
    name = worker or f"{socket.gethostname()}-{os.getpid()}"
    if log_format is not None:
        with logged(log_format):
            platform = session(context).platform()
            _say_ready(ready_to)
            _work(platform, name, poll, once)
        return
    platform = session(context).platform()
    with _told_when_stopped(), WorkerDisplay() as display:
        enter = None if as_json else display.enter
        watch = progress_pipe(progress_to) if progress_to >= 0 else None if as_json else display.tell
        if not once:
            _whisper(f"worker {name} waits for requests; end it with Ctrl-C")
            platform.run_forever(name, poll, enter, watch)
        view = platform.run_once(name, enter, watch)
        platform.notices.deliver()
    if view is None:
        emit(as_json, {"request": None}, ["Nothing is queued."])
    else:
        emit(as_json, {"request": asdict(view)}, request_lines(view))


def _work(platform: Platform, name: str, poll: float, once: bool) -> None:
    """Work with log lines as the only words."""
    old = signal.signal(signal.SIGTERM, _interrupt)
    try:
        if not once:
            platform.run_forever(name, poll)
        platform.run_once(name)
        platform.notices.deliver()
    finally:
        signal.signal(signal.SIGTERM, old)


def _say_ready(handle: int) -> None:
    if handle >= 0:
        with suppress(OSError):
            os.write(handle, b"1")
            os.close(handle)
