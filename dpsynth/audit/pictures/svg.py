"""Plain SVG text: shapes, words and scales. No script, no network; the same input gives the same bytes."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from textwrap import wrap

__all__ = ["GREY", "INK", "LIGHT", "LINE", "MARK", "PALE", "STOP", "WARN", "Canvas", "linear", "log", "ticks"]

INK, GREY, LINE = "#1b2733", "#52606d", "#9aa5b1"
MARK, LIGHT, PALE = "#0b3c5d", "#5fa8d3", "#e8eef3"
STOP, WARN = "#a4161a", "#8a5a00"
_SIZE = 13

Point = tuple[float, float]


def linear(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Map low..high to start..end; values outside are drawn at the edge."""
    span = (high - low) or 1.0
    return lambda value: start + (end - start) * min(1.0, max(0.0, (value - low) / span))


def log(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """The same on a logarithmic scale; ``low`` is above 0, and what is below it is drawn there."""
    inner = linear(math.log10(low), math.log10(high), start, end)
    return lambda value: inner(math.log10(max(value, low)))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values within low..high, about so many."""
    if not high > low:
        return [low]
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return [round((first + at) * step, 12) for at in range(count)]


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


class Canvas:
    """One picture being drawn, in pixels from the upper left corner.

    Args:
        width, height: of the view box; the picture scales with the page.
        title: read aloud in place of the picture.
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self._size = (width, height)
        self._title = title
        self._parts: list[str] = []

    def _add(self, tag: str, **attributes: float | str) -> None:
        written = " ".join(
            f'{name.replace("_", "-")}="{html.escape(value) if isinstance(value, str) else _number(value)}"'
            for name, value in attributes.items()
            if value != ""
        )
        self._parts.append(f"<{tag} {written}/>")

    def line(self, start: Point, end: Point, color: str = INK, width: float = 1, dash: str = "") -> None:
        """A straight line."""
        x1, y1, x2, y2 = *start, *end
        self._add("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=color, stroke_width=width, stroke_dasharray=dash)

    def rect(self, corner: Point, size: Point, fill: str, stroke: str = "none", dash: str = "") -> None:
        """A rectangle from its upper left corner."""
        (x, y), (width, height) = corner, size
        shape = {"x": x, "y": y, "width": max(0.0, width), "height": max(0.0, height)}
        self._add("rect", **shape, fill=fill, stroke=stroke, stroke_dasharray=dash)

    def curve(
        self, points: Sequence[Point], color: str, width: float = 2, dash: str = "", fill: str = "none"
    ) -> None:
        """A line through points, or with ``fill`` a closed area without a border."""
        path = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
        if fill != "none":
            self._add("polygon", points=path, fill=fill, stroke="none")
            return
        style: dict[str, float | str] = {
            "fill": "none",
            "stroke": color,
            "stroke_width": width,
            "stroke_dasharray": dash,
        }
        self._add("polyline", points=path, **style)

    def dot(self, at: Point, color: str = MARK, radius: float = 4.5) -> None:
        """A filled circle."""
        self._add("circle", cx=at[0], cy=at[1], r=radius, fill=color)

    def ring(self, at: Point, color: str = MARK, radius: float = 5) -> None:
        """A circle without filling."""
        self._add("circle", cx=at[0], cy=at[1], r=radius, fill="none", stroke=color, stroke_width=1.5)

    def slanted(self, at: Point, words: str) -> None:
        """Words that rise to the right from ``at``."""
        x, y = map(_number, at)
        self._parts.append(
            f'<text transform="translate({x} {y}) rotate(-40)" font-size="12" fill="{INK}">'
            f"{html.escape(words)}</text>"
        )

    def corner(self, at: Point, color: str = STOP, size: float = 6, filled: bool = True) -> None:
        """A triangle that points down; hollow where it is not filled."""
        x, y = at
        path = " ".join(
            f"{_number(a)},{_number(b)}"
            for a, b in ((x - size, y - size), (x + size, y - size), (x, y + size))
        )
        style: dict[str, float | str] = {
            "fill": color if filled else "white",
            "stroke": color,
            "stroke_width": 1.5,
        }
        self._add("polygon", points=path, **style)

    def diamond(self, at: Point, color: str = INK, size: float = 7) -> None:
        """A square on its corner."""
        x, y = at
        corners = ((x, y - size), (x + size, y), (x, y + size), (x - size, y))
        self._add("polygon", points=" ".join(f"{_number(a)},{_number(b)}" for a, b in corners), fill=color)

    def text(
        self,
        at: Point,
        words: str,
        *,
        anchor: str = "start",
        size: int = _SIZE,
        color: str = INK,
        bold: bool = False,
        value: bool = False,
        rim: bool = False,
    ) -> None:
        """Words at their baseline. ``value``: a number of the data, which the table states too."""
        style = f' font-weight="{600 if bold else 400}"' + (' class="value"' if value else "")
        # A white rim keeps numbers readable where they cross a line.
        style += ' paint-order="stroke" stroke="white" stroke-width="3"' if rim else ""
        self._parts.append(
            f'<text x="{_number(at[0])}" y="{_number(at[1])}" font-size="{size}" fill="{color}"'
            f' text-anchor="{anchor}"{style}>{html.escape(words)}</text>'
        )

    def block(self, at: Point, words: str, width: int, *, anchor: str = "start", color: str = INK) -> None:
        """Words in lines of at most ``width`` characters, the middle of them at ``at``."""
        lines = wrap(words, width)[:3] or [""]
        top = at[1] - (len(lines) - 1) * 7.5 + 4
        for row, line in enumerate(lines):
            self.text((at[0], top + 15 * row), line, anchor=anchor, color=color)

    def svg(self) -> str:
        """The finished picture."""
        width, height = map(_number, self._size)
        title = html.escape(self._title)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f'aria-label="{title}" font-family="system-ui, sans-serif">'
            f'<rect width="{width}" height="{height}" fill="white"/>{"".join(self._parts)}</svg>'
        )
