"""Counting each marginal by itself with numpy: for small tables, and the twin of the packed counter."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Clique
from dpsynth.vault.counting.rows import Codes, RowSource, checked_blocks

__all__ = ["count_plainly"]

_BLOCK = 1 << 20


def count_plainly(source: RowSource, cliques: Sequence[Clique]) -> dict[Clique, NDArray[np.int64]]:
    """Exact counts of each marginal, int64 (cells,), C order over the clique as given."""
    sizes = source.sizes
    counts = {c: np.zeros(prod(sizes[name] for name in c), dtype=np.int64) for c in cliques}
    names = tuple(name for name in sizes if any(name in c for c in cliques))
    for block in checked_blocks(source, names, _BLOCK):
        codes = dict(zip(names, block.codes, strict=True))
        for c, total in counts.items():
            cells = _cells([(codes[name], sizes[name]) for name in c], block.rows)
            total += np.bincount(cells, minlength=total.size)
    return counts


def _cells(columns: Sequence[tuple[Codes, int]], rows: int) -> NDArray[np.int64]:
    """Cell of each row."""
    index: NDArray[np.int64] = np.zeros(rows, dtype=np.int64)
    for codes, size in columns:
        index *= size
        index += codes
    return index
