"""What becomes of published releases: revoked, proved, delivered, listed; and datasets that are paused."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dpsynth.core.errors import BadInput, Conflict, IntegrityError, PolicyRefusal
from dpsynth.publish.keys import load_public_keys
from dpsynth.publish.verify import Outside, verify_bundle
from dpsynth.service import Platform, RequestForm, decisions
from dpsynth.service.jobs import claim
from dpsynth.service.samples import SampleForm

Form = Callable[..., RequestForm]
WHY = "The table held a column that nobody may use."


@dataclass(frozen=True)
class Desk:
    """A state with one published release and the platform on it."""

    home: Path
    platform: Platform
    request: str

    @property
    def bundle(self) -> Path:
        return self.home / "bundles" / f"release-{self.request}"

    def verify(self, now: datetime | None = None, **outside: bytes) -> Any:
        trust = load_public_keys(self.platform.keys_dir)
        return verify_bundle(self.bundle, trust, now or datetime.now(UTC), Outside(**outside))

    def sql(self, text: str, *values: object) -> None:
        """Change the database behind the platform's back."""
        with closing(sqlite3.connect(self.home / "ledger.sqlite")) as connection:
            connection.execute(text, values)
            connection.commit()


def to_approval(platform: Platform, form: RequestForm, who: str = "sam") -> str:
    request = platform.submit(who, form)
    platform.run_once("worker")
    dossier = platform.dossier("carol", request.id)
    for person in ("carol", "dana"):
        ticks = tuple(dossier.body["must_tick"])
        platform.approve(person, request.id, dossier.sha256, "All of it was read and discussed.", ticks)
    return request.id


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, rand_csv: Path) -> tuple[Path, str]:
    """A state in which Otto, an officer too, has a published release."""
    policy = Path(__file__).parents[2] / "policies" / "rand-health.yaml"
    platform = Platform.open(tmp_path_factory.mktemp("published") / "state")
    for person, roles in {
        "sam": ("data_scientist",),
        "carol": ("compliance_officer",),
        "dana": ("data_owner",),
        "otto": ("compliance_officer", "data_scientist"),
        "ada": ("auditor",),
    }.items():
        platform.add_person(person, person.title(), roles)
    platform.register_dataset("dana", policy, rand_csv)
    purpose = "Teaching health economics: students compare visit counts, without looking at anybody. <b>&"
    form = RequestForm("rand-health", "independent", purpose, "students", epsilon="0.5")
    request = to_approval(platform, form, "otto")
    platform.publish("carol", request)
    return platform.bundles_dir.parent, request


@pytest.fixture
def desk(published: tuple[Path, str], tmp_path: Path) -> Desk:
    home = shutil.copytree(published[0], tmp_path / "state")
    return Desk(home, Platform.open(home), published[1])


def test_the_bundle_of_a_real_ledger_verifies_up_to_a_checkpoint_that_was_kept(desk: Desk) -> None:
    assert any(line.startswith("ledger: 9 own entries") for line in desk.verify().lines)
    book = desk.platform.ledger_entries("ada")
    last = next(one for one in book if one.kind == "publish")
    assert len(last.body["manifest_sha256"]) == 64
    assert len({one.salt for one in book}) == len(book)


def test_the_proof_shows_nobody_elses_entries(desk: Desk) -> None:
    import base64

    envelope = json.loads((desk.bundle / "ledger-proof.json").read_bytes())
    told = json.loads(base64.b64decode(envelope["payload"]))
    kinds = [json.loads(text)["kind"] for text in told["entries"]]
    assert kinds == [
        "reserve", "request", "committed", "settled", "dossier", "approve", "approve", "approved", "publish",
    ]  # fmt: skip
    assert '"ada"' not in "".join(told["entries"])  # as a value: a digest may spell it


def test_a_newer_checkpoint_needs_a_newer_proof_which_may_take_the_old_ones_place(desk: Desk) -> None:
    desk.platform.add_person("noor", "Noor", ("auditor",))
    kept = desk.platform.checkpoint("ada").envelope.encode()
    with pytest.raises(IntegrityError, match="older than the one that you kept"):
        desk.verify(checkpoint=kept)
    (desk.bundle / "ledger-proof.json").write_bytes(desk.platform.releases.prove("otto", desk.request))
    assert any(line.startswith("checkpoint: yours") for line in desk.verify(checkpoint=kept).lines)
    with pytest.raises(BadInput, match="no request with this id"):
        desk.platform.releases.prove("sam", desk.request)


def test_a_restored_backup_that_goes_on_is_found_by_whoever_kept_a_checkpoint(
    desk: Desk, tmp_path: Path
) -> None:
    backup = shutil.copytree(desk.home, tmp_path / "backup")
    desk.platform.add_person("noor", "Noor", ("auditor",))
    kept = desk.platform.checkpoint("ada").envelope.encode()
    restored = Platform.open(backup)
    for number, words in enumerate(("older than the one that you kept", "history was forked")):
        proof = restored.releases.prove("otto", desk.request)
        (desk.bundle / "ledger-proof.json").write_bytes(proof)
        with pytest.raises(IntegrityError, match=words):
            desk.verify(checkpoint=kept)
        restored.add_person(f"nina-{number}", "Nina", ("auditor",))
    assert restored.verify_ledger() > 0  # by itself it looks whole


def test_a_revoked_release_fails_by_name_for_whoever_has_the_list(desk: Desk, tmp_path: Path) -> None:
    before = desk.platform.releases.revocations()
    assert any("list 0 of" in line for line in desk.verify(revocations=before).lines)
    spent = desk.platform.budget("carol")
    view = desk.platform.releases.revoke("dana", desk.request, WHY, "fault")
    assert view.state == "revoked"
    assert "Copies cannot be recalled" in view.message
    data = (desk.home / "bundles" / "revocations.json").read_bytes()
    with pytest.raises(IntegrityError, match=f"{desk.request} was revoked on .*the data or the way"):
        desk.verify(revocations=data)
    assert desk.platform.budget("carol") == spent
    assert WHY not in data.decode() + json.dumps([one.body for one in desk.platform.ledger_entries("ada")])
    assert desk.platform.verify_ledger() > 0
    with pytest.raises(PolicyRefusal, match="published releases only"):
        desk.platform.sample("otto", desk.request, SampleForm(10, tmp_path / "more.csv"))


def test_who_may_not_revoke_and_what_cannot_be_revoked(desk: Desk, form: Form) -> None:
    revoke = desk.platform.releases.revoke
    for person, error in (("otto", "own release"), ("ada", "may not do this"), ("sam", "may not do this")):
        with pytest.raises(PolicyRefusal, match=error):
            revoke(person, desk.request, WHY)
    for reason in ("", "   too short ".strip()[:8], "x" * 4001):
        with pytest.raises(BadInput, match="written reason"):
            revoke("carol", desk.request, reason)
    with pytest.raises(BadInput, match="kind of reason"):
        revoke("carol", desk.request, WHY, "mood")
    waiting = desk.platform.submit("sam", form(epsilon="0.3")).id
    with pytest.raises(Conflict, match="queued"):
        revoke("carol", waiting, WHY)
    assert not (desk.home / "bundles" / "revocations.json").exists()
    revoke("carol", desk.request, WHY)
    with pytest.raises(Conflict, match="revoked"):
        revoke("dana", desk.request, WHY)
    for act in (lambda: desk.platform.publish("carol", desk.request), lambda: _prove(desk)):
        with pytest.raises((PolicyRefusal, Conflict), match="revoked"):
            act()


def _prove(desk: Desk) -> bytes:
    return desk.platform.releases.prove("carol", desk.request)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM revocation",
        "UPDATE revocation SET person = 'ada'",
        "UPDATE revocation SET kind = 'replaced'",
        "UPDATE revocation SET reason = 'It was replaced, nothing more.'",
        "UPDATE revocation SET time = '2020-01-01T00:00:00Z'",
        "UPDATE request SET state = 'published'",
        "INSERT INTO pause VALUES ('rand-health', 'carol', 'invented here', '2026-01-01')",
    ],
)
def test_the_ledger_notices_a_revocation_or_a_pause_that_was_changed(change: str, desk: Desk) -> None:
    desk.platform.releases.revoke("carol", desk.request, WHY)
    assert desk.platform.verify_ledger() > 0
    desk.sql(change)
    with pytest.raises(IntegrityError):
        desk.platform.verify_ledger()


def test_a_list_that_was_lost_between_commit_and_writing_is_written_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dpsynth.service import revoking

    def died(*_: object) -> bytes:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(revoking, "revocation_list", died)
        with pytest.raises(OSError, match="full"):
            desk.platform.releases.revoke("carol", desk.request, WHY)
    assert not list((desk.home / "bundles").glob("*revocations*"))
    assert desk.platform.request("carol", desk.request).state == "revoked"
    with pytest.raises(IntegrityError, match="was revoked"):
        desk.verify(revocations=desk.platform.releases.revocations())


def test_an_expired_release_fails_and_the_list_does_not_help(desk: Desk) -> None:
    with pytest.raises(IntegrityError, match="expired"):
        desk.verify(datetime.now(UTC) + timedelta(days=4000))


def test_a_publish_that_died_before_the_bundle_appeared_is_ended_by_the_next(
    desk: Desk, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = to_approval(desk.platform, form(epsilon="0.3"))

    def died(*_: object) -> Path:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(decisions, "bundle", died)
        with pytest.raises(OSError, match="full"):
            desk.platform.publish("carol", request)
    assert not (desk.home / "bundles" / f"release-{request}").exists()
    told = [one.kind for one in desk.platform.ledger_entries("ada") if one.body.get("request") == request]
    assert told.count("publish") == 1
    again = Desk(desk.home, desk.platform, request)
    assert desk.platform.publish("dana", request) == again.bundle
    assert again.verify().lines
    assert desk.platform.verify_ledger() > 0
    assert [one.kind for one in desk.platform.ledger_entries("ada")].count("publish") == 2


def test_a_release_is_delivered_once_verified_by_those_who_may(desk: Desk, tmp_path: Path) -> None:
    deliver = desk.platform.releases.deliver
    place = deliver("carol", desk.request, str(tmp_path / "out"))
    assert deliver("dana", desk.request, str(tmp_path / "out")) == place
    there = Desk(tmp_path, desk.platform, desk.request)
    assert sorted(path.name for path in Path(place).rglob("*")) == sorted(
        path.name for path in desk.bundle.rglob("*")
    )
    told = [one for one in desk.platform.ledger_entries("ada") if one.kind == "deliver"]
    assert [one.body["target"] for one in told] == [str(tmp_path / "out")] * 2
    for person in ("sam", "ada"):
        with pytest.raises(PolicyRefusal):
            deliver(person, desk.request, str(tmp_path / "more"))
    with pytest.raises(BadInput):
        deliver("carol", desk.request, "s3://key:secret@bucket/x")
    desk.platform.releases.revoke("dana", desk.request, WHY)
    with pytest.raises(Conflict, match="revoked"):
        deliver("carol", desk.request, str(tmp_path / "more"))
    assert not (tmp_path / "more").exists()
    assert there.home.exists()


def test_a_changed_bundle_is_not_delivered(desk: Desk, tmp_path: Path) -> None:
    (desk.bundle / "README.md").write_text("come in", encoding="utf-8")
    with pytest.raises(IntegrityError, match=r"README\.md"):
        desk.platform.releases.deliver("carol", desk.request, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_the_catalogue_lists_what_was_promised_and_nothing_that_is_not_public(
    desk: Desk, tmp_path: Path
) -> None:
    page = desk.platform.releases.catalogue("carol")
    statement = json.loads((desk.bundle / "privacy-statement.json").read_text(encoding="utf-8"))
    for words in (
        desk.request,
        statement["guarantee"]["epsilon"],
        statement["guarantee"]["rho"],
        "a suspicion of 1 in 2 becomes at most",
        "Copies of a published release cannot be recalled",
        "dpsynth-verify",
    ):
        assert words in page
    text = page.partition("</style>")[2]
    for secret in ("otto", "Otto", "carol", "<b>", "visit counts", str(desk.home), "ledger.sqlite"):
        assert secret not in text
    desk.platform.releases.revoke("carol", desk.request, WHY, "promise")
    after = desk.platform.releases.catalogue("ada")
    assert "Revoked on" in after
    assert WHY not in after
    with pytest.raises(PolicyRefusal):
        desk.platform.releases.catalogue("sam")
    places = desk.platform.releases.deliver_catalogue("carol", str(tmp_path / "www"))
    assert [Path(place).name for place in places] == ["revocations.json", "index.html"]
    with pytest.raises(IntegrityError, match="was revoked"):
        desk.verify(revocations=Path(places[0]).read_bytes())


def test_a_statement_that_was_changed_is_not_listed(desk: Desk) -> None:
    path = desk.bundle / "privacy-statement.json"
    path.write_bytes(path.read_bytes().replace(b'"epsilon":"0', b'"epsilon":"9'))
    with pytest.raises(IntegrityError, match="not the one that was signed"):
        desk.platform.releases.catalogue("carol")


def test_a_paused_dataset_takes_no_request_and_what_is_queued_waits(desk: Desk, form: Form) -> None:
    releases = desk.platform.releases
    queued = desk.platform.submit("sam", form(epsilon="0.3"))
    releases.pause("carol", "rand-health", WHY)
    held = desk.platform.budget("sam")
    with pytest.raises(PolicyRefusal, match="paused"):
        desk.platform.submit("sam", form(key="more", epsilon="0.2"))
    assert desk.platform.run_once("worker") is None
    assert desk.platform.request("sam", queued.id).state == "queued"
    assert desk.platform.budget("sam") == held
    assert [(one.dataset_id, one.reason) for one in releases.paused("carol")] == [("rand-health", WHY)]
    assert [one.reason for one in releases.paused("sam")] == [""]
    assert desk.platform.verify_ledger() > 0
    releases.resume("dana", "rand-health", "The column is gone now.")
    assert releases.paused("sam") == []
    assert desk.platform.run_once("worker").state == "awaiting_decision"
    assert desk.platform.verify_ledger() > 0


def test_a_run_that_was_taken_before_the_pause_stops_before_it_spends(
    desk: Desk, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = desk.platform.submit("sam", form(epsilon="0.3"))
    before = desk.platform.budget("carol")[0].spent_nano

    def claim_then_pause(*args: Any) -> str | None:
        taken = claim(*args)
        Platform.open(desk.home).releases.pause("carol", "rand-health", WHY)
        return taken

    monkeypatch.setattr("dpsynth.service.worker.claim", claim_then_pause)
    done = desk.platform.run_once("worker")
    assert done is not None
    assert (done.id, done.state) == (request.id, "failed")
    assert "Nothing was spent" in done.message
    scope = desk.platform.budget("carol")[0]
    assert (scope.spent_nano, scope.held_nano) == (before, 0)


def test_who_may_pause_and_what_cannot_be_paused_twice(desk: Desk) -> None:
    releases = desk.platform.releases
    for person in ("sam", "ada", "nobody"):
        with pytest.raises(PolicyRefusal):
            releases.pause(person, "rand-health", WHY)
        with pytest.raises(PolicyRefusal):
            releases.resume(person, "rand-health", WHY)
    with pytest.raises(BadInput, match="written reason"):
        releases.pause("carol", "rand-health", "no")
    with pytest.raises(BadInput, match="No dataset"):
        releases.pause("carol", "other", WHY)
    with pytest.raises(Conflict, match="not paused"):
        releases.resume("carol", "rand-health", WHY)
    releases.pause("carol", "rand-health", WHY)
    with pytest.raises(Conflict, match="already"):
        releases.pause("dana", "rand-health", WHY)
