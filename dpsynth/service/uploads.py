"""Files that somebody drops on a page, taken as hostile: a bundle as one zip or as its files, laid out anew.

Nothing of an archive is believed before it is checked: how many entries it has, their names, kinds and
sizes. What it unpacks to is read in pieces up to a limit of our own, whatever it declares. No directory of
the archive is made, only those that a bundle has.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from dpsynth.core.errors import BadInput

__all__ = ["LARGEST", "Upload", "lay_out"]

LARGEST = 16 * 2**20
"""Bytes of one uploaded file; the pages' server takes no more either (``maxUploadSize``)."""

_UNPACKED = 256 * 2**20
_MOST = 200
_PIECE = 2**16
_CENTRAL = b"PK\x01\x02"
"""Begins each entry of an archive's directory, so a count of it bounds how many a reader will meet."""
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
_DEEPEST = 3
_SUBFOLDERS = {"audit.json": "audits/audit.json"}
"""A browser sends files without their folders; a bundle has one file in one."""
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED = 0x1
_SHOWN = 60


@dataclass(frozen=True)
class Upload:
    """One dropped file: its name as the browser said it, and its bytes."""

    name: str
    data: bytes


def lay_out(uploads: Sequence[Upload], folder: Path) -> None:
    """Write a bundle into an empty folder: out of its one zip, or as the files that it is.

    Args:
        uploads: exactly one ``.zip``, or the files of a bundle.
        folder: an empty directory of the caller's, which the caller removes.

    Raises:
        BadInput: naming the file or entry, and what is allowed. Files may lie in the folder then.
    """
    if not uploads:
        _refuse("No file was given")
    for one in uploads:
        if len(one.data) > LARGEST:
            _refuse(f"{_shown(one.name)} is larger than {LARGEST // 2**20} MB")
    zips = [one for one in uploads if one.name.lower().endswith(".zip") or one.data[:2] == b"PK"]
    if zips and len(uploads) > 1:
        _refuse("A zip came together with other files")
    if zips:
        _unpack(zips[0].data, folder)
        return
    written: set[str] = set()
    for one in uploads:
        name = _clean(one.name)
        _write(folder, _SUBFOLDERS.get(name, name), [one.data], written)


def _unpack(data: bytes, folder: Path) -> None:
    if data.count(_CENTRAL) > _MOST:
        _refuse(f"The zip has more than {_MOST} entries")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _unpack_entries(archive, folder)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, OverflowError):
        _refuse("The zip is damaged or of a kind that is not read here")


def _unpack_entries(archive: zipfile.ZipFile, folder: Path) -> None:
    files = [entry for entry in archive.infolist() if not _is_folder(entry)]
    for entry in files:
        _check_kind(entry)
    if sum(entry.file_size for entry in files) > _UNPACKED:
        _refuse_bomb()
    names = {entry: _clean(entry.filename) for entry in files}
    top = _common_folder(list(names.values()))
    left, written = _UNPACKED, set[str]()
    for entry, name in names.items():
        left -= _write(folder, name.removeprefix(top), _pieces(archive, entry, left), written)


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    """A folder's own entry: nothing is made for it, but its name is checked like the others."""
    if not entry.filename.endswith("/"):
        return False
    _clean(entry.filename.removesuffix("/"))
    if entry.file_size:
        _refuse(f"{_shown(entry.filename)} is a folder that holds bytes")
    return True


def _check_kind(entry: zipfile.ZipInfo) -> None:
    name, kind = _shown(entry.filename), stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        _refuse(f"{name} is a symbolic link")
    if kind not in (0, stat.S_IFREG):
        _refuse(f"{name} is not a plain file")
    if entry.flag_bits & _ENCRYPTED:
        _refuse(f"{name} is encrypted")
    if entry.compress_type not in _METHODS:
        _refuse(f"{name} is compressed by a method that is not read here")


def _pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int) -> Iterator[bytes]:
    """An entry piece by piece. Its declared size is not believed: it ends at what is left."""
    with archive.open(entry) as stream:
        while piece := stream.read(_PIECE):
            left -= len(piece)
            if left < 0:
                _refuse_bomb()
            yield piece


def _clean(name: str) -> str:
    """The name, if it leads to a place inside the folder. Raises BadInput for every other one."""
    parts = name.split("/")
    if len(parts) > _DEEPEST or not all(_PART.fullmatch(part) for part in parts):
        _refuse(f"{_shown(name)} is not a name that a bundle may hold")
    return name


def _common_folder(names: Sequence[str]) -> str:
    """The folder that the whole bundle was packed in, with its slash, or an empty text."""
    tops = {name.partition("/")[0] for name in names}
    packed = len(tops) == 1 and all("/" in name for name in names)
    return f"{tops.pop()}/" if packed else ""


def _write(folder: Path, name: str, pieces: Iterable[bytes], written: set[str]) -> int:
    """Write one file; its size in bytes."""
    if name.casefold() in written:
        _refuse(f"{_shown(name)} is there twice")
    written.add(name.casefold())
    if len(written) > _MOST:
        _refuse(f"More than {_MOST} files were given")
    path = folder / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as stream:
            return sum(stream.write(piece) for piece in pieces)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        _refuse(f"{_shown(name)} is a file and a folder at once")


def _shown(name: str) -> str:
    """A name of others for a sentence: short, and without signs that could move a cursor or a line."""
    text = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in name)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _refuse_bomb() -> NoReturn:
    _refuse(f"The zip unpacks to more than {_UNPACKED // 2**20} MB")


def _refuse(what: str) -> NoReturn:
    raise BadInput(
        what,
        allowed=f"one .zip of a bundle, or its files; up to {_MOST} plain files, {LARGEST // 2**20} MB to "
        f"upload and {_UNPACKED // 2**20} MB unpacked",
        remedy="nothing was kept; zip the bundle's directory as it was published, or verify it on your own "
        "machine with `dpsynth-verify`",
    )
