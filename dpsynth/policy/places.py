"""Where in a policy file something stands, and what is wrong there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dpsynth.core.errors import BadInput

__all__ = ["KeyPath", "Location", "PolicyInvalid", "Problem", "quote", "show_path"]

KeyPath = tuple[str | int, ...]
"""Keys and list positions (from 0) that lead to a value."""


def quote(value: object) -> str:
    """A value as shown in a message, cut at 60 characters."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def show_path(path: KeyPath) -> str:
    """``("columns", 3, "bins")`` as ``columns[3].bins``. Non-ASCII and very long keys are escaped or cut."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        word = ascii(part)[1:-1]
        word = word if len(word) <= 60 else f"{word[:57]}..."
        text += f".{word}" if text else word
    return text


@dataclass(frozen=True)
class Location:
    """A place in a file: its name, the line (from 1; None if unknown) and the key path (may be empty)."""

    name: str
    line: int | None
    path: KeyPath

    def text(self) -> str:
        """``file, line 3, key budget.lifetime``."""
        parts = [self.name]
        if self.line is not None:
            parts.append(f"line {self.line}")
        if self.path:
            parts.append(f"key {show_path(self.path)}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a policy: the key path, what is wrong and what to do."""

    path: KeyPath
    what: str
    remedy: str


class PolicyInvalid(BadInput):
    """A policy breaks rules (exit 2). All problems found are listed.

    Attributes:
        problems: each problem, in file order of the sections.
    """

    def __init__(self, name: str, problems: Sequence[Problem], lines: dict[KeyPath, int]) -> None:
        self.problems = tuple(problems)
        stated = [(Location(name, _line(p.path, lines), p.path).text(), p) for p in self.problems]
        if len(stated) == 1:
            place, only = stated[0]
            super().__init__(f"{place}: {only.what}", remedy=only.remedy)
            return
        rows = [f"\n  {n}. {at}: {p.what}. To do: {p.remedy}" for n, (at, p) in enumerate(stated, start=1)]
        what = f"{name}: {len(stated)} problems" + "".join(rows)
        super().__init__(what + "\n", remedy="mend each of them; the key path says where")


def _line(path: KeyPath, lines: dict[KeyPath, int]) -> int | None:
    """Line of the path, or of the nearest enclosing value that is in the file."""
    for length in range(len(path), -1, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None
