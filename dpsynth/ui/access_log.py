"""Access log: who saw exact numbers of which request or took a document, and when."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import streamlit as st

from dpsynth.service import Look
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
            st.caption(f"The newest {_SHOWN}; the whole log can be taken along below.")
        rows = [
            {
                "Time": local_time(one.time),
                "Person": one.person,
                "Request or dataset": one.request,
                "What was shown or taken": one.what,
            }
            for one in looks[:_SHOWN]
        ]
        table(rows)
        st.download_button(
            "Whole log (JSON lines)",
            _lines(looks),
            file_name="access-log.jsonl",
            mime="application/jsonl",
            icon=":material/download:",
            on_click="ignore",
            key="export-log",
        )


def _lines(looks: Sequence[Look]) -> str:
    """Oldest first. It says who looked at what, and holds no number that they saw."""
    return "".join(json.dumps(asdict(look), sort_keys=True) + "\n" for look in reversed(looks))
