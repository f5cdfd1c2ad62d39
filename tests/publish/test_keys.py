"""Keys: private halves only their owner can read; public halves that name one owner each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpsynth.core.canonical import canonical_bytes
from dpsynth.core.errors import BadInput, IntegrityError
from dpsynth.publish.attestation import envelope, open_envelope, sign_statement
from dpsynth.publish.keys import load_private_key, load_public_keys, new_key, write_public_key

ROLES = ("compliance_officer",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    key = new_key(tmp_path / "carol.pem", "carol", ROLES)
    write_public_key(tmp_path / "carol.json", key)
    return tmp_path


def test_a_key_pair_signs_and_its_public_half_verifies(folder: Path) -> None:
    trust = load_public_keys(folder)
    signature = sign_statement(b"{}", load_private_key(folder / "carol.pem"))
    words, signers = open_envelope(envelope(b"{}", [signature]), trust)
    assert words == {}
    assert [trust[key_id].person for key_id in signers] == ["carol"]


def test_a_private_key_is_readable_by_its_owner_only(folder: Path) -> None:
    path = folder / "carol.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    path.chmod(0o644)
    with pytest.raises(IntegrityError, match="read by others"):
        load_private_key(path)


def test_a_private_key_is_never_overwritten(folder: Path) -> None:
    before = (folder / "carol.pem").read_bytes()
    with pytest.raises(BadInput, match="already exists"):
        new_key(folder / "carol.pem", "carol", ROLES)
    assert (folder / "carol.pem").read_bytes() == before


@pytest.mark.parametrize("data", [b"", b"secret words", b"-----BEGIN PRIVATE KEY-----\nAA==\n"])
def test_a_broken_private_key_is_refused_without_being_quoted(data: bytes, folder: Path) -> None:
    (folder / "carol.pem").write_bytes(data)
    with pytest.raises(IntegrityError) as caught:
        load_private_key(folder / "carol.pem")
    assert "secret words" not in str(caught.value)


@pytest.mark.parametrize(
    ("person", "roles"),
    [
        ("", ROLES),
        ("Carol O", ROLES),
        ("../x", ROLES),
        ("carol", ()),
        ("carol", ("a", "a")),
        ("p", ("service", "a")),
    ],
)
def test_a_key_needs_one_owner_and_roles(person: str, roles: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        new_key(tmp_path / "x.pem", person, roles)
    assert not list(tmp_path.iterdir())


def test_public_keys_of_an_empty_directory_trust_nobody(tmp_path: Path) -> None:
    assert load_public_keys(tmp_path) == {}


def test_a_directory_of_keys_that_does_not_exist_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a directory"):
        load_public_keys(tmp_path / "absent")


CHANGES = {
    "key_id": "0" * 64,
    "public": "0" * 64,
    "scheme": "rsa",
    "roles": ["service", "data_owner"],
    "person": "Carol O",
    "more": 1,
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_changed_public_key_file_is_refused(field: str, folder: Path) -> None:
    value = json.loads((folder / "carol.json").read_bytes()) | {field: CHANGES[field]}
    (folder / "carol.json").write_bytes(canonical_bytes(value))
    with pytest.raises(IntegrityError) as caught:
        load_public_keys(folder)
    assert "carol.json" in str(caught.value)


def test_one_key_cannot_be_given_to_two_people(folder: Path) -> None:
    value = json.loads((folder / "carol.json").read_bytes()) | {"person": "dana", "roles": ["data_owner"]}
    (folder / "dana.json").write_bytes(canonical_bytes(value))
    with pytest.raises(IntegrityError, match="already given"):
        load_public_keys(folder)


def test_a_person_cannot_share_the_id_of_the_service(folder: Path) -> None:
    write_public_key(folder / "publisher.json", new_key(folder / "p.pem", "carol", ("service",)))
    with pytest.raises(IntegrityError, match="share one id"):
        load_public_keys(folder)


def test_two_different_signatures_of_one_key_make_no_envelope(folder: Path) -> None:
    key = load_private_key(folder / "carol.pem")
    first, second = sign_statement(b"{}", key), sign_statement(b"[]", key)
    assert json.loads(envelope(b"{}", [first, first]))["signatures"] == [first]
    with pytest.raises(IntegrityError, match="two different signatures"):
        envelope(b"{}", [first, second])
