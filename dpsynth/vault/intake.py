"""Raw rows become encoded ones, a block at a time: in memory, or in a file where the policy allows many.

Either way the units stay in memory, 8 bytes a row, for bounding, partitions and the audit coin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.policy.model import Policy
from dpsynth.vault.cohorts import id_text
from dpsynth.vault.counting.parquet import CodedWriter
from dpsynth.vault.counting.rows import Codes, MemoryRows, RowSource, code_type
from dpsynth.vault.encode import ColumnEncoder
from dpsynth.vault.raw import RawTable, Texts

__all__ = ["encode_rows", "unit_number"]

_IN_MEMORY = 1 << 27
"""Bytes of codes that the policy's max_rows may need before they are written to a file instead."""


class _Sink(Protocol):
    def add(self, codes: Mapping[str, Codes]) -> None:
        """Append a block of rows."""

    def done(self) -> RowSource:
        """The rows."""


class _Memory:
    """Keeps blocks in arrays of the final length."""

    def __init__(self, sizes: Mapping[str, int], rows: int) -> None:
        self._sizes, self._rows, self._filled = sizes, rows, 0
        self._codes = {name: np.empty(rows, dtype=code_type(size)) for name, size in sizes.items()}

    def add(self, codes: Mapping[str, Codes]) -> None:
        """Append a block of rows."""
        low = self._filled
        for name, block in codes.items():
            self._codes[name][low : low + len(block)] = block
            self._filled = low + len(block)

    def done(self) -> RowSource:
        """The rows."""
        return MemoryRows(self._sizes, self._codes, self._rows)


def encode_rows(raw: RawTable, policy: Policy) -> tuple[RowSource, NDArray[np.int64]]:
    """Codes of all rows over the policy's domain, and the unit of each row, (rows,).

    The unit is the row itself without an id column, else a digest of its id, or -1 where that is missing.
    """
    domain = policy.domain()
    sizes = dict(zip(domain.names, domain.shape, strict=True))
    specs = {spec.name: spec for spec in policy.columns}
    encoders = {name: ColumnEncoder(specs[name], domain[name]) for name in domain.names}
    width = sum(code_type(size).itemsize for size in sizes.values())
    in_memory = policy.source.max_rows * width <= _IN_MEMORY
    sink: _Sink = _Memory(sizes, raw.rows) if in_memory else CodedWriter(sizes)
    id_column = policy.privacy_unit.id_column
    units = np.arange(raw.rows, dtype=np.int64)
    filled, wanted = 0, list(domain.names) if id_column is None else [*domain.names, id_column]
    for block in raw.blocks(wanted):
        named = zip(encoders.items(), block, strict=False)
        sink.add({name: encoder.codes(texts.values)[texts.index] for (name, encoder), texts in named})
        rows = len(block[-1].index)
        if id_column is not None:
            units[filled : filled + rows] = _units(block[-1])
        filled += rows
    return sink.done(), units


def _units(ids: Texts) -> NDArray[np.int64]:
    numbers = np.array([unit_number(id_text(text)) for text in ids.values], dtype=np.int64)
    units: NDArray[np.int64] = numbers[ids.index]
    return units


def unit_number(text: str) -> int:
    """A 62-bit digest of an id: two ids collide with negligible probability, and merging is safe."""
    if not text:
        return -1
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 2
