"""Bytes on disk: strict reading of a bundle's tree, and directories that are whole or absent."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from dpsynth.core.canonical import canonical_bytes, sha256_hex
from dpsynth.core.errors import Conflict, IntegrityError

__all__ = [
    "ATTESTATION",
    "MANIFEST",
    "PROOF",
    "UNLISTED",
    "describe",
    "list_tree",
    "parse_canonical",
    "parse_json",
    "read_file",
    "whole_directory",
    "write_file",
]

MANIFEST = "manifest.json"
ATTESTATION = "attestation.dsse.json"
PROOF = "ledger-proof.json"
UNLISTED = frozenset({MANIFEST, ATTESTATION, PROOF})
"""Files that a manifest cannot name: itself, the signatures over it, and what the ledger said afterwards."""

_MAX_ENTRIES = 200
_MAX_DEPTH = 2
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


def _refuse(what: str) -> NoReturn:
    raise IntegrityError(what, remedy="do not use this directory; fetch the bundle again from its publisher")


def list_tree(root: Path) -> dict[str, int]:
    """Name (``/`` separated, relative) to size in bytes of every file under ``root``.

    Raises IntegrityError naming the entry on a missing root, a symbolic link, anything that is not a plain
    file, an empty directory, an odd name, or too many or too deep entries. Nothing is opened.
    """
    if not root.is_dir():
        _refuse(f"{root.name or root} is not a directory")
    found: dict[str, int] = {}
    _walk(root, "", 1, found)
    if not found:
        _refuse(f"{root.name} is an empty directory, not a bundle")
    return found


def _walk(folder: Path, prefix: str, depth: int, found: dict[str, int]) -> None:
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    if prefix and not ordered:
        _refuse(f"{prefix} is an empty directory that no manifest names")
    for entry in ordered:
        name = prefix + entry.name
        if not _NAME.fullmatch(entry.name):
            _refuse(f"{name!a} is not a name that a bundle may hold")
        if entry.is_symlink():
            _refuse(f"{name} is a symbolic link")
        if entry.is_dir(follow_symlinks=False) and depth < _MAX_DEPTH:
            _walk(Path(entry.path), name + "/", depth + 1, found)
        elif entry.is_file(follow_symlinks=False):
            found[name] = entry.stat(follow_symlinks=False).st_size
        else:
            _refuse(f"{name} is not a plain file")
        if len(found) > _MAX_ENTRIES:
            _refuse(f"{name} is one file too many: a bundle holds at most {_MAX_ENTRIES}")


def read_file(root: Path, name: str, limit: int) -> bytes:
    """The bytes of a plain file, at most ``limit``. Raises IntegrityError naming the file otherwise."""
    try:
        # O_NONBLOCK: a named pipe put in place of the file must not hang the reader.
        handle = os.open(root / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        _refuse(f"{name} is missing")
    except OSError:
        _refuse(f"{name} cannot be opened as a plain file")
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            _refuse(f"{name} is not a plain file")
        if status.st_size > limit:
            _refuse(f"{name} is larger than the {limit} bytes it may have")
        data = stream.read(limit + 1)
    if len(data) > limit:
        _refuse(f"{name} grew while it was read")
    return data


def parse_json(data: bytes, name: str) -> Any:
    """A JSON value without repeated keys, NaN or infinity. Raises IntegrityError naming the file."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in items}) != len(items):
            raise ValueError("repeated key")
        return dict(items)

    def constant(text: str) -> NoReturn:
        raise ValueError(text)

    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_constant=constant)
    except (ValueError, RecursionError):
        _refuse(f"{name} is not well-formed JSON")


def parse_canonical(data: bytes, name: str) -> dict[str, Any]:
    """A JSON object whose bytes are exactly its RFC 8785 form. Raises IntegrityError naming the file."""
    value = parse_json(data, name)
    if not isinstance(value, dict):
        _refuse(f"{name} is not a JSON object")
    try:
        same = canonical_bytes(value) == data
    except (ValueError, RecursionError):
        same = False
    if not same:
        _refuse(f"{name} is not canonical JSON (RFC 8785)")
    return value


def describe(files: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Name to ``{"sha256": hex, "bytes": int}``, sorted by name."""
    return {name: {"sha256": sha256_hex(files[name]), "bytes": len(files[name])} for name in sorted(files)}


def write_file(path: Path, data: bytes) -> None:
    """Write a new file and flush it to the disk. The file must not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _flush_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def whole_directory(target: Path) -> Iterator[Path]:
    """Fill a temporary directory beside ``target``; it becomes ``target`` only if the block succeeds.

    Raises Conflict if the target exists. On any error nothing is left behind.
    """
    if os.path.lexists(target):
        _exists(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield work
        for folder, _, _ in os.walk(work):
            # mkdtemp keeps the directory to its owner; a published bundle is for reading.
            Path(folder).chmod(0o755)
            _flush_directory(Path(folder))
        if os.path.lexists(target):
            _exists(target)
        work.rename(target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    _flush_directory(target.parent)


def _exists(target: Path) -> NoReturn:
    raise Conflict(
        f"{target.name} already exists",
        allowed="a directory is written once and never changed",
        remedy="use the directory that is there, or another release id",
    )
