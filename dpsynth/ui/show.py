"""Pieces that several pages show: refusals, badges, plain text of others, tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pandas as pd
import streamlit as st

from dpsynth.core.errors import DpsynthError
from dpsynth.service import DecisionView, PictureView
from dpsynth.ui.words import Word, escaped, local_time, plain_text, role_text

__all__ = [
    "badge",
    "decisions_table",
    "pictures",
    "refusals_shown",
    "say",
    "show_refusal",
    "table",
    "words_of_others",
]

_TITLES = {
    "bad_input": "This cannot be accepted as it is",
    "refused_by_policy": "This is not allowed",
    "budget": "There is not enough privacy budget",
    "integrity": "Something is not what it was; nothing was done",
    "conflict": "Nothing was changed",
    "blocked_by_audit": "The audit does not allow this",
}


def say(text: str) -> None:
    """One plain sentence of ours or of the service, with all signs shown as they are."""
    st.markdown(escaped(text))


def show_refusal(error: DpsynthError) -> None:
    """A refusal in three lines: what was wrong, what is allowed, what to do. Never a traceback."""
    with st.container(border=True):
        st.error(_TITLES.get(error.kind, "This did not work"), icon=":material/block:")
        say(f"{error.what.rstrip('. ')}.")
        if error.allowed:
            say(f"Allowed: {error.allowed.rstrip('. ')}.")
        if error.remedy:
            say(f"What to do: {error.remedy.rstrip('. ')}.")


@contextmanager
def refusals_shown() -> Iterator[None]:
    """Show what the service refuses, in the place where it was asked."""
    try:
        yield
    except DpsynthError as error:
        show_refusal(error)


def badge(word: Word) -> None:
    """Icon, word and colour."""
    st.badge(word.text, icon=word.icon, color=word.color)  # type: ignore[arg-type]


def words_of_others(label: str, text: str) -> None:
    """Text that somebody typed: as plain text, never as markup; hidden characters are flagged."""
    clean = plain_text(text)
    st.caption(label)
    st.text(clean)
    if clean != text:
        st.warning(
            "Hidden characters here are shown as \N{REPLACEMENT CHARACTER}.",
            icon=":material/warning:",
        )


def table(rows: Sequence[dict[str, str]]) -> None:
    """A text table; every cell is shown as it is."""
    if rows:
        cells = [{name: escaped(value) for name, value in row.items()} for row in rows]
        st.table(pd.DataFrame(cells).set_index(next(iter(rows[0]))))


def pictures(shown: Sequence[PictureView]) -> None:
    """Each picture folded under its title: how to read it and its numbers as text, or why there is none."""
    for one in shown:
        with st.expander(escaped(one.title), icon=":material/monitoring:"):
            if one.absent:
                say(one.absent)
                continue
            st.image(one.svg, width="stretch")
            st.caption(escaped(one.caption))
            table([dict(zip(one.head, row, strict=True)) for row in one.rows])


def decisions_table(decisions: Sequence[DecisionView], reasons_of: tuple[str, ...]) -> None:
    """Who decided what, when; below, as plain text, the reasons of the named kinds of decision.

    A requester reads why something was rejected. Why a warning was accepted may speak of the audit, and is
    for those who decide.
    """
    rows = [
        {
            "Person": one.person,
            "Role": role_text(one.role),
            "Decision": "signed" if one.decision == "approve" else "rejected",
            "Time": local_time(one.time),
        }
        for one in decisions
    ]
    table(rows)
    for one in decisions:
        if one.reason and one.decision in reasons_of:
            words_of_others(f"Reason given by {one.person}", one.reason)
