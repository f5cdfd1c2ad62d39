"""How useful the rows are: paid measures, which go out with them, and exact ones for the review room."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dpsynth.ui.session import Session
from dpsynth.ui.show import refusals_shown, say, table
from dpsynth.ui.utility_charts import span_chart
from dpsynth.ui.utility_exact import exact

__all__ = ["forget_utility", "use"]

_HELD = "exact-utility"
_ERRORS = "Mean error"


def use(session: Session, request_id: str, utility: dict[str, Any] | None) -> None:
    """Paid measures for all who see the dossier; on request the exact ones. Older dossiers have neither."""
    if utility is None:
        return
    st.header("How useful the rows are", divider="gray")
    _paid(utility)
    if not session.has("compliance_officer", "auditor"):
        st.caption("Exact measures of utility are for the compliance officer and the auditor only.")
        return
    _held(session, request_id)


def _paid(utility: dict[str, Any]) -> None:
    paid = utility["charged"]
    st.caption("Measures that go out with the release (charged)")
    if paid is None:
        say(utility["plain"])
        return
    say(paid["note"])
    judged = [_span(one) for one in paid["measures"] if not one["why_not"]]
    span_chart(
        [one for one in judged if one[0].startswith(_ERRORS)], "share of rows in other cells, 0 is best"
    )
    span_chart([one for one in judged if not one[0].startswith(_ERRORS)], "share predicted right, 1 is best")
    table([_row(one, paid["confidence"]) for one in paid["measures"]])
    with st.expander(f"What was asked with noise, for rho {paid['rho']} in all"):
        for query in paid["queries"]:
            say(query)


def _span(measure: dict[str, str]) -> tuple[str, float, float, float]:
    return measure["name"], float(measure["estimate"]), float(measure["low"]), float(measure["high"])


def _row(measure: dict[str, str], confidence: str) -> dict[str, str]:
    judged = not measure["why_not"]
    return {
        "Measure": measure["name"],
        "Share": measure["estimate"] if judged else measure["why_not"],
        f"Interval ({float(confidence):.0%} or more)": f"{measure['low']} to {measure['high']}"
        if judged
        else "none",
        "How to read it": measure["plain"],
    }


def forget_utility() -> None:
    """Drop exact measures when the page is left, so that the next look is logged again."""
    st.session_state.pop(_HELD, None)


def _held(session: Session, request_id: str) -> None:
    """Held only in this browser session, for this person, this request and as long as the page is open."""
    mine = (session.actor, request_id)
    if st.button("Show exact measures of utility (this look is logged)", icon=":material/visibility:"):
        with refusals_shown():
            st.session_state[_HELD] = (mine, session.platform.utility.exact(session.actor, request_id))
    held = st.session_state.get(_HELD)
    if held is None or held[0] != mine:
        return
    st.warning(
        "These measures were computed on people's rows. Do not pass them on: no budget covers them.",
        icon=":material/visibility_lock:",
    )
    exact(held[1])
