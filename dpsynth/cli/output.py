"""What reaches the terminal: escaped lines for people, or exactly one JSON document for programs."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import typer

from dpsynth.core.errors import DpsynthError

__all__ = ["columns", "complain", "emit", "paragraph", "plain", "rho"]

# Control, format (bidi, zero width), surrogate, line and paragraph separators: what can move the cursor,
# colour the screen, reorder a line or start a forged one.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def plain(text: str) -> str:
    """One line that a terminal shows as it is: every unsafe character as its escape, line feeds too."""
    return "".join(_escape(c) if unicodedata.category(c) in _UNSAFE else c for c in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def paragraph(text: str) -> str:
    """Several lines, each as ``plain`` gives it. For our own texts only: line feeds are kept."""
    return "\n".join(plain(line) for line in text.split("\n"))


def _document(value: Any) -> str:
    # ASCII leaves only DEL to escape by hand; inside JSON it can stand nowhere but in a string.
    return json.dumps(value, ensure_ascii=True, indent=2, allow_nan=False).replace("\x7f", "\\u007f")


def emit(as_json: bool, document: Any, lines: Iterable[str]) -> None:
    """Print the JSON document, or the lines for people with every unsafe character escaped."""
    if as_json:
        typer.echo(_document(document))
        return
    for line in lines:
        typer.echo(plain(line))


def complain(error: DpsynthError, as_json: bool) -> int:
    """Print an error: one JSON document on stdout, or a red paragraph on stderr. Returns the exit code."""
    if as_json:
        body = {
            "kind": error.kind,
            "what": error.what.strip(),
            "allowed": error.allowed,
            "remedy": error.remedy,
            "exit_code": error.exit_code,
        }
        typer.echo(_document({"error": body}))
    else:
        typer.secho(paragraph(error.text()), err=True, fg=typer.colors.RED)
    return error.exit_code


def columns(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Left-aligned columns under a head line; ``(none)`` when there is no row."""
    cells = [[plain(cell) for cell in row] for row in rows]
    if not cells:
        return ["(none)"]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [list(head), *cells]
    ]


def rho(nano: int) -> str:
    """Nano-rho as rho, exactly: ``25000000`` is ``0.025``."""
    text = f"{nano // 10**9}.{nano % 10**9:09d}".rstrip("0")
    return text.removesuffix(".")
