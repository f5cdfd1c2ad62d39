"""Publishing: the candidate's bytes and the signatures become a bundle that verifies, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from dpsynth.publish.attestation import envelope
from dpsynth.publish.files import ATTESTATION, list_tree, read_file, whole_directory, write_file
from dpsynth.publish.keys import TrustRoot
from dpsynth.publish.verify import VerifyReport, verify_bundle

__all__ = ["build_bundle"]

_LIMIT = 2**31


def build_bundle(
    candidate_dir: Path,
    target_dir: Path,
    statement: bytes,
    signatures: Sequence[Mapping[str, str]],
    *,
    trust: TrustRoot,
    now: datetime,
) -> VerifyReport:
    """Build the bundle of an approved release at ``target_dir``, whole or absent.

    The copy is verified offline, from its own clean directory, before it gets its name. A key that signed
    twice counts once. Raises Conflict if the target exists, and IntegrityError on whatever
    :func:`dpsynth.publish.verify.verify_bundle` refuses: too few distinct signers, a wrong role, any change.
    """
    with whole_directory(target_dir) as work:
        for name in list_tree(candidate_dir):
            if name != ATTESTATION:
                write_file(work / name, read_file(candidate_dir, name, _LIMIT))
        write_file(work / ATTESTATION, envelope(statement, signatures))
        return verify_bundle(work, trust, now)
