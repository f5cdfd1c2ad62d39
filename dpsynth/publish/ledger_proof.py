"""ledger-proof.json: that what people signed is also in the ledger, joined to a signed checkpoint.

People sign before the entries exist that say they did, so this file is not in the manifest: it is made after
the entry ``publish``, which names the manifest, and the service signs it. It holds the request's own entries
word for word, the hash of every entry up to a checkpoint and nothing of what the others say, and the
checkpoint. (Entries carry a salt, so hashes do not tell what was said.)

Recomputed here: each own entry, hashed after the one before it, is the hash at its place; the first hash is
the ledger's id and the last one the checkpoint's; and the entries tell the story of these very files: asked
by this requester under this policy, charged, settled with steps that cost no more than the stated rho, signed
by these people over this dossier, published with this manifest. A step between two entries of others can be
recomputed only by those who may read them; for it the service answers with its signature, and whoever holds
the chain, or one checkpoint, can show that it lied.

A checkpoint that the verifier kept is what the service cannot take back:

- another ledger's id: the ledger was started anew. Refused.
- its entry has another hash here: the history was forked. Refused.
- it lies behind the proof's checkpoint: its hash is one of those here. Accepted.
- it lies ahead: the proof's checkpoint is the older one. Nothing in the file can tell whether these entries
  are in that longer history too, and an old copy of the ledger put back looks just like it. Refused; an
  honest publisher makes a newer proof at any time (``dpsynth prove``), which takes the place of this file.

Without one, a service that keeps two histories is not found out here.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any, NoReturn

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]

from dpsynth.accounting.cost import cost_of, total
from dpsynth.accounting.curves import NANO, ORDERS, rho_of
from dpsynth.accounting.events import event_from_json
from dpsynth.core.canonical import canonical_bytes
from dpsynth.core.errors import IntegrityError
from dpsynth.ledger.links import GENESIS, Checkpoint, link, parse_checkpoint
from dpsynth.ledger.links import PAYLOAD_TYPE as CHECKPOINT_TYPE
from dpsynth.publish import dsse
from dpsynth.publish.files import PROOF, parse_canonical
from dpsynth.publish.keys import TrustRoot

__all__ = [
    "OWN_KINDS",
    "Proof",
    "Story",
    "check_kept",
    "check_story",
    "open_checkpoint",
    "read_proof",
    "sign_proof",
]

PAYLOAD_TYPE = "application/vnd.dpsynth.ledger-proof+json"
OWN_KINDS = ("reserve", "request", "committed", "settled", "dossier", "approve", "approved", "publish")
"""Kinds of entries that a proof shows, in the order of a release's life. Who looked at what is not shown."""

_FIELDS = {"release_id", "checkpoint", "entries", "links", "revocations"}


def _refuse(
    what: str, remedy: str = "do not use this release; ask its publisher for a new proof"
) -> NoReturn:
    raise IntegrityError(f"{PROOF}: {what}", remedy=remedy)


@dataclass(frozen=True)
class Proof:
    """A proof whose signature, hashes and checkpoint hold.

    Attributes:
        release_id: the release it is about.
        checkpoint: the signed head that the hashes lead to.
        entries: the release's own entries, as hashed.
        links: hash of every entry up to the checkpoint, hex.
        revocations: how many releases the ledger had revoked by then.
    """

    release_id: str
    checkpoint: Checkpoint
    entries: tuple[dict[str, Any], ...]
    links: tuple[str, ...]
    revocations: int

    @property
    def published(self) -> int:
        """Number of the entry that published the release."""
        return int(self.entries[-1]["seq"])


@dataclass(frozen=True)
class Story:
    """What the files and signatures of a bundle say, to be found in the ledger too."""

    predicate: Mapping[str, Any]
    approvers: frozenset[str]
    manifest_sha256: str
    omega: int | None


def sign_proof(
    release_id: str,
    texts: Sequence[str],
    links: Sequence[str],
    checkpoint: bytes,
    revocations: int,
    key: CryptoSigner,
) -> bytes:
    """The file's bytes.

    Args:
        texts: the release's own entries as hashed, oldest first.
        links: hash of every entry up to the checkpoint, hex.
        checkpoint: its signed envelope.
        revocations: how many releases the ledger has revoked.
        key: the service's.
    """
    value = {
        "release_id": release_id,
        "checkpoint": parse_canonical(checkpoint, "checkpoint"),
        "entries": list(texts),
        "links": base64.b64encode(bytes.fromhex("".join(links))).decode("ascii"),
        "revocations": str(revocations),
    }
    payload = canonical_bytes(value)
    return dsse.pack(payload, PAYLOAD_TYPE, [dsse.sign(payload, PAYLOAD_TYPE, key)], PROOF)


def open_checkpoint(data: bytes, trust: TrustRoot, name: str) -> Checkpoint:
    """A checkpoint out of its envelope. Raises IntegrityError unless the service signed it."""
    return parse_checkpoint(dsse.unpack_of_service(data, CHECKPOINT_TYPE, trust, name))


def read_proof(data: bytes, trust: TrustRoot) -> Proof:
    """Open the file: signature, checkpoint, each own entry recomputed. Raises IntegrityError naming it."""
    value = parse_canonical(dsse.unpack_of_service(data, PAYLOAD_TYPE, trust, PROOF), PROOF)
    if set(value) != _FIELDS or not all(isinstance(value[name], str) for name in ("release_id", "links")):
        _refuse("it is no proof of a release")
    checkpoint = open_checkpoint(canonical_bytes(value["checkpoint"]), trust, f"{PROOF}: its checkpoint")
    links = _links(value["links"])
    if len(links) != checkpoint.seq or links[-1:] != (checkpoint.hash,) or links[0] != checkpoint.origin:
        _refuse("its hashes do not lead from the ledger's first entry to the checkpoint")
    entries = _entries(value["entries"], links)
    if not str(value["revocations"]).isdecimal():
        _refuse("it does not say how many releases were revoked")
    return Proof(value["release_id"], checkpoint, entries, links, int(value["revocations"]))


def _links(text: str) -> tuple[str, ...]:
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raw = b""
    if not raw or len(raw) % 32:
        _refuse("its hashes cannot be read")
    return tuple(raw[start : start + 32].hex() for start in range(0, len(raw), 32))


def _entries(texts: Any, links: tuple[str, ...]) -> tuple[dict[str, Any], ...]:
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        _refuse("it shows no entries of the ledger")
    entries = tuple(parse_canonical(text.encode(), PROOF) for text in texts)
    last = 0
    for text, entry in zip(texts, entries, strict=True):
        seq = entry.get("seq")
        if not isinstance(seq, int) or seq <= last:
            _refuse("its entries are not in the order of the ledger")
        if seq > len(links):
            _refuse("its checkpoint is older than the release: it does not reach the release's own entries")
        if link(links[seq - 2] if seq > 1 else GENESIS, text.encode()) != links[seq - 1]:
            _refuse(f"entry {seq} is not the one that the ledger's hashes know")
        last = seq
    return entries


def check_story(proof: Proof, story: Story) -> None:
    """The ledger's entries say the same as the files and the signatures. Raises IntegrityError otherwise."""
    release_id, predicate = story.predicate["release_id"], story.predicate
    about = {entry.get("request", entry.get("charge")) for entry in proof.entries}
    if proof.release_id != release_id or about != {release_id}:
        _refuse("it is about another release")
    if tuple(kind for kind, _ in groupby(proof.entries, key=_kind)) != OWN_KINDS:
        _refuse("the ledger does not tell of a release that was charged, audited, approved and published")
    by_kind = {kind: [entry for entry in proof.entries if _kind(entry) == kind] for kind in OWN_KINDS}
    told = {
        "requester": (by_kind["request"][0].get("actor"), predicate["approval"]["requester"]),
        "policy": (by_kind["request"][0].get("policy_sha256"), predicate["policy"]["sha256"]),
        "approvers": (sorted(str(one.get("actor")) for one in by_kind["approve"]), sorted(story.approvers)),
        "dossier": (
            {one.get("dossier_sha256") for kind in ("dossier", "approve") for one in by_kind[kind]},
            {predicate["dossier_sha256"]},
        ),
        "manifest": (by_kind["publish"][0].get("manifest_sha256"), story.manifest_sha256),
    }
    for what, (in_ledger, in_files) in told.items():
        if in_ledger != in_files:
            _refuse(f"the {what} of the ledger's entries and of the release differ")
    if _drawn(by_kind["settled"][0], story.omega) > int(Decimal(predicate["guarantee"]["rho"]) * NANO):
        _refuse("the steps that the ledger settled cost more than the stated rho")


def _kind(entry: dict[str, Any]) -> str:
    return str(entry.get("kind"))


def _drawn(settled: dict[str, Any], omega: int | None) -> int:
    """What the run's steps cost, nano-rho, recomputed from the ledger's own entry."""
    try:
        events = [event_from_json(event) for event in settled["events"]]
    except (KeyError, TypeError, AttributeError, IntegrityError):
        _refuse("the steps that the ledger settled cannot be read")
    return rho_of(total(cost_of(event) for event in events).rdp, omega or ORDERS[-1])


def check_kept(proof: Proof, kept: Checkpoint) -> None:
    """Compare with a checkpoint that the verifier kept. Raises IntegrityError as the module says."""
    ours = proof.checkpoint
    if ours.origin != kept.origin:
        _refuse("its ledger is not the one of the checkpoint that you kept: it was started anew")
    if ours.seq < kept.seq:
        _refuse(
            f"its checkpoint is older than the one that you kept: it ends at entry {ours.seq}, {ours.time}, "
            f"and yours at entry {kept.seq}, {kept.time}",
            remedy="ask the publisher for a proof up to yours (`dpsynth prove`); if there is none, an old "
            "copy of the ledger was put back",
        )
    if proof.links[kept.seq - 1] != kept.hash:
        _refuse(f"entry {kept.seq} is not the one of the checkpoint that you kept: history was forked")
