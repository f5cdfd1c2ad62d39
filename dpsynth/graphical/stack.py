"""Tables laid end to end, as the compiled loops read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from dpsynth.graphical.factor import Array, Ids

__all__ = ["Rows", "Stack", "stack_of"]

Rows = NDArray[np.int32]
"""Codes, shape (rows, columns), C order, columns by id."""

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Stack:
    """Tables over columns, each in C order, one after the other.

    Attributes:
        columns: column ids of each table, -1 where it has fewer, (tables, width).
        strides: cells per code of that column, same shape.
        starts: first cell of each table, (tables,).
        of: tables of each column, -1 at the end, (columns, most).
        cells: cells in all.
    """

    columns: Whole
    strides: Whole
    starts: Whole
    of: Whole
    cells: int

    @property
    def parts(self) -> tuple[Whole, Whole, Whole, Whole]:
        """(columns, strides, starts, of), for the loops."""
        return self.columns, self.strides, self.starts, self.of

    def counts(self, rows: Rows) -> Array:
        """How many rows are in each cell, (cells,)."""
        from dpsynth.graphical.loops import tally  # loaded late: the compiler takes a moment

        counts = np.zeros(self.cells)
        tally(rows, self.columns, self.strides, self.starts, counts)
        return counts


def stack_of(sizes: Sequence[int], tables: Sequence[Ids]) -> Stack:
    """Lay out tables over these columns.

    Args:
        sizes: number of codes by column id.
        tables: column ids of each, strictly ascending; C order over them.
    """
    width = max([len(ids) for ids in tables], default=1)
    columns = np.full((len(tables), width), -1, dtype=np.int64)
    strides = np.zeros((len(tables), width), dtype=np.int64)
    lengths = [prod(sizes[column] for column in ids) for ids in tables]
    members: list[list[int]] = [[] for _ in sizes]
    for table, ids in enumerate(tables):
        columns[table, : len(ids)] = ids
        strides[table, : len(ids)] = [prod(sizes[c] for c in ids[place + 1 :]) for place in range(len(ids))]
        for column in ids:
            members[column].append(table)
    of = np.full((len(sizes), max([len(each) for each in members], default=0) + 1), -1, dtype=np.int64)
    for column, each in enumerate(members):
        of[column, : len(each)] = each
    starts = (
        np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64) if lengths else np.zeros(0, np.int64)
    )
    return Stack(columns, strides, starts, of, sum(lengths))
