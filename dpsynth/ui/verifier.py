"""Release verifier: drop in a bundle, and all that `dpsynth-verify` checks is checked."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dpsynth.service import LARGEST, Brought, Upload, Verification
from dpsynth.ui.session import Session
from dpsynth.ui.show import badge, refusals_shown, say, table
from dpsynth.ui.words import Word, escaped

__all__ = ["page"]

_HOLDS = Word("Verified", ":material/verified:", "green")
_FAILS = Word("Does not verify", ":material/cancel:", "red")
_MEGABYTES = LARGEST // 2**20


def page(session: Session) -> None:
    """Verify a bundle that is not, or no longer, this platform's own."""
    st.title("Release verifier")
    st.write(
        "Drop in a release as somebody else has it. It runs what `dpsynth-verify` runs, in a process of its "
        "own. Nothing that you drop here is kept: it is gone when the answer is there."
    )
    asked = _form()
    if asked is None:
        return
    bundle, brought = asked
    if not bundle:
        st.info("Drop in the bundle first.", icon=":material/info:")
        return
    with refusals_shown(), st.spinner("Verifying"):
        _result(session.platform.verifier.check(session.actor, bundle, brought))


def _form() -> tuple[list[Upload], Brought] | None:
    """What was dropped, once the button is pressed; the form forgets it then."""
    with st.form("verify", clear_on_submit=True):
        bundle = st.file_uploader(
            "The release: its directory as one .zip, or all of its files",
            accept_multiple_files=True,
            help=f"attestation.dsse.json, manifest.json and all that it lists; {_MEGABYTES} MB at most.",
            key="bundle",
        )
        with st.expander("What you have from elsewhere (optional, and better)"):
            keys = st.file_uploader(
                "Public keys that you trust (.json); without any, this platform's own keys count",
                accept_multiple_files=True,
                key="keys",
            )
            checkpoint = st.file_uploader("A signed checkpoint that you kept", key="checkpoint")
            revocations = st.file_uploader(
                "The publisher's signed list of revoked releases; without one, this platform's own",
                key="revocations",
            )
        if not st.form_submit_button("Verify", type="primary", icon=":material/verified_user:"):
            return None
    brought = Brought(tuple(_uploads(keys)), _bytes(revocations), _bytes(checkpoint))
    return _uploads(bundle), brought


def _uploads(files: Sequence[UploadedFile]) -> list[Upload]:
    return [Upload(one.name, one.getvalue()) for one in files]


def _bytes(file: UploadedFile | None) -> bytes:
    return b"" if file is None else file.getvalue()


def _result(found: Verification) -> None:
    badge(_HOLDS if found.verified else _FAILS)
    if found.verified:
        st.success(
            f"Release {escaped(found.release_id)} verifies: {len(found.lines)} kinds of facts hold.",
            icon=":material/verified:",
        )
    else:
        st.error(f"{escaped(found.failed.rstrip('. '))}.", icon=":material/cancel:")
        say(f"What to do: {found.remedy.rstrip('. ')}.")
        say("The check stops at the first thing that does not hold; more may be wrong.")
    table([dict(zip(("Checked", "Found"), _parts(line), strict=True)) for line in found.lines])
    for note in found.notes:
        st.warning(f"Not looked at: {escaped(note)}.", icon=":material/visibility_off:")
    st.caption(f"Keys that counted: {found.keys}.")
    table([{"Uploaded file": name, "SHA-256": digest} for name, digest in found.uploads])


def _parts(line: str) -> tuple[str, str]:
    name, _, said = line.partition(": ")
    return (name, said) if said else ("mind", line)
