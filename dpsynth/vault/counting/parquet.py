"""Encoded rows in a Parquet file: written once, read in blocks, never held whole."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dpsynth.core.domain import Clique
from dpsynth.core.errors import IntegrityError
from dpsynth.vault.counting.rows import Block, Codes, KeptRows, Withheld, code_type

__all__ = ["CodedWriter", "ParquetRows"]


class ParquetRows(Withheld):
    """Codes in a Parquet file: one unsigned column without nulls for each column of the domain."""

    __slots__ = ("__weakref__", "_file", "_sizes")

    def __init__(self, file: Path | IO[bytes], sizes: Mapping[str, int]) -> None:
        """Checks the file's schema; an open file is closed with this object.

        Raises IntegrityError if it does not hold these columns.
        """
        self._sizes = dict(sizes)
        if not isinstance(file, Path):
            weakref.finalize(self, file.close)
        try:
            self._file = pq.ParquetFile(file, pre_buffer=False)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _unreadable() from error
        schema = self._file.schema_arrow
        types = {field.name: field.type for field in schema}
        if any(name not in types or not pa.types.is_unsigned_integer(types[name]) for name in self._sizes):
            raise _unreadable()

    @property
    def sizes(self) -> Mapping[str, int]:
        """Number of codes of each column, in public order."""
        return self._sizes

    @property
    def rows(self) -> int:
        """Number of rows; not public."""
        return int(self._file.metadata.num_rows)

    def blocks(self, names: Clique, most: int) -> Iterator[Block]:
        """Reads and decodes these columns only. Raises IntegrityError if that fails."""
        if not names:
            for low in range(0, self.rows, most):
                yield Block(min(most, self.rows - low), ())
            return
        batches = self._file.iter_batches(batch_size=most, columns=list(names), use_threads=False)
        while True:
            try:
                batch = next(batches, None)
                if batch is None:
                    return
                codes = tuple(batch.column(name).to_numpy(zero_copy_only=True) for name in names)
            except (pa.ArrowException, OSError, ValueError) as error:
                raise _unreadable() from error
            yield Block(batch.num_rows, codes)

    def where(self, keep: NDArray[np.bool_]) -> KeptRows:
        """The rows where ``keep`` is true; the file is read as before."""
        return KeptRows(self, keep)


class CodedWriter(Withheld):
    """Writes encoded blocks to a file without a name, which only this process can open.

    It is gone when the last object that reads it is, and with the process however that ends. It lies in the
    folder for temporary files (TMPDIR).
    """

    __slots__ = ("__weakref__", "_schema", "_sizes", "_stream", "_undone", "_writer")

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._sizes = dict(sizes)
        self._schema = pa.schema(
            [pa.field(name, pa.from_numpy_dtype(code_type(size)), False) for name, size in sizes.items()]
        )
        self._stream = tempfile.TemporaryFile()  # noqa: SIM115 - it outlives this call
        self._writer = pq.ParquetWriter(
            self._stream, self._schema, compression="none", write_statistics=False
        )
        self._undone = weakref.finalize(self, _close, self._writer, self._stream)

    def add(self, codes: Mapping[str, Codes]) -> None:
        """Append a block of rows: one array for each column, all of one length."""
        columns = [
            pa.array(np.ascontiguousarray(codes[name], dtype=code_type(size)))
            for name, size in self._sizes.items()
        ]
        self._writer.write_batch(pa.record_batch(columns, schema=self._schema))

    def done(self) -> ParquetRows:
        """The rows written. Nothing can be added any more."""
        self._undone.detach()
        self._writer.close()
        self._stream.seek(0)
        return ParquetRows(self._stream, self._sizes)


def _close(writer: pq.ParquetWriter, stream: IO[bytes]) -> None:
    writer.close()
    stream.close()


def _unreadable() -> IntegrityError:
    return IntegrityError("A file of encoded rows cannot be read", remedy="encode the source again")
