"""Who is looking: the state directory, the demo sign-in and what every page is given."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from dpsynth.service import Person, Platform
from dpsynth.ui.words import escaped, role_text

__all__ = ["BANNER", "JUST_CHOSEN", "Session", "demo_allowed", "open_platform", "sign_in"]

JUST_CHOSEN = "just-chosen"
BANNER = "Demo sign-in: anyone at this machine can act as anyone"
# Kept apart from the widget, whose own state Streamlit drops when the page changes.
_ACTOR = "actor"


@dataclass(frozen=True)
class Session:
    """One page run: the service and who acts. Roles decide what is shown, never what is allowed."""

    platform: Platform
    person: Person

    @property
    def actor(self) -> str:
        """Id of the person who acts."""
        return self.person.id

    def has(self, *roles: str) -> bool:
        """Whether one of the roles is the person's."""
        return bool(set(roles) & set(self.person.roles))


def demo_allowed() -> bool:
    """Whether the demo sign-in was switched on by whoever started the program."""
    return os.environ.get("DPSYNTH_DEMO") == "1"


def open_platform() -> Platform:
    """The platform that the environment names, in the words of the command line; SQLite in .state if none."""
    return Platform.open(
        Path(os.environ.get("DPSYNTH_STATE", ".state")),
        database=os.environ.get("DPSYNTH_DATABASE", ""),
        checkpoints=os.environ.get("DPSYNTH_CHECKPOINTS", ""),
    )


def _label(person: Person) -> str:
    return f"{person.name} ({', '.join(role_text(role) for role in person.roles)})"


def sign_in(platform: Platform) -> Session | None:
    """The demo sign-in in the sidebar; None while nobody is chosen. The choice is read anew at each run."""
    people = {person.id: person for person in platform.people()}
    chosen = st.session_state.get(_ACTOR)
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
            on_change=lambda: _choose(st.session_state[key]),
        )
    if chosen not in people:
        _welcome(list(people.values()))
        return None
    return Session(platform, people[chosen])


def _choose(person_id: str | None) -> None:
    """Act as another person: nothing that the last one opened or typed at this screen stays."""
    st.session_state.clear()
    st.session_state[_ACTOR] = person_id
    st.session_state[JUST_CHOSEN] = True


def _welcome(people: list[Person]) -> None:
    st.title("Who are you?")
    if not people:
        st.info("Nobody is known here yet. Set up a demonstration, or add people on the command line.")
        st.code("dpsynth demo --help\ndpsynth people --help", language=None)
        return
    for column, person in zip(st.columns(max(3, len(people))), people, strict=False):
        with column, st.container(border=True):
            st.subheader(escaped(person.name))
            st.text(", ".join(role_text(role) for role in person.roles))
            label = f"Continue as {escaped(person.name)}"
            st.button(label, key=f"choose-{person.id}", on_click=_choose, args=(person.id,))
