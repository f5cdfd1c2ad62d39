"""Published releases as those who answer for them see them: how each stands, what waits for signatures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from dpsynth.ledger.store import Store
from dpsynth.publish.catalogue import Listed
from dpsynth.publish.revocation import REASONS
from dpsynth.service.extending import last_days
from dpsynth.service.people import require_role
from dpsynth.service.published import as_it_stands
from dpsynth.service.registry import parsed_policy
from dpsynth.service.stopping import STOPPERS
from dpsynth.service.tables import extension_signatures, extensions, requests

__all__ = ["READERS", "ExtensionView", "ReleaseView", "asked_for", "list_releases", "listed_releases"]

READERS = (*STOPPERS, "auditor")


@dataclass(frozen=True)
class ExtensionView:
    """An extension that waits for signatures. ``until``: the permission would end then (UTC).

    ``signed`` holds person, role and time of each signature; ``waiting_for`` the roles that are asked.
    """

    id: str
    until: str
    proposer: str
    reason: str
    signed: tuple[tuple[str, str, str], ...]
    waiting_for: tuple[str, ...]


@dataclass(frozen=True)
class ReleaseView:
    """One published release.

    Attributes:
        request: its id.
        state: published, expiring (the permission ends within 30 days), expired or revoked.
        guarantee: the promise, as its public statement says it.
        stated: the end of the permission that the release itself states (UTC).
        until: the end that holds, an extension included.
        revoked: when and why it was revoked, in words, or "".
        first_day, last_day: days that an extension may name as the last one; equal or reversed: none.
        waiting: an extension that waits for signatures.
    """

    request: str
    dataset_id: str
    title: str
    requester: str
    state: str
    guarantee: str
    issued: str
    stated: str
    until: str
    revoked: str
    first_day: str
    last_day: str
    waiting: ExtensionView | None


def listed_releases(
    connection: Connection, home: Path, now: datetime
) -> list[tuple[Row[tuple[object, ...]], Listed]]:
    """Every release that was ever published, newest first, with its public facts at a moment."""
    asked = select(requests).where(requests.c.state.in_(("published", "revoked")))
    rows: list[Any] = list(connection.execute(asked.order_by(requests.c.number.desc())).all())
    return [(row, as_it_stands(connection, home, row, now)) for row in rows]


def list_releases(store: Store, home: Path, actor: str) -> list[ReleaseView]:
    """Every release that was ever published, newest first (officers, data owners and auditors).

    Raises IntegrityError where a statement is not the one that was signed.
    """
    now = datetime.now(UTC)
    with store.read() as connection:
        require_role(connection, actor, *READERS)
        return [_view(connection, home, row, one, now) for row, one in listed_releases(connection, home, now)]


def asked_for(store: Store, actor: str) -> int:
    """How many proposed extensions wait for this person, who has not signed one and is not its requester."""
    signed = select(extension_signatures.c.extension_id).where(extension_signatures.c.person == actor)
    query = select(requests).join(extensions, extensions.c.request_id == requests.c.id)
    query = query.where(extensions.c.state == "proposed", extensions.c.id.not_in(signed))
    with store.read() as connection:
        someone = require_role(connection, actor, *READERS)
        rows = connection.execute(query.where(requests.c.state == "published")).all()
    mine = set(someone.roles)
    policies = [parsed_policy(row.policy_text, row.dataset_id) for row in rows if row.requester != actor]
    return sum(bool(mine & set(policy.approval.roles)) for policy in policies)


def _view(
    connection: Connection, home: Path, row: Row[tuple[object, ...]], one: Listed, now: datetime
) -> ReleaseView:
    said, revoked = one.statement, one.revoked
    guarantee = said["guarantee"]
    first, last = last_days(connection, home, row, now)
    return ReleaseView(
        request=row.id,
        dataset_id=row.dataset_id,
        title=said["policy"]["title"],
        requester=row.requester,
        state=one.state,
        guarantee=f"epsilon {guarantee['epsilon']} at delta {guarantee['delta']}, rho {guarantee['rho']}",
        issued=said["issued"],
        stated=said["expires"],
        until=one.until,
        revoked="" if revoked is None else f"{revoked.time}: {REASONS.get(revoked.reason, 'another reason')}",
        first_day=first,
        last_day=last,
        waiting=_waiting(connection, row),
    )


def _waiting(connection: Connection, row: Row[tuple[object, ...]]) -> ExtensionView | None:
    mine = (extensions.c.request_id == row.id) & (extensions.c.state == "proposed")
    found = connection.execute(select(extensions).where(mine)).first()
    if found is None or row.state != "published":
        return None
    query = select(extension_signatures).where(extension_signatures.c.extension_id == found.id)
    made = [
        (s.person, s.role, s.time) for s in connection.execute(query.order_by(extension_signatures.c.time))
    ]
    roles = parsed_policy(row.policy_text, row.dataset_id).approval.roles
    absent = tuple(role for role in roles if role not in {each[1] for each in made})
    return ExtensionView(
        found.id,
        found.until,
        found.proposer,
        found.reason,
        tuple(made),
        absent or ("another approver",),
    )
