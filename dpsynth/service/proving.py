"""What the ledger says of a release, signed for people outside: its proof, and the list of revocations."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, func, select

from dpsynth.ledger.chain import hash_at, links_until, read_head, texts_about
from dpsynth.ledger.checkpoint import PAYLOAD_TYPE, checkpoint_bytes, now
from dpsynth.publish.dsse import pack, sign
from dpsynth.publish.keys import load_private_key
from dpsynth.publish.ledger_proof import OWN_KINDS, sign_proof
from dpsynth.publish.revocation import Revoked, sign_revocations
from dpsynth.service.clock import iso_now
from dpsynth.service.people import SERVICE
from dpsynth.service.tables import revocations

__all__ = ["proof_of", "revocation_list", "revoked_releases"]


def proof_of(connection: Connection, home: Path, request_id: str) -> bytes:
    """The ledger proof of a published release, up to a checkpoint of the ledger as it stands."""
    key = load_private_key(home / "secrets" / f"{SERVICE}.pem")
    at = now(connection, iso_now())
    payload = checkpoint_bytes(at)
    checkpoint = pack(payload, PAYLOAD_TYPE, [sign(payload, PAYLOAD_TYPE, key)], "checkpoint")
    texts = [text for entry, text in texts_about(connection, request_id) if entry.kind in OWN_KINDS]
    count = connection.execute(select(func.count()).select_from(revocations)).scalar_one()
    return sign_proof(request_id, texts, links_until(connection, at.seq), checkpoint, count, key)


def revoked_releases(connection: Connection) -> tuple[Revoked, ...]:
    """Every revoked release, in the order in which they were revoked."""
    rows = connection.execute(select(revocations).order_by(revocations.c.number))
    return tuple(Revoked(row.request_id, row.time, row.kind) for row in rows)


def revocation_list(connection: Connection, home: Path) -> bytes:
    """The signed list of the ledger as it stands."""
    key = load_private_key(home / "secrets" / f"{SERVICE}.pem")
    origin, head = hash_at(connection, 1), read_head(connection)
    return sign_revocations(revoked_releases(connection), origin, head.seq, datetime.now(UTC), key)
