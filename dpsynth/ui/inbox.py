"""Inbox: what waits for a decision, how long, until when, who has signed and who is asked."""

from __future__ import annotations

import streamlit as st

from dpsynth.service import RequestView
from dpsynth.ui.places import DOSSIER, POLICIES, RELEASES, go
from dpsynth.ui.session import Session
from dpsynth.ui.show import badge, refusals_shown, table, words_of_others
from dpsynth.ui.words import STATES, age_text, due_text, escaped, role_text

__all__ = ["page"]

_OPEN = ("awaiting_decision", "blocked", "approved")


def page(session: Session) -> None:
    """The inbox of an officer, data owner or auditor."""
    st.title("Inbox")
    with refusals_shown():
        found = session.platform.requests(session.actor)
        waiting = [view for view in found if view.state in _OPEN]
        mine = [view for view in waiting if _asked(session, view)]
        others = [view for view in waiting if view not in mine]
        st.header(f"Waiting for you: {len(mine)}")
        if not mine:
            st.write("No request waits for you.")
        for view in mine:
            _card(view)
        _elsewhere(session)
        if others:
            st.header(f"Waiting for somebody else: {len(others)}")
            for view in others:
                _card(view)
        st.header("All other requests")
        _rest([view for view in found if view.state not in _OPEN])


def _elsewhere(session: Session) -> None:
    """What waits for this person on other pages: versions of policies, and extensions of releases."""
    changes = [one for one in session.platform.policy_changes() if one.state == "proposed"]
    mine = [one for one in changes if one.proposer != session.person.id]
    versions = len(mine) if session.has("compliance_officer") else 0
    extensions = session.platform.releases.asked_for(session.actor)
    for count, what, place in (
        (versions, "Versions of policies that wait for you", POLICIES),
        (extensions, "Extensions of releases that wait for you", RELEASES),
    ):
        if count and st.button(f"{what}: {count}", icon=place.icon, key=f"to-{place.url}"):
            go(place)


def _asked(session: Session, view: RequestView) -> bool:
    """Whether this person can bring the request a step further."""
    if view.requester == session.actor or not session.has("compliance_officer", "data_owner"):
        return False
    if view.state == "approved":
        return True
    return all(decision.person != session.actor for decision in view.decisions)


def _next_step(view: RequestView) -> str:
    if view.state == "approved":
        return "an approver to publish it"
    if view.state == "blocked":
        return "an approver to reject it"
    return ", ".join(role_text(role) for role in view.waiting_for)


def _card(view: RequestView) -> None:
    signed = ", ".join(f"{one.person} ({role_text(one.role)})" for one in view.decisions) or "nobody yet"
    with st.container(border=True):
        left, right = st.columns([5, 1], vertical_alignment="center")
        with left:
            badge(STATES[view.state])
            st.markdown(
                f"**{escaped(view.dataset_id)}** asked for by **{escaped(view.requester)}** · `{view.id}`"
            )
            st.markdown(
                f"Age: {age_text(view.created)} · Due: {due_text(view.due)} · "
                f"Signed: {escaped(signed)} · Asked: {escaped(_next_step(view))}"
            )
            words_of_others("Purpose, in the requester's words", _short(view.purpose))
        if right.button("Open dossier", key=f"open-{view.id}", type="primary", icon=":material/description:"):
            go(DOSSIER, view.id)


def _short(text: str) -> str:
    return text if len(text) <= 280 else text[:280].rstrip() + " …"


def _rest(views: list[RequestView]) -> None:
    if not views:
        st.write("None.")
    table(
        [
            {
                "Request": view.id,
                "Dataset": view.dataset_id,
                "Asked for by": view.requester,
                "State": STATES[view.state].text,
                "Age": age_text(view.created),
                "What happened": view.message,
            }
            for view in views
        ]
    )
