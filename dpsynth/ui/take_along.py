"""Files to take along that are made when asked for: first made, and refused in words, then downloaded.

A file that is made while the browser waits for it would be lost if any page of the app is drawn meanwhile,
and a refusal would have no words.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import streamlit as st

from dpsynth.ui.session import Session
from dpsynth.ui.show import refusals_shown
from dpsynth.ui.words import local_time

__all__ = ["forget_made", "take_along"]

_MADE = "made-to-take-along"


def forget_made() -> None:
    """Another page: what was made is made again, and logged again, when it is asked for again."""
    st.session_state.pop(_MADE, None)


def take_along(
    session: Session, what: str, make: Callable[[], str | bytes], file_name: str, mime: str, key: str
) -> None:
    """A button that makes the file; once it is made, another that hands it over.

    Args:
        session: who asks; nobody else is handed what was made for them.
        what: the file in a few words, as the button says it.
        make: makes it; what it refuses is shown where the button is.
        file_name, mime: of the file; what was made under another name is not handed over.
        key: of the buttons, one for each place.
    """
    made = st.session_state.setdefault(_MADE, {})
    mine = (session.actor, file_name)
    if st.button(f"Prepare: {what}", key=f"make-{key}", icon=":material/inventory_2:"):
        made.pop(key, None)
        with refusals_shown():
            made[key] = (mine, make(), datetime.now(UTC).isoformat(timespec="seconds"))
    if key not in made or made[key][0] != mine:
        return
    st.download_button(
        f"Download {file_name}",
        made[key][1],
        file_name=file_name,
        mime=mime,
        type="primary",
        icon=":material/download:",
        on_click="ignore",
        key=key,
    )
    st.caption(f"As it was at {local_time(made[key][2])}.")
