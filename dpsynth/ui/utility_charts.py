"""Charts of utility. Real and synthetic are told apart by shape and word, not by colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

import altair as alt
import pandas as pd
import streamlit as st

__all__ = ["Errors", "Pair", "error_chart", "heat_map", "pair_chart", "span_chart"]

_REAL, _MADE = "#0b3c5d", "#e08e0b"
_ROW, _FRAME, _LEGEND, _NAME = 46, 90, 60, 26


@dataclass(frozen=True)
class Errors:
    """Errors of marginals, shares from 0 to 1: what was found, and what chance alone would give."""

    name: str
    mean: float
    largest: float
    by_chance: float


@dataclass(frozen=True)
class Pair:
    """One statistic on both sides; each is (estimate, low, high), or None where it cannot be judged."""

    name: str
    real: tuple[float, float, float] | None
    synthetic: tuple[float, float, float] | None


def _label(name: str) -> str:
    return "\n".join(wrap(name, _NAME))


def _rows(names: Sequence[str]) -> alt.Y:
    axis = alt.Axis(title=None, labelExpr="split(datum.label, '\\n')", labelLimit=190, ticks=False)
    return alt.Y("Row:N", sort=[_label(name) for name in names], axis=axis)


def error_chart(found: Sequence[Errors]) -> None:
    """Bars of the mean error; a tick at the largest and a mark at what chance alone would give."""
    names = [one.name for one in found]
    marks = {"mean": "mean", "largest": "largest", "by chance": "by_chance"}
    data = pd.DataFrame(
        [
            {"Row": _label(one.name), "Mark": m, "error": getattr(one, a)}
            for one in found
            for m, a in marks.items()
        ]
    )
    x = alt.X("error:Q", title="total variation distance (0 is best)", axis=alt.Axis(tickCount=5))
    base = alt.Chart(data).encode(y=_rows(names), x=x, tooltip=["Row:N", "Mark:N", "error:Q"])
    shape = alt.Scale(domain=["largest", "by chance"], range=["diamond", "triangle-up"])
    color = alt.Scale(domain=["largest", "by chance"], range=["#a4161a", "#1b2733"])
    legend = alt.Legend(orient="bottom", title="the bar is the mean", columns=2)
    bars = base.transform_filter("datum.Mark == 'mean'").mark_bar(height=16, color="#5fa8d3")
    points = (
        base.transform_filter("datum.Mark != 'mean'")
        .mark_point(filled=True, size=80, opacity=1)
        .encode(
            shape=alt.Shape("Mark:N", scale=shape, legend=legend),
            color=alt.Color("Mark:N", scale=color, legend=legend),
        )
    )
    st.altair_chart(alt.layer(bars, points).properties(height=_ROW * len(found) + _FRAME), width="stretch")


def pair_chart(pairs: Sequence[Pair], title: str, names: tuple[str, str]) -> None:
    """Two intervals a row, on one scale: circles for the real rows, diamonds for the synthetic ones.

    Args:
        title: of the scale.
        names: what the two are called in the legend, real first.
    """
    lines = [
        {"Row": _label(one.name), "Table": name, "estimate": found[0], "low": found[1], "high": found[2]}
        for one in pairs
        for name, found in zip(names, (one.real, one.synthetic), strict=True)
        if found is not None
    ]
    if not lines:
        return
    shape = alt.Scale(domain=list(names), range=["circle", "diamond"])
    color = alt.Scale(domain=list(names), range=[_REAL, _MADE])
    legend = alt.Legend(orient="bottom", title=None, columns=1, labelLimit=300)
    scale = alt.Scale(zero=False, padding=12)
    base = alt.Chart(pd.DataFrame(lines)).encode(
        y=_rows([one.name for one in pairs]),
        yOffset=alt.YOffset("Table:N", sort=list(names)),
        color=alt.Color("Table:N", scale=color, legend=legend),
        tooltip=["Row:N", "Table:N", "estimate:Q", "low:Q", "high:Q"],
    )
    spans = base.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q", title=title, scale=scale), x2="high:Q")
    shown = alt.Shape("Table:N", scale=shape, legend=legend)
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(x="estimate:Q", shape=shown)
    st.altair_chart(
        alt.layer(spans, dots).properties(height=_ROW * len(pairs) + _FRAME + _LEGEND), width="stretch"
    )


def span_chart(rows: Sequence[tuple[str, float, float, float]], title: str) -> None:
    """One interval a row, all on one scale from 0: name, estimate, low, high."""
    if not rows:
        return
    data = pd.DataFrame(
        [{"Row": _label(name), "estimate": at, "low": low, "high": high} for name, at, low, high in rows]
    )
    base = alt.Chart(data).encode(
        y=_rows([name for name, *_ in rows]), tooltip=["Row:N", "estimate:Q", "low:Q", "high:Q"]
    )
    x = alt.X("low:Q", title=title, axis=alt.Axis(tickCount=5))
    spans = base.mark_rule(strokeWidth=4, color="#5fa8d3").encode(x=x, x2="high:Q")
    dots = base.mark_point(filled=True, size=80, opacity=1, color=_REAL).encode(x="estimate:Q")
    chart = alt.layer(spans, dots).properties(height=_ROW * len(rows) + _FRAME)
    st.altair_chart(chart, width="stretch")


def heat_map(
    title: str,
    down: Sequence[str],
    across: Sequence[str],
    cells: Sequence[Sequence[float | None]],
    most: float,
) -> None:
    """Shades from white (0) to dark (``most``), the same on both sides; a cell of no value stays empty."""
    data = pd.DataFrame(
        [
            {"down": down[i], "across": across[j], "value": value}
            for i, line in enumerate(cells)
            for j, value in enumerate(line)
            if value is not None
        ],
        columns=["down", "across", "value"],
    )
    axis = alt.Axis(title=None, labelLimit=110, labelOverlap=False, ticks=False, domain=False)
    below = alt.Axis(title=None, labelLimit=110, labelOverlap=False, labelAngle=-60)
    shade = alt.Scale(domain=[0, max(most, 1e-6)], scheme="blues")
    chart = (
        alt.Chart(data, title=title)
        .mark_rect(stroke="#dfe6eb", strokeWidth=0.5)
        .encode(
            y=alt.Y("down:N", sort=list(down), axis=axis),
            x=alt.X("across:N", sort=list(across), axis=below),
            color=alt.Color("value:Q", scale=shade, legend=alt.Legend(title=None, orient="bottom")),
            tooltip=["down:N", "across:N", "value:Q"],
        )
        .properties(height=22 * len(down) + 230)
    )
    st.altair_chart(chart, width="stretch")
