"""Rows as cell numbers: the small indexing layer under every attack."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import prod

import numpy as np
from numpy.typing import NDArray

__all__ = ["cell_index", "row_labels", "small_pairs"]


def cell_index(codes: NDArray[np.int64], columns: Sequence[int], sizes: Sequence[int]) -> NDArray[np.int64]:
    """Cell of each row in the marginal over ``columns`` (C order), shape (rows,).

    Args:
        codes: encoded rows, shape (rows, d), column j in 0 .. sizes[j]-1.
        columns: positions of the columns of the marginal.
        sizes: number of codes of each of the d columns.
    """
    index = np.zeros(len(codes), dtype=np.int64)
    for column in columns:
        index = index * sizes[column] + codes[:, column]
    return index


def small_pairs(sizes: Sequence[int], max_cells: int) -> list[tuple[int, ...]]:
    """All two-way cliques of at most ``max_cells`` cells, then single columns that fit in no such pair."""
    pairs: list[tuple[int, ...]] = [
        pair for pair in combinations(range(len(sizes)), 2) if prod(sizes[i] for i in pair) <= max_cells
    ]
    covered = {column for pair in pairs for column in pair}
    return pairs + [(column,) for column in range(len(sizes)) if column not in covered]


def row_labels(*tables: NDArray[np.int64]) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Number equal rows equally across tables.

    Args:
        tables: matrices of shape (rows_t, d) with the same d.

    Returns:
        one label array (rows_t,) per table, and the number of occurrences of each label, shape (labels,)
        per table, stacked to (tables, labels).
    """
    stacked = np.concatenate(tables)
    _, inverse = np.unique(stacked, axis=0, return_inverse=True)
    inverse = inverse.reshape(-1).astype(np.int64)
    labels = np.split(inverse, np.cumsum([len(table) for table in tables])[:-1])
    total = int(inverse.max()) + 1 if len(inverse) else 0
    counts = np.stack([np.bincount(part, minlength=total) for part in labels])
    return labels, counts
