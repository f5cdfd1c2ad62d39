"""Proof that a snapshot holds new people only: keyed hashes of their ids, compared with earlier snapshots.

Under ``refresh: new_units_only`` each snapshot of an id space holds units that no other snapshot holds, so
each has a budget of its own (block composition of a growing database: Lecuyer et al. 2019). The hashes are
keyed with a secret of this installation, lie beside its secrets, and never leave it.

A record is a file named by its own digest, written before the ledger names it: a registration that does not
go through leaves a file that nobody asks for, never a record that the ledger contradicts.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from dpsynth.core.canonical import sha256_hex
from dpsynth.core.errors import IntegrityError, PolicyRefusal
from dpsynth.policy.model import Policy
from dpsynth.vault.raw import RawTable

__all__ = ["file_mac", "id_text", "keep_cohort", "key_sha256"]

_BYTES = 16


def key_sha256(key: bytes) -> str:
    """Digest by which the ledger tells that a key is the one that made its records."""
    return sha256_hex(b"key of units" + key)


def file_mac(key: bytes, source_sha256: str) -> str:
    """Keyed hash by which the ledger knows a file again, while nobody can confirm a guess of its rows."""
    return hmac.new(key, b"source file" + source_sha256.encode(), hashlib.sha256).hexdigest()


def id_text(text: str) -> str:
    """An id as it is compared: two spellings that look the same to a reader are one person."""
    return unicodedata.normalize("NFC", text.strip())


def _hashes(raw: RawTable, policy: Policy, key: bytes) -> set[bytes]:
    column = policy.privacy_unit.id_column
    if column is None:
        raise PolicyRefusal("New units cannot be told without an id column", remedy="use refresh: none")
    ids = {id_text(text) for (texts,) in raw.blocks([column]) for text in texts.values} - {""}
    return {hmac.new(key, text.encode(), hashlib.sha256).digest()[:_BYTES] for text in ids}


def _read(folder: Path, sha256: str) -> set[bytes]:
    try:
        data = (folder / f"{sha256}.bin").read_bytes()
    except OSError:
        data = None
    if data is None or sha256_hex(data) != sha256:
        raise IntegrityError(
            "A record of which units earlier snapshots held is missing, or not what the ledger says",
            remedy="register nothing new in this id space; restore the record from a backup",
        )
    return {data[at : at + _BYTES] for at in range(0, len(data), _BYTES)}


def keep_cohort(raw: RawTable, policy: Policy, key: bytes, home: Path, records: Mapping[str, str]) -> str:
    """Record the snapshot's units, with those of other tables of it; SHA-256 of the record.

    Raises PolicyRefusal when any unit was in another snapshot of the id space, IntegrityError when a record
    is not there as it was.

    Args:
        raw: the snapshot's rows.
        policy: names id space, snapshot and id column.
        key: secret of this installation.
        home: state directory.
        records: snapshot to SHA-256 of its newest record, as the ledger tells.
    """
    folder = home / "secrets" / "units" / policy.privacy_unit.id_space
    earlier = {snapshot: _read(folder, sha256) for snapshot, sha256 in records.items()}
    same = earlier.pop(policy.source.snapshot, set())
    units = _hashes(raw, policy, key)
    if any(units & others for others in earlier.values()):
        raise PolicyRefusal(
            "The snapshot holds people who were in an earlier snapshot",
            allowed="people that no earlier snapshot of this id space held (refresh: new_units_only)",
            remedy="leave them out: everybody's budget is that of the snapshot that held them first",
        )
    return _write(folder, b"".join(sorted(units | same)))


def _write(folder: Path, data: bytes) -> str:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    sha256 = sha256_hex(data)
    draft = folder / f"{sha256}.{secrets.token_hex(4)}.part"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(folder / f"{sha256}.bin")
    return sha256
