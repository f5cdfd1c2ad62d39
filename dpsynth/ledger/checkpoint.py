"""Checkpoints: what the chain looked like at a moment, kept outside the database.

A hash chain proves nothing against someone who can put an old backup back: that backup verifies by itself.
A checkpoint in the hands of others does. Two checkpoints that differ about one entry show a forked history.

A sink that lost everything looks like a new one. So each sink holds a marker, and the chain knows its id.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from dpsynth.core.canonical import canonical_bytes
from dpsynth.core.errors import IntegrityError
from dpsynth.ledger.chain import hash_at, read_head
from dpsynth.ledger.links import PAYLOAD_TYPE, Checkpoint, checkpoint_bytes, parse_checkpoint
from dpsynth.ledger.schema import entries

__all__ = [
    "PAYLOAD_TYPE",
    "Checkpoint",
    "Marker",
    "checkpoint_bytes",
    "compare",
    "known_sinks",
    "marker_bytes",
    "now",
    "parse_checkpoint",
    "parse_marker",
]


@dataclass(frozen=True)
class Marker:
    """What a sink holds to be known again.

    Attributes:
        origin: id of the ledger that it witnesses.
        sink: id of the sink, drawn when the ledger first used it.
    """

    origin: str
    sink: str


def now(connection: Connection, time: str) -> Checkpoint:
    """The checkpoint of the ledger as it stands."""
    head = read_head(connection)
    return Checkpoint(hash_at(connection, min(1, head.seq)), head.seq, head.hash, time)


def compare(connection: Connection, known: Checkpoint) -> str:
    """What a checkpoint from outside says against this database; an empty text if nothing."""
    head = read_head(connection)
    if head.seq < known.seq:
        return (
            f"it ends at entry {head.seq} and a checkpoint of {known.time} knows entry {known.seq}: "
            "an older copy was put back"
        )
    if known.origin != hash_at(connection, min(1, head.seq)):
        return f"a checkpoint of {known.time} belongs to another ledger: this one was started anew"
    if hash_at(connection, known.seq) != known.hash:
        return f"entry {known.seq} is not the one that a checkpoint of {known.time} knows: history was forked"
    return ""


def marker_bytes(marker: Marker) -> bytes:
    """Canonical bytes: what lies in the sink."""
    return canonical_bytes(marker.__dict__)


def parse_marker(data: bytes) -> Marker:
    """Read a sink's marker back. Raises IntegrityError on any other form."""
    try:
        value: dict[str, Any] = json.loads(data)
        read = Marker(value["origin"], value["sink"])
        if marker_bytes(read) == data:
            return read
    except (ValueError, KeyError, TypeError):
        pass
    raise IntegrityError(
        "The marker of a checkpoint sink cannot be read",
        remedy="find out with an auditor what happened to it",
    )


def known_sinks(connection: Connection, after: int = 0) -> frozenset[str]:
    """Ids of the sinks that the chain knows, from the entries after number ``after``."""
    mention = entries.c.body.contains('"kind":"sink"', autoescape=True)
    rows = connection.execute(select(entries.c.body).where(entries.c.seq > after, mention))
    bodies = [json.loads(row.body) for row in rows]
    return frozenset(body["sink"] for body in bodies if body["kind"] == "sink")
