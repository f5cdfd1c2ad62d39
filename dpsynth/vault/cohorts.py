"""Proof that a snapshot holds new people only: keyed hashes of their ids, compared with earlier snapshots.

Under ``refresh: new_units_only`` each snapshot of an id space holds units that no other snapshot holds, so
each has a budget of its own (block composition of a growing database: Lecuyer et al. 2019). The hashes are
keyed with a secret of this installation, lie beside its secrets, and never leave it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from dpsynth.core.canonical import sha256_hex
from dpsynth.core.errors import IntegrityError, PolicyRefusal
from dpsynth.policy.model import Policy
from dpsynth.vault.sources import RawTable

__all__ = ["check_new_units", "keep_cohort"]

_BYTES = 16


def _hashes(raw: RawTable, policy: Policy, key: bytes) -> set[bytes]:
    column = policy.privacy_unit.id_column
    if column is None:
        raise PolicyRefusal("New units cannot be told without an id column", remedy="use refresh: none")
    ids = {text.strip() for text in raw.columns[column]} - {""}
    return {hmac.new(key, text.encode(), hashlib.sha256).digest()[:_BYTES] for text in ids}


def _folder(home: Path, policy: Policy) -> Path:
    return home / "secrets" / "units" / policy.privacy_unit.id_space


def _name(snapshot: str) -> str:
    return f"{sha256_hex(snapshot.encode())[:32]}.bin"


def _read(path: Path, digests: Mapping[str, str]) -> set[bytes]:
    data = path.read_bytes()
    if digests.get(path.name) != sha256_hex(data):
        raise IntegrityError(
            "The record of which units earlier snapshots held is not what the ledger says",
            remedy="register nothing new in this id space; restore the record from a backup",
        )
    return {data[at : at + _BYTES] for at in range(0, len(data), _BYTES)}


def check_new_units(
    raw: RawTable, policy: Policy, key: bytes, home: Path, digests: Mapping[str, str]
) -> None:
    """Raises PolicyRefusal when any unit was in another snapshot of the id space.

    Args:
        raw: the new snapshot's rows.
        key: secret of this installation.
        home: state directory.
        digests: file name to SHA-256 of every record that must be there, as the ledger tells.
    """
    folder, own = _folder(home, policy), _name(policy.source.snapshot)
    found = {path.name: path for path in folder.glob("*.bin")} if folder.exists() else {}
    if set(found) != set(digests):
        raise IntegrityError(
            "A record of which units earlier snapshots held is missing, or one is there that the ledger "
            "does not know",
            remedy="register nothing new in this id space; restore the record from a backup",
        )
    units = _hashes(raw, policy, key)
    if any(units & _read(path, digests) for name, path in found.items() if name != own):
        raise PolicyRefusal(
            "The snapshot holds people who were in an earlier snapshot",
            allowed="people that no earlier snapshot of this id space held (refresh: new_units_only)",
            remedy="leave them out, or use refresh: none, under which everybody's budget continues",
        )


def keep_cohort(
    raw: RawTable, policy: Policy, key: bytes, home: Path, digests: Mapping[str, str]
) -> tuple[str, str]:
    """Record the snapshot's units beside those of earlier tables of it; file name and SHA-256 of that."""
    folder, name = _folder(home, policy), _name(policy.source.snapshot)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    units = _hashes(raw, policy, key)
    if name in digests:
        units |= _read(folder / name, digests)
    data = b"".join(sorted(units))
    draft = folder / f"{name}.{os.getpid()}.part"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(folder / name)
    return name, sha256_hex(data)
