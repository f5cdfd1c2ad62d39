"""Codes as bytes, the one form that the compiled loops read, and a table's cells in terms of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from dpsynth.vault.counting.rows import Block

__all__ = ["Digits", "c_strides"]

_BLOCK_BYTES = 1 << 22
"""A block stays in a last-level cache while every table reads it."""

_BLOCK_ROWS = 1 << 17


def c_strides(sizes: Sequence[int]) -> list[int]:
    """Weight of each axis in C order, in cells."""
    return list(accumulate(reversed(sizes[1:]), lambda a, b: a * b, initial=1))[::-1] if sizes else []


class Digits:
    """Codes of a block as bytes: a column of more than 256 codes has several, the lowest first.

    Attributes:
        rows: the most rows of a block, a multiple of the granule.
    """

    def __init__(self, sizes: Mapping[str, int], granule: int) -> None:
        self._widths = {name: ((size - 1).bit_length() + 7) // 8 for name, size in sizes.items()}
        self._first = dict(zip(sizes, accumulate(self._widths.values(), initial=0), strict=False))
        digits = sum(self._widths.values())
        self.rows = min(max(_BLOCK_BYTES // digits // granule, 1) * granule, _BLOCK_ROWS)
        self._block = np.empty((digits, self.rows), dtype=np.uint8)

    def weights(self, name: str, stride: int) -> Iterator[tuple[int, int]]:
        """(row of the block, weight) of each digit of a column that has this stride in an index."""
        for k in range(self._widths[name]):
            yield self._first[name] + k, stride << (8 * k)

    def split(self, block: Block) -> NDArray[np.uint8]:
        """The digits, (digits, rows) and room to spare; overwritten by the next call."""
        for codes, first, width in zip(block.codes, self._first.values(), self._widths.values(), strict=True):
            for k in range(width):
                np.copyto(
                    self._block[first + k, : block.rows], codes >> (8 * k) if k else codes, casting="unsafe"
                )
        return self._block
