"""Attempts for one purpose: a counter, not a budget. It bounds how often people decide after looking."""

from __future__ import annotations

import unicodedata

from sqlalchemy import Connection, select, update

from dpsynth.core.canonical import digest
from dpsynth.core.errors import IntegrityError, PolicyRefusal
from dpsynth.ledger.schema import attempts

__all__ = ["attempt_id", "attempts_used", "check_attempts", "give_back_attempt", "use_attempt"]


def attempt_id(dataset: str, purpose: str) -> str:
    """Name of the counter of a purpose; spelling, case and spaces do not make another purpose."""
    words = " ".join(unicodedata.normalize("NFKC", purpose).casefold().split())
    return f"{dataset}:{digest(words)[:32]}"


def attempts_used(connection: Connection, counter: str) -> int:
    """How many charges that were not released count on it."""
    row = connection.execute(select(attempts.c.used).where(attempts.c.id == counter)).first()
    return 0 if row is None else int(row.used)


def check_attempts(connection: Connection, counter: str, allowed: int) -> None:
    """Raises PolicyRefusal when the counter shows as many attempts as are allowed."""
    if attempts_used(connection, counter) >= allowed:
        raise PolicyRefusal(
            "This purpose has used all its attempts",
            allowed=f"{allowed} attempts for one purpose, whoever asks",
            remedy="use a release that is published already; that costs nothing",
        )


def use_attempt(connection: Connection, counter: str, allowed: int) -> None:
    """Count one attempt; an empty name counts nothing. Raises PolicyRefusal when none is left."""
    if not counter:
        return
    check_attempts(connection, counter, allowed)
    used = attempts_used(connection, counter)
    if used or connection.execute(select(attempts.c.id).where(attempts.c.id == counter)).first():
        connection.execute(update(attempts).where(attempts.c.id == counter).values(used=used + 1))
    else:
        connection.execute(attempts.insert().values(id=counter, used=1))


def give_back_attempt(connection: Connection, counter: str) -> None:
    """A released hold looked at nothing: its attempt is free again."""
    if not counter:
        return
    used = attempts_used(connection, counter)
    if used < 1:
        raise IntegrityError("A counter of attempts is below zero", remedy="compare the state with a backup")
    connection.execute(update(attempts).where(attempts.c.id == counter).values(used=used - 1))
