"""A second implementation of DSSE, from the text of its specification alone, agrees with ours.

Ours calls securesystemslib, and so does in-toto's library. This one calls nothing but the Ed25519 of
``cryptography``.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dpsynth.publish.attestation import PAYLOAD_TYPE, open_envelope
from dpsynth.publish.keys import write_public_key

ATTESTATION = "attestation.dsse.json"


def pae(payload_type: str, body: bytes) -> bytes:
    """PAE(type, body) = "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body; LEN in bytes, ASCII decimal."""
    kind = payload_type.encode("utf-8")
    return b" ".join([b"DSSEv1", b"%d" % len(kind), kind, b"%d" % len(body), body])


def verified(envelope: bytes, keys: dict[str, str]) -> tuple[bytes, set[str]]:
    """SERIALIZED_BODY and the ids of the keys whose signatures verify; ``keys``: id to raw key in hex."""
    value = json.loads(envelope)
    body = base64.b64decode(value["payload"], validate=True)
    signers = set()
    for signature in value["signatures"]:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(keys[signature["keyid"]]))
        try:
            key.verify(base64.b64decode(signature["sig"], validate=True), pae(value["payloadType"], body))
        except InvalidSignature:
            continue
        signers.add(signature["keyid"])
    return body, signers


@pytest.fixture
def keys(office: Any, tmp_path: Path) -> dict[str, str]:
    """Public keys as a stranger reads them: from the JSON files that verifiers are given."""
    found = {}
    for key in office.trust.values():
        write_public_key(tmp_path / "keys" / f"{key.person}.json", key)
        value = json.loads((tmp_path / "keys" / f"{key.person}.json").read_bytes())
        found[value["key_id"]] = value["public"]
    assert set(found) == set(office.trust)
    return found


def people(office: Any, signers: set[str]) -> set[str]:
    return {office.trust[key_id].person for key_id in signers}


def test_the_text_of_the_specification_gives_its_own_example() -> None:
    """The example of protocol.md: PAE("http://example.com/HelloWorld", "hello world")."""
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pae("http://example.com/HelloWorld", b"hello world") == expected


def test_it_verifies_every_signature_of_a_bundle(bundle: Path, office: Any, keys: dict[str, str]) -> None:
    envelope = (bundle / ATTESTATION).read_bytes()
    body, signers = verified(envelope, keys)
    assert people(office, signers) == {"carol", "dana", "publisher"}
    statement, ours = open_envelope(envelope, office.trust)
    assert json.loads(body) == statement
    assert set(ours) == signers
    assert statement["_type"] == "https://in-toto.io/Statement/v1"


@pytest.mark.parametrize("field", ["payload", "payloadType"])
def test_it_accepts_no_signature_once_the_words_or_their_type_change(
    field: str, bundle: Path, keys: dict[str, str]
) -> None:
    value = json.loads((bundle / ATTESTATION).read_bytes())
    text = value[field]
    value[field] = base64.b64encode(b"{}").decode() if field == "payload" else f"{text}2"
    assert verified(json.dumps(value).encode(), keys)[1] == set()


def test_it_names_whose_signature_is_not_theirs(bundle: Path, office: Any, keys: dict[str, str]) -> None:
    value = json.loads((bundle / ATTESTATION).read_bytes())
    taken, kept = value["signatures"][0]["keyid"], value["signatures"][1]["sig"]
    value["signatures"][0]["sig"] = kept
    signers = verified(json.dumps(value).encode(), keys)[1]
    assert taken not in signers
    assert len(signers) == 2


def test_ours_opens_what_the_second_implementation_signed(statement: bytes, office: Any) -> None:
    key_id = next(key.key_id for key in office.trust.values() if key.person == "carol")
    private: Any = load_pem_private_key((office.folder / "carol.pem").read_bytes(), None)
    value = {
        "payload": base64.b64encode(statement).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [
            {"keyid": key_id, "sig": base64.b64encode(private.sign(pae(PAYLOAD_TYPE, statement))).decode()}
        ],
    }
    written = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
    words, signers = open_envelope(written, office.trust)
    assert words == json.loads(statement)
    assert signers == (key_id,)
