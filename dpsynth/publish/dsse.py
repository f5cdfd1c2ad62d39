"""Signed envelopes (DSSE v1): one strict way to sign, to write and to open any document.

Strict means that an envelope has exactly one spelling: canonical JSON, canonical base64, signatures in the
order of their keys, and every one of them verified against a trusted key.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner, Signature  # type: ignore[attr-defined]

from dpsynth.core.canonical import canonical_bytes
from dpsynth.core.errors import IntegrityError
from dpsynth.publish.files import parse_canonical
from dpsynth.publish.keys import SERVICE_ROLE, TrustRoot

__all__ = ["pack", "sign", "unpack", "unpack_of_service"]

_MOST_SIGNATURES = 32


def _refuse(name: str, what: str) -> NoReturn:
    raise IntegrityError(f"{name}: {what}", remedy="do not rely on this document; ask whoever published it")


def sign(payload: bytes, payload_type: str, private_key: CryptoSigner) -> dict[str, str]:
    """One signature ``{"keyid": hex, "sig": base64}`` over payload and type."""
    signature = private_key.sign(Envelope(payload, payload_type, {}).pae())
    raw = bytes.fromhex(signature.signature)
    return {"keyid": signature.keyid, "sig": base64.b64encode(raw).decode("ascii")}


def pack(payload: bytes, payload_type: str, signatures: Iterable[Mapping[str, str]], name: str) -> bytes:
    """Canonical envelope, signatures sorted by key id. A key that signed twice is kept once.

    Raises IntegrityError on two different signatures of one key (Ed25519 has only one).
    """
    by_key: dict[str, str] = {}
    for signature in signatures:
        if by_key.setdefault(signature["keyid"], signature["sig"]) != signature["sig"]:
            _refuse(name, f"key {signature['keyid'][:12]} gave two different signatures")
    value = {
        "payload": base64.b64encode(payload).decode("ascii"),
        "payloadType": payload_type,
        "signatures": [{"keyid": key, "sig": by_key[key]} for key in sorted(by_key)],
    }
    return canonical_bytes(value)


def _strict_base64(text: Any, name: str) -> bytes:
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (AttributeError, UnicodeEncodeError, binascii.Error):
        _refuse(name, "a field is not base64")
    # Unused low bits of the last letter decode to the same bytes: only one spelling is accepted.
    if base64.b64encode(data).decode("ascii") != text:
        _refuse(name, "a field is not canonical base64")
    return data


def _checked_signature(entry: Any, pae: bytes, trust: TrustRoot, name: str) -> str:
    if not isinstance(entry, dict) or set(entry) != {"keyid", "sig"} or not isinstance(entry["keyid"], str):
        _refuse(name, "a signature is not {keyid, sig}")
    key = trust.get(entry["keyid"])
    if key is None:
        _refuse(name, "a signature is by a key that is not among the trusted keys")
    try:
        signature = Signature(key.key_id, _strict_base64(entry["sig"], name).hex())
        key.sslib().verify_signature(signature, pae)
    except UnverifiedSignatureError:
        _refuse(name, f"the signature of {key.person} does not fit the signed words")
    return key.key_id


def unpack(data: bytes, payload_type: str, trust: TrustRoot, name: str) -> tuple[bytes, tuple[str, ...]]:
    """The signed bytes and the ids of the keys that signed them, each signature verified.

    Raises IntegrityError on bytes that are not exactly the canonical form, another payload type, an unknown
    key, a key that appears twice, or any signature that does not verify. ``name`` is what errors call it.
    """
    value = parse_canonical(data, name)
    if set(value) != {"payload", "payloadType", "signatures"}:
        _refuse(name, "it is not a DSSE envelope")
    if value["payloadType"] != payload_type:
        _refuse(name, f"the payload type is not {payload_type}")
    if not isinstance(value["signatures"], list) or len(value["signatures"]) > _MOST_SIGNATURES:
        _refuse(name, f"its signatures are not a list of at most {_MOST_SIGNATURES}")
    payload = _strict_base64(value["payload"], name)
    pae = Envelope(payload, payload_type, {}).pae()
    signers = tuple(_checked_signature(entry, pae, trust, name) for entry in value["signatures"])
    if list(signers) != sorted(set(signers)):
        _refuse(name, "a key signed twice, or signatures are not in the order of their keys")
    return payload, signers


def unpack_of_service(data: bytes, payload_type: str, trust: TrustRoot, name: str) -> bytes:
    """The signed bytes of a document that the service alone answers for.

    Raises IntegrityError as :func:`unpack` does, and unless exactly one key signed and it is a service's.
    """
    payload, signers = unpack(data, payload_type, trust, name)
    if [trust[key_id].roles for key_id in signers] != [(SERVICE_ROLE,)]:
        _refuse(name, "it is not signed by the service, and the service alone")
    return payload
