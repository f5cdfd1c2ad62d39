"""The entry: theme, sign-in, menu by role, deep links."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dpsynth.core.errors import DpsynthError
from dpsynth.ui import (
    access_log,
    attack_reports,
    budget,
    catalogue,
    datasets,
    dossier,
    downloads,
    inbox,
    ledger,
    my_requests,
    new_request,
    people,
    policies,
    releases,
    verifier,
)
from dpsynth.ui.audit_view import forget_numbers
from dpsynth.ui.decision import forget_opened
from dpsynth.ui.places import (
    ACCESS_LOG,
    ATTACKS,
    BUDGET,
    CATALOGUE,
    DATASETS,
    DOSSIER,
    DOWNLOADS,
    INBOX,
    LEDGER,
    MY_REQUESTS,
    NEW_REQUEST,
    PEOPLE,
    PLACES,
    POLICIES,
    RELEASES,
    START,
    VERIFIER,
    Place,
    flash,
    go,
    home_of,
)
from dpsynth.ui.session import Session, open_platform
from dpsynth.ui.show import show_refusal
from dpsynth.ui.signin import JUST_CHOSEN, demo_allowed, sign_in, where_to
from dpsynth.ui.take_along import forget_made
from dpsynth.ui.utility import forget_utility
from dpsynth.ui.words import ROLES, escaped, role_text

__all__ = ["main"]

_OPEN_PAGE = "open-page"
# Drawn here: for an icon by name every visitor's browser would ask a server of somebody else.
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path fill="#0b5d7a" '
    'd="M12 1 3 5v6c0 5.5 3.8 10.7 9 12 5.2-1.3 9-6.5 9-12V5z"/><path fill="#fff" d="M11 16.5l-4-4 '
    '1.4-1.4 2.6 2.6 5-5 1.4 1.4z"/></svg>'
)
_PAGES: dict[Place, Callable[[Session], None]] = {
    INBOX: inbox.page,
    DOSSIER: dossier.page,
    NEW_REQUEST: new_request.page,
    CATALOGUE: catalogue.page,
    MY_REQUESTS: my_requests.page,
    DOWNLOADS: downloads.page,
    BUDGET: budget.page,
    ATTACKS: attack_reports.page,
    LEDGER: ledger.page,
    RELEASES: releases.page,
    POLICIES: policies.page,
    DATASETS: datasets.page,
    ACCESS_LOG: access_log.page,
    VERIFIER: verifier.page,
    PEOPLE: people.page,
}


def main() -> None:
    """Run one page for whoever is signed in. Streamlit calls this at every interaction."""
    st.set_page_config(page_title="dpsynth", page_icon=_ICON, layout="wide")
    session: Session | None = None
    try:
        session = _signed_in()
    except DpsynthError as error:
        show_refusal(error)
    chosen = _menu(session)
    if session is not None:
        _page(session, chosen)


def _signed_in() -> Session | None:
    """Whoever looks; a ledger that is not what it was is told of only where somebody may know it."""
    platform = open_platform()
    session = None if demo_allowed() else sign_in(platform)
    if platform.alarm and (session is not None or demo_allowed()):
        st.error(f"Nothing can be changed here: {escaped(platform.alarm)}.", icon=":material/lock:")
    return sign_in(platform) if demo_allowed() else session


def _page(session: Session, chosen: st.Page) -> None:
    if st.session_state.pop(JUST_CHOSEN, False) and not session.has(*_roles_of(chosen)):
        go(home_of(session.person.roles))
    now = (chosen.url_path, st.query_params.get("request", ""))
    if st.session_state.get(_OPEN_PAGE) != now:
        st.session_state[_OPEN_PAGE] = now
        forget_opened()
        forget_numbers()
        forget_utility()
        forget_made()
    if chosen.url_path != DOWNLOADS.url:
        downloads.forget_bundle()
    flash()
    chosen.run()


def _roles_of(chosen: st.Page) -> tuple[str, ...]:
    """Roles that find a page in their menu; the start page sends everybody on by itself."""
    return next((place.roles for place in PLACES if place.url == chosen.url_path), tuple(ROLES))


def _menu(session: Session | None) -> st.Page:
    """All pages are known to the menu, so that a typed address is answered in words; others' are hidden."""
    pages = [
        st.Page(
            _runner(place, session),
            title=place.title,
            icon=place.icon,
            url_path=place.url,
            default=place == START,
            visibility="visible" if session is not None and session.has(*place.roles) else "hidden",
        )
        for place in (START, *PLACES)
    ]
    return st.navigation(pages, expanded=True)  # whoever holds two roles sees all their pages too


def _runner(place: Place, session: Session | None) -> Callable[[], None]:
    def run() -> None:
        if session is None:
            return
        if place == START:
            _start(session)
        elif session.has(*place.roles):
            _PAGES[place](session)
        else:
            st.title(place.title)
            others = " and the ".join(role_text(role) for role in place.roles)
            st.warning(f"This page is for the {others}.", icon=":material/lock:")

    return run


def _start(session: Session) -> None:
    """The address without a page: a link to one request opens it where this person can see it."""
    request_id = st.query_params.get("request", "") or where_to(session)
    if not request_id:
        go(home_of(session.person.roles))
    go(DOSSIER if session.has(*DOSSIER.roles) else MY_REQUESTS, request_id)
