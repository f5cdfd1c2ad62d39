"""Rows as they came, as text, in blocks: what a source gives before it is encoded."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dpsynth.core.errors import BadInput
from dpsynth.vault.counting.rows import Withheld

__all__ = ["HeldFile", "ListedRows", "ParquetTexts", "RawTable", "Texts", "readable"]

_BLOCK = 1 << 17


@dataclass(frozen=True, repr=False, slots=True)
class Texts(Withheld):
    """One column of a block.

    Attributes:
        values: texts; those of a Parquet file are distinct, so that each is looked at once.
        index: for each row the position of its text, shape (rows,).
    """

    values: Sequence[str]
    index: NDArray[np.integer]


class RawTable(Protocol):
    """Rows of people as text. Never leaves the vault."""

    @property
    def rows(self) -> int:
        """Number of rows; not public."""

    def blocks(self, names: Sequence[str]) -> Iterator[tuple[Texts, ...]]:
        """These columns, some rows at a time, in the order of the file."""


class ListedRows(Withheld):
    """Rows in memory, a list of texts for each column."""

    def __init__(self, columns: Mapping[str, Sequence[str]]) -> None:
        self._columns = columns
        self.rows = len(next(iter(columns.values())))

    def blocks(self, names: Sequence[str]) -> Iterator[tuple[Texts, ...]]:
        """All rows in one block."""
        yield tuple(Texts(self._columns[name], np.arange(self.rows)) for name in names)


class HeldFile(Withheld):
    """A private copy of a source in a file without a name: it cannot change, and goes when this object goes.

    Attributes:
        sha256: of its bytes.
        stream: the file. Whoever reads it says where.
    """

    def __init__(self, stream: IO[bytes], sha256: str) -> None:
        self.stream, self.sha256 = stream, sha256
        weakref.finalize(self, stream.close)


class ParquetTexts(Withheld):
    """Rows of a Parquet file, decoded a block at a time."""

    def __init__(self, file: pq.ParquetFile, keeper: object) -> None:
        """Keeper: what holds the file's bytes, kept as long as this."""
        self._file, self._keeper = file, keeper
        self.rows = int(file.metadata.num_rows)

    def check(self) -> None:
        """Decode everything once, so that reading it later cannot fail. Raises BadInput."""
        for _ in self.blocks(self._file.schema_arrow.names):
            pass

    def blocks(self, names: Sequence[str]) -> Iterator[tuple[Texts, ...]]:
        """Blocks of some rows. Raises BadInput, in the same words for every fault."""
        once, rows = list(dict.fromkeys(names)), 0
        with readable():
            for batch in self._file.iter_batches(batch_size=_BLOCK, columns=once, use_threads=False):
                rows += batch.num_rows
                yield tuple(_texts(batch.column(name)) for name in names)
            if rows != self.rows:
                raise ValueError("the footer states another number of rows than the pages hold")


@contextmanager
def readable() -> Iterator[None]:
    """Turns any fault of a Parquet file into one BadInput that says nothing of what is in it."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise BadInput(
            "The Parquet file cannot be read", remedy="write it again with a current tool"
        ) from error


def _texts(column: pa.Array) -> Texts:
    """A decoded column, each distinct value turned into text once."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        coded = column.dictionary_encode()
    except pa.ArrowNotImplementedError:  # of some types Arrow cannot tell equal values
        return Texts([_text(value) for value in column.to_pylist()], np.arange(len(column)))
    values = [*map(_text, coded.dictionary.to_pylist()), ""]
    index = coded.indices.fill_null(len(values) - 1)
    return Texts(values, index.to_numpy(zero_copy_only=False))


def _text(value: object) -> str:
    """A Parquet value as the text a CSV would hold: whole floats without a point, nulls empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and np.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value)
