"""Revoking a published release: the permission ends; copies stay where they are and budget stays spent."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Row, func, select, update

from dpsynth.core.errors import BadInput, Conflict, PolicyRefusal
from dpsynth.ledger.chain import append
from dpsynth.ledger.store import Store
from dpsynth.publish.inputs import utc_text
from dpsynth.publish.revocation import REASONS, REVOCATIONS
from dpsynth.service.people import require_role
from dpsynth.service.proving import revocation_list
from dpsynth.service.records import dossier_body, reason_sha256
from dpsynth.service.requests import request_row, show
from dpsynth.service.signins import SignedIn
from dpsynth.service.stopping import STOPPERS, told_reason
from dpsynth.service.tables import requests, revocations
from dpsynth.service.views import RequestView

__all__ = ["revoke", "write_list"]


def revoke(
    store: Store, home: Path, actor: str, request_id: str, said: tuple[str, str], by: SignedIn
) -> RequestView:
    """Revoke a published release, and write the signed list anew.

    Args:
        said: a reason for the review room, 10 to 4000 characters, and what the public is told, one of
            publish.revocation.REASONS.
        by: how it is known who revokes.

    Raises PolicyRefusal for other roles, for the requester and where a fresh sign-in is missing, Conflict
    where the release is not published.
    """
    words, kind = told_reason(said[0]), said[1]
    if kind not in REASONS:
        raise BadInput(
            "There is no such kind of reason", allowed=", ".join(sorted(REASONS)), remedy="name one of them"
        )
    with store.write() as connection:
        someone = require_role(connection, actor, *STOPPERS)
        row = request_row(connection, actor, request_id)
        _require_revocable(row, actor)
        known = by.proof(connection, actor)
        number = connection.execute(select(func.count()).select_from(revocations)).scalar_one() + 1
        role = next(role for role in STOPPERS if role in someone.roles)
        told = {"number": number, "request_id": request_id, "person": actor, "role": role, "kind": kind}
        moment = utc_text(datetime.now(UTC))
        connection.execute(revocations.insert().values(**told, reason=words, time=moment))
        message = f"Revoked on {moment}: {REASONS[kind]}. Copies cannot be recalled; the budget stays spent."
        connection.execute(
            update(requests).where(requests.c.id == request_id).values(state="revoked", message=message)
        )
        facts = {"number": number, "role": role, "reason": kind, "reason_sha256": _hidden(row, words)}
        append(connection, "revoke", request=request_id, actor=actor, moment=moment, **facts, **known)
    write_list(store, home)
    return show(store, actor, request_id)


def _require_revocable(row: Row[tuple[object, ...]], actor: str) -> None:
    if row.requester == actor:
        raise PolicyRefusal(
            "Nobody revokes their own release",
            allowed="a compliance officer or data owner who did not ask for it",
            remedy="ask a colleague",
        )
    if row.state != "published":
        raise Conflict(
            f"The request is {row.state}; only a published release can be revoked",
            allowed="published releases",
            remedy="nothing was changed",
        )


def _hidden(row: Row[tuple[object, ...]], words: str) -> str:
    """Digest of the reason, for the chain; the dossier's salt keeps it from being guessed."""
    return reason_sha256(words, dossier_body(row))


def write_list(store: Store, home: Path) -> bytes:
    """Sign the list as the ledger stands and put it in its place, whole or not at all; its bytes."""
    with store.read() as connection:
        data = revocation_list(connection, home)
    folder = home / "bundles"
    handle, name = tempfile.mkstemp(prefix=f".{REVOCATIONS}.", dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(folder / REVOCATIONS)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return data
