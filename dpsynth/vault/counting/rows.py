"""Where rows are counted from: encoded blocks of them, in memory or elsewhere, behind one interface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Clique
from dpsynth.core.errors import IntegrityError

__all__ = [
    "Block",
    "Codes",
    "KeptRows",
    "MemoryRows",
    "RowSource",
    "Withheld",
    "checked_blocks",
    "code_type",
    "whole_columns",
]

Codes = NDArray[np.unsignedinteger]
"""Codes of one column, unsigned, shape (rows,)."""


class Withheld:
    """Holds rows of people: shows nothing of them, and does not leave its process."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: contents withheld>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("rows of people do not leave their process")


@dataclass(frozen=True, repr=False, slots=True)
class Block(Withheld):
    """Some consecutive rows.

    Attributes:
        rows: how many.
        codes: one array for each column that was asked for, in that order.
    """

    rows: int
    codes: tuple[Codes, ...]


class RowSource(Protocol):
    """Encoded rows that can be read through any number of times, always in the same order."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Number of codes of each column, in public order. Public."""

    @property
    def rows(self) -> int:
        """Number of rows. Not public: it decides how to count, and goes nowhere else."""

    def blocks(self, names: Clique, most: int) -> Iterator[Block]:
        """The codes of these columns, in blocks of at most ``most`` rows."""

    def where(self, keep: NDArray[np.bool_]) -> RowSource:
        """The rows where ``keep``, one truth value a row, is true."""


class MemoryRows(Withheld):
    """Codes held in memory, one array a column."""

    __slots__ = ("_codes", "_rows", "_sizes")

    def __init__(self, sizes: Mapping[str, int], codes: Mapping[str, Codes], rows: int) -> None:
        """Codes: an unsigned array (rows,) for each column of ``sizes``."""
        self._sizes, self._codes, self._rows = dict(sizes), codes, rows

    @property
    def sizes(self) -> Mapping[str, int]:
        """Number of codes of each column, in public order."""
        return self._sizes

    @property
    def rows(self) -> int:
        """Number of rows; not public."""
        return self._rows

    def blocks(self, names: Clique, most: int) -> Iterator[Block]:
        """Views of the arrays; nothing is copied."""
        for low in range(0, self._rows, most):
            high = min(low + most, self._rows)
            yield Block(high - low, tuple(self._codes[name][low:high] for name in names))

    def where(self, keep: NDArray[np.bool_]) -> MemoryRows:
        """The rows where ``keep`` is true, copied."""
        codes = {name: column[keep] for name, column in self._codes.items()}
        return MemoryRows(self._sizes, codes, int(np.count_nonzero(keep)))


class KeptRows(Withheld):
    """Some rows of another source, which is read anew each time: nothing is copied but one bit a row."""

    __slots__ = ("_keep", "_rows", "_source")

    def __init__(self, source: RowSource, keep: NDArray[np.bool_]) -> None:
        """Keep: one truth value for each row of the source."""
        self._source, self._keep, self._rows = source, np.packbits(keep), int(np.count_nonzero(keep))

    @property
    def sizes(self) -> Mapping[str, int]:
        """Number of codes of each column, in public order."""
        return self._source.sizes

    @property
    def rows(self) -> int:
        """Number of rows; not public."""
        return self._rows

    def blocks(self, names: Clique, most: int) -> Iterator[Block]:
        """Blocks of the source without the rows that were left out; a block may be short or empty."""
        low = 0
        for block in self._source.blocks(names, most):
            keep = self._bits(low, low + block.rows)
            low += block.rows
            yield Block(int(np.count_nonzero(keep)), tuple(codes[keep] for codes in block.codes))

    def where(self, keep: NDArray[np.bool_]) -> KeptRows:
        """The rows where ``keep`` is true."""
        whole = self._bits(0, self._source.rows)
        whole[whole] = keep
        return KeptRows(self._source, whole)

    def _bits(self, low: int, high: int) -> NDArray[np.bool_]:
        start = low // 8
        bits = np.unpackbits(self._keep[start : (high + 7) // 8])
        return bits[low - 8 * start : high - 8 * start].astype(np.bool_)


def checked_blocks(source: RowSource, names: Clique, most: int) -> Iterator[Block]:
    """Blocks whose codes are inside the public domain: what counts by position may rely on it.

    Raises IntegrityError for a code outside, without saying which.
    """
    sizes = [source.sizes[name] for name in names]
    for block in source.blocks(names, most):
        for size, codes in zip(sizes, block.codes, strict=True):
            if len(codes) != block.rows or codes.dtype.kind != "u" or (block.rows and codes.max() >= size):
                raise IntegrityError(
                    "Encoded rows do not fit the public domain", remedy="encode the source again"
                )
        yield block


def code_type(size: int) -> np.dtype[np.unsignedinteger]:
    """The narrowest unsigned type that holds the codes of a column of ``size`` codes."""
    return np.dtype(np.min_scalar_type(max(size - 1, 0)))


def whole_columns(source: RowSource, names: Clique | None = None) -> dict[str, Codes]:
    """Columns, each whole, all by default: views where the rows are in memory, else read into memory."""
    names = tuple(source.sizes) if names is None else names
    blocks = list(source.blocks(names, max(source.rows, 1)))
    if len(blocks) == 1:
        return dict(zip(names, blocks[0].codes, strict=True))
    none = Block(0, tuple(np.empty(0, dtype=code_type(source.sizes[name])) for name in names))
    parts = zip(*(block.codes for block in blocks or [none]), strict=True)
    return {name: np.concatenate(part) for name, part in zip(names, parts, strict=True)}
