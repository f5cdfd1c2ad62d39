"""What stands outside the signed files: the ledger's word, a checkpoint that was kept, revocations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dpsynth.publish.files import PROOF, read_file
from dpsynth.publish.keys import TrustRoot
from dpsynth.publish.ledger_proof import Story, check_kept, check_story, open_checkpoint, read_proof
from dpsynth.publish.revocation import check_revocations

__all__ = ["Outside", "check_outside"]

_LIMIT = 2**24


@dataclass(frozen=True)
class Outside:
    """What a verifier has from elsewhere than the bundle; None: it is not looked at.

    Attributes:
        revocations: the publisher's signed list of revoked releases.
        checkpoint: a signed checkpoint of the ledger that the verifier kept.
        extension: a signed later end of the permission, see :mod:`dpsynth.publish.extension`.
    """

    revocations: bytes | None = None
    checkpoint: bytes | None = None
    extension: bytes | None = None


def check_outside(
    directory: Path, trust: TrustRoot, story: Story, outside: Outside, now: datetime
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The ledger tells the same story, up to the verifier's own checkpoint, and the release is not revoked.

    Returns a line for each fact that holds, and a line for each thing that could not be looked at.
    Raises IntegrityError naming what fails.
    """
    proof = read_proof(read_file(directory, PROOF, _LIMIT), trust)
    check_story(proof, story)
    at = proof.checkpoint
    facts = [f"ledger: {len(proof.entries)} own entries lead to the signed checkpoint of entry {at.seq}"]
    notes = []
    if outside.checkpoint is None:
        notes.append("no checkpoint that you kept was compared: a second, other ledger would not be noticed")
    else:
        kept = open_checkpoint(outside.checkpoint.strip(), trust, "the checkpoint that you kept")
        check_kept(proof, kept)
        facts.append(f"checkpoint: yours of entry {kept.seq}, {kept.time}, is part of the same ledger")
    if outside.revocations is None:
        notes.append("no list of revoked releases was given: a revoked one would not be noticed")
    else:
        facts.append(check_revocations(outside.revocations.strip(), trust, proof, now))
    return tuple(facts), tuple(notes)
