"""What people sign: an in-toto Statement v1 over the manifest and the data, in a DSSE envelope.

The predicate is a function of the bundle's own files, the requester and the dossier's digest. Signing and
verifying use the same function, so a file and the signed words about it cannot part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]

from dpsynth.core.canonical import canonical_bytes, sha256_hex
from dpsynth.core.errors import BadInput, IntegrityError
from dpsynth.policy.loader import load_policy_text, policy_sha256
from dpsynth.policy.model import Policy
from dpsynth.publish import dsse
from dpsynth.publish.candidate import manifest_bytes
from dpsynth.publish.files import ATTESTATION, MANIFEST, UNLISTED, list_tree, parse_canonical, read_file
from dpsynth.publish.keys import TrustRoot

__all__ = [
    "PAYLOAD_TYPE",
    "PREDICATE_TYPE",
    "envelope",
    "manifest",
    "open_envelope",
    "sign_statement",
    "signed_policy",
    "statement_bytes",
    "statement_of",
]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://dpsynth.dev/privacy-release/v1"
"""An identifier only: nothing is fetched from it."""

GUARANTEE_FIELDS = ("variant", "rho", "epsilon", "mu_squared", "gaussian_epsilon", "delta")

_LIMIT = 2**31


def _refuse(what: str) -> NoReturn:
    raise IntegrityError(f"{ATTESTATION}: {what}", remedy="do not use this release; ask its publisher")


def _load(directory: Path) -> dict[str, bytes]:
    names = [name for name in list_tree(directory) if name not in UNLISTED]
    return {name: read_file(directory, name, _LIMIT) for name in names}


def manifest(directory: Path) -> bytes:
    """Canonical manifest of every file of a directory except those that no manifest can name."""
    return manifest_bytes(_load(directory))


def _predicate(files: Mapping[str, bytes], policy: Policy, requester: str, dossier: str) -> dict[str, Any]:
    stated = parse_canonical(files["privacy-statement.json"], "privacy-statement.json")
    run = parse_canonical(files["run.json"], "run.json")
    audit = parse_canonical(files["audits/audit.json"], "audits/audit.json")
    unit, approval = policy.privacy_unit, policy.approval
    return {
        "release_id": stated["release_id"],
        "policy": {"id": policy.id, "version": policy.version, "sha256": policy_sha256(policy)},
        "privacy_unit": {
            "kind": unit.kind,
            "id_space": unit.id_space,
            "max_rows_per_unit": str(unit.max_rows_per_unit),
            "adjacency": unit.adjacency,
        },
        "guarantee": {name: stated["guarantee"][name] for name in GUARANTEE_FIELDS},
        "mechanism": {name: run[name] for name in ("synthesizer", "version", "parameters")},
        "audit": {
            "result": audit["result"],
            "report_sha256": audit["report_sha256"],
            "public_sha256": sha256_hex(files["audits/audit.json"]),
        },
        "approval": {
            "threshold": str(approval.approvers),
            "roles": list(approval.roles),
            "requester": requester,
        },
        "dossier_sha256": dossier,
        "issued": stated["issued"],
        "expires": stated["expires"],
    }


@lru_cache(maxsize=4)
def signed_policy(data: bytes) -> Policy:
    """The policy of a bundle, read once though it is asked for twice. Raises as the policy's loader does."""
    return load_policy_text(data, "policy.yaml")


def statement_of(files: Mapping[str, bytes], requester: str, dossier_sha256: str) -> dict[str, Any]:
    """The in-toto statement about a bundle's files. Raises IntegrityError naming a file that lacks a fact."""
    policy = signed_policy(files["policy.yaml"])
    try:
        predicate = _predicate(files, policy, requester, dossier_sha256)
    except (KeyError, TypeError):
        _refuse("a fact that must be signed is missing from the files of the release")
    data = [name for name in sorted(files) if name.startswith("data.")]
    subjects = {MANIFEST: manifest_bytes(dict(files))} | {name: files[name] for name in data}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": sha256_hex(value)}} for name, value in subjects.items()
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }


def statement_bytes(candidate_dir: Path, *, requester: str, dossier_sha256: str) -> bytes:
    """Canonical bytes of the statement that approvers sign for a candidate release.

    ``requester`` is the person id of the requester, ``dossier_sha256`` 64 hex digits.
    """
    if len(dossier_sha256) != 64 or set(dossier_sha256) - set("0123456789abcdef"):
        raise BadInput(
            "The dossier digest is not a SHA-256", allowed="64 hex digits", remedy="pass the digest"
        )
    return canonical_bytes(statement_of(_load(candidate_dir), requester, dossier_sha256))


def sign_statement(statement: bytes, private_key: CryptoSigner) -> dict[str, str]:
    """One DSSE signature ``{"keyid": hex, "sig": base64}`` over the statement's bytes."""
    return dsse.sign(statement, PAYLOAD_TYPE, private_key)


def envelope(statement: bytes, signatures: Iterable[Mapping[str, str]]) -> bytes:
    """Canonical DSSE envelope of a statement, signatures sorted by key id."""
    return dsse.pack(statement, PAYLOAD_TYPE, signatures, ATTESTATION)


def open_envelope(data: bytes, trust: TrustRoot) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The signed statement and the ids of the keys that signed it, each signature verified.

    Raises IntegrityError as :func:`dpsynth.publish.dsse.unpack` does.
    """
    payload, signers = dsse.unpack(data, PAYLOAD_TYPE, trust, ATTESTATION)
    return parse_canonical(payload, ATTESTATION), signers
