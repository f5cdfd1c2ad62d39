"""Releases: published, expiring, expired, revoked; extend a permission or revoke a release."""

from __future__ import annotations

from datetime import date

import streamlit as st

from dpsynth.service import ExtensionView, ReleaseView
from dpsynth.ui.acting import act
from dpsynth.ui.places import DOSSIER, go
from dpsynth.ui.revoking import revoke_form
from dpsynth.ui.session import Session
from dpsynth.ui.show import badge, refusals_shown, table, words_of_others
from dpsynth.ui.signin import step_up
from dpsynth.ui.words import RECALL, Word, escaped, local_time, role_text

__all__ = ["page"]

_STATES: dict[str, Word] = {
    "published": Word("Published", ":material/verified:", "green"),
    "expiring": Word("Published, expires within 30 days", ":material/hourglass_bottom:", "orange"),
    "expired": Word("Expired", ":material/event_busy:", "gray"),
    "revoked": Word("Revoked", ":material/cancel:", "red"),
}


def page(session: Session) -> None:
    """Every release that was ever published, with what may still be done about it."""
    st.title("Releases")
    st.info(RECALL, icon=":material/info:")
    with refusals_shown():
        found = session.platform.releases.listing(session.actor)
        if not found:
            st.write("Nothing has been published yet.")
            return
        table([_row(one) for one in found])
        may = session.has("compliance_officer", "data_owner")
        fresh = may and step_up(session)
        for state in _STATES:
            mine = [one for one in found if one.state == state]
            if mine:
                st.header(f"{_STATES[state].text}: {len(mine)}", divider="gray")
            for one in mine:
                _card(session, one, fresh)


def _row(one: ReleaseView) -> dict[str, str]:
    return {
        "Release": one.request,
        "Dataset": one.dataset_id,
        "State": _STATES[one.state].text,
        "Promise": one.guarantee,
        "Issued": local_time(one.issued),
        "Permission ends": local_time(one.until) + (" (extended)" if one.until != one.stated else ""),
    }


def _card(session: Session, one: ReleaseView, fresh: bool) -> None:
    with st.container(border=True):
        badge(_STATES[one.state])
        st.markdown(f"**{escaped(one.title)}** · {escaped(one.dataset_id)} · `{one.request}`")
        st.markdown(escaped(f"Promise: {one.guarantee}. Asked for by {one.requester}."))
        st.markdown(escaped(_dates(one)))
        if one.revoked:
            st.markdown(escaped(f"Revoked {one.revoked}"))
        if st.button("Open dossier", key=f"open-{one.request}", icon=":material/description:"):
            go(DOSSIER, one.request)
        if one.state == "revoked" or not session.has("compliance_officer", "data_owner"):
            return
        if one.waiting is not None:
            _waiting(session, one, one.waiting, fresh)
        elif one.requester != session.person.id:
            _extend(session, one, fresh)
        revoke_form(session, session.platform.request(session.actor, one.request))


def _dates(one: ReleaseView) -> str:
    said = f"Issued {local_time(one.issued)}. The permission ends {local_time(one.until)}"
    if one.until == one.stated:
        return f"{said}."
    return (
        f"{said}: it was extended; the release itself states {local_time(one.stated)}. Hand out "
        f"extension-{one.request}.json, which lies beside the bundles, and verify with --extension."
    )


def _extend(session: Session, one: ReleaseView, fresh: bool) -> None:
    with st.expander("Extend the permission", icon=":material/event_upcoming:"):
        if one.first_day > one.last_day:
            st.write(
                "Nothing to extend now: the permission already reaches as far as the policy lets a new "
                "release live."
            )
            return
        st.write(
            "An extension is signed like the release: by as many people, in the same roles, never by its "
            f"requester. As the policy says, the last day may be {one.first_day} to {one.last_day}."
        )
        day = st.date_input(
            "Last day of the permission (UTC)",
            value=date.fromisoformat(one.last_day),
            min_value=date.fromisoformat(one.first_day),
            max_value=date.fromisoformat(one.last_day),
            key=f"day-{one.request}",
        )
        reason = st.text_area(
            "Why, for the review room (10 to 4000 characters)",
            max_chars=4000,
            key=f"extend-why-{one.request}",
        )
        st.caption(RECALL)
        label = "Propose and sign"
        if st.button(label, key=f"extend-{one.request}", disabled=not fresh, icon=":material/signature:"):
            room = session.platform.releases
            act(
                lambda: room.extend(session.actor, one.request, str(day), reason, session.sign_in),
                "You proposed the extension and signed it. It waits for the other signatures.",
            )


def _waiting(session: Session, one: ReleaseView, found: ExtensionView, fresh: bool) -> None:
    room, mine = session.platform.releases, any(who == session.person.id for who, _, _ in found.signed)
    st.markdown(escaped(f"Proposed extension: the permission would end {local_time(found.until)}."))
    table(
        [
            {"Signed by": who, "Role": role_text(role), "Time": local_time(time)}
            for who, role, time in found.signed
        ]
    )
    st.markdown(escaped(f"Asked: {', '.join(role_text(role) for role in found.waiting_for)}."))
    words_of_others(f"Reason given by {found.proposer}", found.reason)
    own = one.requester == session.person.id
    left, right, _ = st.columns([1, 1, 3])
    sign = left.button(
        "Sign the extension",
        type="primary",
        icon=":material/signature:",
        disabled=mine or own or not fresh,
        help="You signed already, or asked for this release." if mine or own else None,
        key=f"sign-{found.id}",
    )
    if sign:
        act(
            lambda: room.sign_extension(session.actor, found.id, session.sign_in),
            "Your signature is in. Once all have signed, extension files lie beside the bundles.",
        )
    if not own and right.button("Withdraw it", icon=":material/undo:", key=f"withdraw-{found.id}"):
        act(lambda: room.withdraw_extension(session.actor, found.id), "The proposed extension is withdrawn.")
