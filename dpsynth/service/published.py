"""A published release as the ledger and its signed statement describe it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from dpsynth.core.canonical import sha256_hex
from dpsynth.core.errors import Conflict, IntegrityError
from dpsynth.ledger.chain import entries_about
from dpsynth.publish.catalogue import Listed, listed
from dpsynth.publish.files import read_file
from dpsynth.service.decisions import signed_dossier
from dpsynth.service.proving import revoked_releases
from dpsynth.service.requests import told_state
from dpsynth.service.signing import bundle_path
from dpsynth.service.tables import extensions

__all__ = [
    "as_it_stands",
    "extended_until",
    "extension_in_force",
    "manifest_sha256",
    "require_published",
    "signed_statement",
]

_STATEMENT = "privacy-statement.json"
_LIMIT = 2**22


def require_published(row: Row[tuple[object, ...]]) -> None:
    """Raises Conflict unless the request is published and not revoked."""
    if row.state != "published":
        raise Conflict(
            f"The request is {told_state(row)}, not published",
            allowed="a release that is published and not revoked",
            remedy="nothing was done",
        )


def signed_statement(connection: Connection, home: Path, row: Row[tuple[object, ...]]) -> dict[str, Any]:
    """The public statement of a bundle, if it is the one that was signed."""
    data = read_file(bundle_path(home, row), _STATEMENT, _LIMIT)
    if sha256_hex(data) != signed_dossier(connection, row).body["files"][_STATEMENT]["sha256"]:
        raise IntegrityError(
            f"The statement of release {row.id} is not the one that was signed",
            remedy="stop, verify the bundle, and tell an auditor",
        )
    read: dict[str, Any] = json.loads(data)
    return read


def as_it_stands(connection: Connection, home: Path, row: Row[tuple[object, ...]], now: datetime) -> Listed:
    """A release that was ever published, with its state at a moment and its public facts."""
    revoked = {one.release_id: one for one in revoked_releases(connection)}
    statement = signed_statement(connection, home, row)
    return listed(statement, revoked.get(row.id), now, extended_until(connection, row.id))


def extended_until(connection: Connection, request_id: str) -> str:
    """The end of the newest extension in force, or "" where there is none."""
    row = extension_in_force(connection, request_id)
    return "" if row is None else str(row.until)


def extension_in_force(connection: Connection, request_id: str) -> Row[tuple[object, ...]] | None:
    """The extension in force that reaches furthest; None where there is none."""
    mine = (extensions.c.request_id == request_id) & (extensions.c.state == "in force")
    query = select(extensions).where(mine).order_by(extensions.c.until.desc())
    found: Row[tuple[object, ...]] | None = connection.execute(query).first()
    return found


def manifest_sha256(connection: Connection, request_id: str) -> str:
    """Digest of the manifest with which the ledger says that a release was published."""
    told = [
        one.body["manifest_sha256"] for one in entries_about(connection, request_id) if one.kind == "publish"
    ]
    return str(told[-1])
