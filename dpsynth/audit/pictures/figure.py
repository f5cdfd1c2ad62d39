"""A picture with the table that says the same in words, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Figure", "finite", "listed", "missing", "number", "of_id", "span"]


@dataclass(frozen=True)
class Figure:
    """One picture.

    Attributes:
        title: what it shows.
        svg: the picture, or "" where there was nothing to draw.
        caption: how to read it, and what it does not say.
        head, rows: the table under it, its columns named apart; every number in the picture stands there.
        absent: why there is no picture; "" where there is one.
    """

    title: str
    svg: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    absent: str = ""


def missing(title: str, why: str) -> Figure:
    """Words in the place of a picture: never an empty plot."""
    return Figure(title, "", "", (), (), f"Not tested: {why}")


def finite(value: Any) -> float | None:
    """The value as a number, or None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def number(value: Any) -> str:
    """A number in four digits; ``none`` where there is none."""
    found = finite(value)
    return "none" if found is None else f"{found:.4g}"


def span(low: Any, high: Any) -> str:
    """An interval in words."""
    if finite(low) is None or finite(high) is None:
        return "none"
    return f"{number(low)} to {number(high)}"


def of_id(results: Iterable[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    """The result of this test, or None."""
    return next((result for result in results if result["id"] == name), None)


def listed(value: Any) -> Sequence[Any]:
    """The value as a list; an empty one where it is none."""
    return value if isinstance(value, list | tuple) else ()
