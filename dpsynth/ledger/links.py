"""What the chain and its checkpoints are made of, as values: who verifies offline needs no database."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from dpsynth.core.canonical import canonical_bytes, sha256_hex
from dpsynth.core.errors import IntegrityError

__all__ = ["GENESIS", "PAYLOAD_TYPE", "Checkpoint", "checkpoint_bytes", "link", "parse_checkpoint"]

GENESIS = "0" * 64
PAYLOAD_TYPE = "application/vnd.dpsynth.ledger-checkpoint+json"


def link(previous: str, body: bytes) -> str:
    """Hash of an entry: SHA-256(hash of the one before, in hex || canonical body)."""
    return sha256_hex(previous.encode() + body)


@dataclass(frozen=True)
class Checkpoint:
    """The head of one ledger at one moment.

    Attributes:
        origin: id of the ledger: the hash of its first entry.
        seq: number of the newest entry.
        hash: its hash.
        time: when it was taken, ISO 8601, UTC.
    """

    origin: str
    seq: int
    hash: str
    time: str


def checkpoint_bytes(checkpoint: Checkpoint) -> bytes:
    """Canonical bytes: what is signed."""
    return canonical_bytes({**checkpoint.__dict__, "seq": str(checkpoint.seq)})


def parse_checkpoint(payload: bytes) -> Checkpoint:
    """Read signed bytes back. Raises IntegrityError on any other form."""
    try:
        value: dict[str, Any] = json.loads(payload)
        read = Checkpoint(value["origin"], int(value["seq"]), value["hash"], value["time"])
        if checkpoint_bytes(read) == payload:
            return read
    except (ValueError, KeyError, TypeError):
        pass
    raise IntegrityError("A checkpoint cannot be read", remedy="ask for it again where it came from")
