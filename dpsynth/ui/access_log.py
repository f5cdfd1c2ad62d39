"""Access log: who saw exact numbers of which request, and when."""

from __future__ import annotations

import streamlit as st

from dpsynth.ui.session import Session
from dpsynth.ui.show import refusals_shown, table
from dpsynth.ui.words import local_time

__all__ = ["page"]

_SHOWN = 500


def page(session: Session) -> None:
    """Every look at exact numbers, newest first."""
    st.title("Access log")
    st.write(
        "Exact results of attacks are computed on people's rows. Each look at them is an entry of "
        "the ledger, written before anything is shown."
    )
    with refusals_shown():
        looks = session.platform.access.looks(session.actor)
        if not looks:
            st.info("Nobody has looked at exact numbers yet.")
            return
        if len(looks) > _SHOWN:
            st.caption(f"The newest {_SHOWN}; `dpsynth ledger show` prints all.")
        rows = [
            {
                "Time": local_time(one.time),
                "Person": one.person,
                "Request": one.request,
                "What was shown": one.what,
            }
            for one in looks[:_SHOWN]
        ]
        table(rows)
