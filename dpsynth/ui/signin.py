"""Signing in: by the organisation's provider (OpenID Connect), or as anybody on a demonstration."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from dpsynth.core.errors import DpsynthError, PolicyRefusal
from dpsynth.service import Account, Person, Platform, SignInOver, UnknownAccount
from dpsynth.ui.session import Session
from dpsynth.ui.show import say, show_refusal
from dpsynth.ui.words import escaped, role_text

__all__ = ["JUST_CHOSEN", "demo_allowed", "sign_in", "step_up", "where_to"]

_BANNER = "Demo sign-in: anyone at this machine can act as anyone"
JUST_CHOSEN = "just-chosen"
_SIGN_IN = "sign-in"
_AGAIN = "again"
"""Section of the provider's settings that asks people who they are even if the provider knows."""
_REFUSED = "sign-in-refused"
_A_ROW = 3
"""People beside each other at the demo sign-in, so that no name is broken."""
_LOCAL = ("localhost", "127.0.0.1", "::1")
_BACK: dict[str, str] = {}
"""By person: the request at which they were asked again. The provider leads back to the first page only."""


def demo_allowed() -> bool:
    """Whether the demo sign-in was switched on by whoever started the program."""
    return os.environ.get("DPSYNTH_DEMO") == "1"


def sign_in(platform: Platform) -> Session | None:
    """The sign-in of this run; None after a page that says how to get one, and shows nothing else."""
    if demo_allowed():
        return _demo(platform)
    claims: Mapping[str, Any] = st.user.to_dict()
    if "is_logged_in" not in claims:
        _not_configured()
        return None
    if not claims["is_logged_in"]:
        _provider("Sign in", "You are not signed in. Nothing is shown before that.")
        return None
    return _by_provider(platform, claims)


def _not_configured() -> None:
    st.title("Sign-in is not configured")
    st.write(
        "These pages show nothing and do nothing until somebody can sign in. Configure your organisation's "
        "provider in `.streamlit/secrets.toml`, as `.streamlit/secrets.example.toml` shows. The demo "
        "sign-in is for one machine and one person trying things out."
    )
    st.code("dpsynth --state DIR demo\nDPSYNTH_STATE=DIR DPSYNTH_DEMO=1 streamlit run app.py", language=None)


def _settings() -> Mapping[str, Any]:
    found: Mapping[str, Any] = st.secrets["auth"]
    return found


def _provider(title: str, words: str) -> None:
    st.title(title)
    say(words)
    name = urlsplit(str(_settings().get("server_metadata_url", ""))).netloc or "your provider"
    if st.button(f"Sign in with {escaped(name)}", type="primary", icon=":material/login:", key="to-provider"):
        st.login()


def _by_provider(platform: Platform, claims: Mapping[str, Any]) -> Session | None:
    try:
        name = st.session_state.get(_SIGN_IN)
        if name is None:
            name = st.session_state[_SIGN_IN] = platform.access.sign_in(_account(claims))
        found = Session(platform, name, platform.access.this(name))
    except UnknownAccount as error:
        _plain_end("This account is not known here", error)
        st.caption("For the admin who links it: issuer and subject")
        st.code(f"{claims.get('iss', '')}\n{claims.get('sub', '')}", language=None)
        return None
    except SignInOver:
        _provider("Your sign-in is over", "Sign in again; nothing that you saved is lost.")
        return None
    except PolicyRefusal as error:
        _plain_end("You are signed in, and may do nothing here", error)
        return None
    _sidebar(found)
    return found


def _account(claims: Mapping[str, Any]) -> Account:
    """The claims of the provider's token, which Streamlit verified; anything odd becomes an empty fact."""

    def text(name: str) -> str:
        value = claims.get(name)
        return value if isinstance(value, str) else ""

    def time(name: str) -> int | None:
        value = claims.get(name)
        whole = isinstance(value, int | float) and not isinstance(value, bool)
        return int(value) if whole and value is not None else None

    return Account(
        issuer=text("iss"),
        subject=text("sub"),
        nonce=text("nonce"),
        issued=time("iat") or 0,
        auth_time=time("auth_time"),
        asked=claims.get("provider") == _AGAIN,
        email=text("email") if claims.get("email_verified") is True else "",
    )


def _plain_end(title: str, error: DpsynthError) -> None:
    st.title(title)
    show_refusal(error)
    if st.button("Sign out", key="sign-out-plain"):
        st.session_state.clear()
        st.logout()


def _sidebar(session: Session) -> None:
    with st.sidebar:
        st.caption("Signed in as")
        st.text(f"{session.person.name}\n{', '.join(role_text(role) for role in session.person.roles)}")
        if st.button("Sign out", icon=":material/logout:", key="sign-out"):
            try:
                session.platform.access.sign_out(session.sign_in)
            finally:
                st.session_state.clear()
                st.logout()


def step_up(session: Session, request_id: str = "") -> bool:
    """Whether the person may decide now; if not, a button that has them show who they are."""
    if session.known.fresh:
        return True
    st.warning(
        "Deciding needs a sign-in of the last ten minutes. Confirm who you are first, then go on here.",
        icon=":material/lock_clock:",
    )
    if st.button("Confirm who you are", type="primary", icon=":material/fingerprint:", key="step-up"):
        if session.known.method == "demo":
            st.session_state[_SIGN_IN] = session.platform.access.demo_sign_in(session.person.id)
            st.rerun()
        _BACK[session.person.id] = request_id
        st.login(_AGAIN if _AGAIN in _settings() else None)
    return False


def where_to(session: Session) -> str:
    """The request at which this person was sent to show who they are, once."""
    return _BACK.pop(session.person.id, "")


def _demo_refused(platform: Platform) -> DpsynthError | None:
    """Why nobody may act as anybody here, if so."""
    behind = any(name.lower().startswith(("x-forwarded", "forwarded")) for name in st.context.headers)
    if behind or st.get_option("server.address") not in _LOCAL:
        return PolicyRefusal(
            "The demo sign-in is for people at this machine only",
            allowed="a server that listens on localhost, with no proxy before it",
            remedy="start it with --server.address localhost, or configure a provider",
        )
    if platform.people() and not platform.access.is_demo:
        return PolicyRefusal(
            "This state holds keys of real people: nobody signs in without proof",
            allowed="the demo sign-in on a state that `dpsynth demo` made",
            remedy="make one with `dpsynth --state DIR demo`, or configure a provider",
        )
    return None


def _demo(platform: Platform) -> Session | None:
    """The demo sign-in in the sidebar; None while nobody is chosen. Each choice is a sign-in of its own."""
    if refused := _demo_refused(platform):
        st.title("No demo sign-in here")
        show_refusal(refused)
        return None
    st.error(_BANNER, icon=":material/warning:")
    if error := st.session_state.pop(_REFUSED, None):
        show_refusal(error)
    people = {person.id: person for person in platform.people()}
    name, over, found = st.session_state.get(_SIGN_IN), False, None
    if name is not None:
        try:
            found = Session(platform, name, platform.access.this(name))
        except SignInOver:
            over = True
        except PolicyRefusal as error:
            show_refusal(error)
    _choice(platform, people, None if found is None else found.person.id)
    if found is None:
        _welcome(platform, list(people.values()), over)
    return found


def _label(person: Person) -> str:
    return f"{person.name} ({', '.join(role_text(role) for role in person.roles)})"


def _choice(platform: Platform, people: dict[str, Person], chosen: str | None) -> None:
    # A widget of its own for each person: otherwise the browser goes on showing the last choice.
    key = f"actor-choice-{chosen}"
    with st.sidebar:
        st.selectbox(
            "Signed in as",
            list(people),
            index=list(people).index(chosen) if chosen in people else None,
            format_func=lambda one: _label(people[one]),
            placeholder="Choose a person",
            key=key,
            on_change=lambda: _choose(platform, st.session_state[key]),
        )
        if chosen is not None:
            st.button("Sign out", icon=":material/logout:", key="sign-out", on_click=_leave, args=(platform,))


def _leave(platform: Platform) -> None:
    name = st.session_state.get(_SIGN_IN)
    st.session_state.clear()
    if name is not None:
        with _refusal_kept():
            platform.access.sign_out(name)


def _choose(platform: Platform, person_id: str | None) -> None:
    """Act as another person: nothing that the last one opened or typed at this screen stays."""
    _leave(platform)
    if person_id is not None:
        with _refusal_kept():
            st.session_state[_SIGN_IN] = platform.access.demo_sign_in(person_id)
            st.session_state[JUST_CHOSEN] = True


@contextmanager
def _refusal_kept() -> Iterator[None]:
    """What is refused before a page is drawn is shown on it."""
    try:
        yield
    except DpsynthError as error:
        st.session_state[_REFUSED] = error


def _welcome(platform: Platform, people: list[Person], over: bool) -> None:
    st.title("Your sign-in is over" if over else "Who are you?")
    if not people:
        st.info("Nobody is known here yet. Set up a demonstration, or add people on the command line.")
        st.code("dpsynth demo --help\ndpsynth people --help", language=None)
        return
    rows = [people[start : start + _A_ROW] for start in range(0, len(people), _A_ROW)]
    places = [
        (column, person) for row in rows for column, person in zip(st.columns(_A_ROW), row, strict=False)
    ]
    for column, person in places:
        with column, st.container(border=True):
            st.header(escaped(person.name))
            st.text(", ".join(role_text(role) for role in person.roles))
            label = f"Continue as {escaped(person.name)}"
            st.button(label, key=f"choose-{person.id}", on_click=_choose, args=(platform, person.id))
