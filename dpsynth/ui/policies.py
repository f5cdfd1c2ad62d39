"""Policies: versions and what each changed, findings, and the proposal that waits for a second person."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dpsynth.core.errors import DpsynthError
from dpsynth.service import Check, PolicyProposal, PolicyVersion, RuledDataset
from dpsynth.ui.places import flash
from dpsynth.ui.session import Session
from dpsynth.ui.show import badge, refusals_shown, say, show_refusal, table, words_of_others
from dpsynth.ui.signin import step_up
from dpsynth.ui.words import Word, escaped, local_time

__all__ = ["page"]

_FINDINGS: dict[str, str] = {"ok": "✓ Fine", "warning": "⚠ Look at this", "fault": "✕ Fault"}
_EFFECTS: dict[str, str] = {
    "LOOSER": ":material/trending_up: **Looser**",
    "TIGHTER": ":material/trending_down: Tighter",
    "CHANGED": ":material/swap_horiz: Changed",
}
_WITHDRAWN = Word("Withdrawn", ":material/block:", "red")
_IN_FORCE = Word("In force", ":material/gavel:", "green")


def page(session: Session) -> None:
    """Every policy. Nothing is edited here: files come by the data owner, and a second person agrees."""
    st.title("Policies")
    st.write(
        "A policy says who is protected, what may be spent and who decides. Its file comes from the data "
        "owner. What tightens is in force at once; what loosens waits here for a compliance officer who did "
        "not propose it. Spent budget stays spent in every version."
    )
    with refusals_shown():
        found = session.platform.rulebook.policies(session.actor)
        if not found:
            st.info("No policy is registered yet.")
            return
        waiting = [(one, proposal) for one in found for proposal in one.proposals]
        st.header(f"Waiting for a second person: {len(waiting)}", divider="gray")
        if not waiting:
            st.write("Nothing waits.")
        fresh = bool(waiting) and session.has("compliance_officer") and step_up(session)
        for one, proposal in waiting:
            _proposal(session, one, proposal, fresh)
        for one in found:
            _policy(one)


def _proposal(session: Session, one: RuledDataset, proposal: PolicyProposal, fresh: bool) -> None:
    change = proposal.change
    with st.container(border=True):
        st.markdown(
            f"**{escaped(one.info.dataset_id)}**: version {escaped(one.info.policy.version)} to "
            f"version {escaped(proposal.version)} · `{change.id}`"
        )
        st.caption(escaped(f"Proposed by {change.proposer}, {local_time(change.proposed)}"))
        _changes(change.lines)
        words_of_others(f"Reason given by {change.proposer}", change.reason)
        st.markdown("**Findings of the proposed version**")
        _findings(proposal.findings)
        if not session.has("compliance_officer"):
            st.write("A compliance officer decides.")
            return
        own = change.proposer == session.person.id
        st.info(
            "Approving puts it in force for all requests from now on. A looser cap is for life: spent budget "
            "does not come back.",
            icon=":material/info:",
        )
        pressed = st.button(
            "Approve this version",
            type="primary",
            icon=":material/signature:",
            disabled=own or not fresh,
            help="Nobody approves their own change." if own else None,
            key=f"approve-{change.id}",
        )
        if pressed:
            _approve(session, change.id)


def _approve(session: Session, change: str) -> None:
    try:
        info = session.platform.approve_change(session.actor, change, session.sign_in)
    except DpsynthError as error:
        show_refusal(error)
        return
    flash(escaped(f"Version {info.policy.version} of {info.dataset_id} is in force."))
    st.rerun()


def _changes(lines: Sequence[str]) -> None:
    """One line for each change, what loosens first; icon and word say whom it serves."""

    def effect(line: str) -> str:
        return next((name for name in _EFFECTS if f": {name}" in line), "")

    for line in sorted(lines, key=lambda one: [*_EFFECTS, ""].index(effect(one))):
        name = effect(line)
        mark = f"{_EFFECTS[name]}: " if name else ""
        st.markdown(f"- {mark}{escaped(line.replace(f': {name}', '') if name else line)}")


def _findings(found: Sequence[Check]) -> None:
    table(
        [
            {
                "Looked at": one.checked,
                "Finding": _FINDINGS[one.state],
                "What it says": one.found,
                "What could be done": one.remedy or "nothing",
            }
            for one in found
        ]
    )


def _policy(one: RuledDataset) -> None:
    policy = one.info.policy
    st.header(escaped(one.info.dataset_id), divider="gray")
    badge(_WITHDRAWN if one.info.withdrawn else _IN_FORCE)
    st.markdown(f"**{escaped(policy.title)}**, version {escaped(policy.version)}")
    st.subheader("Findings of the version in force")
    _findings(one.findings)
    st.subheader("Versions")
    table([_version(version) for version in one.versions])
    for version in one.versions:
        if version.lines:
            with st.expander(f"What version {escaped(version.version or 'unknown')} changed"):
                _changes(version.lines)
    with st.expander("The policy in force, as its file says it", icon=":material/article:"):
        say("To read only. A new version is a file that the data owner registers.")
        st.code(one.text, language="yaml")


def _version(version: PolicyVersion) -> dict[str, str]:
    return {
        "Version": version.version or "unknown",
        "In force since": local_time(version.since),
        "Registered by": version.owner,
        "Agreed by": ", ".join(version.approvers),
        "Snapshot": version.snapshot or "unknown",
        "SHA-256": version.sha256[:16],
    }
