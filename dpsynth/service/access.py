"""Who may act, and how that is known: sign-ins, roles, keys, accounts, and the log of exact looks."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Connection, select

from dpsynth.core.errors import Conflict
from dpsynth.ledger.chain import append
from dpsynth.service import roles, signins
from dpsynth.service.access_tables import entries_of, proposals, sign_ins
from dpsynth.service.desk import Desk
from dpsynth.service.people import ADMIN, SERVICE, require_role
from dpsynth.service.people import person as person_of
from dpsynth.service.signins import Account, SignIn
from dpsynth.service.tables import people
from dpsynth.service.views import Person

__all__ = ["Access", "Look", "PersonKey", "Proposal"]

_KEY_USES = ("approve", "reviewed")


@dataclass(frozen=True)
class PersonKey:
    """A person as admins see them. Times are "" where there was none.

    Attributes:
        person: roles and the key in use.
        accounts: linked accounts, in words.
        made: when the key was made.
        used: when the key last signed.
        signed_in: when the last sign-in at a page began.
    """

    person: Person
    accounts: tuple[str, ...]
    made: str
    used: str
    signed_in: str


@dataclass(frozen=True)
class Proposal:
    """A change that one admin proposed. ``detail`` is a role or an account in words."""

    id: str
    kind: str
    person: str
    detail: str
    proposer: str
    proposed: str
    state: str
    decider: str


@dataclass(frozen=True)
class Look:
    """Somebody saw exact numbers of a request, or took a document about a dataset."""

    time: str
    person: str
    request: str
    what: str


class Access(Desk):
    """Sign-ins and roles. Every permission is read from the database in the transaction that acts."""

    def sign_in(self, account: Account) -> str:
        """The id of the sign-in of a verified token. Raises UnknownAccount, SignInOver or BadInput."""
        with self._witnessed():
            return signins.sign_in(self._store, account)

    def demo_sign_in(self, person: str) -> str:
        """Sign in as anybody on a demo state; the id of the sign-in. Raises PolicyRefusal elsewhere."""
        with self._witnessed():
            return signins.demo_sign_in(self._store, person)

    def actor(self, sign_in: str) -> Person:
        """The person of a sign-in. Raises SignInOver, or PolicyRefusal for somebody without a role."""
        with self._store.read() as connection:
            return signins.actor(connection, sign_in)

    def this(self, sign_in: str) -> SignIn:
        """The sign-in with its person, method and times."""
        with self._store.read() as connection:
            return signins.this(connection, sign_in)

    def sign_out(self, sign_in: str) -> None:
        """End a sign-in for good."""
        with self._witnessed():
            signins.sign_out(self._store, sign_in)

    @property
    def is_demo(self) -> bool:
        """Whether all keys of this state were made for demonstrations."""
        with self._store.read() as connection:
            return signins.is_demo(connection)

    def mark_demo(self) -> None:
        """Mark a state for demonstrations, before anybody has a key in it. Raises Conflict afterwards."""
        with self._witnessed(), self._store.write() as connection:
            if connection.execute(select(people.c.id).where(people.c.id != SERVICE)).first():
                raise Conflict(
                    "Keys of people were made in this state: it is no demonstration",
                    allowed="a state without people",
                    remedy="start another one with --state DIR",
                )
            append(connection, "demo")

    def propose(self, actor: str, kind: str, person: str, detail: str = "", sign_in: str = "") -> str:
        """Propose a change of roles, keys or accounts (admins, never about themselves); its id.

        Args:
            actor: an admin.
            kind: one of ``roles.KINDS``.
            person: whom it concerns.
            detail: the role, or ``roles.account_text``.
            sign_in: id of the actor's sign-in; needed where the platform is served.
        """
        with self._witnessed(), self._store.write() as connection:
            proof = self._proof(connection, actor, sign_in)
            return roles.propose(connection, actor, kind, person, detail, proof)

    def confirm(self, actor: str, proposal: str, sign_in: str = "") -> Person:
        """Put another admin's proposal into effect (admins, never about themselves)."""
        with self._witnessed(), self._store.write() as connection:
            proof = self._proof(connection, actor, sign_in)
            concerned = roles.confirm(connection, self._home, actor, proposal, proof)
            return person_of(connection, concerned)

    def withdraw(self, actor: str, proposal: str) -> None:
        """End a proposal that was not confirmed (admins)."""
        with self._witnessed(), self._store.write() as connection:
            roles.withdraw(connection, actor, proposal)

    def take(self, actor: str, person: str, role: str, sign_in: str = "") -> Person:
        """Take a role that is not admin, at once (admins)."""
        with self._witnessed(), self._store.write() as connection:
            self._proof(connection, actor, sign_in)
            return roles.take(connection, self._home, actor, person, role)

    def link(self, actor: str, person: str, account: str, sign_in: str = "") -> str:
        """Link an account; at set-up nobody needs to be named. The id of a proposal, or ""."""
        with self._witnessed(), self._store.write() as connection:
            proof = self._proof(connection, actor, sign_in)
            return roles.link(connection, actor, person, account, proof, self._served)

    def unlink(self, actor: str, account: str, sign_in: str = "") -> None:
        """Take an account away, at once; its person is signed out."""
        with self._witnessed(), self._store.write() as connection:
            self._proof(connection, actor, sign_in)
            roles.unlink(connection, actor, account, self._served)

    def _proof(self, connection: Connection, actor: str, sign_in: str) -> dict[str, str]:
        return signins.proof(connection, actor, sign_in, self._served)

    def proposals(self, actor: str) -> list[Proposal]:
        """Every proposal, oldest first (admins and auditors)."""
        with self._store.read() as connection:
            require_role(connection, actor, ADMIN, "auditor")
            found = connection.execute(select(proposals).order_by(proposals.c.proposed, proposals.c.id)).all()
        return [
            Proposal(
                row.id,
                row.kind,
                row.person,
                " ".join(json.loads(row.detail)) if row.kind == "link" else row.detail,
                row.proposer,
                row.proposed,
                row.state,
                row.decider,
            )
            for row in found
        ]

    def keys(self, actor: str) -> list[PersonKey]:
        """People with roles, keys and their last use, in order of id (admins and auditors)."""
        with self._store.read() as connection:
            require_role(connection, actor, ADMIN, "auditor")
            made = {e.body["person"]: e.time for e in entries_of(connection, "person")}
            used = {e.body["actor"]: e.time for e in entries_of(connection, *_KEY_USES)}
            rows = connection.execute(select(sign_ins).order_by(sign_ins.c.begun))
            seen = {row.person: row.begun for row in rows}
            query = select(people.c.id).where(people.c.id != SERVICE).order_by(people.c.id)
            everyone = [person_of(connection, name) for name in connection.execute(query).scalars().all()]
            return [
                PersonKey(
                    one,
                    roles.links_of(connection, one.id),
                    made[one.id],
                    used.get(one.id, ""),
                    seen.get(one.id, ""),
                )
                for one in everyone
            ]

    def looks(self, actor: str) -> list[Look]:
        """Who saw exact numbers of which request, newest first (auditors)."""
        with self._store.read() as connection:
            require_role(connection, actor, "auditor")
            return [
                Look(e.time, e.body["actor"], e.body.get("request") or e.body["dataset"], e.body["what"])
                for e in entries_of(connection, "view")
            ][::-1]
