"""What stands outside the signed files: the ledger's word, a kept checkpoint, revocations. Lies are named."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dpsynth.accounting.events import DiscreteGaussian, event_to_json
from dpsynth.core.canonical import canonical_bytes
from dpsynth.core.errors import IntegrityError
from dpsynth.publish import ledger_proof, revocation
from dpsynth.publish.keys import load_private_key
from dpsynth.publish.revocation import GOOD_DAYS, REVOCATIONS, SENTENCE, Revoked, sign_revocations
from dpsynth.publish.verify import Outside, VerifyReport, verify_bundle

NOW = datetime(2026, 4, 1, tzinfo=UTC)
PROOF = "ledger-proof.json"
RELEASE = "r-000000000001"

Books = Callable[..., Any]
Check = Callable[..., VerifyReport]


@pytest.fixture
def check(bundle: Path, office: Any) -> Check:
    """Verify the bundle, with another proof, a list or a kept checkpoint if one is given."""

    def run(proof: bytes | None = None, now: datetime = NOW, **outside: bytes) -> VerifyReport:
        if proof is not None:
            (bundle / PROOF).write_bytes(proof)
        return verify_bundle(bundle, office.trust, now, Outside(**outside))

    return run


def refused(check: Check, *proof: bytes, **outside: Any) -> str:
    with pytest.raises(IntegrityError) as caught:
        check(*proof, **outside)
    assert caught.value.exit_code == 5
    return str(caught.value)


def test_an_honest_ledger_is_told_and_what_was_not_looked_at_is_said(
    check: Check, book: Books, office: Any
) -> None:
    report = check(book().proof(office))
    assert [line for line in report.lines if line.startswith("ledger: 9 own entries")]
    assert len(report.notes) == 2
    whole = check(revocations=listed(office, book()), checkpoint=book().checkpoint(office, 3))
    assert whole.notes == ()
    assert len(whole.lines) == len(report.lines) + 2


def test_the_proof_holds_nothing_of_other_entries_but_their_hashes(bundle: Path, book: Books) -> None:
    told = (bundle / PROOF).read_bytes()
    payload = base64.b64decode(json.loads(told)["payload"])
    assert b"publish" in payload
    assert b"olga" not in payload
    assert any("olga" in text for text in book().texts)


def test_every_changed_byte_of_a_proof_is_found(bundle: Path, office: Any) -> None:
    good = (bundle / PROOF).read_bytes()
    assert ledger_proof.read_proof(good, office.trust).release_id == RELEASE
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1
        with pytest.raises(IntegrityError, match=PROOF):
            ledger_proof.read_proof(bytes(bad), office.trust)


def rewritten(kind: str, **values: Any) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    """Entries of a kind with other facts; without any, the entry is left out."""

    def change(body: dict[str, Any]) -> dict[str, Any] | None:
        if body["kind"] != kind:
            return body
        return {**body, **values} if values else None

    return change


DEAR = [event_to_json(DiscreteGaussian(9.9)) for _ in range(2)]
STORIES = {
    "asked by somebody else": (rewritten("request", actor="tim"), "requester"),
    "under another policy": (rewritten("request", policy_sha256="e" * 64), "policy"),
    "signed by somebody else": (rewritten("approve", actor="olga"), "approvers"),
    "over another dossier": (rewritten("approve", dossier_sha256="e" * 64), "dossier"),
    "another dossier was written": (rewritten("dossier", dossier_sha256="e" * 64), "dossier"),
    "with another manifest": (rewritten("publish", manifest_sha256="e" * 64), "manifest"),
    "with no manifest": (rewritten("publish", manifest_sha256=None), "manifest"),
    "with dearer steps": (rewritten("settled", events=DEAR), "cost more than the stated rho"),
    "with steps nobody knows": (rewritten("settled", events=[{"event": "gift"}]), "cannot be read"),
    "with no list of steps": (rewritten("settled", events=None), "cannot be read"),
    "about another release": (rewritten("committed", charge="r-2"), "another release"),
    **{
        f"without {kind}": (rewritten(kind), "does not tell of a release that was charged")
        for kind in ledger_proof.OWN_KINDS
    },
}


@pytest.mark.parametrize("story", STORIES)
def test_a_ledger_that_tells_another_story_is_refused_though_the_service_signed_it(
    story: str, check: Check, book: Books, office: Any
) -> None:
    change, words = STORIES[story]
    text = refused(check, book(change=change).proof(office))
    assert PROOF in text
    assert words in text


@pytest.mark.parametrize(
    "people", [("carol",), ("carol", "dana", "olga"), ("carol", "carol", "dana"), ("dana", "olga")]
)
def test_approvals_of_the_ledger_and_signatures_are_of_the_same_people(
    people: tuple[str, ...], check: Check, book: Books, office: Any
) -> None:
    assert "approvers" in refused(check, book(people).proof(office))


def test_entries_hashes_and_checkpoint_must_fit_each_other(check: Check, book: Books, office: Any) -> None:
    one = book()
    texts = [one.texts[number - 1] for number in one.own]
    first = one.texts[one.own[0] - 1].replace("people", "nobody")
    lies = {
        "is not the one that the ledger's hashes know": {"texts": [first, *texts[1:]]},
        "not in the order of the ledger": {"texts": [texts[1], texts[0], *texts[2:]]},
        "shows no entries": {"texts": []},
        "do not lead from the ledger's first entry": {"links": one.links[:-1]},
        "hashes cannot be read": {"links": []},
        "another release": {"release_id": "r-2"},
    }
    for words, parts in lies.items():
        text = refused(check, one.proof(office, **parts))
        assert words in text
        assert PROOF in text
    for forged in ({"hash": "e" * 64}, {"origin": "e" * 64}):
        head = one.checkpoint(office, len(one.texts), **forged)
        assert "do not lead" in refused(check, one.proof(office, checkpoint=head))


def test_a_checkpoint_that_does_not_reach_the_release_is_refused(
    check: Check, book: Books, office: Any
) -> None:
    one = book()
    check(one.proof(office, one.own[-1]))
    for seq in (one.own[-1] - 1, one.own[0], 1):
        assert "its checkpoint is older than the release" in refused(check, one.proof(office, seq))


@pytest.mark.parametrize("people", [("carol",), ("carol", "publisher"), ("mallory",), ()])
def test_a_proof_or_a_checkpoint_that_the_service_alone_did_not_sign_is_refused(
    people: tuple[str, ...], check: Check, book: Books, office: Any
) -> None:
    payload = base64.b64decode(json.loads(book().proof(office))["payload"])
    assert PROOF in refused(check, office.seal(payload, ledger_proof.PAYLOAD_TYPE, *people))
    if people == ("carol",):
        head = book().checkpoint(office, len(book().texts), by="carol")
        assert "its checkpoint" in refused(check, book().proof(office, checkpoint=head))


def test_a_proof_of_another_kind_or_form_is_refused(check: Check, book: Books, office: Any) -> None:
    payload = base64.b64decode(json.loads(book().proof(office))["payload"])
    assert "payload type" in refused(check, office.seal(payload, revocation.PAYLOAD_TYPE, "publisher"))
    whole = json.loads(payload)
    for change in (
        {"more": 1},
        {"links": 1},
        {"links": "\N{SNOWMAN}"},
        {"entries": "x"},
        {"entries": [1]},
        {"entries": ["{}"]},
        {"entries": ["no"]},
        {"revocations": "-1"},
        {"checkpoint": {}},
    ):
        lie = canonical_bytes({**whole, **change})
        assert PROOF in refused(check, office.seal(lie, ledger_proof.PAYLOAD_TYPE, "publisher"))


def test_every_earlier_checkpoint_of_the_same_ledger_is_part_of_the_proof(
    check: Check, book: Books, office: Any
) -> None:
    one = book()
    for seq in range(1, len(one.texts) + 1):
        report = check(checkpoint=one.checkpoint(office, seq) + b"\n")
        assert any(line.startswith(f"checkpoint: yours of entry {seq},") for line in report.lines)


def test_an_older_checkpoint_than_the_one_that_was_kept_is_refused_and_a_newer_proof_accepted(
    check: Check, book: Books, office: Any
) -> None:
    grown = book()
    grown.add({"kind": "view", "actor": "olga", "salt": "later"})
    kept = grown.checkpoint(office, len(grown.texts))
    text = refused(check, checkpoint=kept)
    assert f"{PROOF}: its checkpoint is older than the one that you kept" in text
    assert "dpsynth prove" in text
    check(grown.proof(office), checkpoint=kept)


def test_a_fork_and_a_ledger_that_was_started_anew_are_refused(
    check: Check, book: Books, office: Any
) -> None:
    mine = book()
    assert "started anew" in refused(check, checkpoint=book(history="two").checkpoint(office, 4))
    other = replace(mine, texts=mine.texts[:3])
    other.add({"kind": "view", "actor": "olga", "salt": "another past"})
    check(checkpoint=other.checkpoint(office, 3))
    assert "entry 4 is not the one of the checkpoint that you kept" in refused(
        check, checkpoint=other.checkpoint(office, 4)
    )


@pytest.mark.parametrize("by", ["carol", "mallory"])
def test_a_kept_checkpoint_that_is_not_the_services_is_refused(
    by: str, check: Check, book: Books, office: Any
) -> None:
    assert "the checkpoint that you kept" in refused(check, checkpoint=book().checkpoint(office, 2, by=by))
    assert "the checkpoint that you kept" in refused(check, checkpoint=b"{}")


def listed(
    office: Any, one: Any, *revoked: Revoked, entry: int = 0, now: datetime = NOW, by: str = "publisher"
) -> bytes:
    """The service's list of a ledger."""
    key = load_private_key(office.folder / f"{by}.pem")
    return sign_revocations(revoked, one.links[0], entry or len(one.texts), now, key)


MINE = Revoked(RELEASE, "2026-03-20T00:00:00Z", "promise")
OTHER = Revoked("r-2", "2026-03-20T00:00:00Z", "fault")


def test_a_release_that_is_not_on_the_list_verifies_and_one_that_is_does_not(
    check: Check, book: Books, office: Any
) -> None:
    for others in ((), (OTHER,)):
        report = check(revocations=listed(office, book(), *others))
        assert any(f"list {len(others)} of 2026-04-01T00:00:00Z" in line for line in report.lines)
    text = refused(check, revocations=listed(office, book(), OTHER, MINE))
    assert f"{RELEASE} was revoked on 2026-03-20T00:00:00Z: the stated promise does not hold" in text
    assert SENTENCE.rstrip(".") in text


def test_a_revoked_release_stays_so_on_a_list_that_is_out_of_date_or_of_an_unknown_reason(
    check: Check, book: Books, office: Any
) -> None:
    old = listed(office, book(), MINE, now=NOW - timedelta(days=400))
    assert "was revoked" in refused(check, revocations=old)
    odd = listed(office, book(), replace(MINE, reason="of a later program"))
    assert "another reason" in refused(check, revocations=odd)


def test_a_list_is_good_until_its_own_day(check: Check, book: Books, office: Any) -> None:
    made = listed(office, book())
    last = NOW + timedelta(days=GOOD_DAYS)
    check(revocations=made, now=last - timedelta(seconds=1))
    assert "newer revocations may be missing" in refused(check, revocations=made, now=last)
    assert "future of this clock" in refused(check, revocations=made, now=NOW - timedelta(seconds=1))


def test_a_list_that_is_older_than_the_release_says_nothing_about_it(
    check: Check, book: Books, office: Any
) -> None:
    one = book()
    check(revocations=listed(office, one, entry=one.own[-1]))
    words = f"{REVOCATIONS}: it is older than the release"
    assert words in refused(check, revocations=listed(office, one, entry=one.own[-1] - 1))
    check(one.proof(office, revocations=1), revocations=listed(office, one, OTHER))
    assert words in refused(check, one.proof(office, revocations=2), revocations=listed(office, one, OTHER))


def test_a_list_of_another_ledger_or_of_somebody_else_is_refused(
    check: Check, book: Books, office: Any
) -> None:
    assert "another ledger" in refused(check, revocations=listed(office, book(history="two")))
    for by in ("carol", "mallory"):
        assert REVOCATIONS in refused(check, revocations=listed(office, book(), by=by))


def test_every_changed_byte_of_a_list_is_found(bundle: Path, book: Books, office: Any) -> None:
    good = listed(office, book(), OTHER)
    proof = ledger_proof.read_proof((bundle / PROOF).read_bytes(), office.trust)
    assert revocation.check_revocations(good, office.trust, proof, NOW)
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 1
        with pytest.raises(IntegrityError, match=REVOCATIONS):
            revocation.check_revocations(bytes(bad), office.trust, proof, NOW)


def test_a_signed_list_of_another_form_is_refused(check: Check, book: Books, office: Any) -> None:
    whole = json.loads(base64.b64decode(json.loads(listed(office, book(), OTHER))["payload"]))
    for change in (
        {"more": 1},
        {"revoked": {}},
        {"revoked": [{"release_id": "r-2"}]},
        {"revoked": [1]},
        {"number": "2"},
        {"number": "x"},
        {"entry": None},
        {"time": "today"},
        {"next": 1},
    ):
        lie = office.seal(canonical_bytes({**whole, **change}), revocation.PAYLOAD_TYPE, "publisher")
        assert REVOCATIONS in refused(check, revocations=lie), change


def test_the_list_holds_ids_times_and_kinds_of_reasons_only(book: Books, office: Any) -> None:
    told = json.loads(base64.b64decode(json.loads(listed(office, book(), MINE))["payload"]))
    assert set(told) == {"origin", "number", "entry", "time", "next", "revoked", "note"}
    assert told["revoked"] == [{"release_id": RELEASE, "time": MINE.time, "reason": "promise"}]
