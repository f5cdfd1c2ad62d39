"""Revoke, prove, deliver, list and pause on the command line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

WHY = "The table held a column that nobody may use."


@pytest.fixture
def released(run: Any, walked: Any) -> Any:
    """Sam's release, published."""
    dossier = walked.dossier(run, walked.sams)
    ticks = [word for number in ("1", "2", "3") for word in ("--tick", number)]
    for person in ("carol", "dana"):
        words = ["approve", walked.sams, "--dossier", dossier, "--reason", "Read and discussed.", *ticks]
        assert run(*words, state=walked.state, person=person).code == 0
    assert run("publish", walked.sams, state=walked.state, person="carol").code == 0
    return walked


def verify(run: Any, released: Any, *more: object) -> Any:
    bundle = released.state / "bundles" / f"release-{released.sams}"
    return run("verify", bundle, "--keys", released.state / "keys", *more, "--json")


def test_a_release_is_revoked_and_verify_says_so_by_name(run: Any, released: Any, tmp_path: Path) -> None:
    state, request = released.state, released.sams
    first = tmp_path / "first.json"
    assert run("revocations", "--out", first, state=state).code == 0
    assert verify(run, released, "--revocations", first).code == 0
    said = run("revoke", request, "--reason", WHY, "--kind", "fault", state=state, person="dana")
    assert said.code == 0
    assert "Copies of a published release cannot be recalled" in said.out
    place = run("revocations", "--json", state=state).json["file"]
    refused = verify(run, released, "--revocations", place)
    assert (refused.code, refused.error["kind"]) == (5, "integrity")
    assert f"{request} was revoked on" in refused.error["what"]
    assert run("request", "show", request, "--json", state=state, person="sam").json["state"] == "revoked"
    assert run("ledger", "verify", state=state).code == 0
    assert run("revocations", "--out", first, state=state).code == 2  # a file that is there is kept


def test_a_revocation_needs_the_right_person_and_a_reason(run: Any, released: Any) -> None:
    for person, code in (("sam", 3), ("ada", 3), ("carol", 2)):
        words = ("revoke", released.sams, "--reason", WHY if code == 3 else "no", "--json")
        assert run(*words, state=released.state, person=person).code == code
    assert run("revoke", released.erins, "--reason", WHY, state=released.state, person="carol").code == 6


def test_a_newer_checkpoint_asks_for_a_newer_proof(run: Any, released: Any, tmp_path: Path) -> None:
    state, kept, proof = released.state, tmp_path / "kept", tmp_path / "proof"
    assert run("people", "add", "noor", "Noor", "--role", "auditor", state=state).code == 0
    assert run("ledger", "checkpoint", "--out", kept, state=state, person="ada").code == 0
    refused = verify(run, released, "--checkpoint", kept)
    assert refused.code == 5
    assert "ledger-proof.json: its checkpoint is older than the one that you kept" in refused.error["what"]
    assert run("prove", released.sams, "--out", proof, state=state, person="sam").code == 0
    proof.replace(state / "bundles" / f"release-{released.sams}" / "ledger-proof.json")
    whole = verify(run, released, "--checkpoint", kept)
    assert whole.code == 0
    assert any(line.startswith("checkpoint: yours") for line in whole.json["lines"])


def test_a_release_and_the_catalogue_go_to_a_place(run: Any, released: Any, tmp_path: Path) -> None:
    state, www, page = released.state, tmp_path / "www", tmp_path / "page.html"
    for _ in range(2):
        said = run("publish", released.sams, "--to", www, "--json", state=state, person="carol").json
        assert said["delivered"] == str(www / f"release-{released.sams}")
    assert run("verify", said["delivered"], "--keys", state / "keys").code == 0
    files = run("catalogue", "--to", www, "--json", state=state, person="carol").json["files"]
    assert [Path(one).name for one in files] == ["revocations.json", "index.html"]
    assert run("catalogue", "--out", page, state=state, person="ada").code == 0
    assert released.sams in page.read_text(encoding="utf-8")
    assert run("catalogue", state=state, person="carol").code == 2
    assert run("catalogue", "--out", page, state=state, person="carol").code == 2
    assert run("publish", released.sams, "--to", "s3://a:b@c/d", state=state, person="carol").code == 2


def test_the_place_to_publish_to_may_be_configured(
    run: Any, released: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DPSYNTH_PUBLISH_TO", str(tmp_path / "www"))
    assert run("publish", released.sams, state=released.state, person="carol").code == 0
    assert (tmp_path / "www" / f"release-{released.sams}" / "attestation.dsse.json").exists()


def test_a_dataset_is_paused_and_resumed(run: Any, walked: Any, kit: Any) -> None:
    state, words = walked.state, kit.submit_words("tiny", rho="0.001", key="later")
    said = run("dataset", "pause", "tiny", "--reason", WHY, "--json", state=state, person="carol")
    assert said.json == {"dataset_id": "tiny", "paused": True}
    refused = run(*words, "--json", state=state, person="sam")
    assert (refused.code, refused.error["kind"]) == (3, "refused_by_policy")
    assert "paused" in refused.error["what"]
    assert run("dataset", "resume", "tiny", "--reason", WHY, state=state, person="sam").code == 3
    assert run("dataset", "resume", "tiny", "--reason", WHY, state=state, person="dana").code == 0
    assert run(*words, "--json", state=state, person="sam").code == 0
    entries = run("ledger", "show", "--json", state=state, person="ada").json["entries"]
    assert [one["kind"] for one in entries if one["kind"] in ("pause", "resume")] == ["pause", "resume"]
    assert json.dumps(entries)


def test_an_extension_is_refused_in_words_where_there_is_nothing_to_extend(
    run: Any, released: Any, tmp_path: Path
) -> None:
    state, request, out = released.state, released.sams, tmp_path / "extension.json"
    words = ("extension", "propose", request, "--last-day", "2999-01-01", "--reason", WHY, "--json")
    refused = run(*words, state=state, person="carol")
    assert (refused.code, "as far as the policy lets" in refused.error["allowed"]) == (2, True)
    assert run(*words, state=state, person="sam").code == 3
    (one,) = run("extension", "list", "--json", state=state, person="ada").json["releases"]
    assert (one["request"], one["until"]) == (request, one["stated"])
    assert run("extension", "write", request, "--out", out, state=state, person="ada").code == 6
    assert not out.exists()
    assert run("extension", "sign", "x-000000000000", state=state, person="dana").code == 6
    out.write_bytes(b"{}")
    broken = verify(run, released, "--extension", out)
    assert (broken.code, "extension.json" in broken.error["what"]) == (5, True)


def test_a_dataset_is_withdrawn_by_its_owner_and_its_releases_stay(run: Any, released: Any) -> None:
    words = ("dataset", "withdraw", "tiny", "--reason", "The consent for this table has ended.", "--json")
    assert run(*words, state=released.state, person="carol").code == 3
    assert run(*words, state=released.state, person="dana").json["withdrawn"]
    assert run(*words, state=released.state, person="dana").code == 6
    assert verify(run, released).code == 0
    assert run("ledger", "verify", state=released.state).code == 0


def test_a_bundle_is_downloaded_into_a_new_file_or_none_is_left(
    run: Any, released: Any, tmp_path: Path
) -> None:
    state, request, out = released.state, released.sams, tmp_path / "bundle.zip"
    assert run("download", released.erins, "--out", out, state=state, person="sam").code == 2
    assert not out.exists()
    made = run("download", request, "--out", out, "--json", state=state, person="sam").json
    assert made["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert run("download", request, "--out", out, state=state, person="sam").code == 2  # it is there already
    absent = tmp_path / "absent.zip"
    assert run("download", released.erins, "--out", absent, state=state, person="erin").code == 6
    assert not absent.exists()
