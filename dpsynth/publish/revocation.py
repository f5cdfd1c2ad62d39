"""revocations.json: which releases may no longer be used, in one list that the service signs whole.

The list says of itself how many releases it revokes (a number that only grows), up to which entry of the
ledger it speaks, and until when a newer one should be asked for. So what can be told offline is

- that it is not the service's, or not whole: its signature or its form does not hold;
- that it belongs to another ledger;
- that it is older than the release: it ends before the entry that published it, or revokes fewer releases
  than the ledger knew when the release's proof was made;
- that it is out of date: its own day has passed.

What cannot be told: that somebody held back a newer list before that day. Whoever needs to know earlier asks
the publisher.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]

from dpsynth.core.canonical import canonical_bytes
from dpsynth.core.errors import IntegrityError
from dpsynth.publish import dsse
from dpsynth.publish.files import parse_canonical
from dpsynth.publish.inputs import utc_text
from dpsynth.publish.keys import TrustRoot
from dpsynth.publish.ledger_proof import Proof

__all__ = ["REASONS", "REVOCATIONS", "SENTENCE", "Revoked", "check_revocations", "sign_revocations"]

REVOCATIONS = "revocations.json"
PAYLOAD_TYPE = "application/vnd.dpsynth.revocations+json"
GOOD_DAYS = 30
"""For how many days a list is taken as up to date."""

SENTENCE = (
    "Copies of a published release cannot be recalled. Expiry ends the permission and makes verify fail; "
    "revocation adds a signed list entry with a reason. Privacy budget that was spent does not come back."
)
"""What is true of expiry and revocation; printed wherever a release is published or revoked."""

REASONS: Mapping[str, str] = {
    "promise": "the stated promise does not hold or is in doubt",
    "fault": "the data or the way they were made are faulty",
    "permission": "the permission was withdrawn or should not have been given",
    "replaced": "another release takes its place",
    "other": "another reason",
}
"""Coarse reasons that the public is told; the words that were written stay in the review room."""

_FIELDS = {"origin", "number", "entry", "time", "next", "revoked", "note"}


@dataclass(frozen=True)
class Revoked:
    """One revoked release: its id, when (UTC, as ``2026-01-31T12:00:00Z``), and a key of REASONS."""

    release_id: str
    time: str
    reason: str


def _refuse(what: str, remedy: str = "fetch the list again from the publisher") -> NoReturn:
    raise IntegrityError(f"{REVOCATIONS}: {what}", remedy=remedy)


def sign_revocations(
    revoked: Sequence[Revoked], origin: str, entry: int, now: datetime, key: CryptoSigner
) -> bytes:
    """The signed list of a ledger, up to its entry number ``entry``, good for GOOD_DAYS from ``now``."""
    value = {
        "origin": origin,
        "number": str(len(revoked)),
        "entry": str(entry),
        "time": utc_text(now),
        "next": utc_text(now + timedelta(days=GOOD_DAYS)),
        "revoked": [one.__dict__ for one in revoked],
        "note": SENTENCE,
    }
    payload = canonical_bytes(value)
    return dsse.pack(payload, PAYLOAD_TYPE, [dsse.sign(payload, PAYLOAD_TYPE, key)], REVOCATIONS)


def _moment(value: dict[str, Any], name: str) -> datetime:
    try:
        return datetime.strptime(value[name], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (TypeError, ValueError):
        _refuse(f"{name} is not a UTC time")


def _read(data: bytes, trust: TrustRoot) -> tuple[dict[str, Any], tuple[Revoked, ...]]:
    value = parse_canonical(dsse.unpack_of_service(data, PAYLOAD_TYPE, trust, REVOCATIONS), REVOCATIONS)
    if set(value) != _FIELDS or not isinstance(value["revoked"], list):
        _refuse("it is not a list of revoked releases")
    try:
        revoked = tuple(Revoked(**one) for one in value["revoked"])
        whole = int(value["number"]) == len(revoked) and int(value["entry"]) >= 0
    except (TypeError, ValueError):
        revoked, whole = (), False
    if not whole:
        _refuse("it is not a list of revoked releases with its number")
    return value, revoked


def check_revocations(data: bytes, trust: TrustRoot, proof: Proof, now: datetime) -> str:
    """That a release is not on the list, in a line for people.

    Raises IntegrityError, naming the list, where it says nothing about this release (see the module), and
    naming the release where it is revoked.
    """
    value, revoked = _read(data, trust)
    if value["origin"] != proof.checkpoint.origin:
        _refuse("it is the list of another ledger")
    for one in revoked:
        if one.release_id == proof.release_id:
            raise IntegrityError(
                f"{proof.release_id} was revoked on {one.time}: {REASONS.get(one.reason, 'another reason')}",
                remedy=f"stop using it and delete your copies. {SENTENCE}",
            )
    if int(value["entry"]) < proof.published or int(value["number"]) < proof.revocations:
        _refuse("it is older than the release and says nothing about it")
    if now < _moment(value, "time"):
        _refuse(f"it was signed on {value['time']}, which is in the future of this clock")
    if now >= _moment(value, "next"):
        _refuse(f"it was good until {value['next']}; newer revocations may be missing")
    return (
        f"revocations: list {value['number']} of {value['time']} does not name it; good until {value['next']}"
    )
