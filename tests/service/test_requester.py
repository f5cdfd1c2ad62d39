"""The requester's side: what is offered, how a request goes, what may be fetched. Coarse, and one's own."""

from __future__ import annotations

import io
import shutil
import sqlite3
import zipfile
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dpsynth.core.canonical import sha256_hex
from dpsynth.core.errors import BadInput, Conflict, DpsynthError, IntegrityError, PolicyRefusal
from dpsynth.publish import archive
from dpsynth.publish.keys import load_public_keys
from dpsynth.publish.verify import Outside, verify_bundle
from dpsynth.service import Limits, Platform, RehearsalForm, RequestForm, downloads, offered
from dpsynth.service.jobs import claim

WHY = "The table held a column that nobody may use."
PURPOSE = "Teaching health economics: students compare visit counts by insurance plan, nobody is looked at."
RUN = ["started", "encoding", "fitting", "sampling", "auditing", "measuring", "packing"]


@dataclass(frozen=True)
class Desk:
    """A state in which Sam has a published release, and the platform on it."""

    home: Path
    platform: Platform
    request: str

    @property
    def bundle(self) -> Path:
        return self.home / "bundles" / f"release-{self.request}"

    def steps(self, request: str = "", who: str = "sam") -> list[tuple[str, str]]:
        return [
            (one.name, one.state) for one in self.platform.requester.timeline(who, request or self.request)
        ]

    def ask(self, key: str = "another", who: str = "sam") -> str:
        return self.platform.submit(who, form(key)).id

    def sql(self, text: str, *values: object) -> None:
        """Change the database behind the platform's back."""
        with closing(sqlite3.connect(self.home / "ledger.sqlite")) as connection:
            connection.execute(text, values)
            connection.commit()


def form(key: str) -> RequestForm:
    return RequestForm("rand-health", "independent", PURPOSE, "students", epsilon="0.5", key=key)


@pytest.fixture(scope="module")
def published(
    tmp_path_factory: pytest.TempPathFactory, rand_csv: Path, small_release: Path
) -> tuple[Path, str]:
    platform = Platform.open(tmp_path_factory.mktemp("requester") / "state")
    for person, role in {
        "sam": "data_scientist",
        "noor": "data_scientist",
        "carol": "compliance_officer",
        "dana": "data_owner",
        "ada": "auditor",
    }.items():
        platform.add_person(person, person.title(), (role,))
    platform.register_dataset("dana", small_release, rand_csv)
    request = platform.submit("sam", form("first"))
    platform.run_once("worker")
    dossier = platform.dossier("carol", request.id)
    for person in ("carol", "dana"):
        ticks = tuple(dossier.body["must_tick"])
        platform.approve(person, request.id, dossier.sha256, "All of it was read and discussed.", ticks)
    platform.publish("carol", request.id)
    return platform.bundles_dir.parent, request.id


@pytest.fixture
def desk(published: tuple[Path, str], tmp_path: Path) -> Desk:
    home = shutil.copytree(published[0], tmp_path / "state")
    return Desk(home, Platform.open(home), published[1])


# What is offered


@pytest.mark.parametrize(
    ("left", "cap", "place"),
    [
        (0, 100, 0), (-5, 100, 0), (1, 100, 1), (25, 100, 1), (26, 100, 2), (50, 100, 2), (75, 100, 3),
        (76, 100, 4), (100, 100, 4), (200, 100, 4), (5, 0, 0), (10**18 - 1, 10**18, 4),
    ],
)  # fmt: skip
def test_what_is_left_is_told_in_quarters(left: int, cap: int, place: int) -> None:
    assert offered.band(left, cap) == place


def test_an_offer_is_public_facts_and_a_band_and_holds_no_balance(desk: Desk) -> None:
    (offer,) = desk.platform.requester.offers("noor")
    assert offer.info.policy.title.startswith("RAND")
    assert offer.band == 4
    assert set(asdict(offer)) == {"info", "paused", "band", "why_none", "releases"}
    (release,) = offer.releases
    assert (release.id, release.state, release.epsilon) == (desk.request, "published", "0.5")
    for key in ("second", "third"):
        desk.platform.submit(
            "sam", RequestForm(**{**form(key).__dict__, "purpose": PURPOSE + key, "epsilon": "0.9"})
        )
    assert desk.platform.requester.offers("noor")[0].band == 1


def test_an_offer_says_that_it_is_paused_and_that_a_release_was_revoked(desk: Desk) -> None:
    desk.platform.releases.pause("dana", "rand-health", WHY)
    desk.platform.releases.revoke("carol", desk.request, WHY, "fault")
    (offer,) = desk.platform.requester.offers("sam")
    assert offer.paused
    assert [one.state for one in offer.releases] == ["revoked"]
    shutil.rmtree(desk.bundle)
    assert desk.platform.requester.offers("sam")[0].releases == ()


# How a request goes


def test_a_published_request_has_been_through_every_step_each_dated_to_the_hour(desk: Desk) -> None:
    assert desk.steps() == [
        (name, "done") for name in ("queued", *RUN, "waiting for signatures", "published")
    ]
    told = {one.name: one.hour for one in desk.platform.requester.timeline("sam", desk.request)}
    assert all(told[name] for name in ("queued", "started", "packing", "waiting for signatures", "published"))
    assert not any(told[name] for name in ("encoding", "fitting", "sampling", "auditing"))
    moments = [datetime.fromisoformat(one) for one in told.values() if one]
    assert all((one.minute, one.second, one.microsecond) == (0, 0, 0) for one in moments)
    desk.platform.releases.revoke("carol", desk.request, WHY, "fault")
    assert desk.steps()[-2:] == [("published", "done"), ("revoked", "stopped")]


def test_a_queued_request_moves_on_stage_by_stage_and_can_be_taken_back_only_before_it_starts(
    desk: Desk,
) -> None:
    request = desk.ask()
    assert desk.steps(request)[:2] == [("queued", "now"), ("started", "to come")]
    assert claim(desk.platform._store, "worker", 60) == request
    for stage, name in zip(
        ("committing", "opening", "fitting", "sampling", "auditing", "measuring", "packing"), RUN, strict=True
    ):
        desk.sql("UPDATE request SET stage = ? WHERE id = ?", stage, request)
        states = dict(desk.steps(request))
        assert [one for one, state in states.items() if state == "now"] == [name]
    with pytest.raises(Conflict, match="running and can no longer be cancelled"):
        desk.platform.cancel("sam", request)
    desk.sql("UPDATE request SET state = 'queued' WHERE id = ?", request)
    desk.platform.cancel("sam", request)
    assert desk.steps(request) == [("queued", "done"), ("cancelled", "stopped")]


def test_whether_a_check_blocks_a_release_shows_in_no_step_and_in_no_refusal(desk: Desk) -> None:
    request = desk.ask()
    told = []
    for state in ("awaiting_decision", "blocked"):
        desk.sql("UPDATE request SET state = ?, stage = 'done' WHERE id = ?", state, request)
        refusals = []
        for act in (
            lambda: desk.platform.cancel("sam", request),
            lambda: desk.platform.requester.fetch("sam", request),
            lambda: desk.platform.releases.prove("sam", request),
        ):
            with pytest.raises(DpsynthError) as caught:
                act()
            refusals.append(caught.value.text())
        told.append(
            (
                desk.platform.requester.timeline("sam", request),
                desk.platform.request("sam", request),
                refusals,
            )
        )
    assert told[0] == told[1]
    assert desk.steps(request)[-2:] == [("waiting for signatures", "now"), ("published", "to come")]
    assert desk.steps(request) == desk.steps(request, "carol")


@pytest.mark.parametrize("stage", ["opening", "auditing"])
def test_where_a_run_failed_is_not_told(desk: Desk, stage: str) -> None:
    request = desk.ask()
    desk.sql("UPDATE request SET state = 'failed', stage = ? WHERE id = ?", stage, request)
    assert desk.steps(request) == [("queued", "done"), ("failed", "stopped")]


def test_the_way_of_somebody_elses_request_is_refused_like_one_that_does_not_exist(desk: Desk) -> None:
    told = []
    for request in (desk.request, "r-000000000000"):
        for act in (desk.platform.requester.timeline, desk.platform.requester.fetch, desk.platform.request):
            with pytest.raises(BadInput) as caught:
                act("noor", request)
            told.append(caught.value.text())
    assert len(set(told)) == 1


# What may be fetched


def test_a_bundle_is_fetched_as_the_same_bytes_each_time_verifies_and_is_named_in_the_ledger(
    desk: Desk, tmp_path: Path
) -> None:
    found = desk.platform.requester.fetch("sam", desk.request)
    again = desk.platform.requester.fetch("dana", desk.request)
    assert found == again
    assert found.sha256 == sha256_hex(found.data)
    with zipfile.ZipFile(io.BytesIO(found.data)) as packed:
        assert packed.testzip() is None
        assert {one.date_time for one in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert packed.namelist() == sorted(packed.namelist())
        packed.extractall(tmp_path / "out")
    folder = tmp_path / "out" / desk.bundle.name
    for path in desk.bundle.rglob("*"):
        assert path.is_dir() or (folder / path.relative_to(desk.bundle)).read_bytes() == path.read_bytes()
    outside = Outside(revocations=desk.platform.releases.revocations())
    assert verify_bundle(folder, load_public_keys(desk.platform.keys_dir), datetime.now(UTC), outside).lines
    looks = [(one.person, one.request, one.what) for one in desk.platform.access.looks("ada")]
    assert looks == [(who, desk.request, "published bundle") for who in ("dana", "sam")]
    entry = next(one for one in desk.platform.ledger_entries("ada") if one.kind == "view")
    assert entry.body["sha256"] == found.sha256
    assert desk.platform.verify_ledger() > 0


def test_one_sees_ones_own_releases_and_those_who_answer_for_them_see_all(desk: Desk) -> None:
    ask = desk.platform.requester.downloads
    assert ask("noor") == ()
    for who in ("sam", "carol", "dana", "ada"):
        (found,) = ask(who)
        assert (found.id, found.state, found.offered) == (desk.request, "published", True)
    with pytest.raises(PolicyRefusal):
        ask("nobody")


def entries(desk: Desk) -> int:
    return len(desk.platform.ledger_entries("ada"))


def test_a_revoked_release_says_so_and_is_not_handed_over(desk: Desk) -> None:
    desk.platform.releases.revoke("carol", desk.request, WHY, "fault")
    (found,) = desk.platform.requester.downloads("sam")
    assert (found.state, found.offered) == ("revoked", False)
    assert "faulty" in found.why
    before = entries(desk)
    with pytest.raises(Conflict, match="revoked, not published"):
        desk.platform.requester.fetch("sam", desk.request)
    assert entries(desk) == before


def test_a_release_that_is_revoked_while_it_is_packed_is_not_handed_over(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def packed(folder: Path) -> bytes:
        desk.platform.releases.revoke("carol", desk.request, WHY, "fault")
        return archive.zip_of(folder)

    monkeypatch.setattr(downloads, "zip_of", packed)
    with pytest.raises(Conflict, match="revoked"):
        desk.platform.requester.fetch("sam", desk.request)
    assert not [one for one in desk.platform.ledger_entries("ada") if one.kind == "view"]


def test_an_expired_release_is_not_handed_over(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime(2999, 1, 1, tzinfo=UTC)

    monkeypatch.setattr(downloads, "datetime", Later)
    (found,) = desk.platform.requester.downloads("sam")
    assert (found.state, found.offered) == ("expired", False)
    with pytest.raises(PolicyRefusal, match="has expired"):
        desk.platform.requester.fetch("sam", desk.request)


def test_a_bundle_that_was_changed_is_never_handed_over(desk: Desk) -> None:
    before = entries(desk)
    data = desk.bundle / "data.csv"
    data.write_bytes(data.read_bytes()[:-2] + b"7\n")
    with pytest.raises(IntegrityError):
        desk.platform.requester.fetch("sam", desk.request)
    with pytest.raises(IntegrityError, match="manifest"):
        archive.zip_of(desk.bundle)
    (desk.bundle / "privacy-statement.json").write_text("{}")
    (found,) = desk.platform.requester.downloads("sam")
    assert (found.state, found.offered, found.rows) == ("damaged", False, "")
    assert entries(desk) == before


def test_a_bundle_too_large_for_memory_is_refused_in_words(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 10)
    with pytest.raises(PolicyRefusal, match="too large"):
        desk.platform.requester.fetch("sam", desk.request)


# An earlier release as a stand-in


def on_release(desk: Desk, rows: int = 0) -> RehearsalForm:
    limits = Limits(fits=1)
    return RehearsalForm("rand-health", "independent", stand_in=desk.request, rows=rows, limits=limits)


def test_a_published_release_can_stand_in_and_its_maker_is_named(desk: Desk) -> None:
    names = desk.platform.rehearsals.stand_ins("noor", "rand-health")
    assert [one.name for one in names] == ["", desk.request]
    assert "independent" in names[1].words
    before = entries(desk)
    found = desk.platform.rehearsals.run("noor", on_release(desk))
    assert found.rows == desk.platform.dataset("rand-health").policy.synthesis.output_rows_value
    assert all(one.errors for one in found.points)
    assert entries(desk) == before


def test_a_release_that_is_over_or_was_changed_stands_in_for_nothing(desk: Desk) -> None:
    with pytest.raises(BadInput, match="No release with this id"):
        desk.platform.rehearsals.run(
            "sam", RehearsalForm("rand-health", "independent", stand_in="r-000000000000")
        )
    statement = desk.bundle / "privacy-statement.json"
    kept = statement.read_bytes()
    statement.write_bytes(kept + b" ")
    assert len(desk.platform.rehearsals.stand_ins("sam", "rand-health")) == 1
    statement.write_bytes(kept)
    assert len(desk.platform.rehearsals.stand_ins("sam", "rand-health")) == 2
    desk.platform.releases.revoke("carol", desk.request, WHY, "fault")
    assert len(desk.platform.rehearsals.stand_ins("sam", "rand-health")) == 1
    with pytest.raises(BadInput, match="No release with this id"):
        desk.platform.rehearsals.run("sam", on_release(desk))


def test_rows_that_were_not_signed_stand_in_for_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from dpsynth.service import rehearsals

    monkeypatch.setattr(rehearsals, "_MEMORY", rehearsals._Memory())
    lines = (desk.bundle / "data.csv").read_text().splitlines(keepends=True)
    (desk.bundle / "data.csv").write_text("".join(lines[:-1]))
    with pytest.raises(BadInput, match="files that were signed"):
        desk.platform.rehearsals.run("sam", on_release(desk))
