"""One budget over time: what was spent, held and left after each entry of the ledger, under its cap."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import altair as alt
import pandas as pd
import streamlit as st

from dpsynth.service import BudgetHistory, BudgetStep
from dpsynth.ui.charts import PARTS
from dpsynth.ui.show import table
from dpsynth.ui.words import local_time, rho_text

__all__ = ["over_time"]

_SHOWN = 500
_STACK = ("spent", "forfeited", "held", "left")
_INK = "#1b2733"


def over_time(history: BudgetHistory) -> None:
    """The chart of one budget, what its axes say, and the same numbers as a table, newest first."""
    st.altair_chart(_chart(history), width="stretch")
    scope = history.scope
    scale = "; ".join(f"rho {rho_text(rho)} is epsilon {epsilon}" for rho, epsilon in history.epsilons)
    st.caption(
        "Each step is an entry of the ledger; the last one is drawn on until now. The dark line is the cap. "
        f"Promise of the cap: {scope.epsilon_cap}. Spent so far: {scope.epsilon_spent}."
        + (f" On the scale of epsilon at delta {history.delta}: {scale}." if scale else "")
    )
    if len(history.steps) > _SHOWN:
        st.caption(f"The newest {_SHOWN} entries; `dpsynth ledger show` prints all.")
    table([_row(step) for step in history.steps[: -_SHOWN - 1 : -1]])


def _row(step: BudgetStep) -> dict[str, str]:
    return {
        "Entry": str(step.seq),
        "Time": local_time(step.time),
        "What happened": step.what,
        "Request": step.request or "none",
        "Asked for by": step.requester or "nobody",
        "Cap (rho)": rho_text(step.cap_nano),
        "Spent": rho_text(step.spent_nano),
        "of it forfeited": rho_text(step.forfeited_nano),
        "Held": rho_text(step.held_nano),
        "Left": rho_text(step.left_nano),
    }


def _moments(steps: Sequence[BudgetStep]) -> list[datetime]:
    """Times that never run backwards: entries of a run are dated to the hour, before those around them."""
    found: list[datetime] = []
    for step in steps:
        time = datetime.fromisoformat(step.time).astimezone(UTC)
        found.append(max(time, found[-1]) if found else time)
    return [*found, max(datetime.now(UTC), found[-1])]


def _areas(history: BudgetHistory) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the stacked areas (bottom and top in rho) and of the cap line."""
    rows: list[dict[str, object]] = []
    caps: list[dict[str, object]] = []
    steps = [*history.steps, history.steps[-1]]
    for moment, step in zip(_moments(history.steps), steps, strict=True):
        useful = max(0, step.spent_nano - step.forfeited_nano)
        at = 0
        for part, nano in zip(
            _STACK, (useful, step.forfeited_nano, step.held_nano, step.left_nano), strict=True
        ):
            rows.append({"time": moment, "Part": part, "from": at / 1e9, "to": (at + nano) / 1e9})
            at += nano
        caps.append({"time": moment, "cap": step.cap_nano / 1e9})
    return pd.DataFrame(rows), pd.DataFrame(caps)


def _chart(history: BudgetHistory) -> alt.LayerChart | alt.FacetChart:
    areas, caps = _areas(history)
    height = areas["to"] - areas["from"]
    used = [part for part in _STACK if (height[areas["Part"] == part] > 0).any()]
    scale = alt.Scale(domain=used, range=[PARTS[part] for part in used])
    legend = alt.Legend(
        orient="bottom",
        title=None,
        columns=len(used),
        labelFontSize=12,
        symbolType="square",
        symbolStrokeWidth=0.6,
    )
    axis = alt.Axis(tickCount=4, labelOverlap=True, format="%d %b %H:%M")
    time = alt.X("time:T", title="time (UTC)", axis=axis, scale=alt.Scale(type="utc"))
    stacked = (
        alt.Chart(areas[areas["Part"].isin(used)])
        .mark_area(interpolate="step-after", stroke="#52606d", strokeWidth=0.6)
        .encode(
            x=time,
            y=alt.Y("from:Q", title="rho (zCDP)", axis=alt.Axis(tickCount=5)),
            y2="to:Q",
            color=alt.Color("Part:N", scale=scale, legend=legend),
            tooltip=["time:T", "Part:N", "from:Q", "to:Q"],
        )
    )
    line = alt.Chart(caps).mark_line(interpolate="step-after", color=_INK, strokeWidth=3)
    capped = line.encode(x=time, y=alt.Y("cap:Q", axis=_epsilons(history)))
    layers = alt.layer(stacked, capped, _cap_name(caps)).properties(height=330)
    return layers.resolve_axis(y="independent")  # type: ignore[no-any-return]


def _cap_name(caps: pd.DataFrame) -> alt.Chart:
    words = alt.Chart(caps.head(1)).mark_text(align="left", dx=4, dy=-9, fontSize=12, color=_INK)
    named: alt.Chart = words.encode(x="time:T", y=alt.Y("cap:Q", axis=None), text=alt.value("cap"))
    return named


def _epsilons(history: BudgetHistory) -> alt.Axis | None:
    """A second axis at the right: what the same rho is as epsilon at delta. None where it has no number."""
    if not history.epsilons:
        return None
    names = ", ".join(f"'{rho}': '{float(epsilon):.2f}'" for rho, epsilon in history.epsilons)
    return alt.Axis(
        orient="right",
        title=f"epsilon at delta {history.delta}",
        values=[rho / 1e9 for rho, _ in history.epsilons],
        labelExpr=f"{{{names}}}[round(datum.value * 1e9)]",
        grid=False,
    )
