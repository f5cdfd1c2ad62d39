"""Attack reports: attacks in plain words; exact numbers behind a logged look; what auditors say."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dpsynth.service import Dossier, RequestView
from dpsynth.ui.audit_view import attacks
from dpsynth.ui.objections import auditors
from dpsynth.ui.places import ATTACKS, DOSSIER, go
from dpsynth.ui.session import Session
from dpsynth.ui.show import badge, refusals_shown, say, table
from dpsynth.ui.signin import step_up
from dpsynth.ui.words import RESULTS, STATES, Word, age_text, escaped

__all__ = ["page"]

_SAYABLE = ("awaiting_decision", "blocked", "approved")


def page(session: Session) -> None:
    """The attack report that the address names, or all of them to choose from."""
    st.title("Attack reports")
    with refusals_shown():
        views = {one.id: one for one in session.platform.requests(session.actor) if one.dossier_sha256}
        named = st.query_params.get("request", "")
        if named:
            # Asked of the service first: what may not be seen is answered like what is not there.
            view = session.platform.request(session.actor, named)
            _one(session, view, session.platform.dossier(session.actor, named))
            return
        if not views:
            st.info("No release has been attacked yet: no run has ended.", icon=":material/info:")
            return
        _choose(views)


def _choose(views: dict[str, RequestView]) -> None:
    say("Every release is attacked before anybody may sign it. The newest report is first.")
    table([_row(view) for view in views.values()])
    chosen = st.selectbox(
        "Report",
        list(views),
        format_func=lambda one: f"{one}: {views[one].dataset_id}, {STATES[views[one].state].text}",
    )
    if st.button("Open report", type="primary", icon=":material/troubleshoot:"):
        go(ATTACKS, str(chosen))


def _row(view: RequestView) -> dict[str, str]:
    return {
        "Request": view.id,
        "Dataset": view.dataset_id,
        "Made by": view.synthesizer,
        "Verdict": _verdict(view.verdict).text,
        "State": STATES[view.state].text,
        "Age": age_text(view.created),
    }


def _verdict(verdict: str) -> Word:
    return RESULTS.get(verdict, Word(verdict or "none", ":material/help:", "gray"))


def _one(session: Session, view: RequestView, found: Dossier) -> None:
    audit: dict[str, Any] = found.body["audit"]
    left, right, _ = st.columns([1, 1, 2])
    if left.button("All reports", icon=":material/arrow_back:", key="all-reports"):
        go(ATTACKS)
    if right.button("Open dossier", icon=":material/description:", key="to-dossier"):
        go(DOSSIER, view.id)
    badge(_verdict(view.verdict))
    st.markdown(f"Request `{view.id}` of **{escaped(view.requester)}** for **{escaped(view.dataset_id)}**")
    for reason in audit["why"]:
        say(reason)
    if meaning := audit.get("meaning"):
        say(meaning)
    attacks(session, view.id, audit)
    _said(session, view, found)


def _said(session: Session, view: RequestView, found: Dossier) -> None:
    st.header("What auditors say", divider="gray")
    sayable = view.state in _SAYABLE and session.has("auditor")
    fresh = sayable and step_up(session, view.id)
    objections, reviews = session.platform.reviews.of(session.actor, view.id)
    if not objections and not reviews:
        say("Nobody has reviewed it or objected to it yet.")
    auditors(session, view, found, fresh)
    if session.has("auditor") and not sayable:
        say(f"Nothing can be added: the request is {STATES[view.state].text.lower()}.")
    st.caption("SHA-256 of the dossier that a review or an objection names")
    st.code(found.sha256, language=None, wrap_lines=True)
