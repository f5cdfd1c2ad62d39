"""Budget board: each scope's cap, spent, held and forfeited budget, as bars and as a table."""

from __future__ import annotations

import streamlit as st

from dpsynth.service import ScopeView
from dpsynth.ui.charts import Bar, budget_chart
from dpsynth.ui.session import Session
from dpsynth.ui.show import refusals_shown, table
from dpsynth.ui.words import RECALL, SPENT_NOTE, rho_text

__all__ = ["page", "scope_bar", "scope_row"]


def page(session: Session) -> None:
    """Every budget that this person may see."""
    st.title("Budget board")
    st.write(
        "Privacy budget is counted in rho (zCDP) and is for life: it is never refilled. Budgets lie inside "
        "each other: the lifetime budget of the people, in it that of each dataset, in it that of each table "
        "and the ceiling of each requester. A request must fit in all of its four; none adds to another."
    )
    with refusals_shown():
        scopes = session.platform.budget(session.actor)
        if not scopes:
            st.info("No budget has been opened yet: no dataset is registered.")
            return
        budget_chart([scope_bar(scope) for scope in scopes])
        table([scope_row(scope) for scope in scopes])
        st.caption(
            "Spent: charged by a run that opened the data. Forfeited: the part of spent whose run ended "
            "without a release. Held: promised to a request that has not begun; free again if it is "
            "cancelled. " + RECALL
        )
        st.caption(f"Promise: what the cap promises, whatever happens. Spent so far: {SPENT_NOTE}.")


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
