"""Log lines instead of words for people: ``--log-format``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import typer

from dpsynth.core.errors import DpsynthError

__all__ = ["LogFormat", "logged"]

_Form = Literal["text", "json"]
LogFormat = Annotated[
    _Form | None,
    typer.Option("--log-format", help="Write one line an event on stderr, as text or json; never data."),
]
_STOPPED = 130


@contextmanager
def logged(form: _Form, ended: str = "worker ended") -> Iterator[None]:
    """Inside, whatever happens is a line; a failure becomes its exit code, and its line names its kind."""
    import logging

    from dpsynth.service.logs import log_lines_to_stderr, tell

    log_lines_to_stderr(form)
    try:
        yield
    except DpsynthError as error:
        tell(ended, logging.ERROR, error=error.kind, code=error.exit_code)
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt as error:
        tell(ended, outcome="stopped", code=_STOPPED)
        raise typer.Exit(_STOPPED) from error
    except Exception as error:
        tell(ended, logging.ERROR, error="unexpected", code=1)
        raise typer.Exit(1) from error
