"""The append-only hash chain: every change of state leaves an entry that commits to all before it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select, update

from dpsynth.core.canonical import canonical_bytes, sha256_hex
from dpsynth.core.errors import IntegrityError
from dpsynth.ledger.schema import entries, head

__all__ = [
    "GENESIS",
    "Entry",
    "Head",
    "append",
    "entries_about",
    "hash_at",
    "read_chain",
    "read_head",
    "verify_chain",
]

GENESIS = "0" * 64
_REMEDY = "stop all work on this state, keep a copy, and compare it with the last backup"


@dataclass(frozen=True)
class Entry:
    """One link: sequence number, time, kind, body and its hash."""

    seq: int
    time: str
    kind: str
    body: dict[str, Any]
    hash: str


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
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **body,
    }
    encoded = canonical_bytes(full)
    link = sha256_hex(last.hash.encode() + encoded)
    connection.execute(
        entries.insert().values(seq=last.seq + 1, body=encoded.decode(), prev=last.hash, hash=link)
    )
    connection.execute(update(head).values(seq=last.seq + 1, hash=link))
    return _entry(full, link)


def _entry(full: dict[str, Any], link: str) -> Entry:
    body = {key: value for key, value in full.items() if key not in {"kind", "seq", "time"}}
    return Entry(full["seq"], full["time"], full["kind"], body, link)


def read_chain(connection: Connection, after: int = 0) -> Iterator[Entry]:
    """Entries, oldest first, one at a time."""
    query = select(entries).where(entries.c.seq > after).order_by(entries.c.seq)
    with connection.execute(query.execution_options(yield_per=1000)) as rows:
        for row in rows:
            yield _entry(json.loads(row.body), row.hash)


def entries_about(connection: Connection, key: str) -> Iterator[Entry]:
    """Entries whose body names this charge or request, oldest first."""
    mention = select(entries).where(entries.c.body.contains(json.dumps(key), autoescape=True))
    for row in connection.execute(mention.order_by(entries.c.seq)):
        entry = _entry(json.loads(row.body), row.hash)
        if key in (entry.body.get("charge"), entry.body.get("request")):
            yield entry


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


def _is_link(seq: int, body: str, prev: str, link: str, expected: int, before: str) -> bool:
    """Whether a row is the entry that belongs at this place: number, hash, and a body in canonical form."""
    if (seq, prev) != (expected, before) or link != sha256_hex(prev.encode() + body.encode()):
        return False
    try:
        full = json.loads(body)
        return bool(full["seq"] == seq and canonical_bytes(full).decode() == body)
    except (ValueError, TypeError, KeyError):
        return False
