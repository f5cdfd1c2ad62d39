"""What every command knows: the state directory, who acts, and the platform, opened when first needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpsynth.core.errors import BadInput

if TYPE_CHECKING:
    from dpsynth.service import Platform

__all__ = ["LONGEST_TEXT", "AsJson", "Session", "checked_text", "session"]

LONGEST_TEXT = 4000
"""Characters that a purpose, a reason or a list of recipients may have."""

AsJson = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document on stdout.")]


@dataclass(frozen=True)
class Session:
    """Where the state lies and who acts.

    Attributes:
        state: the state directory.
        person: id of the acting person, or None.
        database: URL of a PostgreSQL server, or "" for SQLite in the state directory.
        checkpoints: sinks outside, as ``dir:PATH`` or ``git:PATH``, separated by commas.
    """

    state: Path
    person: str | None
    database: str = ""
    checkpoints: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The same database and sinks, for a process of its own."""
        return {"DPSYNTH_DATABASE": self.database, "DPSYNTH_CHECKPOINTS": self.checkpoints}

    def platform(self) -> Platform:
        """The platform on this state. Raises BadInput when the directory cannot be used."""
        from dpsynth.service import Platform  # heavy: only the commands that need it pay for it

        try:
            return Platform.open(self.state, database=self.database, checkpoints=self.checkpoints)
        except OSError as error:
            reason = error.strerror or "input or output failed"
            raise BadInput(
                f"The state directory {self.state} cannot be used ({reason})",
                allowed="a directory that you may write to",
                remedy="name another one with --state or DPSYNTH_STATE",
            ) from error

    def actor(self) -> str:
        """Id of the acting person. Raises BadInput when nobody was named."""
        if not self.person:
            raise BadInput(
                "This command needs to know who acts",
                allowed="the id of a person that `dpsynth people list` shows",
                remedy="name yourself: `dpsynth --as PERSON ...`, or set DPSYNTH_USER",
            )
        return self.person


def session(context: typer.Context) -> Session:
    """The session that the root command put into the context."""
    found = context.find_object(Session)
    if found is None:
        raise LookupError("a command ran without the root command")
    return found


def checked_text(name: str, text: str) -> str:
    """A free text within the cap. Raises BadInput naming the cap."""
    if len(text) > LONGEST_TEXT:
        raise BadInput(
            f"The {name} is too long",
            allowed=f"at most {LONGEST_TEXT} characters",
            remedy="shorten it; say what an approver has to know",
        )
    return text
