"""Catalogue: what can be asked for, under which terms, and coarsely how much budget is left for whom."""

from __future__ import annotations

import streamlit as st

from dpsynth.policy.model import Cap, Policy
from dpsynth.service import Offer, RequesterDesk
from dpsynth.ui.places import NEW_REQUEST, go
from dpsynth.ui.session import Session
from dpsynth.ui.show import badge, refusals_shown, say, table
from dpsynth.ui.words import RELEASE_STATES, RESULTS, SYNTHESIZERS, Word, escaped, local_time

__all__ = ["page", "public_facts"]

_VALUES_SHOWN = 12
_ROLES = {
    "quasi_identifier": "could help to recognise somebody",
    "sensitive": "sensitive",
    "other": "other",
}


def page(session: Session) -> None:
    """Every dataset, folded; one of them open where the address names it or where there is only one."""
    st.title("Catalogue")
    st.write(
        "Nothing here was computed from people's rows: columns and values are public facts of each policy. "
        "How much budget is left for you is told in quarters; the exact price stands on the request form."
    )
    with refusals_shown():
        offers = session.platform.requester.offers(session.actor)
        if not offers:
            st.info("No dataset is registered yet. A data owner registers one on the command line.")
        for offer in offers:
            _offer(session, offer)


def _offer(session: Session, offer: Offer) -> None:
    info, policy = offer.info, offer.info.policy
    with st.container(border=True):
        left, right = st.columns([5, 2], vertical_alignment="center")
        with left:
            st.header(escaped(policy.title))
            st.caption(f"{escaped(info.dataset_id)} · policy version {escaped(policy.version)}")
        with right:
            if session.has("data_scientist") and st.button(
                "Start a request",
                key=f"start-{info.dataset_id}",
                type="primary",
                icon=":material/add_circle:",
                disabled=offer.paused,
                help="Opens the form for this dataset. Nothing is held until you submit it.",
            ):
                go(NEW_REQUEST, dataset=info.dataset_id)
        _room(offer)
        say(policy.purpose)
        _summary(policy)
        with st.expander("Columns and their public values", icon=":material/table_chart:"):
            public_facts(policy)
        with st.expander(f"Published releases: {len(offer.releases)}", icon=":material/verified:"):
            _releases(offer)


def _room(offer: Offer) -> None:
    if offer.paused:
        badge(Word("Paused: nothing can be asked for now", ":material/pause_circle:", "orange"))
    if offer.why_none:
        badge(RESULTS["block"])
        say(offer.why_none)
        return
    blocks = "■" * offer.band + "□" * (len(RequesterDesk.BANDS) - 1 - offer.band)
    words = RequesterDesk.BANDS[offer.band]
    st.markdown(f"**Budget left for you:** {blocks} {words}, in the tightest of the budgets you would touch")


def _summary(policy: Policy) -> None:
    budget, unit = policy.budget, policy.privacy_unit
    names = ", ".join(one.name for one in policy.synthesis.allowed)
    table(
        [
            {"Rule": "Whom it protects", "What the policy says": f"one {unit.kind}. {unit.note}".strip()},
            {"Rule": "Most for one release", "What the policy says": _cap(budget.per_release)},
            {"Rule": "Most for one requester, for life", "What the policy says": _cap(budget.per_requester)},
            {"Rule": "Most for everybody, for life", "What the policy says": _cap(budget.lifetime)},
            {
                "Rule": "Attempts for one purpose",
                "What the policy says": str(budget.max_attempts_per_purpose),
            },
            {"Rule": "Synthesizers", "What the policy says": names},
            {
                "Rule": "What leaves",
                "What the policy says": f"{policy.synthesis.output_rows_value:,} synthetic rows (a number "
                f"that the policy fixes), as {' and '.join(policy.release.formats)}, "
                f"for {policy.release.expires_after_days} days",
            },
            {"Rule": "For whom", "What the policy says": ", ".join(policy.release.recipients)},
            {"Rule": "Terms", "What the policy says": policy.release.terms},
            {
                "Rule": "Who decides",
                "What the policy says": f"{policy.approval.approvers} people within "
                f"{policy.approval.decide_within_days} days, never the requester",
            },
        ]
    )


def _cap(cap: Cap) -> str:
    return f"rho {cap.rho}" if cap.rho is not None else f"epsilon {cap.epsilon} at delta {cap.delta}"


def public_facts(policy: Policy) -> None:
    """Columns with their kind, role, values and where these come from; and the synthesizers in words."""
    domain, specs = policy.domain(), {one.name: one for one in policy.columns}
    rows = []
    for column in domain.columns:
        labels = [column.label(code) for code in range(min(column.size, _VALUES_SHOWN))]
        more = f" and {column.size - _VALUES_SHOWN} more" if column.size > _VALUES_SHOWN else ""
        spec = specs[column.name]
        rows.append(
            {
                "Column": column.name,
                "Kind": column.kind,
                "Role": _ROLES.get(spec.role, spec.role),
                "Values or bins": f"{column.size}: {', '.join(labels)}{more}",
                "Known from": spec.domain_source or "",
            }
        )
    table(rows)
    for one in policy.synthesis.allowed:
        other = "a library that is given the rows" if ":" in one.name else "a plug-in of this installation"
        st.caption(f"{escaped(one.name)}: {SYNTHESIZERS.get(one.name, other)}")


def _releases(offer: Offer) -> None:
    if not offer.releases:
        st.write("None yet.")
        return
    st.caption("Use one of these, if it answers your question, before you spend budget on another.")
    table(
        [
            {
                "Release": one.id,
                "State": RELEASE_STATES[one.state].text,
                "Promise": f"epsilon {one.epsilon} at delta {one.delta}",
                "Permission ends": local_time(one.expires),
            }
            for one in offer.releases
        ]
    )
