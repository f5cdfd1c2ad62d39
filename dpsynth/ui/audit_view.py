"""Attacks: one row each in plain words for all; exact numbers for the review room, each look logged."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from dpsynth.service import review_pictures
from dpsynth.ui.charts import Interval, interval_chart
from dpsynth.ui.session import Session
from dpsynth.ui.show import badge, pictures, refusals_shown, say, table
from dpsynth.ui.take_along import take_along
from dpsynth.ui.watermark import watermarked
from dpsynth.ui.words import RESULTS, Word, escaped, local_time

__all__ = ["attacks", "forget_numbers", "passed_in_doubt"]

_HELD = "exact-numbers"
_EVIDENCE = {
    "A": "Evidence about the mechanism, from made-up rows; it may be published.",
    "B": "Attacks on this very release, with rows of people; the exact results stay in the review room.",
}


def attacks(session: Session, request_id: str, audit: dict[str, Any]) -> None:
    """One row for each attack; then, on request, its exact numbers."""
    st.header("Attacks", divider="gray")
    for evidence, words in _EVIDENCE.items():
        found = [check for check in audit["checks"] if check["evidence"] == evidence]
        if found:
            st.caption(words)
        for check in sorted(found, key=lambda one: str(one["result"]) == "pass"):
            _attack(check)
    say(f"What the audit could have found: {audit['could_have_found']}.")
    with refusals_shown():
        pictures(session.platform.mechanism_pictures(session.actor, request_id))
    if not session.has("compliance_officer", "auditor"):
        st.caption("Exact attack results are for the compliance officer and the auditor only.")
        return
    _numbers(session, request_id)


def _attack(check: dict[str, Any]) -> None:
    left, right = st.columns([1, 5])
    with left:
        badge(RESULTS.get(check["result"], Word(check["result"], ":material/help:", "gray")))
    name, question = escaped(f"{check['id']} {check['name']}"), escaped(check["question"])
    right.markdown(f"**{name}**: {question}  \n{escaped(check['plain'])}")


def forget_numbers() -> None:
    """Drop exact numbers when the page is left, so that the next look is logged again."""
    st.session_state.pop(_HELD, None)


def _numbers(session: Session, request_id: str) -> None:
    """Held only in this browser session, for this person, this request and as long as the page is open."""
    mine = (session.actor, request_id)
    if st.button("Show exact numbers (this look is logged)", icon=":material/visibility:"):
        with refusals_shown():
            report = session.platform.audit_report(session.actor, request_id)
            st.session_state[_HELD] = (mine, report, datetime.now(UTC).isoformat(timespec="seconds"))
    held = st.session_state.get(_HELD)
    if held is None or held[0] != mine:
        return
    watermarked(session.person.id, request_id, local_time(held[2]))
    st.warning(
        "These numbers were computed on people's rows. Do not pass them on: no budget covers them.",
        icon=":material/visibility_lock:",
    )
    _report(held[1])
    _export(session, request_id)


def _report(report: dict[str, Any]) -> None:
    checks, plan = [*report["class_a"], *report["class_b"]], report["plan"]
    st.caption(
        f"Audit plan {escaped(plan['name'])}, version {escaped(plan['version'])}, "
        f"sha256 {report['plan_sha256'][:16]}. Line: interval at {plan['confidence']:.0%} confidence. "
        "Each row has its own scale."
    )
    interval_chart([one for one in map(_interval, checks) if one is not None])
    for words in passed_in_doubt(report):
        st.info(escaped(words), icon=":material/help:")
    table([_row(check) for check in checks])
    pictures(review_pictures(report))


def _export(session: Session, request_id: str) -> None:
    """Whatever leaves the screen says who took it, when, and of which request."""
    take_along(
        session,
        "the report, with a watermark (this is logged)",
        lambda: session.platform.attack_reports.export(session.actor, request_id),
        file_name=f"review-room-{request_id}.html",
        mime="text/html",
        key="export-report",
    )
    st.caption("Your name, the time and the request stand across every page of it, on paper too.")


def _own_scale(check: dict[str, Any]) -> bool:
    """Whether the limit is on the estimate's scale; the membership attack limits epsilon, not its AUC."""
    return "epsilon_lower_bound" not in check["details"]


def _interval(check: dict[str, Any]) -> Interval | None:
    if any(check[name] is None for name in ("estimate", "low", "high")):
        return None
    limit = check["threshold"] if _own_scale(check) else None
    name = f"{check['id']} {check['name']}"
    mark = "declared" if _declares(check) else "limit"
    return Interval(name, check["estimate"], check["low"], check["high"], limit, mark)


def _declares(check: dict[str, Any]) -> bool:
    """Whether its mark is what should be found rather than a limit: noise must be as large as declared."""
    return str(check["id"]) == "S4"


def passed_in_doubt(report: dict[str, Any]) -> list[str]:
    """What a pass does not say, for each attack that passed though its limit lies inside its interval.

    Not for tests of the mechanism: the scale of noise, for one, passes because the declared one is inside.
    """
    return [_in_doubt(check) for check in report["class_b"] if check["outcome"] == "pass" and _holds(check)]


def _holds(check: dict[str, Any]) -> bool:
    shown = _interval(check)
    return shown is not None and shown.limit is not None and shown.low < shown.limit <= shown.high


def _in_doubt(check: dict[str, Any]) -> str:
    return (
        f"{check['id']} passed though the limit lies inside its interval: an excess of the limit was not "
        f"shown (p {_number(check['p_value'])}), and neither was it ruled out."
    )


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def _range(low: float | None, high: float | None) -> str:
    return "none" if low is None or high is None else f"{_number(low)} to {_number(high)}"


def _row(check: dict[str, Any]) -> dict[str, str]:
    limit = _number(check["threshold"])
    if _declares(check):
        limit = f"declared {limit}"
    if not _own_scale(check):
        limit = f"epsilon {limit}; lower bound found {_number(check['details']['epsilon_lower_bound'])}"
    return {
        "Attack": f"{check['id']} {check['name']}",
        "Estimate": _number(check["estimate"]),
        "Interval": _range(check["low"], check["high"]),
        "Control": _number(check["control"]),
        "Limit": limit,
        "n": str(check["n"]),
        "p": _number(check["p_value"]),
        "Result": check["outcome"],
    }
