"""Something that a person asks of the service: done and said at the top of the page, or refused in words."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dpsynth.core.errors import DpsynthError
from dpsynth.ui.places import flash
from dpsynth.ui.show import show_refusal
from dpsynth.ui.words import escaped

__all__ = ["act"]


def act(step: Callable[[], object], done: str) -> None:
    """Do it; then draw the page anew and say ``done``. A refusal is shown where the person clicked."""
    try:
        step()
    except DpsynthError as error:
        show_refusal(error)
        return
    flash(escaped(done))
    st.rerun()
