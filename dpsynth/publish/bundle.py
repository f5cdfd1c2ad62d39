"""Publishing: the candidate's bytes and the signatures become a bundle that verifies, or nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from dpsynth.publish.attestation import envelope
from dpsynth.publish.files import (
    ATTESTATION,
    MANIFEST,
    PROOF,
    UNLISTED,
    list_tree,
    read_file,
    whole_directory,
    write_file,
)
from dpsynth.publish.keys import TrustRoot
from dpsynth.publish.verify import VerifyReport, verify_bundle

__all__ = ["build_bundle", "rehearse_bundle"]

_LIMIT = 2**31


def _fill(work: Path, candidate_dir: Path, statement: bytes, signatures: Sequence[Mapping[str, str]]) -> None:
    for name in list_tree(candidate_dir):
        if name == MANIFEST or name not in UNLISTED:
            write_file(work / name, read_file(candidate_dir, name, _LIMIT))
    write_file(work / ATTESTATION, envelope(statement, signatures))


def rehearse_bundle(
    candidate_dir: Path,
    statement: bytes,
    signatures: Sequence[Mapping[str, str]],
    *,
    trust: TrustRoot,
    now: datetime,
) -> VerifyReport:
    """Build the bundle apart, verify it, and throw it away: what must hold before the ledger says published.

    Raises IntegrityError on whatever :func:`dpsynth.publish.verify.verify_bundle` refuses but the proof,
    which the ledger cannot give yet.
    """
    with tempfile.TemporaryDirectory(prefix=".rehearsal-", dir=candidate_dir.parent) as folder:
        _fill(Path(folder), candidate_dir, statement, signatures)
        return verify_bundle(Path(folder), trust, now, proven=False)


def build_bundle(
    candidate_dir: Path,
    target_dir: Path,
    statement: bytes,
    signatures: Sequence[Mapping[str, str]],
    proof: bytes,
    *,
    trust: TrustRoot,
    now: datetime,
) -> VerifyReport:
    """Build the bundle of an approved release at ``target_dir``, whole or absent.

    The copy is verified offline, from its own clean directory, before it gets its name. A key that signed
    twice counts once. Raises Conflict if the target exists, and IntegrityError on whatever
    :func:`dpsynth.publish.verify.verify_bundle` refuses: too few distinct signers, a wrong role, any change,
    a ``proof`` that tells another story.
    """
    with whole_directory(target_dir) as work:
        _fill(work, candidate_dir, statement, signatures)
        write_file(work / PROOF, proof)
        return verify_bundle(work, trust, now)
