"""The append-only hash chain: every change of state leaves an entry that commits to all before it.

Each entry holds a random salt, so that its hash can be shown to anybody (a release's ledger proof does) and
what it says cannot be found by guessing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select, update

from dpsynth.core.canonical import canonical_bytes
from dpsynth.core.errors import IntegrityError
from dpsynth.ledger.links import GENESIS, link
from dpsynth.ledger.schema import entries, head

__all__ = [
    "GENESIS",
    "Entry",
    "Head",
    "append",
    "entries_about",
    "hash_at",
    "links_until",
    "read_chain",
    "read_head",
    "texts_about",
    "verify_chain",
]

_FRAME = frozenset({"kind", "seq", "time", "salt"})
_OF_A_RUN = frozenset({"settled", "forfeited", "dossier"})
"""Written by a run after it opened the table."""
_REMEDY = "stop all work on this state, keep a copy, and compare it with the last backup"


@dataclass(frozen=True)
class Entry:
    """One link: sequence number, time, kind, body, its hash, and the salt that was hashed with them."""

    seq: int
    time: str
    kind: str
    body: dict[str, Any]
    hash: str
    salt: str = ""


@dataclass(frozen=True)
class Head:
    """The newest entry: number and hash; 0 and zeros for an empty chain."""

    seq: int
    hash: str


def read_head(connection: Connection) -> Head:
    """The newest entry, by the one row that every writer keeps."""
    row = connection.execute(select(head.c.seq, head.c.hash).where(head.c.id == 1)).one_or_none()
    if row is None:
        raise IntegrityError("The ledger has lost its head", remedy=_REMEDY)
    return Head(row.seq, row.hash)


def append(connection: Connection, kind: str, **body: Any) -> Entry:
    """Append an entry in the caller's transaction. hash = SHA-256(previous hash || canonical body).

    Raises whatever the database raises: an action whose entry cannot be written must not happen.
    """
    last = read_head(connection)
    full = {
        "kind": kind,
        "seq": last.seq + 1,
        "time": _time_of(kind),
        "salt": secrets.token_hex(16),
        **body,
    }
    encoded = canonical_bytes(full)
    found = link(last.hash, encoded)
    connection.execute(
        entries.insert().values(seq=last.seq + 1, body=encoded.decode(), prev=last.hash, hash=found)
    )
    connection.execute(update(head).values(seq=last.seq + 1, hash=found))
    return _entry(full, found)


def _time_of(kind: str) -> str:
    """Now: to the second, or to the hour where a run writes the entry.

    How long a run took depends on the rows, nobody paid for it, and a ledger proof shows these entries.
    """
    now = datetime.now(UTC)
    if kind in _OF_A_RUN:
        now = now.replace(minute=0, second=0)
    return now.isoformat(timespec="seconds")


def _entry(full: dict[str, Any], found: str) -> Entry:
    body = {key: value for key, value in full.items() if key not in _FRAME}
    return Entry(full["seq"], full["time"], full["kind"], body, found, full.get("salt", ""))


def read_chain(connection: Connection, after: int = 0) -> Iterator[Entry]:
    """Entries, oldest first, one at a time."""
    query = select(entries).where(entries.c.seq > after).order_by(entries.c.seq)
    with connection.execute(query.execution_options(yield_per=1000)) as rows:
        for row in rows:
            yield _entry(json.loads(row.body), row.hash)


def entries_about(connection: Connection, key: str) -> Iterator[Entry]:
    """Entries whose body names this charge or request, oldest first."""
    return (entry for entry, _ in texts_about(connection, key))


def texts_about(connection: Connection, key: str) -> Iterator[tuple[Entry, str]]:
    """The same entries, each with its body as it is hashed."""
    mention = select(entries).where(entries.c.body.contains(json.dumps(key), autoescape=True))
    for row in connection.execute(mention.order_by(entries.c.seq)):
        entry = _entry(json.loads(row.body), row.hash)
        if key in (entry.body.get("charge"), entry.body.get("request")):
            yield entry, row.body


def links_until(connection: Connection, seq: int) -> list[str]:
    """Hashes of the entries up to number ``seq``, oldest first."""
    query = select(entries.c.hash).where(entries.c.seq <= seq).order_by(entries.c.seq)
    return [str(row.hash) for row in connection.execute(query)]


def hash_at(connection: Connection, seq: int) -> str:
    """Hash of one entry, zeros for number 0, an empty text where there is none."""
    if seq == 0:
        return GENESIS
    row = connection.execute(select(entries.c.hash).where(entries.c.seq == seq)).one_or_none()
    return "" if row is None else str(row.hash)


def verify_chain(connection: Connection) -> int:
    """Recompute every hash. Returns the number of entries; raises IntegrityError naming the first bad one."""
    prev, expected = GENESIS, 1
    query = select(entries).order_by(entries.c.seq).execution_options(yield_per=1000)
    with connection.execute(query) as rows:
        for row in rows:
            if not _is_link(row.seq, row.body, row.prev, row.hash, expected, prev):
                raise IntegrityError(f"The ledger's hash chain is broken at entry {expected}", remedy=_REMEDY)
            prev, expected = row.hash, expected + 1
    if read_head(connection) != Head(expected - 1, prev):
        raise IntegrityError("The ledger's head is not its newest entry", remedy=_REMEDY)
    return expected - 1


def _is_link(seq: int, body: str, prev: str, found: str, expected: int, before: str) -> bool:
    """Whether a row is the entry that belongs at this place: number, hash, and a body in canonical form."""
    if (seq, prev) != (expected, before) or found != link(prev, body.encode()):
        return False
    try:
        full = json.loads(body)
        return bool(full["seq"] == seq and canonical_bytes(full).decode() == body)
    except (ValueError, TypeError, KeyError):
        return False
