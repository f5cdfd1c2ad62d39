"""Where a bundle is published to: a directory, or any place that an fsspec URL names.

An object store has no rename of a whole directory. So the attestation, without which nothing verifies, goes
up last, after every other file was read back and found equal: a release is there whole, or does not verify.
What a broken upload left is written again by the next one; a release that is there whole is never changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlsplit

from dpsynth.core.errors import BadInput, Conflict, IntegrityError
from dpsynth.publish.files import ATTESTATION, list_tree, read_file, whole_directory, write_file

__all__ = ["deliver", "public_place", "put_file"]

_LIMIT = 2**31
_URL = re.compile(r"[a-z][a-z0-9+.-]*://.+", re.DOTALL)
_REMEDY = 'pip install "dpsynth-platform[targets]"'


def public_place(target: str) -> str:
    """A target as it may be written down. Raises BadInput on one with a password or control characters."""
    if not target.strip() or not target.isprintable() or (_URL.fullmatch(target) and _tells(target)):
        raise BadInput(
            "This is no place to publish to",
            allowed="a directory, or a URL without user, password or token such as s3://bucket/folder",
            remedy="give credentials through the environment, as the store's own tools read them",
        )
    return target


def _tells(url: str) -> bool:
    """Whether a URL cannot be read, or holds what may be a secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    return "@" in parts.netloc or bool(parts.query and parts.scheme != "s3")


def deliver(bundle: Path, target: str) -> str:
    """Put a bundle under a target, in a folder of the bundle's name; where it lies then.

    Raises Conflict where another release lies there, IntegrityError where what was written cannot be read
    back, BadInput where the target cannot be used.
    """
    files = {name: read_file(bundle, name, _LIMIT) for name in list_tree(bundle)}
    if not _URL.fullmatch(public_place(target)):
        return _to_directory(files, Path(target) / bundle.name)
    store, root = _filesystem(target)
    place = f"{root.rstrip('/')}/{bundle.name}"
    try:
        _upload(store, place, files)
    except (OSError, ValueError) as error:
        raise _unreachable(target) from error
    return _under(target, bundle.name)


def put_file(target: str, name: str, data: bytes) -> str:
    """Put one file, such as the list of revocations, under a target, over an older one; where it is then."""
    if not _URL.fullmatch(public_place(target)):
        path = Path(target) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{name}.part")
        draft.unlink(missing_ok=True)
        write_file(draft, data)
        draft.replace(path)
        return str(path)
    store, root = _filesystem(target)
    try:
        _write(store, f"{root.rstrip('/')}/{name}", data)
    except (OSError, ValueError) as error:
        raise _unreachable(target) from error
    return _under(target, name)


def _under(target: str, name: str) -> str:
    folder, mark, options = target.partition("?")
    return f"{folder.rstrip('/')}/{name}{mark}{options}"


def _to_directory(files: Mapping[str, bytes], place: Path) -> str:
    if os.path.lexists(place):
        if {name: read_file(place, name, _LIMIT) for name in list_tree(place)} != dict(files):
            _other(str(place))
        return str(place)
    with whole_directory(place) as work:
        for name, data in files.items():
            write_file(work / name, data)
    return str(place)


def _upload(store: Any, place: str, files: Mapping[str, bytes]) -> None:
    there = _listed(store, place)
    if ATTESTATION in there:
        if there != set(files) or any(store.cat_file(f"{place}/{name}") != files[name] for name in files):
            _other(place)
        return
    if strangers := there - set(files):
        raise Conflict(
            f"{place} holds {sorted(strangers)[0]}, which is no file of this release",
            allowed="an empty place, or one where an upload of this release was broken off",
            remedy="remove it, or publish elsewhere",
        )
    for name in sorted(files, key=lambda one: (one == ATTESTATION, one)):
        _write(store, f"{place}/{name}", files[name])


def _write(store: Any, path: str, data: bytes) -> None:
    if store.protocol != "s3":  # an object store has no folders, and a made one would be an object
        store.makedirs(path.rpartition("/")[0], exist_ok=True)
    with store.open(path, "wb") as stream:
        stream.write(data)
    store.invalidate_cache()
    if store.cat_file(path) != data:
        raise IntegrityError(
            f"{path.rpartition('/')[2]} is not what was written",
            remedy="publish again; nothing verifies there",
        )


def _listed(store: Any, place: str) -> set[str]:
    store.invalidate_cache()
    if not store.exists(place):
        return set()
    return {name.rpartition(f"{place.strip('/')}/")[2] for name in store.find(place)}


def _filesystem(target: str) -> tuple[Any, str]:
    """The file system of a URL and the path in it."""
    try:
        from fsspec.core import url_to_fs
        from fsspec.implementations.arrow import ArrowFSWrapper
    except ImportError as error:
        raise BadInput(
            "Publishing to a URL needs fsspec, which is not installed", allowed="a directory", remedy=_REMEDY
        ) from error
    try:
        if target.startswith("s3://"):
            return ArrowFSWrapper(_s3(target)), target.partition("://")[2].partition("?")[0]
        store, root = url_to_fs(target)
    except (ImportError, ValueError, OSError) as error:
        raise _unreachable(target) from error
    return store, root


def _s3(target: str) -> Any:
    """Arrow's own S3 client, which needs no further package; the store's address may follow the URL."""
    from pyarrow.fs import S3FileSystem

    asked = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
    allowed = {"endpoint_override", "region", "scheme"}
    if set(asked) - allowed:
        raise ValueError("unknown option")
    return S3FileSystem(**asked)


def _unreachable(target: str) -> BadInput:
    return BadInput(
        f"{target} cannot be used to publish to",
        allowed="a place that exists and may be written to, by a protocol that fsspec knows here",
        remedy="check address and credentials, then publish again: what is there already is kept",
    )


def _other(place: str) -> NoReturn:
    raise Conflict(
        f"Another release, or a changed one, lies at {place}",
        allowed="a release is published once and never changed",
        remedy="verify what lies there, and publish elsewhere",
    )
