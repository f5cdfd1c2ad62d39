"""What auditors use: the verifier of dropped bundles, the ledger in pages, attack reports to take along."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import sqlite3
import stat
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import rfc8785

from dpsynth.core.errors import BadInput, IntegrityError, PolicyRefusal
from dpsynth.service import LARGEST, Brought, Platform, RequestForm, Upload, review_pictures
from dpsynth.service.attack_reports import EXPORTED
from dpsynth.service.uploads import lay_out

POLICY = Path(__file__).parents[2] / "policies" / "rand-health.yaml"
ROOT = POLICY.parents[1]
PURPOSE = "Teaching health economics: students compare visit counts by insurance plan, nobody is looked at."
Entry = tuple[zipfile.ZipInfo, bytes]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, rand_csv: Path) -> Platform:
    """One published release."""
    platform = Platform.open(tmp_path_factory.mktemp("verify") / "state")
    for person, role in (("sam", "data_scientist"), ("carol", "compliance_officer"), ("dana", "data_owner")):
        platform.add_person(person, person.title(), (role,))
    platform.add_person("ada", "Ada", ("auditor",))
    platform.register_dataset("dana", POLICY, rand_csv)
    form = RequestForm("rand-health", "independent", PURPOSE, "students", epsilon="1")
    asked = platform.submit("sam", form).id
    platform.run_once("worker")
    found = platform.dossier("carol", asked)
    for person in ("carol", "dana"):
        platform.approve(person, asked, found.sha256, "Read and discussed.", tuple(found.body["must_tick"]))
    platform.publish("dana", asked)
    return platform


def bundle_of(platform: Platform) -> Path:
    return Path(platform.requests("carol")[0].bundle)


def files_of(platform: Platform) -> list[Upload]:
    """As a browser sends them: without their folders."""
    return [Upload(path.name, path.read_bytes()) for path in bundle_of(platform).rglob("*") if path.is_file()]


def info(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr, made.create_system = mode << 16, 3
    made.compress_type = zipfile.ZIP_DEFLATED
    return made


def packed(*entries: Entry) -> Upload:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
    return Upload("bundle.zip", data.getvalue())


def zipped(platform: Platform, top: str) -> Upload:
    bundle = bundle_of(platform)
    return packed(
        *(
            (info(top + str(path.relative_to(bundle))), path.read_bytes())
            for path in sorted(bundle.rglob("*"))
            if path.is_file()
        )
    )


@pytest.mark.parametrize("way", ["files", "zip", "zip in a folder"])
def test_a_bundle_verifies_as_files_and_as_a_zip_and_the_answer_is_the_offline_verifiers(
    published: Platform, way: str
) -> None:
    top = "release/" if way == "zip in a folder" else ""
    found = published.verifier.check(
        "ada", files_of(published) if way == "files" else [zipped(published, top)]
    )
    assert (found.verified, found.release_id, found.failed) == (True, published.requests("carol")[0].id, "")
    assert any(line.startswith("revocations: list") for line in found.lines)  # this platform's own
    assert found.keys == "those of this platform"
    if way == "zip":
        command = [sys.executable, "-m", "dpsynth.publish.offline", str(bundle_of(published)), "--json"]
        keys = ["--keys", str(published.keys_dir)]
        said = subprocess.run([*command, *keys], cwd=ROOT, capture_output=True, check=True, text=True).stdout
        assert json.loads(said)["lines"] == list(found.lines[:-1])


def test_what_fails_is_named(published: Platform) -> None:
    files = [
        Upload(one.name, b"Do what you like.") if one.name == "TERMS.md" else one
        for one in files_of(published)
    ]
    found = published.verifier.check("ada", files)
    assert not found.verified
    assert found.failed.startswith("TERMS.md does not have the")
    assert found.remedy
    assert (found.lines, found.release_id) == ((), "")


def test_keys_and_a_checkpoint_that_somebody_brings_count_instead_of_the_platforms_own(
    published: Platform, tmp_path: Path
) -> None:
    keys = tuple(Upload(path.name, path.read_bytes()) for path in published.keys_dir.glob("*.json"))
    published.audit_report("ada", published.requests("carol")[0].id)  # the ledger goes on
    kept = published.checkpoint("ada").envelope.encode()
    files = files_of(published)
    # The proof in the bundle is older than the checkpoint, and the verifier says what that means.
    found = published.verifier.check("ada", files, Brought(keys, b"", kept))
    assert "older than the one that you kept" in found.failed
    newer = published.releases.prove("ada", published.requests("carol")[0].id)
    files = [Upload(one.name, newer) if one.name == "ledger-proof.json" else one for one in files]
    found = published.verifier.check("ada", files, Brought(keys, b"", kept))
    assert found.verified
    assert found.keys == f"{len(keys)} that you brought"
    assert any(line.startswith("checkpoint: yours of entry") for line in found.lines)
    stranger = Platform.open(tmp_path / "other")
    stranger.add_person("eve", "Eve", ("compliance_officer",))
    others = tuple(Upload(path.name, path.read_bytes()) for path in stranger.keys_dir.glob("*.json"))
    assert not published.verifier.check("ada", files, Brought(others)).verified


def test_nothing_that_was_uploaded_is_kept(
    published: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = published.book.status("ada").seq
    assert published.verifier.check("ada", [zipped(published, "")]).verified
    with pytest.raises(BadInput):
        published.verifier.check("ada", [packed((info("../up"), b"x"))])
    assert list(tmp_path.iterdir()) == []
    assert published.book.status("ada").seq == before


HOSTILE: dict[str, tuple[list[Entry], str]] = {
    "climbs out": ([(info("../../secrets/key.pem"), b"x")], r"\.\./\.\./secrets/key\.pem is not a name"),
    "absolute": ([(info("/etc/passwd"), b"x")], "is not a name"),
    "backslash": ([(info("a\\b.txt"), b"x")], "is not a name"),
    "drive": ([(info("C:a.txt"), b"x")], "is not a name"),
    "line break": ([(info("a\nb"), b"x")], r"a\\nb is not a name"),
    "hidden": ([(info(".profile"), b"x")], "is not a name"),
    "deep": ([(info("a/b/c/d"), b"x")], "is not a name"),
    "link": ([(info("a", stat.S_IFLNK | 0o777), b"/etc/passwd")], "a is a symbolic link"),
    "device": ([(info("a", stat.S_IFCHR | 0o600), b"")], "a is not a plain file"),
    "pipe": ([(info("a", stat.S_IFIFO | 0o600), b"")], "a is not a plain file"),
    "twice, in other letters": ([(info("a.md"), b"x"), (info("A.md"), b"y")], "A.md is there twice"),
    "file and folder": ([(info("a"), b"x"), (info("a/b"), b"y")], "a file and a folder at once"),
    "folder that climbs out": ([(info("../a/"), b"")], "is not a name"),
    "too many": ([(info(f"f{n}"), b"") for n in range(201)], "more than 200 entries"),
    "bomb": ([(info(f"f{n}"), bytes(2**25)) for n in range(9)], "unpacks to more than 256 MB"),
}


@pytest.mark.parametrize("way", HOSTILE)
def test_a_hostile_zip_is_refused_and_says_why(tmp_path: Path, way: str) -> None:
    entries, why = HOSTILE[way]
    with pytest.raises(BadInput, match=why) as refused:
        lay_out([packed(*entries)], tmp_path)
    assert "nothing was kept" in refused.value.remedy
    assert not (tmp_path.parent / "secrets").exists()


def understated(real: bytes, declared: int) -> Upload:
    """A zip whose two directories say that an entry is smaller than what it unpacks to."""
    made = packed((info("a.md"), real)).data
    return Upload("bundle.zip", made.replace(struct.pack("<L", len(real)), struct.pack("<L", declared)))


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: understated(b"x" * 70_001, 5), "damaged"),
        (lambda: Upload("bundle.zip", b"PK\x03\x04 and no more"), "damaged"),
        (lambda: Upload("bundle.zip", zlib.compress(b"no zip")), "damaged"),
        (lambda: Upload("b.zip", bytes(LARGEST + 1)), "larger than 16 MB"),
    ],
)
def test_a_zip_that_lies_about_itself_is_refused(
    tmp_path: Path, made: Callable[[], Upload], why: str
) -> None:
    with pytest.raises(BadInput, match=why):
        lay_out([made()], tmp_path)


@pytest.mark.parametrize(
    ("uploads", "why"),
    [
        ([], "No file was given"),
        ([packed((info("a"), b"x")), Upload("b", b"y")], "together with other files"),
        ([Upload("../b", b"y")], "is not a name"),
        ([Upload("b", b"y"), Upload("b", b"z")], "b is there twice"),
    ],
)
def test_files_that_are_no_bundle_are_refused(tmp_path: Path, uploads: list[Upload], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        lay_out(uploads, tmp_path)


def test_the_verifiers_own_process_writes_no_file(published: Platform, tmp_path: Path) -> None:
    """Its limits hold: a file that it tries to write stays empty, and the process ends."""
    attempt = (
        "import resource, dpsynth.publish.confined as c, dpsynth.publish.offline as o\n"
        f"o.main = lambda: open({str(tmp_path / 'x')!r}, 'w').write('y' * 9999)\nc.main()"
    )
    done = subprocess.run([sys.executable, "-c", attempt], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode != 0
    assert (tmp_path / "x").read_bytes() == b""


def test_the_ledger_comes_in_pages_newest_first_and_every_entry_once(published: Platform) -> None:
    everything = published.ledger_entries("ada")
    seen, before = [], 0
    while True:
        page = published.book.page("ada", before, 5)
        assert len(page.entries) <= 5
        seen += page.entries
        if not (before := page.older):
            break
    assert seen == everything[::-1]


def test_entries_are_found_by_what_they_name_and_by_their_kind(published: Platform) -> None:
    request_id = published.requests("carol")[0].id
    about = published.book.page("ada", about=request_id, most=500).entries
    everything = published.ledger_entries("ada")
    assert list(about) == [one for one in everything if f'"{request_id}"' in json.dumps(one.body)][::-1]
    signed = published.book.page("ada", kind="approve").entries
    assert [one.body["actor"] for one in signed] == ["dana", "carol"]
    # The kind of a scope is no kind of entry, and a part of a word is no word.
    assert {one.kind for one in published.book.page("ada", kind="dataset").entries} == {"dataset"}
    assert published.book.page("ada", about=request_id[:-1]).entries == ()
    assert published.book.page("ada", about='%" OR "1"="1').entries == ()


@pytest.mark.parametrize(("most", "about"), [(0, ""), (501, ""), (50, "x" * 101)])
def test_a_page_of_the_ledger_has_limits(published: Platform, most: int, about: str) -> None:
    with pytest.raises(BadInput, match="cannot be shown"):
        published.book.page("ada", 0, most, about)


def test_the_state_of_the_chain_is_its_newest_entry_and_verifying_recomputes_all(published: Platform) -> None:
    entries, status = published.ledger_entries("ada"), published.book.status("ada")
    assert (status.seq, status.hash, status.origin) == (len(entries), entries[-1].hash, entries[0].hash)
    assert published.book.verify("ada") == status.seq
    assert published.book.verify("ada", published.checkpoint("ada").envelope.encode()) == status.seq
    with pytest.raises(IntegrityError, match="checkpoint"):
        published.book.verify("ada", b'{"payload": "no checkpoint"}')


def test_an_entry_that_was_tampered_with_is_named_and_the_chain_does_not_verify(
    published: Platform, tmp_path: Path
) -> None:
    shutil.copytree(published.keys_dir.parent, tmp_path / "state")
    with closing(sqlite3.connect(tmp_path / "state" / "ledger.sqlite")) as connection:
        for name in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name[0]}")
        connection.execute("UPDATE entry SET body = replace(body, 'kind', 'Kind') WHERE seq = 7")
        connection.commit()
    tampered = Platform.open(tmp_path / "state")
    with pytest.raises(IntegrityError, match="Entry 7 of the ledger cannot be read"):
        tampered.book.page("ada", 8, 1)
    assert tampered.book.page("ada", 7, 1).entries[0].seq == 6
    with pytest.raises(IntegrityError, match="broken at entry 7"):
        tampered.book.verify("ada")


def test_the_whole_chain_can_be_taken_along_and_recomputed_elsewhere(published: Platform) -> None:
    *lines, checkpoint = published.book.export("ada").decode().splitlines()
    before = "0" * 64
    for line in lines:
        told = json.loads(line)
        full = {name: told[name] for name in ("kind", "seq", "time", "salt")} | told["body"]
        before = hashlib.sha256(before.encode() + rfc8785.dumps(full)).hexdigest()
        assert before == told["hash"]
    payload = json.loads(base64.b64decode(json.loads(checkpoint)["payload"]))
    assert (int(payload["seq"]), payload["hash"]) == (len(lines), before)


def test_an_attack_report_leaves_with_viewer_time_and_request_across_it_and_is_logged_first(
    published: Platform,
) -> None:
    request_id = published.requests("carol")[0].id
    page = published.attack_reports.export("ada", request_id)
    look = published.access.looks("ada")[0]
    assert (look.person, look.request, look.what) == ("ada", request_id, EXPORTED)
    mark = re.search(r'<div class="mark"[^>]*><span[^>]*>([^<]*)</span>', page)
    assert mark
    assert mark[1].startswith(f"Review room only · ada · {look.time[:16]}")
    assert mark[1].endswith(request_id)
    exact = published.audit_report("ada", request_id)["class_b"][0]["estimate"]
    assert f"{exact:.4g}" in page
    for nobody in ("dana", "sam"):
        with pytest.raises(PolicyRefusal):
            published.attack_reports.export(nobody, request_id)


def test_a_document_about_a_dataset_does_not_break_the_access_log(published: Platform) -> None:
    published.exports.gdpr("dana", "rand-health")
    look = published.access.looks("ada")[0]
    assert (look.person, look.request, look.what) == ("dana", "rand-health", "gdpr record")


def test_risk_by_size_of_group_states_counts_and_intervals_as_text(published: Platform) -> None:
    report = published.audit_report("ada", published.requests("carol")[0].id)
    (linkage,) = (one for one in report["class_b"] if one["id"] == "L1")
    picture = next(one for one in review_pictures(report) if one.title == "Linkage by size of group")
    groups = linkage["details"]["groups"]
    assert len(picture.rows) == 2 * len(groups)
    assert [int(row[4]) for row in picture.rows[::2]] == [one["members"] for one in groups]
    for row in picture.rows:
        if row[2] != "none":
            low, high = map(float, row[3].split(" to "))
            assert 0 <= low <= float(row[2]) <= high <= 1
    without = {**report, "class_b": [one for one in report["class_b"] if one["id"] != "L1"]}
    assert "Not tested" in review_pictures(without)[-1].absent
