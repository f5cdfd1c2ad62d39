"""The decision: checks only a person can make, approve, reject, publish. The service has the last word."""

from __future__ import annotations

import streamlit as st

from dpsynth.core.errors import Conflict, DpsynthError
from dpsynth.service import Dossier, RequestView
from dpsynth.ui.objections import auditors
from dpsynth.ui.places import flash
from dpsynth.ui.revoking import revoke_form
from dpsynth.ui.session import Session
from dpsynth.ui.show import decisions_table, refusals_shown, show_refusal
from dpsynth.ui.signin import step_up
from dpsynth.ui.words import RECALL, STATES, verify_command

__all__ = ["decide", "forget_opened"]

_OPENED = "opened"
_CHANGED = "changed since you opened it"
_CLOSED = {
    "published": "This release is published.",
    "rejected": "This request was rejected.",
    "failed": "This run failed.",
    "cancelled": "This request was cancelled.",
    "revoked": "This release was revoked.",
}


def forget_opened() -> None:
    """Another page: the next look at a dossier is a new one."""
    st.session_state.pop(_OPENED, None)


def decide(session: Session, view: RequestView, found: Dossier) -> None:
    """The last part of the dossier, according to the request's state and to who looks."""
    st.header("Decision", divider="gray")
    decisions_table(view.decisions, reasons_of=("approve", "reject"))
    fresh = _may_act(session, view) and step_up(session, view.id)
    objected = auditors(session, view, found, fresh)
    st.info(RECALL, icon=":material/info:")
    if view.state == "published":
        _published(session, view.bundle)
        revoke_form(session, view)
    elif view.state == "approved":
        _publish(session, view, objected)
        if objected and fresh and _undecided(session, view):
            _reject_approved(session, view, found)
    elif view.state not in ("awaiting_decision", "blocked"):
        st.write(_CLOSED.get(view.state, STATES[view.state].text))
    elif not _undecided(session, view):
        st.write("You have decided on this request. It waits for somebody else.")
    elif not session.has("compliance_officer", "data_owner"):
        st.write("You may read this dossier; compliance officers and data owners decide.")
    elif fresh:
        _sign(session, view, found, objected)


def _undecided(session: Session, view: RequestView) -> bool:
    return all(one.person != session.person.id for one in view.decisions)


def _may_act(session: Session, view: RequestView) -> bool:
    """Whether a fresh sign-in would let this person do anything here."""
    if view.state not in ("awaiting_decision", "blocked", "approved"):
        return False
    approver = session.has("compliance_officer", "data_owner") and _undecided(session, view)
    return session.has("auditor") or approver


def _opened(session: Session, view: RequestView, found: Dossier) -> str:
    """Digest of the dossier as this person first saw it; a changed one must be read again first."""
    mine = (session.actor, view.id)
    kept = st.session_state.get(_OPENED)
    if kept is None or kept[0] != mine:
        st.session_state[_OPENED] = (mine, found.sha256)
        return found.sha256
    return str(kept[1])


def _sign(session: Session, view: RequestView, found: Dossier, objected: bool) -> None:
    opened = _opened(session, view, found)
    if opened != found.sha256:
        st.error(f"The dossier {_CHANGED}. Read it again from the top.", icon=":material/difference:")
        if st.button("I have read it again"):
            forget_opened()
            st.rerun()
        return
    ticks = _ticks(view, found.body["must_tick"])
    failed = view.state == "blocked" or found.body["gate"] == "blocked"
    blocked = failed or objected
    needs_reason = found.body["gate"] == "eligible_with_reason"
    reason = st.text_area(
        "Reason (needed to reject" + (" and, for this release, to approve)" if needs_reason else ")"),
        max_chars=4000,
        help="The requester reads the reason of a rejection: write no exact number of the audit here.",
        key=f"reason-{view.id}",
    )
    if blocked:
        why = "a check fails" if failed else "an auditor objects"
        st.warning(f"Approving is not possible: {why}.", icon=":material/block:")
    all_ticked = len(ticks) == len(found.body["must_tick"])
    if not all_ticked and not blocked:
        st.caption("Approve becomes available once every check above is ticked.")
    left, right, _ = st.columns([1, 1, 3])
    approve = left.button(
        "Approve and sign",
        type="primary",
        icon=":material/signature:",
        disabled=blocked or not all_ticked,
        key="approve",
    )
    reject = right.button("Reject", icon=":material/thumb_down:", key="reject")
    if approve:
        _send(session, view, opened, reason, ticks)
    elif reject:
        _refuse(session, view, opened, reason)


def _ticks(view: RequestView, must: list[str]) -> tuple[str, ...]:
    """The service's own sentences, unescaped: a label is also what a screen reader says."""
    st.markdown("**Checks that only you can make**")
    return tuple(text for place, text in enumerate(must) if st.checkbox(text, key=f"tick-{view.id}-{place}"))


def _send(session: Session, view: RequestView, opened: str, reason: str, ticks: tuple[str, ...]) -> None:
    try:
        after = session.platform.approve(session.actor, view.id, opened, reason, ticks, session.sign_in)
    except DpsynthError as error:
        _explain(error)
        return
    forget_opened()
    flash("Your signature is in. " + after.message)
    st.rerun()


def _refuse(session: Session, view: RequestView, opened: str, reason: str) -> None:
    try:
        session.platform.reject(session.actor, view.id, opened, reason, session.sign_in)
    except DpsynthError as error:
        _explain(error)
        return
    forget_opened()
    flash("Rejected. The requester sees your reason.")
    st.rerun()


def _reject_approved(session: Session, view: RequestView, found: Dossier) -> None:
    """All have signed, an auditor objects: an approver who has not decided may still say no."""
    reason = st.text_area("Reason (needed to reject)", max_chars=4000, key=f"reason-{view.id}")
    if st.button("Reject", icon=":material/thumb_down:", key="reject"):
        _refuse(session, view, found.sha256, reason)


def _explain(error: DpsynthError) -> None:
    """A conflict is no fault of the reader's: somebody, or a first click, was quicker."""
    if isinstance(error, Conflict):
        st.info("Somebody, or your own first click, was quicker. It counts once.", icon=":material/info:")
    show_refusal(error)


def _publish(session: Session, view: RequestView, objected: bool) -> None:
    st.success("All signatures are in. It can be published.", icon=":material/task_alt:")
    if not session.has("compliance_officer", "data_owner"):
        return
    if objected:
        st.warning("Publishing is not possible: an auditor objects.", icon=":material/block:")
    if st.button("Publish", type="primary", icon=":material/publish:", disabled=objected, key="publish"):
        with refusals_shown():
            session.platform.publish(session.actor, view.id)
            flash("Published. The bundle was verified before it appeared.")
            st.rerun()


def _published(session: Session, bundle: str) -> None:
    st.success("This release is published.", icon=":material/verified:")
    st.caption("Bundle")
    st.code(bundle, language=None, wrap_lines=True)
    st.caption("Verify it on any machine, with the public keys from a channel you trust")
    st.code(verify_command(bundle, str(session.platform.keys_dir)), language=None, wrap_lines=True)
