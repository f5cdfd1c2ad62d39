"""New request: what is asked for, for whom, at what price. The price is the service's own quote."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

import streamlit as st

from dpsynth.core.errors import BudgetExceeded, DpsynthError
from dpsynth.policy.model import Policy
from dpsynth.service import DatasetInfo, Quote, RequestForm
from dpsynth.ui.budget_inputs import budget_inputs
from dpsynth.ui.catalogue import public_facts
from dpsynth.ui.charts import Bar, budget_chart
from dpsynth.ui.places import MY_REQUESTS, flash, go
from dpsynth.ui.rehearse import rehearsal
from dpsynth.ui.session import Session
from dpsynth.ui.show import refusals_shown, say, show_refusal, table
from dpsynth.ui.words import (
    ODDS_NOTE,
    SPENT_NOTE,
    SYNTHESIZERS,
    epsilon_band,
    escaped,
    odds_rows,
    odds_text,
    rho_text,
)

__all__ = ["page"]

_LONGEST = 4000
_KEY = "form-key"


@dataclass(frozen=True)
class _Draft:
    """The form as it stands, and what is still missing before it can be sent."""

    form: RequestForm
    missing: tuple[str, ...]


def page(session: Session) -> None:
    """The form with its live price."""
    st.title("New request")
    with refusals_shown():
        datasets = {one.dataset_id: one for one in session.platform.datasets() if not one.withdrawn}
        if not datasets:
            st.info("No dataset is open to requests. A data owner registers one on the command line.")
            return
        left, right = st.columns([1, 1], gap="large")
        with left:
            found = datasets[_dataset_choice(list(datasets.values()))]
            draft = _form(session, found)
        with right:
            quote = _price(session, draft, found.policy)
        rehearsal(session, draft.form, found, quote)


def _dataset_choice(datasets: list[DatasetInfo]) -> str:
    titles = {one.dataset_id: one.policy.title for one in datasets}
    names, named = list(titles), st.query_params.get("dataset", "")
    chosen = str(st.selectbox("Dataset", names, index=names.index(named) if named in titles else 0))
    st.caption(escaped(titles[chosen]))
    return chosen


def _form(session: Session, found: DatasetInfo) -> _Draft:
    policy = found.policy
    with st.expander("What is in this dataset (public facts from its policy)"):
        say(policy.purpose)
        public_facts(policy)
        say(f"Terms: {policy.release.terms}")
    names = [one.name for one in policy.synthesis.allowed]
    synthesizer = str(st.selectbox("Synthesizer", names))
    other = "a library that is given the rows" if ":" in synthesizer else "a plug-in of this installation"
    st.caption(SYNTHESIZERS.get(synthesizer, other))
    part = _part(policy)
    stated = budget_inputs(policy, synthesizer, session.platform.rehearsals.cap_of_release(policy))
    st.caption(
        "Not sure how much you need? Rehearse it at the end of this page, for free, before you submit."
    )
    least = policy.approval.justification_min_chars
    purpose = st.text_area(
        f"Purpose (plain text, at least {least} characters)",
        max_chars=_LONGEST,
        height=140,
        key="purpose",
        help="Officers judge the request by these words. They are shown exactly as typed.",
    )
    written = len(purpose.strip())
    st.caption(f"{written} of at least {least} characters written; at most {_LONGEST}.")
    recipients = st.text_input(
        "Recipients",
        value=", ".join(policy.release.recipients),
        max_chars=500,
        help="Who will get the release.",
    )
    missing = []
    if written < least:
        missing.append(f"the purpose needs {least - written} more characters")
    if not recipients.strip():
        missing.append("the recipients are empty")
    form = RequestForm(
        found.dataset_id,
        synthesizer,
        purpose,
        recipients,
        epsilon=stated.epsilon,
        delta=stated.delta,
        rho=stated.rho,
        partition=part,
    )
    return _Draft(form, tuple(missing))


def _part(policy: Policy) -> str:
    """One public value of the policy's partition column, or "" for the whole table."""
    column = policy.privacy_unit.partition_column
    if column is None:
        return ""
    values = policy.domain()[column].values
    return str(
        st.selectbox(
            f"Part of the table, by {column}",
            ["", *values],
            format_func=lambda value: str(value) or "the whole table",
            key="part",
            help="Nobody is in two parts, so requests for different parts do not add up.",
        )
    )


def _priced(draft: _Draft, policy: Policy) -> RequestForm:
    """The form with unfinished words filled up: a price depends on none of them, and is wanted first."""
    if not draft.missing:
        return draft.form
    return replace(draft.form, purpose="." * policy.approval.justification_min_chars, recipients=".")


def _price(session: Session, draft: _Draft, policy: Policy) -> Quote | None:
    st.header("What it costs")
    try:
        quote = session.platform.quote(session.actor, _priced(draft, policy))
    except DpsynthError as error:
        show_refusal(error)
        return None
    _charge(quote)
    if not quote.fits:
        st.error("This request would be refused", icon=":material/block:")
        say(quote.refusal)
    for one in draft.missing:
        st.caption(f"Still missing: {one}.")
    with st.expander("What the synthesizer will do"):
        for line in quote.lines:
            say(line)
    st.button(
        "Submit request",
        type="primary",
        icon=":material/send:",
        disabled=bool(draft.missing) or not quote.fits,
        key="submit",
        on_click=_remember,
        args=(draft.form,),
    )
    if form := st.session_state.pop("to-submit", None):
        _submit(session, form)
    return quote


def _remember(form: RequestForm) -> None:
    """Keep the form that was on screen when the button was pressed."""
    st.session_state["to-submit"] = form


def _charge(quote: Quote) -> None:
    st.markdown(
        f"If you submit, exactly **rho {rho_text(quote.rho_nano)}** is held now, and charged for life "
        f"when the run begins. As a promise: **epsilon {quote.epsilon} at delta {escaped(quote.delta)}**."
    )
    st.caption(odds_text(quote.epsilon, quote.delta))
    with st.expander("What this epsilon means", icon=":material/help:"):
        say(epsilon_band(quote.epsilon))
        table(odds_rows(quote.epsilon))
        st.caption(escaped(ODDS_NOTE))
    bars = []
    rows = []
    for scope in quote.scopes:
        taken = scope.spent_nano
        after = scope.left_nano - quote.rho_nano
        parts = (
            ("spent", taken),
            ("held", scope.held_nano),
            ("this release", quote.rho_nano),
            ("left", max(0, after)),
        )
        bars.append(Bar(scope.title, parts, scope.rho_cap_nano))
        rows.append(
            {
                "Budget it is charged to": scope.title,
                "Left before": rho_text(scope.left_nano),
                "This request": rho_text(quote.rho_nano),
                "Left after": _left_after(after, quote.fits),
            }
        )
    budget_chart(bars)
    table(rows)
    table(
        [
            {"Budget": scope.title, "Promise": scope.epsilon_cap, "Spent so far": scope.epsilon_spent}
            for scope in quote.scopes
        ]
    )
    st.caption(f"Promise: what the cap promises, whatever happens. Spent so far: {SPENT_NOTE}.")


def _left_after(after: int, fits: bool) -> str:
    """What is left for everyone; a request for one part of the table may fit where that is too little."""
    if after >= 0:
        return rho_text(after)
    return "enough in this part" if fits else "not enough"


def _submit(session: Session, form: RequestForm) -> None:
    """Send once: a second click carries the same key, so the service answers with the same request."""
    key = st.session_state.setdefault(_KEY, secrets.token_hex(16))
    with refusals_shown():
        try:
            view = session.platform.submit(session.actor, replace(form, key=key))
        except BudgetExceeded:
            # This request is written down as refused; the next one is another.
            del st.session_state[_KEY]
            raise
        del st.session_state[_KEY]
        flash(f"Request {view.id} is queued. Its budget is held; nothing is spent yet.")
        go(MY_REQUESTS, view.id)
