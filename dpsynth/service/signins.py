"""Sign-ins: who a page acts for, since when, until when, and when that person was last asked who they are.

The id of a sign-in is a secret of the browser session; the database keeps its digest only. One token of a
provider gives one id, so a reloaded page finds its sign-in again and a token that was signed out of stays
dead, though the provider's cookie lives on.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, Row, delete, select, update

from dpsynth.core.canonical import digest, sha256_hex
from dpsynth.core.errors import BadInput, Conflict, PolicyRefusal
from dpsynth.ledger.chain import append
from dpsynth.ledger.store import Store
from dpsynth.service.access_tables import accounts, entries_of, sign_ins
from dpsynth.service.clock import iso_at, iso_now, unix_now, unix_of
from dpsynth.service.people import person
from dpsynth.service.views import Person

__all__ = [
    "FRESH_SECONDS",
    "LONGEST_SECONDS",
    "Account",
    "NotFresh",
    "SignIn",
    "SignInOver",
    "SignedIn",
    "UnknownAccount",
    "account_sha256",
    "actor",
    "demo_sign_in",
    "is_demo",
    "link",
    "proof",
    "sign_in",
    "sign_out",
    "this",
    "unlink",
]

FRESH_SECONDS = 600
"""How long after being asked who they are somebody may decide."""

LONGEST_SECONDS = 8 * 3600
"""How long a sign-in lasts: a working day, however long the provider's cookie lives."""

_SKEW_SECONDS = 120
_SHORTEST_NONCE = 16
_LONGEST_TEXT = 255


class UnknownAccount(PolicyRefusal):
    """The provider knows this account, and nobody here is linked with it (exit 3)."""


class SignInOver(PolicyRefusal):
    """The sign-in expired, was ended, or never was (exit 3)."""


class NotFresh(PolicyRefusal):
    """The person was asked too long ago who they are (exit 3)."""


@dataclass(frozen=True)
class Account:
    """What a provider said in an identity token whose signature, audience and nonce were verified.

    Attributes:
        issuer: ``iss``.
        subject: ``sub``.
        nonce: ``nonce``; at least 16 characters, never used twice.
        issued: ``iat``, seconds since the epoch.
        auth_time: ``auth_time``, when the person was last asked, or None.
        asked: whether the provider was told to ask the person again; ``iat`` counts as ``auth_time`` then.
        email: ``email`` if ``email_verified`` is true, or "".
    """

    issuer: str
    subject: str
    nonce: str
    issued: int
    auth_time: int | None = None
    asked: bool = False
    email: str = ""


@dataclass(frozen=True)
class SignIn:
    """A sign-in as its person sees it. ``authenticated`` is "" where it is not known."""

    person: Person
    method: str
    authenticated: str
    expires: str
    fresh: bool


def sign_in(store: Store, account: Account) -> str:
    """The id of the sign-in that belongs to this token, begun now if it is new.

    Raises UnknownAccount, SignInOver for a token older than a sign-in may be, BadInput for a malformed one.
    """
    _check(account)
    told = [account.issuer, account.subject, account.nonce, str(account.issued)]
    name = digest({"token": told})
    with store.read() as connection:
        if _row(connection, name) is not None:
            return name
    with store.write() as connection:
        if _row(connection, name) is None:
            someone = _person_of(connection, account)
            asked = account.auth_time if account.auth_time is not None else account.issued
            known = account.auth_time is not None or account.asked
            times = (account.issued, asked if known else None)
            _begin(connection, name, someone, "oidc", times)
    return name


def _check(account: Account) -> None:
    texts = (account.issuer, account.subject, account.nonce)
    times = (account.issued, account.issued if account.auth_time is None else account.auth_time)
    latest = unix_now() + _SKEW_SECONDS
    if (
        not all(0 < len(text) <= _LONGEST_TEXT for text in texts)
        or len(account.nonce) < _SHORTEST_NONCE
        or not all(0 < time <= latest for time in times)
    ):
        raise BadInput(
            "The provider's identity token lacks a fact that a sign-in needs",
            allowed="iss, sub, a nonce of at least 16 characters, iat and auth_time not in the future",
            remedy="have the provider's set-up and this machine's clock checked",
        )
    if account.issued + LONGEST_SECONDS <= unix_now():
        raise SignInOver(
            "This sign-in is over",
            allowed=f"{LONGEST_SECONDS // 3600} hours after signing in",
            remedy="sign in again",
        )


def _person_of(connection: Connection, account: Account) -> str:
    """The linked person. A link by verified e-mail becomes one by subject at its first use."""
    found = _linked(connection, account.issuer, "subject", account.subject)
    if found is None and account.email:
        found = _linked(connection, account.issuer, "email", account.email.casefold())
        if found is not None:
            _bind(connection, account, found)
    if found is None:
        raise UnknownAccount(
            "Nobody here is linked with this account",
            allowed="accounts that `dpsynth people link` linked with a person",
            remedy="ask an admin to link it",
        )
    return found


def _linked(connection: Connection, issuer: str, kind: str, name: str) -> str | None:
    query = select(accounts.c.person).where(
        accounts.c.issuer == issuer, accounts.c.kind == kind, accounts.c.name == name
    )
    return connection.execute(query).scalar_one_or_none()


def _bind(connection: Connection, account: Account, someone: str) -> None:
    unlink(connection, account.issuer, "email", account.email.casefold())
    link(connection, account.issuer, "subject", account.subject, someone)


def account_sha256(issuer: str, kind: str, name: str) -> str:
    """What the chain calls an account: it is for good, and no place for somebody's address."""
    return digest({"issuer": issuer, "kind": kind, "name": name})


def link(connection: Connection, issuer: str, kind: str, name: str, someone: str, **told: str) -> None:
    """Link an account with a person, in the caller's transaction. Raises Conflict where it is linked."""
    if _linked(connection, issuer, kind, name) is not None:
        raise Conflict("This account is linked already", remedy="unlink it first")
    connection.execute(accounts.insert().values(issuer=issuer, kind=kind, name=name, person=someone))
    append(connection, "link", account=account_sha256(issuer, kind, name), person=someone, **told)


def unlink(connection: Connection, issuer: str, kind: str, name: str, **told: str) -> None:
    """Take a link away, and end what was begun by it. Raises Conflict where there is none."""
    someone = _linked(connection, issuer, kind, name)
    if someone is None:
        raise Conflict("This account is not linked", remedy="nothing was changed")
    connection.execute(
        delete(accounts).where(accounts.c.issuer == issuer, accounts.c.kind == kind, accounts.c.name == name)
    )
    append(connection, "unlink", account=account_sha256(issuer, kind, name), person=someone, **told)
    query = select(sign_ins).where(sign_ins.c.person == someone, sign_ins.c.ended == "")
    for row in connection.execute(query).all():
        _end(connection, row)


def demo_sign_in(store: Store, person_id: str) -> str:
    """Begin a sign-in as anybody, on a state that was made for demonstrations. Raises PolicyRefusal."""
    name = secrets.token_urlsafe(32)
    with store.write() as connection:
        if not is_demo(connection):
            raise PolicyRefusal(
                "This state holds keys of real people: nobody signs in without proof",
                allowed="the demo sign-in on a state that `dpsynth demo` made",
                remedy="make one with `dpsynth --state DIR demo`, or configure a provider",
            )
        _begin(connection, name, person(connection, person_id).id, "demo", (unix_now(), unix_now()))
    return name


def is_demo(connection: Connection) -> bool:
    """Whether the state was marked for demonstrations before anybody had a key in it."""
    return any(True for _ in entries_of(connection, "demo"))


def _begin(
    connection: Connection, name: str, someone: str, method: str, times: tuple[int, int | None]
) -> None:
    issued, asked = times
    told = {
        "person": someone,
        "method": method,
        "authenticated": "" if asked is None else iso_at(min(asked, unix_now())),
        "expires": iso_at(min(issued, unix_now()) + LONGEST_SECONDS),
    }
    sha256 = sha256_hex(name.encode())
    connection.execute(sign_ins.insert().values(id_sha256=sha256, begun=iso_now(), ended="", **told))
    append(connection, "sign in", sign_in=sha256, **told)


def _row(connection: Connection, name: str) -> Row[tuple[object, ...]] | None:
    query = select(sign_ins).where(sign_ins.c.id_sha256 == sha256_hex(name.encode()))
    return connection.execute(query).first()


def _live(connection: Connection, name: str) -> Row[tuple[object, ...]]:
    row = _row(connection, name)
    if row is None or row.ended or iso_now() >= row.expires:
        raise SignInOver(
            "This sign-in is over",
            allowed=f"{LONGEST_SECONDS // 3600} hours after signing in, until signing out",
            remedy="sign in again",
        )
    return row


def actor(connection: Connection, name: str) -> Person:
    """The person of a sign-in that lasts. Raises SignInOver, PolicyRefusal for somebody without a role."""
    someone = person(connection, _live(connection, name).person)
    if not someone.roles:
        raise PolicyRefusal(
            "You have no role here",
            allowed="people with a role",
            remedy="ask an admin to propose one",
        )
    return someone


def this(connection: Connection, name: str) -> SignIn:
    """What the person of a sign-in may know of it."""
    someone, row = actor(connection, name), _live(connection, name)
    return SignIn(someone, row.method, row.authenticated, row.expires, _is_fresh(row.authenticated))


def _is_fresh(authenticated: str) -> bool:
    return bool(authenticated) and unix_now() - unix_of(authenticated) <= FRESH_SECONDS


def sign_out(store: Store, name: str) -> None:
    """End a sign-in for good. One that is over already stays so."""
    with store.write() as connection:
        row = _row(connection, name)
        if row is not None and not row.ended:
            _end(connection, row)


def _end(connection: Connection, row: Row[tuple[object, ...]]) -> None:
    connection.execute(update(sign_ins).where(sign_ins.c.id_sha256 == row.id_sha256).values(ended=iso_now()))
    append(connection, "sign out", sign_in=row.id_sha256, person=row.person)


def proof(connection: Connection, person_id: str, name: str, served: bool) -> dict[str, str]:
    """How it is known that this person decides: what the entry of a decision says of it.

    Args:
        connection: the transaction of the decision.
        person_id: who decides.
        name: id of their sign-in; "" at the command line.
        served: whether the platform was opened for pages, which act for people at other machines. There a
            decision without a sign-in is refused; elsewhere whoever can open the state acts as they say.

    Raises SignInOver, NotFresh, or PolicyRefusal for a sign-in that is missing or somebody else's.
    """
    if not name and not served:
        return {"method": "cli", "authenticated": ""}
    if not name or actor(connection, name).id != person_id:
        raise PolicyRefusal(
            "A decision on a page needs the sign-in of the person who decides",
            allowed="one's own sign-in",
            remedy="sign in again",
        )
    row = _live(connection, name)
    if not _is_fresh(row.authenticated):
        raise NotFresh(
            "It is too long ago that you showed who you are",
            allowed=f"decisions within {FRESH_SECONDS // 60} minutes of showing it",
            remedy="confirm who you are, then decide again",
        )
    return {"method": row.method, "authenticated": row.authenticated}


@dataclass(frozen=True)
class SignedIn:
    """What a shell brought to show who decides: the id of a sign-in, or nothing at the command line."""

    sign_in: str
    served: bool

    def proof(self, connection: Connection, actor: str) -> dict[str, str]:
        """As the function of this name."""
        return proof(connection, actor, self.sign_in, self.served)
