"""How many columns of one row agree with each row of a table: the kernel under all distance attacks.

On one-hot rows the squared Euclidean distance is twice the number of columns that disagree, so counting
agreements is exact and its cost does not depend on the number of codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ByColumn", "isolation", "nearest_agreement"]


class ByColumn:
    """A table laid out by column in the smallest integers that hold its codes.

    Args:
        codes: encoded rows, shape (rows, d), rows >= 1, column j in 0 .. sizes[j]-1.
        sizes: number of codes of each column.
    """

    def __init__(self, codes: NDArray[np.int64], sizes: Sequence[int]) -> None:
        self._columns = [
            np.ascontiguousarray(codes[:, j]).astype(np.min_scalar_type(max(size - 1, 0)))
            for j, size in enumerate(sizes)
        ]
        self._width = np.uint8 if len(sizes) < 256 else np.uint16
        self._equal = np.empty(len(codes), dtype=np.bool_)
        self._count: NDArray[Any] = np.empty(len(codes), dtype=self._width)

    def equal(self, row: Sequence[int], column: int) -> NDArray[np.bool_]:
        """Where ``column`` agrees with ``row``, shape (rows,). Overwritten by the next call of any method."""
        np.equal(self._columns[column], row[column], out=self._equal)
        return self._equal

    def agreements(self, row: Sequence[int], columns: Sequence[int]) -> NDArray[Any]:
        """Columns among ``columns`` that agree with ``row``, shape (rows,), small unsigned integers.

        Overwritten by the next call: copy what must last.
        """
        self._count[:] = 0
        for column in columns:
            np.add(self._count, self.equal(row, column), out=self._count)
        return self._count


def nearest_agreement(
    targets: NDArray[np.int64], rows: NDArray[np.int64], sizes: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(most agreeing columns, second most, rows that reach the most) of each target, each (targets,).

    The second most is that of the next row, so it equals the most where several rows tie; of a table of
    one row it is the same row's.
    """
    table, every = ByColumn(rows, sizes), range(len(sizes))
    answer = np.empty((3, len(targets)), dtype=np.int64)
    for at, row in enumerate(targets.tolist()):
        found = table.agreements(row, every)
        best = found.max()
        ties = int(np.count_nonzero(found == best))
        second = best if ties > 1 or len(found) == 1 else found[found < best].max()
        answer[:, at] = best, second, ties
    return answer[0], answer[1], answer[2]


def isolation(
    targets: NDArray[np.int64], real: NDArray[np.int64], sizes: Sequence[int], neighbours: int
) -> NDArray[np.float64]:
    """Mean distance to the nearest other real rows (Meeus et al. 2023, "Achilles' Heels"), shape (targets,).

    Distance is the share of columns that disagree. ``real`` holds each target once; that one is left out.

    Args:
        targets: rows to rate, shape (targets, d).
        real: all real rows, shape (rows, d), the targets among them.
        sizes: number of codes of each column.
        neighbours: how many nearest rows count (>= 1).
    """
    table, d = ByColumn(real, sizes), len(sizes)
    kept = min(neighbours, len(real) - 1)
    answer = np.zeros(len(targets))
    distances = np.arange(d + 1) / d
    for at, row in enumerate(targets.tolist()):
        counts = np.bincount(table.agreements(row, range(d)), minlength=d + 1)[::-1]
        counts[0] -= 1
        before = np.cumsum(counts) - counts
        used = np.clip(kept - before, 0, counts)
        answer[at] = float(used @ distances) / max(kept, 1)
    return answer
