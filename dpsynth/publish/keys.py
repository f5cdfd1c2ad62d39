"""Ed25519 keys of people and of the service: private PEM files, public JSON files, and the trust root."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]

from dpsynth.core.canonical import canonical_bytes
from dpsynth.core.errors import BadInput, IntegrityError
from dpsynth.publish.files import parse_json, read_file, write_file

__all__ = [
    "SERVICE_ROLE",
    "PublicKey",
    "TrustRoot",
    "load_private_key",
    "load_public_keys",
    "new_key",
    "write_public_key",
]

SERVICE_ROLE = "service"
_SCHEME = "ed25519"
_LIMIT = 16_384
_PERSON = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class PublicKey:
    """A public key and whom it speaks for.

    Attributes:
        key_id: 64 hex digits derived from the key itself.
        person: id of the person, or of the service.
        roles: roles this key may sign in; a service key has exactly ``("service",)``.
        public: raw Ed25519 public key, 64 hex digits.
    """

    key_id: str
    person: str
    roles: tuple[str, ...]
    public: str

    def sslib(self) -> SSlibKey:
        """The key as securesystemslib verifies with it."""
        return SSlibKey(self.key_id, _SCHEME, _SCHEME, {"public": self.public})


TrustRoot = dict[str, PublicKey]
"""Key id to public key: everyone whose signature may count."""


def _public_key(signer: CryptoSigner, person: str, roles: tuple[str, ...]) -> PublicKey:
    key = signer.public_key
    return PublicKey(key.keyid, person, roles, key.keyval["public"])


def _require_owner(person: str, roles: tuple[str, ...]) -> None:
    named = bool(roles) and all(_PERSON.fullmatch(text) for text in (person, *roles))
    if not named or len(set(roles)) != len(roles):
        raise BadInput(
            "A key needs one person and at least one role, each an id",
            allowed="lower-case letters, digits, dot, dash, underscore",
            remedy="name the person and the roles of the key",
        )
    if SERVICE_ROLE in roles and roles != (SERVICE_ROLE,):
        raise BadInput(
            "A service key cannot also speak for a person's role",
            allowed=f"roles exactly [{SERVICE_ROLE}], or any roles without it",
            remedy="make two keys",
        )


def new_key(path_private: Path, person: str, roles: tuple[str, ...]) -> PublicKey:
    """Make an Ed25519 key; the private half goes to a new PEM (PKCS8) file that only its owner can read.

    Raises BadInput if the file exists or person and roles are not ids.
    """
    _require_owner(person, roles)
    signer = CryptoSigner.generate_ed25519()
    path_private.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path_private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BadInput(
            f"{path_private.name} already exists",
            allowed="a new file name",
            remedy="a key is never overwritten; choose another name",
        ) from None
    with os.fdopen(handle, "wb") as stream:
        stream.write(signer.private_bytes)
        stream.flush()
        os.fsync(stream.fileno())
    return _public_key(signer, person, roles)


def load_private_key(path: Path) -> CryptoSigner:
    """Read a private key. Raises IntegrityError if others may read the file or it is no Ed25519 key."""
    data = read_file(path.parent, path.name, _LIMIT)
    if path.stat().st_mode & 0o077:
        raise IntegrityError(
            f"{path.name} can be read by others",
            allowed="file mode 0600",
            remedy="treat the key as lost: make a new one and withdraw this one",
        )
    try:
        signer = CryptoSigner(load_pem_private_key(data, None))
    except (ValueError, TypeError):
        signer = None
    if signer is None or signer.public_key.scheme != _SCHEME:
        raise IntegrityError(
            f"{path.name} is not a private key that can be used",
            allowed="an Ed25519 key in an unencrypted PEM (PKCS8) file",
            remedy="make a new key",
        )
    return signer


def write_public_key(path: Path, key: PublicKey) -> None:
    """Write the public half to a new JSON file ``{key_id, person, roles, scheme, public}``."""
    value = {
        "key_id": key.key_id,
        "person": key.person,
        "roles": list(key.roles),
        "scheme": _SCHEME,
        "public": key.public,
    }
    write_file(path, canonical_bytes(value))


def _parse_public(value: Any, name: str) -> PublicKey:
    match value:
        case {"key_id": str(key_id), "person": str(person), "roles": list(roles), "public": str(public)} if (
            set(value) == {"key_id", "person", "roles", "scheme", "public"}
            and value["scheme"] == _SCHEME
            and _HEX.fullmatch(public)
            and all(isinstance(role, str) for role in roles)
        ):
            key = PublicKey(key_id, person, tuple(roles), public)
        case _:
            raise IntegrityError(
                f"{name} is not a public key file",
                allowed="JSON with key_id, person, roles, scheme ed25519 and public (64 hex digits)",
                remedy="fetch the public key again from its owner",
            )
    try:
        _require_owner(key.person, key.roles)
    except BadInput as error:
        raise IntegrityError(f"{name}: {error.what}", allowed=error.allowed, remedy=error.remedy) from None
    return key


def load_public_keys(directory: Path) -> TrustRoot:
    """Every ``*.json`` public key of a directory, by key id.

    Raises BadInput if there is no such directory; IntegrityError, naming the file, on a malformed key, a key
    id that is not the key's own, or one key given to two owners; IntegrityError on a person who shares an id
    with a service key.
    """
    if not directory.is_dir():
        raise BadInput(
            f"{directory.name} is not a directory",
            allowed="a directory of public key files",
            remedy="get the public keys from the data owner and name their directory",
        )
    trust: TrustRoot = {}
    for path in sorted(directory.glob("*.json")):
        key = _parse_public(parse_json(read_file(directory, path.name, _LIMIT), path.name), path.name)
        if key.key_id != _own_id(key.public):
            raise IntegrityError(
                f"{path.name}: the key id is not that of the key",
                remedy="fetch the public key again from its owner",
            )
        if key.key_id in trust:
            raise IntegrityError(
                f"{path.name}: this key is already given to {trust[key.key_id].person}",
                allowed="one file for each key",
                remedy="remove the file that is wrong",
            )
        trust[key.key_id] = key
    _require_separate_service(trust)
    return trust


def _own_id(public: str) -> str:
    crypto = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
    return str(SSlibKey.from_crypto(crypto).keyid)


def _require_separate_service(trust: TrustRoot) -> None:
    services = {key.person for key in trust.values() if SERVICE_ROLE in key.roles}
    people = {key.person for key in trust.values() if SERVICE_ROLE not in key.roles}
    if services & people:
        raise IntegrityError(
            "A person and a service share one id",
            allowed="a service key has an id of its own",
            remedy="give the service key another id",
        )
