"""Who is looking: the state directory, the sign-in of this run, and what every page is given."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dpsynth.service import Person, Platform, SignIn

__all__ = ["Session", "open_platform"]


@dataclass(frozen=True)
class Session:
    """One page run: the service and the sign-in that it acts by.

    Roles decide what is shown, never what is allowed.

    Attributes:
        platform: the service, opened for pages.
        sign_in: id of the sign-in; a secret of this browser session.
        known: what the service said of the sign-in when this run began.
    """

    platform: Platform
    sign_in: str
    known: SignIn

    @property
    def person(self) -> Person:
        """Who this page is drawn for."""
        return self.known.person

    @property
    def actor(self) -> str:
        """Id of the person who acts, asked of the service each time. Raises SignInOver once it is over."""
        return self.platform.access.actor(self.sign_in).id

    def has(self, *roles: str) -> bool:
        """Whether one of the roles is the person's."""
        return bool(set(roles) & set(self.person.roles))


def open_platform() -> Platform:
    """The platform that the environment names, in the words of the command line; SQLite in .state if none."""
    return Platform.open(
        Path(os.environ.get("DPSYNTH_STATE", ".state")),
        database=os.environ.get("DPSYNTH_DATABASE", ""),
        checkpoints=os.environ.get("DPSYNTH_CHECKPOINTS", ""),
        served=True,
    )
