"""A bundle as one ZIP file: the same bundle gives the same bytes, on any machine and on any day."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from dpsynth.core.errors import IntegrityError, PolicyRefusal
from dpsynth.publish.files import MANIFEST, UNLISTED, describe, list_tree, parse_canonical, read_file

__all__ = ["MOST_BYTES", "zip_of"]

MOST_BYTES = 256 * 2**20
"""The largest bundle that is packed: it is held in memory while somebody fetches it."""

_THE_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
_PLAIN_FILE = 0o100644 << 16
_UNIX = 3


def zip_of(folder: Path) -> bytes:
    """Every file of a bundle under the name of its directory, in order of name, stored as it is.

    Nothing is compressed, because compressed bytes differ between versions of the library; times and rights
    are fixed. Raises IntegrityError where a file is not the one that the manifest names, PolicyRefusal for a
    bundle of more than MOST_BYTES.
    """
    sizes = list_tree(folder)
    if sum(sizes.values()) > MOST_BYTES:
        raise PolicyRefusal(
            "This bundle is too large to be fetched from a page",
            allowed=f"bundles of up to {MOST_BYTES // 2**20} MiB",
            remedy="have it delivered to a directory or a bucket with `dpsynth publish --to`",
        )
    files = {name: read_file(folder, name, MOST_BYTES) for name in sorted(sizes)}
    listed = {name: data for name, data in files.items() if name not in UNLISTED}
    if parse_canonical(files[MANIFEST], MANIFEST).get("files") != describe(listed):
        raise IntegrityError(
            "The files of this bundle are not those that its manifest names",
            remedy="do not use it; tell an auditor",
        )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(f"{folder.name}/{name}", _THE_FIRST_DAY)
            entry.external_attr, entry.create_system = _PLAIN_FILE, _UNIX
            archive.writestr(entry, data)
    return stream.getvalue()
