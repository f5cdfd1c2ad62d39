"""What people sign, and what is built from it: always recomputed from the files, never remembered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Row

from dpsynth.core.errors import IntegrityError
from dpsynth.publish.attestation import manifest, sign_statement, statement_bytes
from dpsynth.publish.bundle import build_bundle, rehearse_bundle
from dpsynth.publish.keys import load_private_key, load_public_keys
from dpsynth.publish.verify import verify_bundle
from dpsynth.service.people import SERVICE
from dpsynth.service.views import Dossier

__all__ = ["bundle", "bundle_path", "rehearse", "sign", "words_to_sign"]


def words_to_sign(home: Path, row: Row[tuple[object, ...]], dossier: Dossier) -> bytes:
    """The statement about the candidate's files. Raises IntegrityError if they are not the dossier's."""
    candidate = home / "candidates" / row.id
    if json.loads(manifest(candidate))["files"] != dossier.body["files"]:
        raise IntegrityError(
            "The files of the release are not those that the dossier describes",
            allowed="the very files that were audited",
            remedy="stop, and tell an auditor: somebody or something changed them",
        )
    return statement_bytes(candidate, requester=row.requester, dossier_sha256=dossier.sha256)


def sign(home: Path, words: bytes, person: str) -> dict[str, str]:
    """One signature with the person's key (basic mode: the key lies in the state directory)."""
    return sign_statement(words, load_private_key(home / "secrets" / f"{person}.pem"))


def bundle_path(home: Path, row: Row[tuple[object, ...]]) -> Path:
    """Where the bundle of a request stands once it is published."""
    return home / "bundles" / f"release-{row.id}"


def rehearse(
    home: Path, row: Row[tuple[object, ...]], words: bytes, signatures: Sequence[dict[str, str]]
) -> bytes:
    """Build and verify the bundle apart, before the ledger says that it is published; its manifest.

    Raises IntegrityError also where something else stands in the bundle's place.
    """
    candidate = home / "candidates" / row.id
    everyone = [*signatures, sign(home, words, SERVICE)]
    rehearse_bundle(candidate, words, everyone, trust=load_public_keys(home / "keys"), now=datetime.now(UTC))
    _stands(home, row)
    return manifest(candidate)


def _stands(home: Path, row: Row[tuple[object, ...]]) -> bool:
    """Whether the bundle stands in its place already. Raises IntegrityError where another thing does."""
    target = bundle_path(home, row)
    if not target.exists():
        return False
    verify_bundle(target, load_public_keys(home / "keys"), datetime.now(UTC))
    if (target / "manifest.json").read_bytes() != manifest(home / "candidates" / row.id):
        raise IntegrityError(
            "Another bundle stands where this one belongs", remedy="stop, and tell an auditor"
        )
    return True


def bundle(
    home: Path,
    row: Row[tuple[object, ...]],
    words: bytes,
    signatures: Sequence[dict[str, str]],
    proof: bytes,
) -> Path:
    """Build the bundle, or accept the one that a publish which died half-way left, if it verifies."""
    target = bundle_path(home, row)
    if not _stands(home, row):
        everyone = [*signatures, sign(home, words, SERVICE)]
        trust, now = load_public_keys(home / "keys"), datetime.now(UTC)
        build_bundle(home / "candidates" / row.id, target, words, everyone, proof, trust=trust, now=now)
    return target
