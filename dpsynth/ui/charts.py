"""Charts. Each page prints the same numbers as a text table under its chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

import altair as alt
import pandas as pd
import streamlit as st

__all__ = ["PARTS", "Bar", "Interval", "budget_chart", "interval_chart"]

# Told apart by lightness and by the word in the legend too, so that the chart reads in grey.
PARTS: dict[str, str] = {
    "spent": "#0b3c5d",
    "forfeited": "#7a1f2b",
    "held": "#5fa8d3",
    "this release": "#e08e0b",
    "left": "#dfe6eb",
}
_ROW, _FRAME = 50, 120
_NAME = 24


@dataclass(frozen=True)
class Bar:
    """One budget scope: parts in the order they are stacked, nano-rho, and the cap."""

    title: str
    parts: tuple[tuple[str, int], ...]
    cap_nano: int


@dataclass(frozen=True)
class Interval:
    """One statistic with its interval; ``limit`` on the same scale, or None, under the name ``mark``."""

    name: str
    estimate: float
    low: float
    high: float
    limit: float | None
    mark: str = "limit"


def _label(title: str) -> str:
    return "\n".join(wrap(title, _NAME))


def _segments(bars: Sequence[Bar]) -> pd.DataFrame:
    rows: list[dict[str, str | float]] = []
    for bar in bars:
        at = 0
        for part, nano in bar.parts:
            if nano:
                name = _label(bar.title)
                rows.append({"Budget": name, "Part": part, "from": at / 1e9, "to": (at + nano) / 1e9})
            at += nano
    return pd.DataFrame(rows, columns=["Budget", "Part", "from", "to"])


def budget_chart(bars: Sequence[Bar]) -> None:
    """Stacked bars of rho, one for each scope, with a line at the cap."""
    if bars:
        height = _ROW * len(bars) + _FRAME
        chart = alt.layer(_stacks(bars), *_caps(bars)).properties(height=height)
        st.altair_chart(chart, width="stretch")


def _rows(bars: Sequence[Bar]) -> alt.Y:
    axis = alt.Axis(
        labelExpr="split(datum.label, '\\n')", labelLimit=200, labelOffset=-8, ticks=False, domain=False
    )
    return alt.Y("Budget:N", sort=[_label(bar.title) for bar in bars], title=None, axis=axis)


def _stacks(bars: Sequence[Bar]) -> alt.Chart:
    used = [part for part in PARTS if any(part == name for bar in bars for name, _ in bar.parts)]
    scale = alt.Scale(domain=used, range=[PARTS[part] for part in used])
    legend = alt.Legend(
        orient="bottom", title=None, columns=len(used), symbolStrokeWidth=0.6, labelFontSize=12
    )
    stacks: alt.Chart = (
        alt.Chart(_segments(bars))
        .mark_bar(height=20, stroke="#52606d", strokeWidth=0.6)
        .encode(
            y=_rows(bars),
            x=alt.X("from:Q", title="rho (zCDP)", axis=alt.Axis(tickCount=5)),
            x2="to:Q",
            color=alt.Color("Part:N", scale=scale, legend=legend),
            tooltip=["Budget:N", "Part:N", "from:Q", "to:Q"],
        )
    )
    return stacks


def _caps(bars: Sequence[Bar]) -> tuple[alt.Chart, alt.Chart]:
    caps = pd.DataFrame([{"Budget": _label(bar.title), "cap": bar.cap_nano / 1e9} for bar in bars])
    line = alt.Chart(caps).mark_tick(color="#1b2733", thickness=3, size=32).encode(y=_rows(bars), x="cap:Q")
    name = (
        alt.Chart(caps)
        .mark_text(align="right", dx=-5, dy=-17, fontSize=11, color="#1b2733")
        .encode(y=_rows(bars), x="cap:Q", text=alt.value("cap"))
    )
    return line, name


def interval_chart(intervals: Sequence[Interval]) -> None:
    """One row for each statistic, each on its own scale: interval, estimate and limit."""
    for one in intervals:
        st.altair_chart(_interval_row(one), width="stretch")


def _interval_row(one: Interval) -> alt.LayerChart | alt.FacetChart:
    name = _label(one.name)
    marks = [("estimate", one.estimate), (one.mark, one.limit)]
    points = pd.DataFrame([{"Row": name, "Mark": m, "value": v} for m, v in marks if v is not None])
    span = pd.DataFrame([{"Row": name, "low": one.low, "high": one.high}])
    label = "split(datum.label, '\\n')"
    axis = alt.Axis(title=None, labelExpr=label, labelLimit=200, ticks=False, domain=False, minExtent=150)
    rows = alt.Y("Row:N", axis=axis)
    low = alt.X("low:Q", axis=alt.Axis(title=None, tickCount=5), scale=alt.Scale(zero=False, padding=14))
    interval = alt.Chart(span).mark_rule(strokeWidth=4, color="#5fa8d3").encode(y=rows, x=low, x2="high:Q")
    names = alt.Scale(domain=["estimate", one.mark], range=["circle", "triangle-left"])
    colors = alt.Scale(domain=["estimate", one.mark], range=["#0b3c5d", "#a4161a"])
    dots = alt.Chart(points).encode(y=rows, x="value:Q", tooltip=["Row:N", "Mark:N", "value:Q"])
    signs = dots.mark_point(filled=True, size=90, opacity=1).encode(
        shape=alt.Shape("Mark:N", scale=names, legend=None),
        color=alt.Color("Mark:N", scale=colors, legend=None),
    )
    # Above and below, so that neither covers the other where the two are close.
    above, below = (
        dots.transform_filter(f"datum.Mark == '{mark}'")
        .mark_text(dy=dy, fontSize=11, color="#1b2733")
        .encode(text="Mark:N")
        for mark, dy in (("estimate", -13), (one.mark, 15))
    )
    # Room at the right for the half of the last number that stands beyond the axis.
    layers = alt.layer(interval, signs, above, below)
    return layers.properties(height=85, padding={"left": 5, "right": 18})
