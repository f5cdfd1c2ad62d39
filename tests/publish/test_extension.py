"""An extension: signed as the release was, for these very files, no further than its policy lets one live."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dpsynth.core.canonical import canonical_bytes, sha256_hex
from dpsynth.core.errors import IntegrityError
from dpsynth.publish.extension import PAYLOAD_TYPE, Extendable, extension_bytes
from dpsynth.publish.inputs import utc_text
from dpsynth.publish.keys import load_private_key
from dpsynth.publish.revocation import Revoked, sign_revocations
from dpsynth.publish.verify import Outside, verify_bundle

ISSUED = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""As the fixture's release."""


@pytest.fixture
def bundle(release: Any) -> Path:
    built: Path = release()
    return built


@pytest.fixture
def facts(bundle: Path) -> dict[str, Any]:
    """What the release says of itself: days of its policy, and what an extension is bound to."""
    said = json.loads((bundle / "privacy-statement.json").read_bytes())
    ends = datetime.fromisoformat(said["expires"])
    manifest = sha256_hex((bundle / "manifest.json").read_bytes())
    about = Extendable(said["release_id"], manifest, said["expires"])
    return {"ends": ends, "days": (ends - ISSUED).days, "about": about}


class Case:
    """One extension and the moment at which it is looked at."""

    def __init__(self, office: Any, bundle: Path, facts: dict[str, Any]) -> None:
        self.office, self.bundle, self.facts = office, bundle, facts
        self.proposed = facts["ends"] + timedelta(days=1)
        self.until = self.proposed + timedelta(days=facts["days"])
        self.now = facts["ends"] + timedelta(days=2)

    def payload(self, **changed: Any) -> bytes:
        about = Extendable(**{**self.facts["about"].__dict__, **changed})
        return extension_bytes(about, utc_text(self.proposed), utc_text(self.until))

    def seal(self, *people: str, payload: bytes = b"", kind: str = PAYLOAD_TYPE) -> bytes:
        sealed: bytes = self.office.seal(payload or self.payload(), kind, *people)
        return sealed

    def verify(self, data: bytes | None, **outside: bytes) -> tuple[str, ...]:
        found = Outside(extension=data, **outside)
        return verify_bundle(self.bundle, self.office.trust, self.now, found).lines


@pytest.fixture
def case(office: Any, bundle: Path, facts: dict[str, Any]) -> Case:
    return Case(office, bundle, facts)


APPROVED = ("carol", "dana", "publisher")


def test_a_release_that_expired_verifies_with_its_extension_and_not_without(case: Case) -> None:
    with pytest.raises(IntegrityError, match="the permission expired"):
        case.verify(None)
    (line,) = [line for line in case.verify(case.seal(*APPROVED)) if line.startswith("permission")]
    assert f"until {utc_text(case.until)}, extended from {case.facts['about'].expires}" in line
    assert {"carol (compliance_officer)", "dana (data_owner)"} <= set(re.findall(r"\w+ \(\w+\)", line))
    case.now = case.until
    with pytest.raises(IntegrityError, match="its extension included"):
        case.verify(case.seal(*APPROVED))


@pytest.mark.parametrize(
    ("people", "words"),
    [
        (("carol", "publisher"), "1 distinct approvers of 2"),
        (("carol", "olga", "publisher"), "no approver signed as data_owner"),
        (("carol", "sam", "publisher"), "sam asked for this release"),
        (("carol", "dana", "tim", "publisher"), "tim signed without a role"),
        (("carol", "dana"), "signature of the service is missing"),
        (("publisher",), "0 distinct approvers of 2"),
    ],
)
def test_whose_signatures_count_is_as_for_the_release(
    case: Case, people: tuple[str, ...], words: str
) -> None:
    with pytest.raises(IntegrityError, match=words) as told:
        case.verify(case.seal(*people))
    assert "extension.json" in told.value.what


@pytest.mark.parametrize(
    "changed",
    [{"release_id": "r-000000000002"}, {"manifest_sha256": "0" * 64}, {"expires": "2030-01-01T00:00:00Z"}],
)
def test_it_holds_for_these_files_and_no_others(case: Case, changed: dict[str, str]) -> None:
    with pytest.raises(IntegrityError, match="another release, or other files"):
        case.verify(case.seal(*APPROVED, payload=case.payload(**changed)))


def test_its_times_are_bounded_by_the_policy_and_the_clock(case: Case) -> None:
    case.until += timedelta(seconds=1)
    with pytest.raises(IntegrityError, match=f"further than the {case.facts['days']} days"):
        case.verify(case.seal(*APPROVED))
    case.until = case.facts["ends"]
    with pytest.raises(IntegrityError, match="does not end later"):
        case.verify(case.seal(*APPROVED))
    case.proposed = case.now + timedelta(days=1)
    case.until = case.proposed + timedelta(days=1)
    with pytest.raises(IntegrityError, match="in the future of this clock"):
        case.verify(case.seal(*APPROVED))


def test_a_changed_or_disguised_extension_is_refused(case: Case) -> None:
    good = case.seal(*APPROVED)
    for place in range(0, len(good), 37):
        bad = bytearray(good)
        bad[place] ^= 1
        with pytest.raises(IntegrityError, match=r"extension\.json"):
            case.verify(bytes(bad))
    with pytest.raises(IntegrityError, match="payload type"):
        case.verify(case.seal(*APPROVED, kind="application/vnd.dpsynth.revocations+json"))
    with pytest.raises(IntegrityError, match="no extension"):
        case.verify(case.seal(*APPROVED, payload=canonical_bytes({"until": utc_text(case.until)})))
    assert case.verify(good + b"\n")


def test_it_gives_nothing_back_that_a_revocation_took(case: Case, office: Any) -> None:
    proof = json.loads((case.bundle / "ledger-proof.json").read_bytes())
    told = json.loads(base64.b64decode(proof["payload"]))
    at = json.loads(base64.b64decode(told["checkpoint"]["payload"]))
    one = Revoked(case.facts["about"].release_id, utc_text(case.now), "fault")
    key = load_private_key(office.folder / "publisher.pem")
    data = sign_revocations([one], at["origin"], int(at["seq"]), case.now, key)
    with pytest.raises(IntegrityError, match="was revoked"):
        case.verify(case.seal(*APPROVED), revocations=data)
