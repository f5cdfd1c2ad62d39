"""Revoking a published release from its dossier. The service has the last word on who may."""

from __future__ import annotations

import streamlit as st

from dpsynth.service import Releases, RequestView
from dpsynth.ui.places import flash
from dpsynth.ui.session import Session
from dpsynth.ui.show import refusals_shown
from dpsynth.ui.words import RECALL

__all__ = ["revoke_form"]


def revoke_form(session: Session, view: RequestView) -> None:
    """For compliance officers and data owners: kind of reason, written reason, what is true of it, button."""
    if not session.has("compliance_officer", "data_owner"):
        return
    with st.expander("Revoke this release", icon=":material/cancel:"):
        kind = st.selectbox(
            "What the public is told",
            list(Releases.REASONS),
            format_func=lambda name: Releases.REASONS[name],
            key=f"kind-{view.id}",
        )
        reason = st.text_area("Why, for the review room", max_chars=4000, key=f"why-{view.id}")
        st.warning(RECALL, icon=":material/info:")
        if st.button("Revoke", icon=":material/cancel:", key=f"revoke-{view.id}"):
            with refusals_shown():
                session.platform.releases.revoke(session.actor, view.id, reason, kind, session.sign_in)
                flash("Revoked. Hand the new list of revoked releases to those who verify.")
                st.rerun()
