"""Downloads: published bundles that the reader may have, how to verify them, and those whose time is over."""

from __future__ import annotations

import streamlit as st

from dpsynth.core.errors import DpsynthError
from dpsynth.service import Bundle, Download
from dpsynth.ui.session import Session
from dpsynth.ui.show import badge, refusals_shown, say, show_refusal, words_of_others
from dpsynth.ui.words import RECALL, RELEASE_STATES, escaped, local_time

__all__ = ["forget_bundle", "page"]

_READY = "bundle-ready"


def forget_bundle() -> None:
    """Another page: what was packed is packed again, and logged again, when it is asked for again."""
    st.session_state.pop(_READY, None)


def page(session: Session) -> None:
    """The reader's own releases, those that may be used first."""
    st.title("Downloads")
    with refusals_shown():
        found = session.platform.requester.downloads(session.actor)
        if not found:
            st.info("None of your requests is published yet. My requests says where each one stands.")
            return
        for one in [one for one in found if one.offered]:
            _card(session, one)
        over = [one for one in found if not one.offered]
        if over:
            st.header("No longer to be used", divider="gray")
            for one in over:
                _card(session, one)
        st.info(RECALL, icon=":material/info:")


def _card(session: Session, one: Download) -> None:
    with st.container(border=True):
        badge(RELEASE_STATES[one.state])
        st.header(f"{escaped(one.dataset_id)} with {escaped(one.synthesizer)}")
        ends = f" · permission ends {local_time(one.expires)}" if one.expires else ""
        st.markdown(f"`{one.id}` · epsilon {one.epsilon} at delta {escaped(one.delta)}{ends}")
        if one.rows:
            say(f"{one.rows}.")
        if one.offered:
            _fetch(session, one)
        else:
            say(_over(one))
        with st.expander("What it was asked for"):
            words_of_others("Purpose", one.purpose)


def _over(one: Download) -> str:
    why = one.why or "see the list of revoked releases"
    return {
        "revoked": f"It was revoked: {why}. It is not offered any more: delete your copies.",
        "expired": "Its permission has ended. Delete your copies; ask for another release if you need one.",
        "damaged": "Its files here are not those that were signed, so it is not offered. Tell an auditor.",
    }[one.state]


def _fetch(session: Session, one: Download) -> None:
    """Two steps, so that a refusal is told in words and the ledger knows of the download before it begins."""
    ready = st.session_state.get(_READY)
    if ready is None or ready[0] != (session.person.id, one.id):
        st.caption("Your download is written to the access log. The bundle is verified before it is packed.")
        if st.button("Verify and prepare", key=f"prepare-{one.id}", icon=":material/inventory_2:"):
            _prepare(session, one)
        return
    bundle, revoked = ready[1], ready[2]
    left, right = st.columns(2)
    left.download_button(
        f"Download {bundle.name} ({len(bundle.data) / 1e6:.1f} MB)",
        bundle.data,
        file_name=bundle.name,
        mime="application/zip",
        type="primary",
        icon=":material/download:",
        on_click="ignore",
        key=f"zip-{one.id}",
    )
    right.download_button(
        "Download the list of revoked releases",
        revoked,
        file_name="revocations.json",
        mime="application/json",
        icon=":material/download:",
        on_click="ignore",
        key=f"list-{one.id}",
    )
    extended = _extension(bundle)
    st.caption("SHA-256 of the file, as the ledger names it: the same bundle always gives the same bytes.")
    st.code(bundle.sha256, language=None, wrap_lines=True)
    folder = bundle.name.removesuffix(".zip")
    st.markdown("**Verify it** on any machine, with the public keys from a channel you trust:")
    st.code(
        f"unzip {bundle.name}\ndpsynth-verify {folder} --keys keys --revocations revocations.json{extended}",
        language=None,
        wrap_lines=True,
    )


def _extension(bundle: Bundle) -> str:
    """A button for the later end of its permission, where there is one, and what verifying it then needs."""
    if bundle.extension is None:
        return ""
    st.download_button(
        "Download the extension of its permission",
        bundle.extension,
        file_name=bundle.extension_name,
        mime="application/json",
        icon=":material/download:",
        on_click="ignore",
        key=f"extension-{bundle.name}",
    )
    return f" --extension {bundle.extension_name}"


def _prepare(session: Session, one: Download) -> None:
    try:
        bundle = session.platform.requester.fetch(session.actor, one.id)
        revoked = session.platform.releases.revocations()
    except DpsynthError as error:
        show_refusal(error)
        return
    st.session_state[_READY] = ((session.person.id, one.id), bundle, revoked)
    st.rerun()
