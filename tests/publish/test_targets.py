"""Publication targets: a release is there whole, or it does not verify; trying again is safe."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from dpsynth.core.errors import BadInput, Conflict, IntegrityError
from dpsynth.publish import targets
from dpsynth.publish.files import ATTESTATION
from dpsynth.publish.targets import deliver, public_place, put_file
from dpsynth.publish.verify import verify_bundle

NOW = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture(params=["directory", "file", "memory"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    place = {"directory": str(tmp_path / "out"), "file": f"file://{tmp_path}/out", "memory": "memory://out"}
    yield place[request.param]
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def fetched(place: str, folder: Path) -> Path:
    """What a reader downloads."""
    store, root = fsspec.url_to_fs(place)
    names = [name.partition(root.strip("/") + "/")[2] for name in store.find(root)]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(store.cat_file(f"{root}/{name}"))
    return folder


def test_a_delivered_release_verifies_where_it_lies_and_again_is_the_same(
    target: str, bundle: Path, office: Any, tmp_path: Path
) -> None:
    place = deliver(bundle, target)
    assert place.endswith("/r1")
    assert deliver(bundle, target) == place
    assert verify_bundle(fetched(place, tmp_path / "got"), office.trust, NOW).lines


def broken_off(store: Any, place: str, bundle: Path, names: list[str]) -> None:
    """What an upload that died leaves: some files, the last of them cut short."""
    for name in names:
        store.makedirs(f"{place}/{name}".rpartition("/")[0], exist_ok=True)
        store.pipe_file(f"{place}/{name}", (bundle / name).read_bytes()[: -1 if name == names[-1] else None])


def test_a_release_that_is_half_there_never_verifies_and_the_next_try_completes_it(
    bundle: Path, office: Any, tmp_path: Path
) -> None:
    store = MemoryFileSystem()
    names = sorted(str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file())
    names = [*[name for name in names if name != ATTESTATION], ATTESTATION]
    for number in range(1, len(names)):
        store.store.clear()
        broken_off(store, "/half/r1", bundle, names[:number])
        got = fetched("memory://half/r1", tmp_path / f"half{number}")
        with pytest.raises(IntegrityError, match=ATTESTATION):
            verify_bundle(got, office.trust, NOW)
        deliver(bundle, "memory://half")
        verify_bundle(fetched("memory://half/r1", tmp_path / f"whole{number}"), office.trust, NOW)
    store.store.clear()


def test_the_attestation_goes_up_last_and_only_after_all_was_read_back(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    original = targets._write

    def write(store: Any, path: str, data: bytes) -> None:
        written.append(path)
        original(store, path, data)

    monkeypatch.setattr(targets, "_write", write)
    deliver(bundle, "memory://order")
    assert written[-1].endswith(ATTESTATION)
    assert len(written) == len([path for path in bundle.rglob("*") if path.is_file()])
    MemoryFileSystem.store.clear()


class Lossy(MemoryFileSystem):
    """A store that keeps something else than it was given."""

    def cat_file(self, path: str, *more: Any, **options: Any) -> bytes:
        return b"x" + super().cat_file(path, *more, **options)


def test_a_store_that_does_not_keep_what_it_was_given_gets_no_attestation(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Lossy()
    monkeypatch.setattr(targets, "_filesystem", lambda target: (store, "/lossy"))
    with pytest.raises(IntegrityError, match="not what was written"):
        deliver(bundle, "memory://lossy")
    assert not store.exists(f"/lossy/r1/{ATTESTATION}")
    store.store.clear()


def test_a_release_that_lies_there_is_never_changed(target: str, bundle: Path, tmp_path: Path) -> None:
    deliver(bundle, target)
    other = shutil.copytree(bundle, tmp_path / "other" / "r1")
    (other / "README.md").write_text("changed", encoding="utf-8")
    with pytest.raises(Conflict, match="Another release, or a changed one"):
        deliver(other, target)
    assert deliver(bundle, target)


def test_a_stranger_among_the_files_is_named_before_anything_is_attested(bundle: Path) -> None:
    store = MemoryFileSystem()
    store.makedirs("/odd/r1", exist_ok=True)
    store.pipe_file("/odd/r1/extra.txt", b"x")
    with pytest.raises(Conflict, match=r"extra\.txt"):
        deliver(bundle, "memory://odd")
    assert not store.exists(f"/odd/r1/{ATTESTATION}")
    store.store.clear()


@pytest.mark.parametrize(
    "place",
    [
        "",
        "  ",
        "s3://key:secret@bucket/x",
        "az://box/x?sig=secret",
        "a\nb",
        "memory://x\x1b[2J",
        "https://u@h/x",
    ],
)
def test_a_place_with_a_secret_or_a_control_character_is_refused_and_not_repeated(place: str) -> None:
    with pytest.raises(BadInput) as caught:
        public_place(place)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "place", ["out", "/srv/www", "s3://bucket/x", "s3://b/x?region=eu-north-1", "gs://b"]
)
def test_an_ordinary_place_is_left_as_it_is(place: str) -> None:
    assert public_place(place) == place


@pytest.mark.parametrize("place", ["nosuch://x/y", "s3://bucket/x?anonymous=yes"])
def test_a_place_that_cannot_be_used_is_bad_input(place: str, bundle: Path) -> None:
    with pytest.raises(BadInput, match="cannot be used to publish to"):
        deliver(bundle, place)


def test_without_fsspec_a_url_names_the_extra_and_a_directory_still_works(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(BadInput, match=r"dpsynth-platform\[targets\]"):
        deliver(bundle, "memory://x")
    assert deliver(bundle, str(tmp_path / "plain"))


def test_a_list_or_a_page_is_put_over_the_older_one(target: str, tmp_path: Path) -> None:
    for data in (b"old", b"new and longer"):
        place = put_file(target, "revocations.json", data)
    store, path = fsspec.url_to_fs(place)
    assert store.cat_file(path) == b"new and longer"
    assert [name.rpartition("/")[2] for name in store.find(path.rpartition("/")[0])] == ["revocations.json"]
