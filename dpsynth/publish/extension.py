"""extension.json: a later end of the permission to use one release, signed as the release itself was.

It lies beside the bundle, which never changes. It names the manifest of the release by its digest, so it
holds for these very files and no others, and the end of permission that the release states. The same rule as
for the release decides who must have signed: as many people as its policy asks for, in its roles, none of
them the requester, and the service. No extension reaches further from the day on which it was proposed than
the policy lets a new release live; a longer one would be a new decision, not this one.

An extension gives nothing back that a revocation took: a revoked release stays revoked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]

from dpsynth.core.canonical import canonical_bytes
from dpsynth.core.errors import IntegrityError
from dpsynth.policy.model import Policy
from dpsynth.publish import dsse
from dpsynth.publish.approvals import approvers_of, check_approvals, people_text
from dpsynth.publish.files import parse_canonical
from dpsynth.publish.keys import TrustRoot

__all__ = ["EXTENSION", "Extendable", "Extended", "check_extension", "extension_bytes", "pack", "sign"]

EXTENSION = "extension.json"
PAYLOAD_TYPE = "application/vnd.dpsynth.extension+json"

_NOTE = "The permission ends later than the release states. A revocation ends it all the same."
_FIELDS = {"release_id", "manifest_sha256", "expires", "proposed", "until", "note"}


@dataclass(frozen=True)
class Extendable:
    """The release that an extension is about: its id, digest of its manifest, and the end that it states."""

    release_id: str
    manifest_sha256: str
    expires: str


@dataclass(frozen=True)
class Extended:
    """A verified extension: until when (UTC, as ``2026-01-31T12:00:00Z``), and who signed, in words."""

    until: datetime
    people: str


def _refuse(what: str, remedy: str = "ask the publisher for the right one") -> NoReturn:
    raise IntegrityError(f"{EXTENSION}: {what}", remedy=remedy)


def extension_bytes(release: Extendable, proposed: str, until: str) -> bytes:
    """What people sign. Both times in UTC, as ``2026-01-31T12:00:00Z``."""
    value = {**release.__dict__, "proposed": proposed, "until": until, "note": _NOTE}
    return canonical_bytes(value)


def sign(payload: bytes, key: CryptoSigner) -> dict[str, str]:
    """One person's signature."""
    return dsse.sign(payload, PAYLOAD_TYPE, key)


def pack(payload: bytes, signatures: Sequence[Mapping[str, str]]) -> bytes:
    """The file's bytes."""
    return dsse.pack(payload, PAYLOAD_TYPE, signatures, EXTENSION)


def _moment(value: Mapping[str, Any], name: str) -> datetime:
    try:
        return datetime.strptime(value[name], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (TypeError, ValueError):
        _refuse(f"{name} is not a UTC time")


def check_extension(
    data: bytes, trust: TrustRoot, release: Extendable, policy: Policy, requester: object, now: datetime
) -> Extended:
    """Verify an extension of this very release. It may have ended already: the caller compares.

    Args:
        data: the file.
        trust: the keys.
        release: the release at hand.
        policy: that of the release.
        requester: who asked for the release.
        now: with time zone.

    Raises IntegrityError naming what fails.
    """
    payload, signers = dsse.unpack(data, PAYLOAD_TYPE, trust, EXTENSION)
    approvers = approvers_of(signers, trust, EXTENSION)
    check_approvals(policy, approvers, requester, EXTENSION)
    value = parse_canonical(payload, EXTENSION)
    if set(value) != _FIELDS:
        _refuse("it is no extension of a permission")
    if any(value[name] != told for name, told in release.__dict__.items()):
        _refuse("it is about another release, or other files of it")
    proposed, until = _moment(value, "proposed"), _moment(value, "until")
    if now < proposed:
        _refuse(f"it was proposed on {value['proposed']}, which is in the future of this clock")
    if until <= _moment(value, "expires"):
        _refuse("it does not end later than the release itself")
    if until - proposed > timedelta(days=policy.release.expires_after_days):
        _refuse(
            f"it reaches further than the {policy.release.expires_after_days} days that the policy allows"
        )
    return Extended(until, people_text(approvers))
