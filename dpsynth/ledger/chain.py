"""The append-only hash chain: every change of state leaves an entry that commits to all before it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from dpsynth.core.canonical import canonical_bytes, sha256_hex
from dpsynth.core.errors import IntegrityError
from dpsynth.ledger.store import entries

__all__ = ["Entry", "append", "read_chain", "verify_chain"]

_GENESIS = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One link: sequence number, time, kind, body and its hash."""

    seq: int
    time: str
    kind: str
    body: dict[str, Any]
    hash: str


def append(connection: Connection, kind: str, **body: Any) -> Entry:
    """Append an entry in the caller's transaction. hash = SHA-256(previous hash || canonical body).

    Raises whatever the database raises: an action whose entry cannot be written must not happen.
    """
    last = connection.execute(select(entries).order_by(entries.c.seq.desc()).limit(1)).first()
    seq, prev = (last.seq + 1, last.hash) if last is not None else (1, _GENESIS)
    full = {"kind": kind, "seq": seq, "time": datetime.now(UTC).isoformat(timespec="seconds"), **body}
    encoded = canonical_bytes(full)
    link = sha256_hex(prev.encode() + encoded)
    connection.execute(entries.insert().values(seq=seq, body=encoded.decode(), prev=prev, hash=link))
    return _entry(full, link)


def _entry(full: dict[str, Any], link: str) -> Entry:
    body = {key: value for key, value in full.items() if key not in {"kind", "seq", "time"}}
    return Entry(full["seq"], full["time"], full["kind"], body, link)


def read_chain(connection: Connection) -> list[Entry]:
    """All entries, oldest first."""
    rows = connection.execute(select(entries).order_by(entries.c.seq))
    return [_entry(json.loads(row.body), row.hash) for row in rows]


def verify_chain(connection: Connection) -> int:
    """Recompute every hash. Returns the number of entries; raises IntegrityError naming the first bad one."""
    prev, expected = _GENESIS, 1
    for row in connection.execute(select(entries).order_by(entries.c.seq)):
        whole = row.seq == expected and row.prev == prev
        if not whole or row.hash != sha256_hex(prev.encode() + row.body.encode()):
            raise IntegrityError(
                f"The ledger's hash chain is broken at entry {expected}",
                remedy="stop all work on this state, keep a copy, and compare it with the last backup",
            )
        prev, expected = row.hash, expected + 1
    return expected - 1
