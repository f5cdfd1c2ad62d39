"""Datasets of the data owner: register a table by its path, see what was checked, withdraw one."""

from __future__ import annotations

import streamlit as st

from dpsynth.core.errors import DpsynthError
from dpsynth.service import OwnedDataset
from dpsynth.ui.places import flash
from dpsynth.ui.session import Session
from dpsynth.ui.show import badge, refusals_shown, show_refusal, table, words_of_others
from dpsynth.ui.signin import step_up
from dpsynth.ui.words import RECALL, Word, escaped, local_time

__all__ = ["page"]

_OPEN = Word("Registered, schema checked", ":material/task_alt:", "green")
_GONE = Word("Withdrawn", ":material/block:", "red")


def page(session: Session) -> None:
    """The registrations, and the form for another one."""
    st.title("Datasets")
    st.write(
        "A table stays where it lies: you name its path and that of its policy, and the service checks the "
        "file against the policy. Nothing is uploaded, and nothing of its rows is kept but hashes."
    )
    with refusals_shown():
        found = session.platform.rulebook.owned(session.actor)
        fresh = step_up(session)
        if not found:
            st.info("No dataset is registered yet.")
        for one in found:
            _card(session, one, fresh)
        st.header("Register a table, or a new version", divider="gray")
        _register(session, fresh)


def _card(session: Session, one: OwnedDataset, fresh: bool) -> None:
    info = one.info
    policy = info.policy
    with st.container(border=True):
        badge(_GONE if one.withdrawn else _OPEN)
        st.markdown(f"**{escaped(info.dataset_id)}** · {escaped(policy.title)}")
        table(
            [
                {
                    "Policy version": policy.version,
                    "Snapshot": policy.source.snapshot,
                    "Registered": local_time(info.registered),
                    "by": one.owner,
                    "Waiting": ", ".join(one.pending) or "nothing",
                }
            ]
        )
        st.caption("File")
        st.text(one.path)
        if one.withdrawn:
            time, _, person = one.withdrawn.partition(" by ")
            st.caption(escaped(f"Withdrawn {local_time(time)} by {person}"))
            words_of_others("Reason", one.reason)
            return
        with st.expander("Schema check", icon=":material/schema:"):
            st.write(
                f"The file was registered as {policy.source.format.upper()} with exactly these "
                f"{len(one.columns)} columns. Each run opens only this very file and checks it again."
            )
            table([{"Column": name, "Type": kind, "In releases": fate} for name, kind, fate in one.columns])
        _withdraw(session, info.dataset_id, fresh)


def _withdraw(session: Session, dataset_id: str, fresh: bool) -> None:
    with st.expander("Withdraw this dataset", icon=":material/block:"):
        st.warning(
            "This is for good. No new requests, queued ones end and get their hold back, no run opens the "
            f"file again, nothing waiting is signed or published. {RECALL}",
            icon=":material/info:",
        )
        reason = st.text_area(
            f"Why {dataset_id} is withdrawn (10 to 4000 characters)", max_chars=4000, key=f"why-{dataset_id}"
        )
        sure = st.text_input("Type the dataset's id to confirm", key=f"sure-{dataset_id}", max_chars=63)
        pressed = st.button(
            f"Withdraw {dataset_id}",
            icon=":material/block:",
            disabled=not fresh or sure != dataset_id,
            key=f"withdraw-{dataset_id}",
        )
        if not pressed:
            return
        try:
            ended = session.platform.rulebook.withdraw(session.actor, dataset_id, reason, session.sign_in)
        except DpsynthError as error:
            show_refusal(error)
            return
        flash(f"{dataset_id} is withdrawn. Queued requests that ended: {ended}.")
        st.rerun()


def _register(session: Session, fresh: bool) -> None:
    st.write(
        "What only tightens a policy is in force at once; what loosens it waits for a compliance officer. "
        "Budgets of the same people continue."
    )
    if roots := session.platform.rulebook.roots(session.actor):
        st.caption("Files may lie under these directories of the machine that serves this page:")
        st.text("\n".join(roots))
    with st.form("register"):
        policy = st.text_input("Policy file: full path or file: URI", max_chars=4096, key="policy-path")
        source = st.text_input("Table: full path or file: URI", max_chars=4096, key="source-path")
        reason = st.text_area(
            "Why (needed where the new version loosens the policy)", max_chars=4000, key="register-why"
        )
        pressed = st.form_submit_button("Check and register", icon=":material/rule:", disabled=not fresh)
    if not pressed:
        return
    try:
        info = session.platform.rulebook.register(session.actor, policy, source, reason, session.sign_in)
    except DpsynthError as error:
        show_refusal(error)
        return
    if info.pending:
        flash(f"Proposed as {info.pending}: it loosens the policy, so a compliance officer must agree.")
    else:
        flash(
            f"The schema fits. {info.dataset_id} is registered under version {escaped(info.policy.version)}."
        )
    st.rerun()
