"""What an auditor may say of a release: that they read it, or that it must not go out."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Connection, Row, select, update

from dpsynth.core.canonical import digest
from dpsynth.core.errors import BadInput, Conflict, PolicyRefusal
from dpsynth.ledger.chain import append, read_head
from dpsynth.service import signins
from dpsynth.service.access_tables import objections, reviews
from dpsynth.service.clock import iso_now
from dpsynth.service.decisions import refuse_requester, signed_dossier
from dpsynth.service.desk import Desk
from dpsynth.service.people import require_role
from dpsynth.service.records import reason_sha256
from dpsynth.service.requests import request_row
from dpsynth.service.signing import sign, words_to_sign
from dpsynth.service.views import Dossier

__all__ = ["Objection", "Review", "Reviews"]

_FEWEST, _LONGEST = 10, 4000
_OPEN_STATES = ("awaiting_decision", "blocked", "approved")


@dataclass(frozen=True)
class Objection:
    """An auditor's objection. ``state`` is ``open`` or ``withdrawn``."""

    id: str
    person: str
    reason: str
    time: str
    state: str


@dataclass(frozen=True)
class Review:
    """An auditor's signature under the dossier: read, and no more than that."""

    person: str
    time: str


class Reviews(Desk):
    """Objections and reviews of releases."""

    def object(
        self, actor: str, request_id: str, dossier_sha256: str, reason: str, sign_in: str = ""
    ) -> Objection:
        """Bar a release until the objection is withdrawn or the release is rejected (auditors)."""
        if not _FEWEST <= len(reason.strip()) <= _LONGEST:
            raise BadInput(
                "An objection needs a reason",
                allowed=f"{_FEWEST} to {_LONGEST} characters",
                remedy="write what stands against the release",
            )
        with self._witnessed(), self._store.write() as connection:
            row, read = _read(connection, actor, request_id, dossier_sha256)
            proof = signins.proof(connection, actor, sign_in, self._served)
            found = _objections(connection, request_id)
            if any(one.person == actor and one.state == "open" for one in found):
                raise Conflict("You have objected already", remedy="nothing more to do")
            told = {"request": row.id, "actor": actor, "dossier_sha256": read.sha256}
            name = "o-" + digest({**told, "after": str(read_head(connection).seq)})[:12]
            said = Objection(name, actor, reason.strip(), iso_now(), "open")
            connection.execute(
                objections.insert().values(**said.__dict__, request_id=row.id, dossier_sha256=read.sha256)
            )
            words = reason_sha256(said.reason, read.body)
            append(connection, "object", objection=name, reason_sha256=words, **told, **proof)
        return said

    def withdraw(self, actor: str, objection: str, sign_in: str = "") -> None:
        """Take an objection of one's own back (auditors)."""
        with self._witnessed(), self._store.write() as connection:
            require_role(connection, actor, "auditor")
            row = connection.execute(select(objections).where(objections.c.id == objection)).first()
            if row is None or row.state != "open":
                raise Conflict("There is no open objection with this id", remedy="nothing was changed")
            if row.person != actor:
                raise PolicyRefusal(
                    "Only who objected takes an objection back",
                    allowed="one's own objection",
                    remedy="ask them, or have the release rejected",
                )
            proof = signins.proof(connection, actor, sign_in, self._served)
            changed = update(objections).where(objections.c.id == objection).values(state="withdrawn")
            connection.execute(changed)
            append(connection, "withdraw", objection=row.id, request=row.request_id, actor=actor, **proof)

    def review(self, actor: str, request_id: str, dossier_sha256: str, sign_in: str = "") -> Review:
        """Sign that one read the dossier (auditors). It approves nothing."""
        with self._witnessed(), self._store.write() as connection:
            row, read = _read(connection, actor, request_id, dossier_sha256)
            proof = signins.proof(connection, actor, sign_in, self._served)
            if any(one.person == actor for one in _reviews(connection, request_id)):
                raise Conflict("You have signed this already", remedy="nothing more to do")
            signature = sign(self._home, words_to_sign(self._home, row, read), actor)
            said = Review(actor, iso_now())
            values = {"request_id": row.id, "dossier_sha256": read.sha256, **said.__dict__}
            connection.execute(reviews.insert().values(signature=json.dumps(signature), **values))
            told = {"request": row.id, "actor": actor, "dossier_sha256": read.sha256}
            append(connection, "reviewed", **told, **proof)
        return said

    def of(self, actor: str, request_id: str) -> tuple[list[Objection], list[Review]]:
        """Objections and reviews of a release, oldest first, for those who may see its dossier."""
        with self._store.read() as connection:
            require_role(connection, actor, "compliance_officer", "data_owner", "auditor")
            refuse_requester(request_row(connection, actor, request_id), actor)
            return _objections(connection, request_id), _reviews(connection, request_id)


def _read(
    connection: Connection, actor: str, request_id: str, dossier_sha256: str
) -> tuple[Row[tuple[object, ...]], Dossier]:
    """The request and its dossier, if this auditor may still say something of it."""
    require_role(connection, actor, "auditor")
    row = request_row(connection, actor, request_id)
    refuse_requester(row, actor)
    if row.state not in _OPEN_STATES:
        raise Conflict(
            f"The request is {row.state}",
            allowed="releases that have run and are not published",
            remedy="nothing was changed",
        )
    read = signed_dossier(connection, row)
    if read.sha256 != dossier_sha256:
        raise Conflict(
            "The dossier changed since you opened it",
            allowed="the dossier as it is now",
            remedy="open it again and read what changed",
        )
    return row, read


def _objections(connection: Connection, request_id: str) -> list[Objection]:
    query = select(objections).where(objections.c.request_id == request_id).order_by(objections.c.time)
    rows = connection.execute(query).all()
    return [Objection(row.id, row.person, row.reason, row.time, row.state) for row in rows]


def _reviews(connection: Connection, request_id: str) -> list[Review]:
    query = select(reviews).where(reviews.c.request_id == request_id).order_by(reviews.c.time)
    return [Review(row.person, row.time) for row in connection.execute(query)]
