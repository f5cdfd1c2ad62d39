"""Which datasets are paused, and for officers and owners the means to pause and resume one."""

from __future__ import annotations

import streamlit as st

from dpsynth.core.errors import DpsynthError
from dpsynth.service import DatasetInfo, PauseView
from dpsynth.ui.places import flash
from dpsynth.ui.session import Session
from dpsynth.ui.show import badge, show_refusal, words_of_others
from dpsynth.ui.words import Word, escaped, local_time

__all__ = ["pausing"]

_OPEN = Word("Open", ":material/play_circle:", "green")
_PAUSED = Word("Paused", ":material/pause_circle:", "orange")
_GONE = Word("Withdrawn by its data owner", ":material/block:", "red")


def pausing(session: Session) -> None:
    """Each dataset with its state; a reason and a button for those who may change it."""
    st.header("Datasets, open and paused", divider="gray")
    st.write(
        "While a dataset is paused nobody can ask for a release of it and nothing is held for it; queued "
        "requests wait. Published releases stay published, and spent budget stays spent."
    )
    paused = {one.dataset_id: one for one in session.platform.releases.paused(session.actor)}
    for info in session.platform.datasets():
        _dataset(session, info, paused.get(info.dataset_id))


def _dataset(session: Session, info: DatasetInfo, pause: PauseView | None) -> None:
    with st.container(border=True):
        badge(_GONE if info.withdrawn else _OPEN if pause is None else _PAUSED)
        st.markdown(f"**{escaped(info.dataset_id)}** · {escaped(info.policy.title)}")
        if pause is not None:
            st.caption(escaped(f"Paused by {pause.person}, {local_time(pause.time)}"))
            if pause.reason:
                words_of_others("Reason", pause.reason)
        if session.has("compliance_officer", "data_owner") and not info.withdrawn:
            _change(session, info.dataset_id, pause is None)


def _change(session: Session, dataset_id: str, is_open: bool) -> None:
    verb, icon = ("Pause", ":material/pause:") if is_open else ("Resume", ":material/play_arrow:")
    with st.expander(f"{verb} this dataset", icon=icon):
        reason = st.text_area(
            f"Why {dataset_id} is {'paused' if is_open else 'resumed'} (10 to 4000 characters)",
            max_chars=4000,
            key=f"{verb}-why-{dataset_id}",
        )
        if not st.button(f"{verb} {escaped(dataset_id)}", icon=icon, key=f"{verb}-{dataset_id}"):
            return
        try:
            act = session.platform.releases.pause if is_open else session.platform.releases.resume
            act(session.actor, dataset_id, reason)
        except DpsynthError as error:
            show_refusal(error)
            return
        flash(f"{escaped(dataset_id)} is {'paused' if is_open else 'open again'}.")
        st.rerun()
