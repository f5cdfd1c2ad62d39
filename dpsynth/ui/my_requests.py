"""My requests: where each one stands, why it was refused, what comes next, who is asked."""

from __future__ import annotations

import streamlit as st

from dpsynth.core.errors import DpsynthError
from dpsynth.service import RequestView, Step
from dpsynth.ui.places import DOWNLOADS, MY_REQUESTS, flash, go
from dpsynth.ui.session import Session
from dpsynth.ui.show import badge, decisions_table, refusals_shown, say, show_refusal, words_of_others
from dpsynth.ui.words import (
    STATES,
    age_text,
    due_text,
    escaped,
    hour_text,
    rho_text,
    role_text,
    verify_command,
)

__all__ = ["page"]

_ALIVE = ("queued", "running")
_POLL = 5.0
_MARKS = {
    "done": (":material/check_circle:", "done"),
    "now": (":material/play_circle:", "now"),
    "to come": (":material/radio_button_unchecked:", "to come"),
    "stopped": (":material/cancel:", "the way ended here"),
}
"""Icon and word of a step's state."""


def page(session: Session) -> None:
    """All requests of the person, or the one that the address names."""
    st.title("My requests")
    request_id = st.query_params.get("request", "")
    with refusals_shown():
        if request_id:
            _one(session, request_id)
            return
        found = [one for one in session.platform.requests(session.actor) if one.requester == session.actor]
        if not found:
            st.info("You have not asked for anything yet. Start with New request.")
        for view in found:
            _card(session, view)


def _one(session: Session, request_id: str) -> None:
    if st.button("All my requests", icon=":material/arrow_back:"):
        go(MY_REQUESTS)
    _card(session, session.platform.request(session.actor, request_id), opened=True)


def _card(session: Session, view: RequestView, opened: bool = False) -> None:
    with st.container(border=True):
        badge(STATES[view.state])
        st.header(f"{escaped(view.dataset_id)} with {escaped(view.synthesizer)}")
        st.markdown(
            f"`{view.id}` · asked {age_text(view.created)} ago{_until(view)} · "
            f"rho {rho_text(view.rho_nano)} (epsilon {view.epsilon} at delta {view.delta})"
        )
        say(view.message)
        st.markdown(f"**Next step:** {escaped(_next_step(view))}")
        if view.state in _ALIVE:
            _progress(session, view.id)
        else:
            with st.expander("Its way, step by step", icon=":material/timeline:", expanded=opened):
                _steps(session, view.id)
        if view.state == "queued":
            _cancel(session, view)
        if view.state == "published":
            _bundle(session, view)
        _measures(view)
        decisions_table(view.decisions, reasons_of=("reject",))
        with st.expander("What you asked for"):
            words_of_others("Purpose", view.purpose)
            words_of_others("Recipients", view.recipients)
            if view.partition:
                words_of_others("Part of the table", view.partition)


def _measures(view: RequestView) -> None:
    if view.utility:
        st.markdown(
            "**How useful the rows are** (charged: measured with noise, paid from this request's rho)"
        )
        for words in view.utility:
            say(words)
        st.caption(
            "Error: share of rows that would have to move for a table to agree with that of the real "
            "rows; 0 is best. Accuracy: share of real rows that a plain model, trained on the synthetic rows "
            "alone, predicts right; 1 is best. Intervals cover the noise that protects people, nothing else."
        )


def _until(view: RequestView) -> str:
    return f" · to be decided by {due_text(view.due)}" if view.state == "awaiting_decision" else ""


def _next_step(view: RequestView) -> str:
    steps = {
        "queued": "a worker takes it; until then you can cancel and nothing is spent",
        "running": "the worker finishes the run; then people decide",
        "awaiting_decision": "asked: " + (" and ".join(map(role_text, view.waiting_for)) or "the approvers"),
        "blocked": "ask the compliance officer what was found; a new run is a new charge",
        "approved": "an approver publishes it",
        "published": "verify the bundle before you use it",
        "revoked": "stop using it and delete your copies; ask for another release if you need one",
        "rejected": "read the reason below; a new run is a new charge",
        "failed": "ask the compliance officer what happened",
        "cancelled": "nothing; the held budget is free again",
        "refused": "nothing was held or spent. Ask for less, or use a release that is published already; "
        f"`dpsynth ledger explain {view.id}` says what would fit",
    }
    return steps[view.state]


@st.fragment(run_every=_POLL)
def _progress(session: Session, request_id: str) -> None:
    """Step by step, from the request's own row, as long as it moves by itself: names only, never a number."""
    try:
        view = session.platform.request(session.actor, request_id)
    except DpsynthError as error:
        show_refusal(error)
        return
    if view.state not in _ALIVE:
        st.rerun()
    _steps(session, request_id)
    if view.state == "queued":
        st.markdown("Waiting for the worker: `dpsynth run`")


def _steps(session: Session, request_id: str) -> None:
    """The way of the request, each step with an icon and a word, dated to the hour at most."""
    steps = session.platform.requester.timeline(session.actor, request_id)
    behind = sum(one.state == "done" for one in steps)
    now = next((one for one in steps if one.state == "now"), None)
    if now is not None:
        st.progress(behind / len(steps), text=f"Step {behind + 1} of {len(steps)}: {now.name}")
    st.markdown("  \n".join(_line(one) for one in steps))


def _line(one: Step) -> str:
    icon, word = _MARKS[one.state]
    since = "since " if one.state == "now" else ""
    when = f" · {since}{hour_text(one.hour)}" if one.hour else ""
    words = f" · {one.words}" if one.state in ("now", "stopped") else ""
    return f"{icon} **{one.name.capitalize()}** · {word}{when}{words}"


def _cancel(session: Session, view: RequestView) -> None:
    if st.button("Cancel this request", key=f"cancel-{view.id}", icon=":material/cancel:"):
        with refusals_shown():
            session.platform.cancel(session.actor, view.id)
            flash("Cancelled. The held budget is free again.")
            st.rerun()


def _bundle(session: Session, view: RequestView) -> None:
    if st.button("Get it on the page Downloads", key=f"get-{view.id}", icon=":material/download:"):
        go(DOWNLOADS)
    st.markdown("**Bundle** (or copy the whole directory):")
    st.code(view.bundle, language=None, wrap_lines=True)
    st.markdown("**Verify it**, on any machine, with the public keys from a channel you trust:")
    st.code(verify_command(view.bundle, str(session.platform.keys_dir)), language=None, wrap_lines=True)
