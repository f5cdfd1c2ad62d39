"""Extending the permission to use a release: proposed by one approver, in force when as many have signed as
the policy asks for. The release itself never changes; the signed extension lies beside it."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Row, select, update

from dpsynth.core.errors import BadInput, Conflict, PolicyRefusal
from dpsynth.ledger.chain import append
from dpsynth.ledger.store import Store
from dpsynth.policy.model import Policy
from dpsynth.publish import extension
from dpsynth.publish.extension import Extendable, check_extension, extension_bytes
from dpsynth.publish.inputs import utc_text
from dpsynth.publish.keys import load_private_key, load_public_keys
from dpsynth.publish.targets import put_file
from dpsynth.service.clock import iso_now
from dpsynth.service.decisions import refuse_requester
from dpsynth.service.outbox import post
from dpsynth.service.pausing import require_open
from dpsynth.service.people import SERVICE, person, require_role
from dpsynth.service.published import (
    extended_until,
    extension_in_force,
    manifest_sha256,
    require_published,
    signed_statement,
)
from dpsynth.service.records import dossier_body, reason_sha256
from dpsynth.service.registry import dataset, parsed_policy
from dpsynth.service.requests import request_row
from dpsynth.service.signins import SignedIn
from dpsynth.service.stopping import told_reason
from dpsynth.service.tables import extension_signatures, extensions

__all__ = ["extension_file", "file_name", "last_days", "propose", "sign", "withdraw"]

Request = Row[tuple[object, ...]]


def file_name(request_id: str) -> str:
    """Name of the signed extension, beside the bundles."""
    return f"extension-{request_id}.json"


def _approver(connection: Connection, actor: str, row: Request) -> Policy:
    """The release's policy, if the actor may sign for the release. Raises PolicyRefusal."""
    policy = parsed_policy(row.policy_text, row.dataset_id)
    require_role(connection, actor, *policy.approval.roles)
    refuse_requester(row, actor)
    return policy


def _words(connection: Connection, home: Path, row: Request, proposed: str, until: str) -> bytes:
    expires = str(signed_statement(connection, home, row)["expires"])
    about = Extendable(row.id, manifest_sha256(connection, row.id), expires)
    return extension_bytes(about, proposed, until)


def propose(
    store: Store, home: Path, actor: str, request_id: str, said: tuple[str, str], by: SignedIn
) -> str:
    """Propose a later end of a published release's permission, and sign for it; the proposal's id.

    Args:
        said: the last day of the permission, ``2027-01-31`` (UTC), and why, 10 to 4000 characters.
        by: how it is known who proposes.

    Raises BadInput for a day out of reach, Conflict where another proposal waits, PolicyRefusal for people
    who may not sign for this release and while the dataset is paused or withdrawn.
    """
    reason, name = told_reason(said[1]), "x-" + secrets.token_hex(6)
    with store.write() as connection:
        row = request_row(connection, actor, request_id)
        policy = _approver(connection, actor, row)
        require_published(row)
        require_open(connection, row.dataset_id)
        _refuse_second(connection, request_id)
        known = by.proof(connection, actor)
        now = datetime.now(UTC).replace(microsecond=0)
        until = _until(said[0], *last_days(connection, home, row, now))
        told = {"proposer": actor, "proposed": utc_text(now), "until": until}
        connection.execute(
            extensions.insert().values(id=name, request_id=row.id, state="proposed", reason=reason, **told)
        )
        hidden = reason_sha256(reason, dossier_body(row))
        facts = {"extension": name, "request": row.id, "until": until, "proposed": told["proposed"]}
        append(connection, "extension proposed", actor=actor, reason_sha256=hidden, **facts)
        _sign(connection, home, actor, row, policy, name, known)
    return name


def last_days(connection: Connection, home: Path, row: Request, now: datetime) -> tuple[str, str]:
    """The first and the last day (as ``2027-01-31``, UTC) that an extension may name as the last one.

    An extension ends later than the permission does now, and reaches as far as a release that is issued now:
    by the policy of the release, or by the one in force where that is stricter.
    """
    stated = str(signed_statement(connection, home, row)["expires"])
    ends = datetime.fromisoformat(max(stated, extended_until(connection, row.id)))
    of_release = parsed_policy(row.policy_text, row.dataset_id).release.expires_after_days
    in_force = dataset(connection, row.dataset_id).policy.release.expires_after_days
    latest = now + timedelta(days=min(of_release, in_force))
    return ends.date().isoformat(), (latest.date() - timedelta(days=1)).isoformat()


def _refuse_second(connection: Connection, request_id: str) -> None:
    waiting = (extensions.c.request_id == request_id) & (extensions.c.state == "proposed")
    if connection.execute(select(extensions.c.id).where(waiting)).first():
        raise Conflict(
            "Another extension of this release waits for signatures",
            allowed="one proposal at a time",
            remedy="sign it, or withdraw it first",
        )


def _until(day: str, first: str, last: str) -> str:
    """The moment at which the named day is over, if it lies between these two."""
    try:
        found = date.fromisoformat(day)
    except ValueError:
        found = date.min
    if not first <= found.isoformat() <= last:
        raise BadInput(
            "The permission cannot be extended to that day",
            allowed=f"a day from {first} to {last}, as far as the policy lets a new release live"
            if first <= last
            else "nothing now: the permission reaches as far as the policy lets a new release live",
            remedy="name a day like 2027-01-31",
        )
    return utc_text(datetime(found.year, found.month, found.day, tzinfo=UTC) + timedelta(days=1))


def _open_proposal(connection: Connection, name: str) -> Row[tuple[object, ...]]:
    found = connection.execute(select(extensions).where(extensions.c.id == name)).first()
    if found is None or found.state != "proposed":
        raise Conflict(
            "No proposed extension with this id waits",
            allowed="extensions that wait for signatures",
            remedy="look at the releases again; nothing was changed",
        )
    return found


def sign(store: Store, home: Path, actor: str, name: str, by: SignedIn) -> bool:
    """Sign a proposed extension; whether it is in force now. Raises Conflict, PolicyRefusal."""
    with store.write() as connection:
        found = _open_proposal(connection, name)
        row = request_row(connection, actor, found.request_id)
        policy = _approver(connection, actor, row)
        require_published(row)
        require_open(connection, row.dataset_id)
        mine = (extension_signatures.c.extension_id == name) & (extension_signatures.c.person == actor)
        if connection.execute(select(extension_signatures).where(mine)).first():
            raise Conflict("You have already signed this extension", remedy="nothing more to do")
        if utc_text(datetime.now(UTC)) >= found.until:
            raise PolicyRefusal(
                "The end that this extension proposes has passed", remedy="withdraw it and propose another"
            )
        known = by.proof(connection, actor)
        complete = _sign(connection, home, actor, row, policy, name, known)
        data = extension_file(connection, home, row) if complete else None
    if data is not None:
        put_file(str(home / "bundles"), file_name(row.id), data)
    return complete


def _sign(
    connection: Connection,
    home: Path,
    actor: str,
    row: Request,
    policy: Policy,
    name: str,
    known: dict[str, str],
) -> bool:
    """Write one signature down; whether the extension is in force by it."""
    found = _open_proposal(connection, name)
    words = _words(connection, home, row, found.proposed, found.until)
    made = _signed(connection, name)
    roles = person(connection, actor).roles
    mine = [role for role in policy.approval.roles if role in roles]
    role = next((one for one in mine if one not in {each.role for each in made}), mine[0])
    signature = extension.sign(words, load_private_key(home / "secrets" / f"{actor}.pem"))
    values = {"extension_id": name, "person": actor, "role": role, "time": iso_now()}
    connection.execute(extension_signatures.insert().values(**values, signature=json.dumps(signature)))
    append(connection, "extension signed", extension=name, request=row.id, actor=actor, role=role, **known)
    if not _complete(connection, name, policy):
        post(connection, "your_turn", row.id)
        return False
    connection.execute(update(extensions).where(extensions.c.id == name).values(state="in force"))
    append(connection, "extended", extension=name, request=row.id, until=found.until)
    post(connection, "decided", row.id)
    return True


def _signed(connection: Connection, name: str) -> list[Row[tuple[object, ...]]]:
    """Signatures of people who still have the role in which they signed."""
    query = select(extension_signatures).where(extension_signatures.c.extension_id == name)
    rows = connection.execute(query.order_by(extension_signatures.c.time)).all()
    return [row for row in rows if row.role in person(connection, row.person).roles]


def _complete(connection: Connection, name: str, policy: Policy) -> bool:
    made = _signed(connection, name)
    enough = len({one.person for one in made}) >= policy.approval.approvers
    return enough and {one.role for one in made} >= set(policy.approval.roles)


def withdraw(store: Store, actor: str, name: str) -> None:
    """End a proposal that is not in force (whoever may sign for the release)."""
    with store.write() as connection:
        found = _open_proposal(connection, name)
        row = request_row(connection, actor, found.request_id)
        _approver(connection, actor, row)
        connection.execute(update(extensions).where(extensions.c.id == name).values(state="withdrawn"))
        append(connection, "extension withdrawn", extension=name, request=row.id, actor=actor)


def extension_file(connection: Connection, home: Path, row: Request) -> bytes | None:
    """The signed extension in force of a release, verified; None where there is none.

    Who has lost a role since stays among the signers, as in the release itself.
    """
    found = extension_in_force(connection, row.id)
    if found is None:
        return None
    words = _words(connection, home, row, found.proposed, found.until)
    made = select(extension_signatures).where(extension_signatures.c.extension_id == found.id)
    signatures = [json.loads(one.signature) for one in connection.execute(made)]
    service = extension.sign(words, load_private_key(home / "secrets" / f"{SERVICE}.pem"))
    data = extension.pack(words, [*signatures, service])
    expires = str(signed_statement(connection, home, row)["expires"])
    about = Extendable(row.id, manifest_sha256(connection, row.id), expires)
    policy = parsed_policy(row.policy_text, row.dataset_id)
    check_extension(data, load_public_keys(home / "keys"), about, policy, row.requester, datetime.now(UTC))
    return data
