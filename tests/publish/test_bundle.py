"""A published bundle is exactly what the right people signed; anything else is refused by name."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dpsynth.core.canonical import canonical_bytes, sha256_hex
from dpsynth.core.errors import BadInput, Conflict, DpsynthError, IntegrityError
from dpsynth.publish.attestation import PAYLOAD_TYPE, envelope, manifest, statement_of
from dpsynth.publish.bundle import build_bundle
from dpsynth.publish.candidate import manifest_bytes
from dpsynth.publish.inputs import release_guarantee
from dpsynth.publish.statement import guarantee_json
from dpsynth.publish.verify import verify_bundle

NOW = datetime(2026, 4, 1, tzinfo=UTC)
ATTESTATION, PROOF = "attestation.dsse.json", "ledger-proof.json"
NAMES = (
    "README.md", "TERMS.md", "VERIFY.md", "audits/audit.json", "croissant.json", "data.csv", "data.parquet",
    "datapackage.json", "datasheet.md", "policy.yaml", "privacy-statement.json", "privacy-statement.md",
    "registry-entry.yaml", "run.json", "sbom.cdx.json", "manifest.json", ATTESTATION, PROOF,
)  # fmt: skip


def refused(directory: Path, trust: Any, now: datetime = NOW) -> str:
    with pytest.raises(IntegrityError) as caught:
        verify_bundle(directory, trust, now)
    assert caught.value.exit_code == 5
    return str(caught.value)


def test_a_bundle_signed_by_the_right_people_verifies(bundle: Path, office: Any) -> None:
    report = verify_bundle(bundle, office.trust, NOW)
    assert report.release_id == "r-000000000001"
    text = "\n".join(report.lines)
    assert "carol" in text
    assert "dana" in text


def test_verification_opens_no_connection(bundle: Path, office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("verification must not use the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    verify_bundle(bundle, office.trust, NOW)


def positions(name: str, size: int) -> list[int]:
    if name in (ATTESTATION, "manifest.json"):
        return [*range(0, size, 7), size - 1]
    return sorted({0, size // 3, size // 2, size - 1})


@pytest.mark.parametrize("name", NAMES)
def test_any_changed_byte_is_found_and_its_file_named(name: str, bundle: Path, office: Any) -> None:
    path = bundle / name
    good = path.read_bytes()
    for position in positions(name, len(good)):
        for flip in (1, 0x20):
            bad = bytearray(good)
            bad[position] ^= flip
            path.write_bytes(bad)
            assert name in refused(bundle, office.trust), position
    path.write_bytes(good)
    verify_bundle(bundle, office.trust, NOW)


@pytest.mark.parametrize("name", NAMES)
def test_a_removed_file_is_named(name: str, bundle: Path, office: Any) -> None:
    (bundle / name).unlink()
    assert name.split("/")[0] in refused(bundle, office.trust)


@pytest.mark.parametrize("name", NAMES)
def test_a_longer_or_shorter_file_is_named(name: str, bundle: Path, office: Any) -> None:
    good = (bundle / name).read_bytes()
    for bad in (good + b"\n", good[:-1], b""):
        (bundle / name).write_bytes(bad)
        assert name in refused(bundle, office.trust)


@pytest.mark.parametrize("name", ["extra.txt", "audits/extra.json", ".hidden", "more/data.csv", "data.csv "])
def test_an_added_file_is_named(name: str, bundle: Path, office: Any) -> None:
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).write_text("x", encoding="utf-8")
    assert name in refused(bundle, office.trust)


def test_an_added_empty_directory_is_named(bundle: Path, office: Any) -> None:
    (bundle / "spare").mkdir()
    assert "spare" in refused(bundle, office.trust)


def test_a_renamed_file_is_named(bundle: Path, office: Any) -> None:
    (bundle / "run.json").rename(bundle / "walk.json")
    assert "run.json" in refused(bundle, office.trust)


@pytest.mark.parametrize("name", [*NAMES, "audits"])
def test_a_symbolic_link_in_place_of_a_file_is_named(name: str, bundle: Path, office: Any) -> None:
    (bundle / name).rename(bundle.parent / "real")
    (bundle / name).symlink_to(bundle.parent / "real")
    assert name in refused(bundle, office.trust)


@pytest.mark.parametrize("name", ["data.csv", ATTESTATION])
def test_a_named_pipe_is_refused_without_waiting(name: str, bundle: Path, office: Any) -> None:
    (bundle / name).unlink()
    os.mkfifo(bundle / name)
    assert name in refused(bundle, office.trust)


def test_no_directory_an_empty_one_and_a_file_are_refused(tmp_path: Path, office: Any) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert "not a directory" in refused(tmp_path / "absent", office.trust)
    assert "empty" in refused(tmp_path / "empty", office.trust)
    assert "not a directory" in refused(tmp_path / "file", office.trust)


def test_a_candidate_that_nobody_signed_is_refused(candidate: Path, office: Any) -> None:
    assert f"{ATTESTATION} is missing" in refused(candidate, office.trust)


@pytest.mark.parametrize("name", [ATTESTATION, PROOF, "manifest.json"])
def test_a_huge_file_is_refused_unread(name: str, bundle: Path, office: Any) -> None:
    with (bundle / name).open("r+b") as stream:
        stream.truncate(2**40)
    assert f"{name} is larger" in refused(bundle, office.trust)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a":1,"a":1}', b'{"a":NaN}', b"1" * 9000]
)
def test_an_attestation_that_is_no_json_object_is_refused(data: bytes, bundle: Path, office: Any) -> None:
    (bundle / ATTESTATION).write_bytes(data)
    assert ATTESTATION in refused(bundle, office.trust)


def sealed(bundle: Path, statement: dict[str, Any], office: Any, *people: str) -> None:
    """Put a statement signed by people in place of the attestation."""
    words = canonical_bytes(statement)
    (bundle / ATTESTATION).write_bytes(envelope(words, office.sign(words, *people)))


def resealed(bundle: Path, office: Any, people: tuple[str, ...] = ("carol", "dana", "publisher")) -> None:
    """What a publisher who colludes with every approver could do: describe changed files and sign again."""
    files = {name: (bundle / name).read_bytes() for name in NAMES[:-3]}
    (bundle / "manifest.json").write_bytes(manifest_bytes(files))
    sealed(bundle, statement_of(files, "sam", "d" * 64), office, *people)
    (bundle / PROOF).write_bytes(office.proof(bundle))


PEOPLE_CASES = {
    ("carol", "publisher"): "1 distinct approvers of 2",
    ("carol", "carol", "publisher"): "1 distinct approvers of 2",
    ("carol", "olga", "publisher"): "no approver signed as data_owner",
    ("carol", "dana"): "signature of the service is missing",
    ("carol", "tim", "publisher"): "tim signed without a role",
    ("carol", "dana", "tim", "publisher"): "tim signed without a role",
    ("carol", "sam", "publisher"): "sam asked for this release",
    ("carol", "dana", "sam", "publisher"): "sam asked for this release",
    ("carol", "mallory", "publisher"): "not among the trusted keys",
    ("publisher",): "0 distinct approvers of 2",
    (): "signature of the service is missing",
}


@pytest.mark.parametrize("people", PEOPLE_CASES)
def test_signatures_of_the_wrong_people_do_not_count(
    people: tuple[str, ...], bundle: Path, statement: bytes, office: Any
) -> None:
    sealed(bundle, json.loads(statement), office, *people)
    text = refused(bundle, office.trust)
    assert PEOPLE_CASES[people] in text
    assert ATTESTATION in text


@pytest.mark.parametrize("people", PEOPLE_CASES)
def test_no_bundle_appears_without_the_right_signatures(
    people: tuple[str, ...], candidate: Path, statement: bytes, office: Any, tmp_path: Path
) -> None:
    signatures = office.sign(statement, *people)
    with pytest.raises(IntegrityError):
        build_bundle(candidate, tmp_path / "out", statement, signatures, b"", trust=office.trust, now=NOW)
    assert not list(tmp_path.iterdir())


def test_two_keys_of_one_person_are_one_person(bundle: Path, statement: bytes, office: Any) -> None:
    trust = dict(office.trust)
    olga = next(key for key in trust.values() if key.person == "olga")
    trust[olga.key_id] = type(olga)(olga.key_id, "carol", ("data_owner",), olga.public)
    sealed(bundle, json.loads(statement), office, "carol", "olga", "publisher")
    assert "1 distinct approvers of 2" in refused(bundle, trust)


def test_a_key_listed_twice_in_the_envelope_is_refused(bundle: Path, office: Any) -> None:
    value = json.loads((bundle / ATTESTATION).read_bytes())
    value["signatures"].insert(0, value["signatures"][0])
    (bundle / ATTESTATION).write_bytes(canonical_bytes(value))
    assert "signed twice" in refused(bundle, office.trust)


def test_a_signature_over_another_payload_type_is_refused(bundle: Path, office: Any) -> None:
    value = json.loads((bundle / ATTESTATION).read_bytes())
    value["payloadType"] = "application/json"
    (bundle / ATTESTATION).write_bytes(canonical_bytes(value))
    text = refused(bundle, office.trust)
    assert PAYLOAD_TYPE in text


def test_another_spelling_of_the_same_base64_is_refused(bundle: Path, office: Any) -> None:
    value = json.loads((bundle / ATTESTATION).read_bytes())
    good = value["signatures"][0]["sig"]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = good[:-3] + letters[letters.index(good[-3]) | 1] + "=="
    assert base64.b64decode(other) == base64.b64decode(good)
    assert other != good
    value["signatures"][0]["sig"] = other
    (bundle / ATTESTATION).write_bytes(canonical_bytes(value))
    assert "not canonical base64" in refused(bundle, office.trust)


def test_the_same_json_with_other_white_space_is_refused(bundle: Path, office: Any) -> None:
    for name in (ATTESTATION, "manifest.json"):
        good = (bundle / name).read_bytes()
        (bundle / name).write_text(json.dumps(json.loads(good)), encoding="utf-8")
        assert name in refused(bundle, office.trust)
        (bundle / name).write_bytes(good)


def test_a_release_ends_when_it_says(bundle: Path, office: Any) -> None:
    expires = datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(days=365)
    verify_bundle(bundle, office.trust, expires - timedelta(seconds=1))
    assert "expired" in refused(bundle, office.trust, expires)
    assert "future" in refused(bundle, office.trust, datetime(2026, 2, 1, tzinfo=UTC))


def test_a_moment_without_a_time_zone_is_refused(bundle: Path, office: Any) -> None:
    with pytest.raises(BadInput):
        verify_bundle(bundle, office.trust, datetime(2026, 4, 1))  # noqa: DTZ001


def change(bundle: Path, name: str, old: str, new: str) -> None:
    text = (bundle / name).read_text(encoding="utf-8")
    assert old in text
    (bundle / name).write_text(text.replace(old, new), encoding="utf-8")


LIES = {
    "a smaller epsilon": (
        "privacy-statement.json",
        '"epsilon":"',
        '"epsilon":"0.0',
        "not the one that its rho",
    ),
    "a smaller rho": ("privacy-statement.json", '"rho":"0.01"', '"rho":"0.001"', "not the one that its rho"),
    "a smaller Gaussian epsilon": (
        "privacy-statement.json",
        '"gaussian_epsilon":"',
        '"gaussian_epsilon":"0.0',
        "not the one that its rho",
    ),
    "no Gaussian epsilon": (
        "privacy-statement.json",
        '"gaussian_epsilon":"0',
        '"gaussian_epsilon":"","of_old":"0',
        "not the one that its rho",
    ),
    "a smaller mu squared": (
        "privacy-statement.json",
        '"mu_squared":"0.02004',
        '"mu_squared":"0.02003',
        "not the one that its rho",
    ),
    "a mu squared below that of any noise": (
        "privacy-statement.json",
        '"mu_squared":"0.0',
        '"mu_squared":"0.00',
        "mu_squared",
    ),
    "a mu squared in other digits": (
        "privacy-statement.json",
        '"mu_squared":"0.0',
        '"mu_squared":"00000000.0',
        "mu_squared is not a decimal",
    ),
    "no mu squared": (
        "privacy-statement.json",
        '"mu_squared":"0',
        '"mu_squared":"","was":"0',
        "its rho gives",
    ),
    "a rho above the cap": ("privacy-statement.json", '"rho":"0.01"', '"rho":"9"', "privacy-statement.json"),
    "a later end": ("privacy-statement.json", '"expires":"2027', '"expires":"2037', "expires"),
    "failed audits": ("audits/audit.json", '"PASSED"', '"FAILED"', "audits did not pass"),
    "another audit plan": ("audits/audit.json", '"plan_sha256":"', '"plan_sha256":"f', "audit plan"),
    "another policy format": ("policy.yaml", "formats: [csv, parquet]", "formats: [csv]", "data.parquet"),
    "other rows": ("policy.yaml", "output_rows_value: 60", "output_rows_value: 61", "number of rows"),
    "a broken policy": ("policy.yaml", "approvers: 2", "approvers: 1", "policy.yaml"),
    "a narrower domain": ("policy.yaml", '["0", "1"]', '["0", "2"]', "policy.yaml"),
    "no synthesizer named": ("run.json", '"synthesizer"', '"synthesiser"', "missing from the files"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_refused_even_when_everyone_signs_it(lie: str, bundle: Path, office: Any) -> None:
    name, old, new, reason = LIES[lie]
    change(bundle, name, old, new)
    try:
        resealed(bundle, office)
    except DpsynthError as error:
        assert name in str(error) or reason in str(error)
        return
    assert reason in refused(bundle, office.trust)


def test_a_swapped_policy_is_named_and_also_where_all_sign_anew_but_the_ledger(
    bundle: Path, office: Any
) -> None:
    honest = office.proof(bundle)
    good = (bundle / "policy.yaml").read_text(encoding="utf-8")
    (bundle / "policy.yaml").write_text(good.replace('\nversion: "1"', '\nversion: "2"'), encoding="utf-8")
    assert "policy.yaml does not have the SHA-256" in refused(bundle, office.trust)
    resealed(bundle, office)
    (bundle / PROOF).write_bytes(honest)
    assert f"{PROOF}: the policy" in refused(bundle, office.trust)


def test_a_consistent_guarantee_above_the_cap_is_refused(bundle: Path, office: Any, inputs: Any) -> None:
    value = json.loads((bundle / "privacy-statement.json").read_bytes())
    value["guarantee"] = guarantee_json(release_guarantee(inputs.policy, 500_000_000, None))
    (bundle / "privacy-statement.json").write_bytes(canonical_bytes(value))
    resealed(bundle, office)
    assert "above what policy.yaml allows" in refused(bundle, office.trust)


def restated(bundle: Path, office: Any, policy: Any, mu2_nano: int | None) -> None:
    """The guarantee of the same rho and another sum of mu squared, computed rightly and signed by all."""
    value = json.loads((bundle / "privacy-statement.json").read_bytes())
    value["guarantee"] = guarantee_json(release_guarantee(policy, 10_000_000, mu2_nano))
    (bundle / "privacy-statement.json").write_bytes(canonical_bytes(value))
    resealed(bundle, office)


@pytest.mark.parametrize("mu2_nano", [1, 19_999_999])
def test_a_mu_squared_that_no_mechanism_of_its_rho_can_have_is_refused(
    mu2_nano: int, bundle: Path, office: Any, inputs: Any
) -> None:
    restated(bundle, office, inputs.policy, mu2_nano)
    assert "mu_squared is less than any mechanism of that rho has" in refused(bundle, office.trust)


@pytest.mark.parametrize("mu2_nano", [None, 20_000_000, 10**9])
def test_a_guarantee_without_mu_squared_or_with_one_that_can_be_verifies(
    mu2_nano: int | None, bundle: Path, office: Any, inputs: Any
) -> None:
    restated(bundle, office, inputs.policy, mu2_nano)
    verify_bundle(bundle, office.trust, NOW)


def test_everything_that_is_promised_in_numbers_is_signed(statement: bytes, inputs: Any) -> None:
    signed, promised = json.loads(statement)["predicate"]["guarantee"], inputs.guarantee
    assert signed["gaussian_epsilon"] == promised.gaussian_epsilon != ""
    assert int(signed["mu_squared"].replace("0.", "", 1)) == promised.mu2_nano
    assert {**signed, **guarantee_json(promised)} == guarantee_json(promised)
    assert set(guarantee_json(promised)) - set(signed) == {"conversion", "assumptions"}


def test_signed_words_that_differ_from_the_files_are_named(
    bundle: Path, statement: bytes, office: Any
) -> None:
    for field, value in {"guarantee": {"epsilon": "0.1"}, "policy": {"id": "x"}, "issued": "x"}.items():
        words = json.loads(statement)
        words["predicate"][field] = value
        sealed(bundle, words, office, "carol", "dana", "publisher")
        assert f"predicate field {field} disagrees" in refused(bundle, office.trust)


def test_signed_words_about_another_kind_of_thing_are_refused(
    bundle: Path, statement: bytes, office: Any
) -> None:
    for field in ("_type", "predicateType"):
        words = json.loads(statement) | {field: "https://example.org/other"}
        sealed(bundle, words, office, "carol", "dana", "publisher")
        assert "does not describe these files" in refused(bundle, office.trust)
    for words in ({}, {"subject": []}, {"subject": [1]}, {"subject": "x", "predicate": 1}):
        sealed(bundle, words, office, "carol", "dana", "publisher")
        refused(bundle, office.trust)


@pytest.mark.parametrize("files", [[], 1, {"data.csv": 1}, {"data.csv": {"sha256": "x", "bytes": True}}])
def test_a_signed_manifest_of_another_shape_is_refused(
    files: Any, bundle: Path, statement: bytes, office: Any
) -> None:
    data = canonical_bytes({"files": files})
    (bundle / "manifest.json").write_bytes(data)
    words = json.loads(statement)
    words["subject"] = [{"name": "manifest.json", "digest": {"sha256": sha256_hex(data)}}]
    sealed(bundle, words, office, "carol", "dana", "publisher")
    assert "manifest.json" in refused(bundle, office.trust)


def test_a_bundle_is_never_overwritten(bundle: Path, candidate: Path, statement: bytes, office: Any) -> None:
    signatures = office.sign(statement, "carol", "dana", "publisher")
    with pytest.raises(Conflict):
        build_bundle(candidate, bundle, statement, signatures, b"", trust=office.trust, now=NOW)


def test_a_candidate_changed_after_the_decision_is_not_published(
    candidate: Path, statement: bytes, office: Any, tmp_path: Path
) -> None:
    changed = shutil.copytree(candidate, tmp_path / "c")
    change(changed, "README.md", "Purpose", "purpose")
    signatures = office.sign(statement, "carol", "dana", "publisher")
    with pytest.raises(IntegrityError, match=r"README\.md"):
        build_bundle(changed, tmp_path / "out", statement, signatures, b"", trust=office.trust, now=NOW)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c"]


def test_the_signed_bytes_are_those_the_candidate_had(
    bundle: Path, candidate: Path, statement: bytes
) -> None:
    assert manifest(bundle) == manifest(candidate) == (candidate / "manifest.json").read_bytes()
    subjects = {entry["name"]: entry["digest"]["sha256"] for entry in json.loads(statement)["subject"]}
    assert set(subjects) == {"manifest.json", "data.csv", "data.parquet"}
    for name, digest in subjects.items():
        assert sha256_hex((bundle / name).read_bytes()) == digest
