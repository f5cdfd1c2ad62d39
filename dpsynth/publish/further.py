"""Further rows of a published release, written part by part: the same cells and the same checks as a bundle.

Each part goes through :func:`dpsynth.publish.tables.table_files`, which re-reads and compares what it wrote;
memory is bounded by one part, whatever the number of rows.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dpsynth.core.domain import Domain
from dpsynth.core.errors import BadInput, Conflict
from dpsynth.core.table import SyntheticTable
from dpsynth.publish.rows import decode
from dpsynth.publish.tables import DATA_NAMES, table_files

__all__ = ["format_of", "written_rows"]


def format_of(path: Path, formats: tuple[str, ...]) -> str:
    """The data format that a file's name asks for. Raises BadInput unless the policy releases it.

    Raises Conflict if the file is there already, BadInput if its directory is not.
    """
    wanted = path.suffix.lower().removeprefix(".")
    if wanted not in formats:
        raise BadInput(
            f"{path.name} is not of a format that the policy releases",
            allowed=" or ".join(f"a name that ends in .{name}" for name in formats),
            remedy="name another file with --out",
        )
    if os.path.lexists(path):
        raise Conflict(
            f"{path.name} already exists", allowed="a new file", remedy="name another one with --out"
        )
    if not path.parent.is_dir():
        raise BadInput(
            f"There is no directory for {path.name}",
            allowed="a directory that is there",
            remedy="make it first",
        )
    return wanted


@contextmanager
def written_rows(
    path: Path, parts: Iterable[SyntheticTable], domain: Domain, kind: str, rng: np.random.Generator
) -> Iterator[str]:
    """Rows in a file beside ``path``, and its SHA-256; it becomes ``path`` only if the block succeeds.

    Args:
        path: a new file.
        parts: at least one table over ``domain``.
        kind: ``csv`` or ``parquet``.
        rng: places numbers inside their bins.

    Raises IntegrityError as the writers of a bundle do, Conflict if the file appeared meanwhile.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    work = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            pieces = (table_files(decode(part, rng), domain, (kind,))[DATA_NAMES[kind]] for part in parts)
            (_append_csv if kind == "csv" else _append_parquet)(stream, pieces)
            stream.flush()
            os.fsync(stream.fileno())
        yield _sha256(work)
        _into_place(work, path)
    finally:
        work.unlink(missing_ok=True)


def _append_csv(stream: io.BufferedWriter, pieces: Iterable[bytes]) -> None:
    for number, piece in enumerate(pieces):
        # Column names hold no line feed: a control character would be refused.
        stream.write(piece if number == 0 else piece[piece.index(b"\n") + 1 :])


def _append_parquet(stream: io.BufferedWriter, pieces: Iterable[bytes]) -> None:
    writer: Any = None
    try:
        for piece in pieces:
            table = pq.read_table(pa.BufferReader(piece))
            writer = writer or pq.ParquetWriter(stream, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _into_place(work: Path, path: Path) -> None:
    try:
        os.link(work, path)  # unlike a rename, never over a file that is there
    except FileExistsError as error:
        raise Conflict(
            f"{path.name} already exists", allowed="a new file", remedy="name another one with --out"
        ) from error
