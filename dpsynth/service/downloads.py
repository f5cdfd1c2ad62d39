"""Published bundles for those who may have them. The ledger names each one before it is handed over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, Row, select

from dpsynth.core.canonical import sha256_hex
from dpsynth.core.errors import DpsynthError, PolicyRefusal
from dpsynth.ledger.chain import append
from dpsynth.ledger.store import Store
from dpsynth.publish.archive import zip_of
from dpsynth.publish.catalogue import Listed
from dpsynth.publish.keys import load_public_keys
from dpsynth.publish.revocation import REASONS
from dpsynth.publish.verify import Outside, verify_bundle
from dpsynth.service.extending import extension_file, file_name
from dpsynth.service.offered import READERS
from dpsynth.service.people import require_role
from dpsynth.service.proving import revocation_list
from dpsynth.service.published import as_it_stands, require_published
from dpsynth.service.requests import request_row
from dpsynth.service.signing import bundle_path
from dpsynth.service.tables import requests

__all__ = ["Bundle", "Download", "downloads", "fetch"]

_WIDE = {"compliance_officer", "data_owner", "auditor"}


@dataclass(frozen=True)
class Download:
    """A release that this person may know of.

    Attributes:
        id: of its request.
        state: published, expiring (within 30 days), expired, revoked, or damaged: its files here are not
            those that were signed.
        why: what the public is told of a revocation, or "".
        expires: when the permission ends, UTC; "" for a damaged one.
        rows: how many rows, in the words of the statement; "" for a damaged one.
    """

    id: str
    dataset_id: str
    synthesizer: str
    state: Literal["published", "expiring", "expired", "revoked", "damaged"]
    why: str
    epsilon: str
    delta: str
    rows: str
    expires: str
    purpose: str

    @property
    def offered(self) -> bool:
        """Whether it may be fetched."""
        return self.state in ("published", "expiring")


@dataclass(frozen=True)
class Bundle:
    """A bundle as one ZIP file: its name, its bytes, and their SHA-256, which the ledger names.

    ``extension`` is the signed later end of its permission, for verifiers; None where it has none.
    """

    name: str
    data: bytes
    sha256: str
    extension: bytes | None
    extension_name: str


def downloads(store: Store, home: Path, actor: str) -> tuple[Download, ...]:
    """One's own releases, newest first; those who answer for releases know of all."""
    now = datetime.now(UTC)
    with store.read() as connection:
        someone = require_role(connection, actor, *READERS)
        query = select(requests).where(requests.c.state.in_(("published", "revoked")))
        if not set(someone.roles) & _WIDE:
            query = query.where(requests.c.requester == actor)
        rows = connection.execute(query.order_by(requests.c.number.desc())).all()
        return tuple(_download(connection, home, row, now) for row in rows)


def _download(connection: Connection, home: Path, row: Row[tuple[object, ...]], now: datetime) -> Download:
    said = _said(connection, home, row, now)
    gone = "revoked" if row.state == "revoked" else "damaged"
    return Download(
        id=row.id,
        dataset_id=row.dataset_id,
        synthesizer=row.synthesizer,
        state=gone if said is None else said.state,  # type: ignore[arg-type]
        why=""
        if said is None or said.revoked is None
        else REASONS.get(said.revoked.reason, "another reason"),
        epsilon=row.epsilon,
        delta=row.delta,
        rows="" if said is None else str(said.statement["rows"]),
        expires="" if said is None else said.until,
        purpose=row.purpose,
    )


def _said(connection: Connection, home: Path, row: Row[tuple[object, ...]], now: datetime) -> Listed | None:
    try:
        return as_it_stands(connection, home, row, now)
    except (DpsynthError, OSError):
        return None


def fetch(store: Store, home: Path, actor: str, request_id: str) -> Bundle:
    """The bundle of a published release, verified first.

    Raises BadInput for a request that the actor may not see, Conflict where it is not published,
    PolicyRefusal where it has expired or is too large, IntegrityError where it does not verify.
    """
    now = datetime.now(UTC)
    with store.read() as connection:
        require_role(connection, actor, *READERS)
        row = request_row(connection, actor, request_id)
        _require_offered(connection, home, row, now)
        extension = extension_file(connection, home, row)
        outside = Outside(revocations=revocation_list(connection, home), extension=extension)
    folder = bundle_path(home, row)
    # The list was signed a moment after ``now``.
    verify_bundle(folder, load_public_keys(home / "keys"), datetime.now(UTC), outside)
    data = zip_of(folder)
    found = Bundle(f"{folder.name}.zip", data, sha256_hex(data), extension, file_name(row.id))
    with store.write() as connection:
        require_role(connection, actor, *READERS)
        # It may have been revoked while it was packed.
        _require_offered(connection, home, request_row(connection, actor, request_id), now)
        append(connection, "view", actor=actor, request=row.id, what="published bundle", sha256=found.sha256)
    return found


def _require_offered(connection: Connection, home: Path, row: Row[tuple[object, ...]], now: datetime) -> None:
    require_published(row)
    if as_it_stands(connection, home, row, now).state == "expired":
        raise PolicyRefusal(
            "The permission to use this release has expired",
            allowed="releases within their time",
            remedy="delete your copies, and ask for another release if you need one",
        )
