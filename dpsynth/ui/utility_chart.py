"""Utility against budget, as a chart. The page prints the same numbers as a table under it."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from dpsynth.service import Rehearsal

__all__ = ["utility_chart"]

_NAMES = {1: "one column", 2: "two columns", 3: "three columns"}
_COLORS = {"one column": "#5fa8d3", "two columns": "#0b3c5d", "three columns": "#b45309"}
_SHAPES = {"one column": "circle", "two columns": "square", "three columns": "triangle-up"}
_INK = "#1b2733"
_ROOM = 1.3


def utility_chart(found: Rehearsal, chosen_nano: int | None) -> None:
    """Error in percent against rho on a log scale: mean, lowest and highest fit; the choice as a line."""
    frame = _frame(found)
    if frame.empty:
        return
    rhos = [*frame["rho"], *([chosen_nano / 1e9] if chosen_nano else [])]
    scale = alt.Scale(type="log", domain=[min(rhos) / _ROOM, max(rhos) * _ROOM], nice=False)
    axis = alt.Axis(tickCount=5, grid=False, format="~g")
    x = alt.X("rho:Q", title="rho of the release (log scale)", scale=scale, axis=axis)
    layers = [*_curves(frame, x), *_choice(chosen_nano, float(frame["high"].max()))]
    chart = alt.layer(*layers).properties(height=300)
    st.altair_chart(chart, width="stretch")


def _frame(found: Rehearsal) -> pd.DataFrame:
    rows = []
    for point in found.points:
        for width, name in _NAMES.items():
            if point.errors:
                low, mean, high = (100 * error for error in point.spread(width))
                rows.append(
                    {"rho": point.rho_nano / 1e9, "Tables of": name, "low": low, "error": mean, "high": high}
                )
    return pd.DataFrame(rows, columns=["rho", "Tables of", "low", "error", "high"])


def _curves(frame: pd.DataFrame, x: alt.X) -> list[alt.Chart]:
    names = list(_NAMES.values())
    legend = alt.Legend(orient="bottom", title="Tables of", symbolSize=90, labelFontSize=12)
    color = alt.Color(
        "Tables of:N", scale=alt.Scale(domain=names, range=[_COLORS[one] for one in names]), legend=legend
    )
    shape = alt.Shape("Tables of:N", scale=alt.Scale(domain=names, range=[_SHAPES[one] for one in names]))
    y = alt.Y("error:Q", title="off by, % of the rows", scale=alt.Scale(domainMin=0))
    base = alt.Chart(frame).encode(x=x, color=color)
    tooltip = ["Tables of:N", "rho:Q", "low:Q", "error:Q", "high:Q"]
    return [
        base.mark_line(strokeWidth=1.5).encode(y=y),
        base.mark_rule(strokeWidth=4, opacity=0.45).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_point(filled=True, size=80, opacity=1).encode(y=y, shape=shape, tooltip=tooltip),
    ]


def _choice(chosen_nano: int | None, top: float) -> list[alt.Chart]:
    if not chosen_nano:
        return []
    mark = alt.Chart(pd.DataFrame([{"rho": chosen_nano / 1e9, "error": top}]))
    return [
        mark.mark_rule(strokeDash=[5, 4], color=_INK, strokeWidth=1.5).encode(x="rho:Q"),
        mark.mark_text(align="right", dx=-6, dy=-8, fontSize=12, color=_INK).encode(
            x="rho:Q", y="error:Q", text=alt.value("your choice")
        ),
    ]
