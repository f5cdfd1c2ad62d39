"""The way in and the only way out: each failure becomes an exit code and one text that quotes no data."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

import typer

from dpsynth.cli.app import app
from dpsynth.cli.output import complain
from dpsynth.core.canonical import sha256_hex
from dpsynth.core.errors import BadInput, DpsynthError

__all__ = ["main"]

# typer carries its own copy of click or uses the package, by version; this is click's UsageError in both.
_UsageError = typer.BadParameter.__mro__[1]
_INTERRUPTED = 130


class _Unexpected(DpsynthError):
    """A fault of the program itself (exit 1)."""

    exit_code = 1
    kind = "unexpected"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code.

    0 ok, 1 unexpected, 2 bad input, 3 refused by policy, 4 budget, 5 integrity, 6 conflict, 7 blocked by
    audit, 8 an engine failed, 9 audit inconclusive, 130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _never_fail_to_print()
    try:
        return _answer(words, "--json" in words)
    except BrokenPipeError:
        # The reader (head, less) went away; what is still buffered must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _answer(words: list[str], as_json: bool) -> int:
    try:
        _require_text(words)
        code = app(words, prog_name="dpsynth", standalone_mode=False)
        sys.stdout.flush()
    except DpsynthError as error:
        return complain(error, as_json)
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        if isinstance(error, _UsageError):
            return complain(_misused(error), as_json)
        if os.environ.get("DPSYNTH_DEBUG") == "1":
            traceback.print_exc()
        return complain(_unexpected(error), as_json)
    return code if isinstance(code, int) else 0


def _never_fail_to_print() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _require_text(words: list[str]) -> None:
    """Arguments that are not text in the locale arrive as lone surrogates, which no store can hold."""
    if any("\ud800" <= char <= "\udfff" for word in words for char in word):
        raise BadInput("The command line is not UTF-8 text", remedy="retype it; rename odd files first")


def _misused(error: Exception) -> BadInput:
    """A usage error in the words of every other error."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "dpsynth"
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    return BadInput(message, remedy=f"see `{command} --help`")


def _unexpected(error: Exception) -> _Unexpected:
    """Type and place of the fault: enough to find it, and nothing that was in a variable."""
    frames = [
        (Path(frame.filename).name, frame.lineno or 0) for frame in traceback.extract_tb(error.__traceback__)
    ]
    place = " < ".join(f"{name}:{line}" for name, line in reversed(frames[-3:]))
    kind = type(error).__name__
    number = sha256_hex(f"{kind} {frames}".encode())[:8]
    return _Unexpected(
        f"Something failed inside dpsynth: error {number} ({kind} at {place})",
        remedy="report this line; for the details, which may quote data, run again with DPSYNTH_DEBUG=1",
    )
