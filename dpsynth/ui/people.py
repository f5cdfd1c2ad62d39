"""People and keys: who may do what; one admin proposes a change, another confirms it."""

from __future__ import annotations

import streamlit as st

from dpsynth.service import PersonKey, Proposal, account_text
from dpsynth.ui.acting import act
from dpsynth.ui.session import Session
from dpsynth.ui.show import refusals_shown, table
from dpsynth.ui.signin import step_up
from dpsynth.ui.words import ROLES, escaped, local_time, role_text

__all__ = ["page"]

_CHANGES = {
    "grant": "Give a role (waits for another admin)",
    "take": "Take a role (at once; the admin role waits for another admin)",
    "rotate": "Make a new key (waits for another admin)",
    "link": "Link an account of the provider (waits for another admin)",
}


def page(session: Session) -> None:
    """Everyone with roles and keys, open proposals, and the form for a new one."""
    st.title("People and keys")
    st.write(
        "A role, a new key or an account takes effect when a second admin confirms it. Nobody changes "
        "anything about themselves. A role that is taken away is gone at once, with its key."
    )
    with refusals_shown():
        keys = session.platform.access.keys(session.actor)
        found = session.platform.access.proposals(session.actor)
        table([_row(one) for one in keys])
        st.header("Waiting for a second admin", divider="gray")
        waiting = [one for one in found if one.state == "proposed"]
        if not waiting:
            st.write("Nothing waits.")
        fresh = step_up(session)
        for one in waiting:
            _proposal(session, one, fresh)
        if fresh:
            st.header("Propose a change", divider="gray")
            _propose(session, [one for one in keys if one.person.id != session.person.id])
            st.header("Add a person", divider="gray")
            _add(session)
        st.header("Decided proposals", divider="gray")
        _decided([one for one in found if one.state != "proposed"])


def _row(one: PersonKey) -> dict[str, str]:
    def when(stamp: str) -> str:
        return local_time(stamp) if stamp else "never"

    return {
        "Id": one.person.id,
        "Name": one.person.name,
        "Roles": ", ".join(role_text(role) for role in one.person.roles) or "none",
        "Key": one.person.key_id[:16] or "none",
        "Key made": when(one.made) if one.person.key_id else "",
        "Key last signed": when(one.used),
        "Last sign-in": when(one.signed_in),
        "Accounts": "\n".join(one.accounts) or "none",
    }


def _text(one: Proposal) -> str:
    what = {
        "grant": f"Give {one.person} the role {role_text(one.detail)}",
        "take admin": f"Take the role admin from {one.person}",
        "rotate": f"Make a new key for {one.person}",
        "link": f"Link {one.person} with {one.detail}",
    }
    return what[one.kind]


def _proposal(session: Session, one: Proposal, fresh: bool) -> None:
    with st.container(border=True):
        st.markdown(f"**{escaped(_text(one))}**")
        st.caption(escaped(f"Proposed by {one.proposer}, {local_time(one.proposed)}; {one.id}"))
        own = session.person.id in (one.proposer, one.person)
        left, right, _ = st.columns([1, 1, 3])
        confirm = left.button(
            "Confirm",
            type="primary",
            icon=":material/check:",
            disabled=own or not fresh,
            help="Another admin confirms, never who proposed it or whom it concerns." if own else None,
            key=f"confirm-{one.id}",
        )
        if confirm:
            act(
                lambda: session.platform.access.confirm(session.actor, one.id, session.sign_in),
                f"Done: {_text(one)}.",
            )
        if right.button("Withdraw", icon=":material/undo:", key=f"withdraw-{one.id}"):
            act(lambda: session.platform.access.withdraw(session.actor, one.id), "The proposal is withdrawn.")


def _propose(session: Session, others: list[PersonKey]) -> None:
    by_id = {one.person.id: one.person for one in others}
    if not by_id:
        st.write("There is nobody else yet.")
        return
    person = str(st.selectbox("Person", list(by_id), format_func=lambda one: f"{by_id[one].name} ({one})"))
    kind = str(st.selectbox("Change", list(_CHANGES), format_func=lambda one: _CHANGES[one]))
    roles = by_id[person].roles
    detail = ""
    if kind in ("grant", "take"):
        offered = [role for role in ROLES if (role in roles) == (kind == "take")]
        detail = str(st.selectbox("Role", offered, format_func=role_text, key=f"role-{kind}-{person}"))
    issuer = subject = ""
    if kind == "link":
        issuer = st.text_input("Issuer (iss), as the provider writes it", max_chars=255)
        subject = st.text_input("Subject (sub)", max_chars=255)
    if st.button("Propose" if kind != "take" or detail == "admin" else "Take it now", key="propose"):
        act(lambda: _send(session, kind, person, detail, (issuer, subject)), "Done.")


def _send(session: Session, kind: str, person: str, detail: str, account: tuple[str, str]) -> None:
    room = session.platform.access
    if kind == "link":
        detail = account_text(account[0].strip(), "subject", account[1])
    if kind == "take" and detail != "admin":
        room.take(session.actor, person, detail, session.sign_in)
        return
    kind = "take admin" if kind == "take" else kind
    room.propose(session.actor, kind, person, "" if kind == "take admin" else detail, session.sign_in)


def _add(session: Session) -> None:
    name = st.text_input("Full name", max_chars=100)
    person_id = st.text_input("Id: lower-case letters, digits, dashes", max_chars=63)
    if st.button("Add without a role", key="add-person"):
        act(
            lambda: session.platform.add_person(person_id, name, (), session.actor),
            f"Added {person_id}. Propose a role next.",
        )


def _decided(found: list[Proposal]) -> None:
    if not found:
        st.write("None.")
    table(
        [
            {
                "Proposal": one.id,
                "Change": _text(one),
                "Proposed by": one.proposer,
                "State": one.state,
                "by": one.decider,
                "Proposed": local_time(one.proposed),
            }
            for one in found[::-1]
        ]
    )
