"""The rehearsal on the request form: what utility to expect at each budget, before anything is spent."""

from __future__ import annotations

import time
from collections.abc import Callable

import streamlit as st

from dpsynth.core.errors import DpsynthError
from dpsynth.service import DatasetInfo, Limits, Quote, Rehearsal, RehearsalForm, RehearsedPoint, RequestForm
from dpsynth.ui.session import Session
from dpsynth.ui.show import refusals_shown, say, show_refusal, table
from dpsynth.ui.utility_chart import utility_chart
from dpsynth.ui.words import escaped, rho_text

__all__ = ["rehearsal"]

_KEPT = "rehearsal"
_EVERY = 0.3
_LIMITS = Limits()
_WIDTHS = ((1, "one column"), (2, "two columns"), (3, "three columns"))


def rehearsal(session: Session, form: RequestForm, found: DatasetInfo, quote: Quote | None) -> None:
    """Choose a stand-in, run, and show the last result for this dataset and synthesizer."""
    st.header("Rehearse it first: free", divider="gray")
    st.write(
        "The synthesizer is run on a stand-in for the table, behind the same curator and with the same noise "
        "as a real run. The table of people is not opened, and nothing is charged."
    )
    with refusals_shown():
        if refusal := session.platform.rehearsals.why_not(form.synthesizer):
            say(f"Not rehearsed here: {refusal}. Choose a synthesizer without a colon in its name.")
            return
        asked = _inputs(session, form, found)
        if st.button("Rehearse", key="rehearse", icon=":material/science:"):
            _run(session, asked, found)
        kept = st.session_state.get(_KEPT)
        if kept is not None and kept[0] == _key(asked, found):
            _shown(kept[1], quote)
        elif kept is not None and kept[0][0] == found.policy_sha256:
            st.caption("The last rehearsal was of another choice. Rehearse again to see this one.")


def _key(asked: RehearsalForm, found: DatasetInfo) -> tuple[object, ...]:
    return (found.policy_sha256, asked.synthesizer, asked.stand_in, asked.rows)


def _inputs(session: Session, form: RequestForm, found: DatasetInfo) -> RehearsalForm:
    desk = session.platform.rehearsals
    choices = {one.name: one.words for one in desk.stand_ins(session.actor, found.dataset_id)}
    left, right = st.columns([3, 1])
    name = left.selectbox(
        "Stand-in",
        list(choices),
        format_func=lambda one: f"Release {one}" if one else "Made-up rows",
        key=f"stand-in-{found.dataset_id}",
        help="Made-up rows need only the policy. A published release is closer to the table, as far as it "
        "kept what is in it.",
    )
    name = str(name or "")
    rows = 0
    if not name:
        rows = int(
            right.number_input(
                "Rows of the stand-in",
                desk.LEAST_ROWS,
                desk.MOST_ROWS,
                desk.default_rows(found.policy),
                1_000,
                key=f"stand-in-rows-{found.dataset_id}",
                help="Your own guess of how many rows the table has. The real number is private; with fewer "
                "rows the same noise weighs more.",
            )
        )
    part = " It stands for the whole table: a part of it has fewer rows." if form.partition else ""
    st.caption(escaped(f"The stand-in is {choices.get(name, '')}.{part}"))
    return RehearsalForm(
        found.dataset_id,
        form.synthesizer,
        form.epsilon,
        form.delta,
        form.rho,
        stand_in=name,
        rows=rows,
        limits=_LIMITS,
    )


def _run(session: Session, asked: RehearsalForm, found: DatasetInfo) -> None:
    bar = st.progress(0.0, text="Making the stand-in")
    try:
        made = session.platform.rehearsals.run(session.actor, asked, _teller(bar.progress))
    except DpsynthError as error:
        show_refusal(error)
        return
    finally:
        bar.empty()
    st.session_state[_KEPT] = (_key(asked, found), made)


def _teller(show: Callable[..., object]) -> Callable[[str, float], None]:
    """Pass on a few signs of progress a second, not each of thousands."""
    last = [0.0]

    def tell(words: str, share: float) -> None:
        if (now := time.monotonic()) - last[0] > _EVERY:
            last[0] = now
            show(min(1.0, max(0.0, share)), text=f"On the stand-in: {words}")

    return tell


def _shown(found: Rehearsal, quote: Quote | None) -> None:
    st.warning(
        f"A rehearsal, not your data. {found.rows:,} rows stood in for the table. The columns of the real "
        "table may hang together more or less, its rare groups may be rarer, and how many rows it has is "
        "private. Read this as an orientation.",
        icon=":material/theater_comedy:",
    )
    if not any(one.errors for one in found.points):
        st.info("No fit could be measured here; the table says why. `dpsynth rehearse` may take more time.")
        table([_row(one, None) for one in found.points])
        return
    chosen = None if quote is None else quote.rho_nano
    _sentence(found, next((one for one in found.points if one.rho_nano == chosen and one.errors), None))
    utility_chart(found, chosen)
    table([_row(one, chosen) for one in found.points] + _references(found))
    st.caption(
        escaped(
            "Each number is the part of rows that stands in a wrong cell of a table: half the sum of all "
            "differences between shares (total variation distance), mean over the tables of one, two or "
            f"three columns and over {found.fits} fits; in brackets the lowest and highest fit. "
            f"{found.drawn:,} rows were drawn from each model. Epsilon is at delta {found.points[0].delta}."
        )
    )


def _sentence(found: Rehearsal, chosen: RehearsedPoint | None) -> None:
    if chosen is None:
        st.markdown("Your present budget was not rehearsed. Rehearse again to see it.")
        return
    low, mean, high = (f"{100 * error:.1f}" for error in chosen.spread(2))
    choice = f"rho {rho_text(chosen.rho_nano)}, epsilon {chosen.epsilon}"
    chance, lost = (f"{100 * errors[1]:.1f} %" for errors in (found.by_chance, found.unrelated))
    st.markdown(
        f"With your choice ({choice}): **expect two-way tables to be off by about {mean} % of the rows** "
        f"({low} to {high} % in {len(chosen.errors)} fits). For comparison: rows drawn by chance, without "
        f"any noise, would be off by {chance}; with every relation between columns lost it would be {lost}."
    )


def _row(one: RehearsedPoint, chosen: int | None) -> dict[str, str]:
    mark = " (your choice)" if one.rho_nano == chosen else ""
    note = f"; {one.note}" if one.note else ""
    cells = {f"Off by, {words}": _cell(one, width) for width, words in _WIDTHS}
    return {"Rho": f"{rho_text(one.rho_nano)}{mark}{note}", "Epsilon": one.epsilon or "none", **cells}


def _cell(one: RehearsedPoint, width: int) -> str:
    if not one.errors:
        return "not measured"
    low, mean, high = (f"{100 * error:.1f}" for error in one.spread(width))
    return f"{mean} % ({low} to {high})"


def _references(found: Rehearsal) -> list[dict[str, str]]:
    told = (("by chance, no noise", found.by_chance), ("no relation kept", found.unrelated))
    return [
        {
            "Rho": name,
            "Epsilon": "",
            **{f"Off by, {words}": f"{100 * errors[width - 1]:.1f} %" for width, words in _WIDTHS},
        }
        for name, errors in told
    ]
