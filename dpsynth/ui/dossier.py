"""The dossier: everything an approver signs for, on one page, the failing items first."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dpsynth.core.errors import DpsynthError
from dpsynth.service import Dossier, RequestView
from dpsynth.ui.audit_view import attacks
from dpsynth.ui.charts import Bar, budget_chart
from dpsynth.ui.decision import decide
from dpsynth.ui.places import DOSSIER, INBOX, go
from dpsynth.ui.printed import printed
from dpsynth.ui.session import Session
from dpsynth.ui.show import badge, refusals_shown, say, show_refusal, table, words_of_others
from dpsynth.ui.utility import use
from dpsynth.ui.words import (
    SPENT_NOTE,
    STATES,
    Word,
    due_text,
    escaped,
    local_time,
    odds_text,
    rho_text,
    role_text,
)

__all__ = ["page"]

_FINE = Word("Pass", ":material/check_circle:", "green")
_FAILED = Word("Fail", ":material/cancel:", "red")


def page(session: Session) -> None:
    """The dossier of the request that the address names, or a list to choose from."""
    st.title("Dossier")
    with refusals_shown():
        request_id = st.query_params.get("request", "")
        if not request_id:
            _choose(session)
            return
        view = session.platform.request(session.actor, request_id)
        try:
            found = session.platform.dossier(session.actor, request_id)
        except DpsynthError as error:
            _facts(view)
            show_refusal(error)
            return
        _whole(session, view, found)


def _choose(session: Session) -> None:
    ready = [view for view in session.platform.requests(session.actor) if view.dossier_sha256]
    if not ready:
        st.info("No request has a dossier yet.")
        return
    by_id = {view.id: view for view in ready}
    chosen = st.selectbox(
        "Request",
        list(by_id),
        format_func=lambda one: f"{one}: {by_id[one].dataset_id}, {STATES[by_id[one].state].text}",
    )
    if st.button("Open dossier", type="primary"):
        go(DOSSIER, str(chosen))


def _facts(view: RequestView) -> None:
    badge(STATES[view.state])
    st.markdown(f"Request `{view.id}` of **{escaped(view.requester)}** for **{escaped(view.dataset_id)}**")


def _whole(session: Session, view: RequestView, found: Dossier) -> None:
    body = found.body
    if st.button("Back to the inbox", icon=":material/arrow_back:"):
        go(INBOX)
    _facts(view)
    _verdict(view, body)
    _what_leaves(body)
    _promise(body["guarantee"])
    _budget(body["budget"], body["guarantee"]["delta"])
    attacks(session, view.id, body["audit"])
    use(session, view.id, body.get("utility"))
    _harm(body.get("harm"))
    _differences(body.get("differences"))
    _print(found)
    with st.expander("Files and digests that the signatures cover"):
        _files(found)
    decide(session, view, found)


def _verdict(view: RequestView, body: dict[str, Any]) -> None:
    checks = sorted(body["checks"], key=lambda check: bool(check["ok"]))
    failing = [check for check in checks if not check["ok"]]
    policy = f"policy {body['policy']['id']} version {body['policy']['version']}"
    if failing:
        st.error(f"{len(failing)} of {len(checks)} checks of {policy} fail.", icon=":material/cancel:")
    elif body["audit"]["verdict"] == "pass":
        st.success(
            f"All {len(checks)} checks of {policy} pass. {_signatures(view)}", icon=":material/check_circle:"
        )
    else:
        st.warning(
            f"All {len(checks)} checks of {policy} pass, but the audit did not simply pass: approving "
            f"needs a written reason. {_signatures(view)}",
            icon=":material/warning:",
        )
    for check in checks:
        left, right = st.columns([1, 8], vertical_alignment="center")
        with left:
            badge(_FINE if check["ok"] else _FAILED)
        with right:
            say(f"{check['name']}: {check['plain']}")
    for reason in body["audit"]["why"]:
        say(reason)
    if meaning := body["audit"].get("meaning"):
        with st.expander("What this verdict means, and what you may do next"):
            say(meaning)
            for step in body["audit"]["next_steps"]:
                say(step)


def _signatures(view: RequestView) -> str:
    if view.state != "awaiting_decision":
        return f"State: {STATES[view.state].text}."
    have = len(view.decisions)
    need = have + len(view.waiting_for)
    asked = " and ".join(role_text(role) for role in view.waiting_for)
    return f"Signed: {have} of {need}. Asked: {asked}. Decide by {due_text(view.due)}."


def _what_leaves(body: dict[str, Any]) -> None:
    release, request = body["release"], body["request"]
    st.header("What leaves, to whom, why, until when", divider="gray")
    say(
        f"{release['rows']:,} synthetic rows with {len(release['columns'])} columns, made by "
        f"{request['synthesizer']} from {body['policy']['title']}."
    )
    if request["partition"]:
        say(f"Made from one part of the table only: {request['partition']}.")
    st.caption("Columns")
    say(", ".join(release["columns"]))
    if further := body.get("model", {}).get("plain"):
        st.caption("What may be drawn later")
        say(further)
    left, right = st.columns(2)
    with left:
        words_of_others("To whom, in the requester's words", request["recipients"])
        st.caption("Recipients that the policy allows")
        say(", ".join(release["recipients"]))
        st.caption("Until when")
        say(f"{release['expires_after_days']} days after it is issued. {release['terms']}")
    with right:
        words_of_others("Why, in the requester's words", request["purpose"])
        st.caption("Asked for")
        say(f"by {request['requester']}, {local_time(request['created'])}")


def _promise(guarantee: dict[str, Any]) -> None:
    st.header("The promise", divider="gray")
    st.markdown(
        f"Whether or not any one **{escaped(guarantee['unit'])}** is in the data, what anybody can infer "
        "about them from the release changes by at most a bounded amount."
    )
    omega = guarantee.get("omega", "")
    numbers = [
        ("rho, truncated zCDP" if omega else "rho (zCDP)", rho_text(int(guarantee["rho_nano"])), 1.5),
        ("epsilon", guarantee["epsilon"], 1.0),
        ("epsilon, Gaussian", guarantee["gaussian_epsilon"], 1.3),
        ("at delta", guarantee["delta"], 1.0),
    ]
    shown = [number for number in numbers if number[1]]
    for column, (name, value, _) in zip(st.columns([width for _, _, width in shown]), shown, strict=True):
        column.metric(name, value, border=True)
    if guarantee["gaussian_epsilon"]:
        say(
            "The second epsilon is by the exact Gaussian conversion. Both hold: they state the same loss, "
            "and the smaller one is the tighter promise."
        )
    say(odds_text(guarantee["epsilon"], guarantee["delta"]))
    if omega:
        say(
            f"A training by DP-SGD took part. Its rho holds at Renyi orders up to {omega}, as far as this "
            "epsilon and delta need."
        )
    if relies := guarantee.get("relies_on"):
        st.warning(f"This promise {escaped(relies['plain'])}: the library was given the rows.")
        for fault in relies["known_faults"]:
            say(f"Known fault of its {relies['method']}: {fault}")
    if guarantee["unit_note"]:
        say(f"Who is protected: {guarantee['unit_note']}")
    with st.expander("How the promise was computed, and what it rests on"):
        say(f"Accountant: {guarantee['accountant']}. Neighbouring tables: {guarantee['adjacency']}.")
        for one in guarantee["assumptions"]:
            say(f"It holds if {one}.")


def _budget(scopes: list[dict[str, str]], delta: str) -> None:
    st.header("Budget before, this, after", divider="gray")
    bars, rows = [], []
    for scope in scopes:
        before, this, after, cap = (int(scope[f"{n}_nano"]) for n in ("before", "this", "after", "cap"))
        parts = (("spent", before), ("this release", this), ("left", max(0, cap - after)))
        bars.append(Bar(scope["title"], parts, cap))
        rows.append(
            {
                "Budget": scope["title"],
                "Before (rho)": rho_text(before),
                "This release": rho_text(this),
                "After": rho_text(after),
                "Cap": rho_text(cap),
                "Left for ever": rho_text(max(0, cap - after)),
                "Promise": f"epsilon {scope['epsilon_cap']} at delta {scope.get('delta', delta)}",
                "Spent with this": f"epsilon {scope['epsilon_after']} at delta {scope.get('delta', delta)}",
            }
        )
    budget_chart(bars)
    table(rows)
    st.caption(f"Promise: what the cap promises, whatever happens. Spent with this: {SPENT_NOTE}.")
    for scope, row in zip(scopes, rows, strict=True):
        say(f"{scope['title']}: after this, rho {row['Left for ever']} of {row['Cap']} remains, for ever.")


def _harm(words: dict[str, str] | None) -> None:
    """Older dossiers have no such part."""
    if words:
        st.header("Who might be hurt, and what it is for", divider="gray")
        st.caption("Small groups and bias")
        say(words["bias"])
        st.caption("Good for, and not for")
        say(words["utility"])
        st.caption("Other releases on these people without differential privacy")
        say(words["other_releases"])


def _differences(found: dict[str, Any] | None) -> None:
    if found is None:
        return
    st.header("What changed since the last release", divider="gray")
    if not found["since"]:
        say("Nothing of this dataset has been published before.")
    elif not found["lines"]:
        say(f"Nothing: all that is compared is as in release {found['since']}.")
    else:
        say(f"Compared with release {found['since']}, the last one published of this dataset.")
        names = {"what": "What", "before": "Then", "now": "Now"}
        table([{shown: line[name] for name, shown in names.items()} for line in found["lines"]])


def _print(found: Dossier) -> None:
    st.download_button(
        "Dossier to print (one A4 page)",
        printed(found),
        file_name=f"dossier-{found.body['release_id']}.html",
        mime="text/html",
        icon=":material/print:",
        on_click="ignore",
        help="Open it in a browser and print it, or save it as PDF. It holds no exact number of an attack.",
    )


def _files(found: Dossier) -> None:
    table(
        [
            {"File": name, "Bytes": f"{facts['bytes']:,}", "SHA-256": str(facts["sha256"])}
            for name, facts in sorted(found.body["files"].items())
        ]
    )
    st.caption("SHA-256 of this dossier; every signature names it")
    st.code(found.sha256, language=None)
