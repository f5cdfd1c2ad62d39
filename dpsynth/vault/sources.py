"""Sources: CSV and Parquet files, copied from one handle, hashed on that handle, parsed strictly.

The copy is in memory, or under a policy that allows large files in a private file without a name: bytes are
hashed before anything is parsed, and nobody can change them in between.

Errors here are for the data owner at registration. At run time the service turns any of them into one
fixed sentence, because what a file looks like is a fact about people.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import stat
import tempfile
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from dpsynth.core.errors import BadInput, IntegrityError, PolicyRefusal
from dpsynth.policy.model import Policy
from dpsynth.vault.raw import HeldFile, ListedRows, ParquetTexts, RawTable, readable

__all__ = ["RawTable", "SourceBytes", "fingerprint", "parse", "read_bytes"]

csv.field_size_limit(1 << 20)

SourceBytes = bytes | HeldFile
"""A source as read: in memory, or as a private copy."""

_IN_MEMORY = 1 << 26
"""A policy that allows no more bytes than this has its file read into memory."""

_COPY = 1 << 20


def read_bytes(path: Path, max_bytes: int) -> SourceBytes:
    """All bytes of a regular file that is no symbolic link and within the policy's size."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise BadInput(
            "The source file cannot be opened",
            allowed="a readable regular file, not a symbolic link",
            remedy="check the path and its permissions",
        ) from error
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise BadInput("The source is not a regular file", remedy="register a CSV or Parquet file")
    with os.fdopen(handle, "rb") as stream:
        if status.st_size > max_bytes:
            raise PolicyRefusal(
                "The source file is larger than the policy allows",
                allowed=f"at most {max_bytes} bytes (source.max_bytes)",
                remedy="register a smaller extract, or have a new policy version approved",
            )
        return stream.read(max_bytes + 1) if max_bytes <= _IN_MEMORY else _hold(stream, max_bytes)


def _hold(stream: IO[bytes], max_bytes: int) -> HeldFile:
    """A private copy that the file system forgets with this process, hashed as it is written."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - it outlives this call
    digest, room = hashlib.sha256(), max_bytes + 1
    while piece := stream.read(min(_COPY, room)):
        copy.write(piece)
        digest.update(piece)
        room -= len(piece)
    return HeldFile(copy, digest.hexdigest())


def fingerprint(data: SourceBytes) -> str:
    """SHA-256 of the file as read. Private: a hash of a small table can be confirmed by guessing."""
    return data.sha256 if isinstance(data, HeldFile) else hashlib.sha256(data).hexdigest()


def parse(data: SourceBytes, policy: Policy, *, thorough: bool = True) -> RawTable:
    """Parse as the policy's format and check the schema. Raises BadInput or PolicyRefusal.

    Args:
        data: the file.
        policy: its format, columns and limits.
        thorough: decode a Parquet file in full, so that any fault shows now rather than on reading.
    """
    if policy.source.format == "csv":
        table: RawTable = _parse_csv(_whole(data), policy)
    else:
        table = _parse_parquet(data, policy, thorough)
    if table.rows > policy.source.max_rows:
        raise PolicyRefusal(
            "The source has more rows than the policy allows",
            allowed=f"at most {policy.source.max_rows} rows (source.max_rows)",
            remedy="register a smaller extract, or have a new policy version approved",
        )
    return table


def _whole(data: SourceBytes) -> bytes:
    if isinstance(data, bytes):
        return data
    data.stream.seek(0)
    return data.stream.read()


def check_fingerprint(data: SourceBytes, expected: str) -> None:
    """Raises IntegrityError if the file is not the one that was registered."""
    if fingerprint(data) != expected:
        raise IntegrityError(
            "The source file changed since it was registered",
            remedy="ask the data owner to register the new file",
        )


def _check_header(found: list[str], policy: Policy) -> None:
    expected = [column.name for column in policy.columns]
    if sorted(found) != sorted(expected):
        raise BadInput(
            f"The file's schema differs from policy {policy.id} version {policy.version}",
            allowed="exactly these columns: " + ", ".join(expected),
            remedy="correct the file, or list the column in the policy (with action: drop to leave it out)",
        )


def _decode_text(data: bytes) -> str:
    if b"\x00" in data:
        raise BadInput("The CSV file holds a NUL byte", remedy="export it again as plain UTF-8 text")
    crlf, lf, cr = data.count(b"\r\n"), data.count(b"\n"), data.count(b"\r")
    if not (cr == 0 or (cr == crlf == lf)):
        raise BadInput("The CSV file mixes line ends", allowed="LF or CRLF throughout", remedy="convert it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(
            "The CSV file is not UTF-8", remedy="export it as UTF-8; nothing is guessed"
        ) from error


def _parse_csv(data: bytes, policy: Policy) -> ListedRows:
    reader = csv.reader(
        io.StringIO(_decode_text(data), newline=""), delimiter=policy.source.delimiter, strict=True
    )
    try:
        header = next(reader, None)
        if header is None:
            raise BadInput(
                "The CSV file is empty", allowed="a header line and rows", remedy="check the export"
            )
        names = [name.strip() for name in header]
        _check_header(names, policy)
        rows = []
        for row in reader:
            if len(row) != len(names):
                raise BadInput(
                    f"Line {reader.line_num} of the CSV file does not have as many fields as its header",
                    allowed=f"{len(names)} fields separated by {policy.source.delimiter!r}",
                    remedy="correct that line",
                )
            rows.append(row)
    except csv.Error as error:
        raise BadInput(
            f"The CSV file cannot be parsed near line {reader.line_num}",
            allowed="RFC 4180 quoting, all quotes closed",
            remedy="correct that line",
        ) from error
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return ListedRows(dict(zip(names, columns, strict=True)))


def _parse_parquet(data: SourceBytes, policy: Policy, thorough: bool) -> ParquetTexts:
    with readable():
        file = pq.ParquetFile(pa.BufferReader(data) if isinstance(data, bytes) else data.stream)
        groups = range(file.metadata.num_row_groups)
        declared = sum(file.metadata.row_group(group).total_byte_size for group in groups)
        schema = file.schema_arrow
    if file.metadata.num_rows > policy.source.max_rows or declared > 20 * policy.source.max_bytes:
        raise PolicyRefusal(
            "The Parquet file declares more than the policy allows",
            allowed="source.max_rows rows, and 20 times source.max_bytes once decompressed",
            remedy="register a smaller extract",
        )
    _check_header(list(schema.names), policy)
    if any(pa.types.is_nested(field.type) for field in schema):
        raise BadInput("The Parquet file holds nested columns", allowed="flat columns", remedy="flatten it")
    table = ParquetTexts(file, data)
    if thorough:
        table.check()
    return table
