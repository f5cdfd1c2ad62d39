"""Budget board: each scope's cap, spent, held and forfeited budget, now and over time; pausing a dataset."""

from __future__ import annotations

import streamlit as st

from dpsynth.service import BudgetHistory, ScopeView
from dpsynth.ui.budget_steps import over_time
from dpsynth.ui.charts import Bar, budget_chart
from dpsynth.ui.pausing import pausing
from dpsynth.ui.session import Session
from dpsynth.ui.show import refusals_shown, table
from dpsynth.ui.words import RECALL, SPENT_NOTE, rho_text

__all__ = ["page", "scope_bar", "scope_row"]

_DECIDERS = ("compliance_officer", "data_owner", "auditor")
_NONE = "No budget has been opened yet: no dataset is registered."


def page(session: Session) -> None:
    """Every budget that this person may see: in full for those who answer for it, else in coarse bands."""
    st.title("Budget board")
    st.write(
        "Privacy budget is counted in rho (zCDP) and is for life: it is never refilled. Budgets lie inside "
        "each other: the lifetime budget of the people, in it that of each dataset, in it that of each table "
        "and the ceiling of each requester. A request must fit in all of its four; none adds to another."
    )
    with refusals_shown():
        if session.has(*_DECIDERS):
            _in_full(session)
        else:
            _in_bands(session)
        pausing(session)


def _in_bands(session: Session) -> None:
    bands = session.platform.board.bands(session.actor)
    if not bands:
        st.info(_NONE)
    table([{"Budget": one.title, "Promise": one.promise, "About how much": one.band} for one in bands])
    st.caption(
        "Requesters see quarters, and no history: who asked for what, and when, is not theirs to read. New "
        "request says what a request would cost and leave, and whether it fits, before you submit it."
    )


def _in_full(session: Session) -> None:
    found = session.platform.board.history(session.actor)
    if not found:
        st.info(_NONE)
        return
    shared = [one.scope for one in found if not one.requester]
    budget_chart([scope_bar(one.scope) for one in found])
    table([scope_row(scope) for scope in shared])
    st.caption(
        "Spent: charged by a run that opened the data. Forfeited: the part of spent whose run ended "
        "without a release. Held: promised to a request that has not begun; free again if it is "
        "cancelled. " + RECALL
    )
    st.caption(f"Promise: what the cap promises, whatever happens. Spent so far: {SPENT_NOTE}.")
    st.header("By requester", divider="gray")
    _by_requester(found)
    st.header("Over time", divider="gray")
    names = {one.scope.id: one for one in found}
    chosen = st.selectbox(
        "Budget to follow",
        list(names),
        format_func=lambda name: names[name].scope.title,
        key="scope",
    )
    over_time(names[chosen])


def _by_requester(found: list[BudgetHistory]) -> None:
    rows = [{"Requester": one.requester, **scope_row(one.scope)} for one in found if one.requester]
    if not rows:
        st.write("Nobody has asked for anything yet.")
    table(rows)


def scope_bar(scope: ScopeView) -> Bar:
    """A scope as one stacked bar; forfeited is the part of spent that bought nothing."""
    useful = max(0, scope.spent_nano - scope.forfeited_nano)
    parts = (
        ("spent", useful),
        ("forfeited", scope.forfeited_nano),
        ("held", scope.held_nano),
        ("left", scope.left_nano),
    )
    return Bar(scope.title, parts, scope.rho_cap_nano)


def scope_row(scope: ScopeView) -> dict[str, str]:
    """A scope as one row of text."""
    return {
        "Budget": scope.title,
        "Promise": scope.epsilon_cap,
        "Spent so far": scope.epsilon_spent,
        "Cap (rho)": rho_text(scope.rho_cap_nano),
        "Spent": rho_text(scope.spent_nano),
        "of it forfeited": rho_text(scope.forfeited_nano),
        "Held": rho_text(scope.held_nano),
        "Left": rho_text(scope.left_nano),
    }
