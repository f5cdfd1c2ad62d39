"""Ledger: where the chain stands, checks that recompute it, its entries in pages, and what to take along."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import streamlit as st

from dpsynth.service import MOST_ENTRIES, ChainStatus, EntryView
from dpsynth.ui.ledger_words import KINDS, meaning
from dpsynth.ui.session import Session
from dpsynth.ui.show import badge, refusals_shown, say, table
from dpsynth.ui.take_along import take_along
from dpsynth.ui.words import Word, escaped, local_time

__all__ = ["page"]

_VERIFIED = "ledger-verified"
_BEFORE = "ledger-before"
_LONGEST = 64
_ABOUT = ("request", "charge", "dataset", "person", "proposal", "objection", "actor")
_ALL = "every kind"
_WHOLE = Word("Whole", ":material/verified:", "green")
_UNCHECKED = Word("Not recomputed yet", ":material/help:", "gray")
_GROWN = Word("Grown since it was recomputed", ":material/update:", "orange")
_READ_ONLY = Word("Read-only", ":material/lock:", "red")


def page(session: Session) -> None:
    """The ledger for those who answer for it."""
    st.title("Ledger")
    st.write(
        "Every change of state is an entry. Each entry's hash covers the one before it, so that no entry "
        "can be changed or taken out without changing all hashes after it."
    )
    with refusals_shown():
        status = session.platform.book.status(session.actor)
        _status(session, status)
        _compare(session)
        _entries(session)
        _one_entry(session, status)
        _take_along(session, status)


def _status(session: Session, status: ChainStatus) -> None:
    st.header("The chain", divider="gray")
    checked = st.session_state.get(_VERIFIED)
    mine = checked if checked and checked[0] == (session.actor, status.origin) else None
    badge(_chain_word(status, mine[1] if mine else None))
    if status.alarm:
        say(f"Nothing can be changed: {status.alarm}.")
    if mine:
        say(
            f"{mine[1]} entries were recomputed at {local_time(mine[2])}: every hash, balance, charge and "
            "record was what the chain tells."
        )
    witnesses = ", ".join(status.sinks) or "none: an old copy put back would look just as whole"
    table(
        [
            {"Fact": "Entries", "Value": f"{status.seq:,}"},
            {"Fact": "Newest entry", "Value": local_time(status.time) if status.time else "none yet"},
            {"Fact": "Witnesses outside", "Value": witnesses},
        ]
    )
    st.caption("Hash of the newest entry; below it the id of this ledger, which is the hash of entry 1")
    st.code(f"{status.hash}\n{status.origin}", language=None, wrap_lines=True)
    if st.button("Recompute the whole chain now", icon=":material/calculate:", key="verify-chain"):
        st.session_state.pop(_VERIFIED, None)
        with refusals_shown():
            count = session.platform.book.verify(session.actor)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            st.session_state[_VERIFIED] = ((session.actor, status.origin), count, now)
            st.rerun()


def _chain_word(status: ChainStatus, count: int | None) -> Word:
    if status.alarm:
        return _READ_ONLY
    if count is None:
        return _UNCHECKED
    return _WHOLE if count == status.seq else _GROWN


def _compare(session: Session) -> None:
    st.header("Compare with a checkpoint that you kept", divider="gray")
    say(
        "A checkpoint is the signed hash of an entry. One that you keep outside finds out a ledger that was "
        "started anew, forked, or put back from an old copy."
    )
    with st.form("compare", border=False):
        text = st.text_area(
            "Signed checkpoint, as `dpsynth ledger checkpoint` or this page gave it",
            height=120,
            max_chars=20_000,
            placeholder='{"payload": … , "signatures": … }',
        )
        asked = st.form_submit_button("Compare", icon=":material/compare_arrows:")
    if asked and not text.strip():
        st.info("Paste a checkpoint first.", icon=":material/info:")
    elif asked:
        with refusals_shown():
            count = session.platform.book.verify(session.actor, text.strip().encode())
            st.success(
                f"Your checkpoint is part of this ledger, and all {count} entries were recomputed.",
                icon=":material/check_circle:",
            )
    if st.button("Take a checkpoint to keep", icon=":material/bookmark_add:", key="take-checkpoint"):
        with refusals_shown():
            taken = session.platform.checkpoint(session.actor)
            say(f"Entry {taken.seq}, {local_time(taken.time)}. Keep it where this platform cannot write.")
            st.code(taken.envelope, language="json", wrap_lines=True)


def _entries(session: Session) -> None:
    st.header("Entries", divider="gray")
    left, middle, right = st.columns([3, 2, 1])
    about = left.text_input(
        "Only entries that name this request, person or dataset", max_chars=100, key="ledger-about"
    )
    kind = middle.selectbox("Kind", [_ALL, *KINDS], key="ledger-kind")
    most = right.selectbox("Entries a page", [25, 100, MOST_ENTRIES], key="ledger-most")
    asked = (about.strip(), "" if kind == _ALL else str(kind), int(most))
    before = _place(asked)
    shown = session.platform.book.page(session.actor, before, asked[2], asked[0], asked[1])
    if not shown.entries:
        st.info("No entry here is like that.", icon=":material/info:")
    table([_row(entry) for entry in shown.entries])
    newest, older, _ = st.columns([1, 1, 3])
    if newest.button("Newest", icon=":material/first_page:", disabled=not before, key="ledger-newest"):
        _turn(asked, 0)
    if older.button("Older", icon=":material/chevron_right:", disabled=not shown.older, key="ledger-older"):
        _turn(asked, shown.older)


def _place(asked: tuple[str, str, int]) -> int:
    """Where this person stands in the pages; another question begins at the newest entry."""
    kept = st.session_state.get(_BEFORE)
    return int(kept[1]) if kept and kept[0] == asked else 0


def _turn(asked: tuple[str, str, int], before: int) -> None:
    st.session_state[_BEFORE] = (asked, before)
    st.rerun()


def _row(entry: EntryView) -> dict[str, str]:
    body = json.dumps(entry.body, ensure_ascii=False, sort_keys=True)
    words = meaning(entry.kind)
    return {
        "No.": str(entry.seq),
        "Time": local_time(entry.time),
        "Kind": f"{entry.kind}: {words}" if words else entry.kind,
        "About": next((str(entry.body[name]) for name in _ABOUT if entry.body.get(name)), ""),
        "Body": body if len(body) <= _LONGEST else body[:_LONGEST] + " …",
        "Hash": entry.hash[:12] + "…",
    }


def _one_entry(session: Session, status: ChainStatus) -> None:
    if not status.seq:
        return
    with st.expander("One entry in full", icon=":material/data_object:"):
        number = st.number_input("Number of the entry", 1, status.seq, status.seq, key="ledger-one")
        for entry in session.platform.book.page(session.actor, int(number) + 1, 1).entries:
            st.markdown(f"Entry {entry.seq}, **{escaped(entry.kind)}**, {local_time(entry.time)}")
            st.code(json.dumps(entry.body, indent=2, ensure_ascii=False), language="json", wrap_lines=True)
            st.caption(
                "SHA-256 of the hash before it, as hex digits, and the entry's canonical JSON (RFC 8785)"
            )
            st.code(f"{entry.hash}\nsalt {entry.salt or 'none'}", language=None, wrap_lines=True)


def _take_along(session: Session, status: ChainStatus) -> None:
    st.header("Take along", divider="gray")
    say("For tools of your own: recompute every hash without asking this platform.")
    platform = session.platform
    if status.alarm:
        st.info("A ledger that is read-only signs no checkpoint: nothing to export.", icon=":material/lock:")
        return
    take_along(
        session,
        "the whole chain and a signed checkpoint (JSON lines)",
        lambda: platform.book.export(session.actor),
        file_name="ledger.jsonl",
        mime="application/jsonl",
        key="export-chain",
    )
    published = [view.id for view in platform.requests(session.actor) if view.state == "published"]
    if not published:
        st.caption("No release is published: there is no ledger proof yet.")
        return
    chosen = str(st.selectbox("Release", published, key="proof-of"))
    take_along(
        session,
        "the ledger proof of this release",
        lambda: platform.releases.prove(session.actor, chosen),
        file_name=f"ledger-proof-{chosen}.json",
        mime="application/json",
        key="export-proof",
    )
    st.caption("It takes the place of ledger-proof.json in the bundle, and reaches up to now.")
