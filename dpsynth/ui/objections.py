"""What auditors said of a release, and what an auditor may say: reviewed, or that it must not go out."""

from __future__ import annotations

import streamlit as st

from dpsynth.service import Dossier, Objection, RequestView
from dpsynth.ui.acting import act
from dpsynth.ui.session import Session
from dpsynth.ui.show import table, words_of_others
from dpsynth.ui.words import local_time

__all__ = ["auditors"]

_SAYABLE = ("awaiting_decision", "blocked", "approved")


def auditors(session: Session, view: RequestView, found: Dossier, fresh: bool) -> bool:
    """Objections and reviews, and for auditors the means to add one; whether an objection is open."""
    objections, reviews = session.platform.reviews.of(session.actor, view.id)
    rows = [
        {"Auditor": one.person, "Said": f"objects ({one.state})", "Time": local_time(one.time)}
        for one in objections
    ]
    rows += [
        {"Auditor": one.person, "Said": "reviewed the dossier", "Time": local_time(one.time)}
        for one in reviews
    ]
    table(rows)
    for one in objections:
        words_of_others(f"Objection of {one.person}, {one.state}", one.reason)
    if session.has("auditor") and view.state in _SAYABLE and fresh:
        mine = [one for one in objections if one.person == session.person.id and one.state == "open"]
        reviewed = any(one.person == session.person.id for one in reviews)
        _say(session, view, found, mine[0] if mine else None, reviewed)
    return any(one.state == "open" for one in objections)


def _say(session: Session, view: RequestView, found: Dossier, mine: Objection | None, reviewed: bool) -> None:
    room, actor = session.platform.reviews, session.person.id
    if not reviewed and st.button("Sign as reviewed", icon=":material/fact_check:", key="review"):
        act(
            lambda: room.review(session.actor, view.id, found.sha256, session.sign_in),
            "You signed that you reviewed the dossier. It approves nothing.",
        )
    if mine is not None:
        if st.button("Withdraw my objection", icon=":material/undo:", key="withdraw"):
            act(
                lambda: room.withdraw(session.actor, mine.id, session.sign_in), "Your objection is withdrawn."
            )
        return
    reason = st.text_area(
        "Objection: what stands against this release",
        max_chars=4000,
        help="It bars the release until you withdraw it or an approver rejects the release.",
        key=f"objection-{actor}-{view.id}",
    )
    if st.button("Object", icon=":material/front_hand:", key="object"):
        act(
            lambda: room.object(session.actor, view.id, found.sha256, reason, session.sign_in),
            "Your objection bars this release.",
        )
