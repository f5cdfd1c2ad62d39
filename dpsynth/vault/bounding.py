"""Contribution bounding: no unit keeps more rows than the policy's bound."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["bound_contributions", "in_partition"]


def bound_contributions(units: NDArray[np.int64], max_rows: int, key: bytes) -> NDArray[np.bool_]:
    """Mask of rows kept: at most ``max_rows`` per unit.

    Which rows of a unit stay is decided by a keyed hash of (unit, how many rows of that unit came
    before), never by a row's value, and never by rows of other units: adding or removing a unit
    leaves the choice for every other unit unchanged.

    Args:
        units: unit of each row, shape (rows,); a negative unit means a missing id: dropped.
        max_rows: bound (>= 1).
        key: secret of this run.
    """
    keep = units >= 0
    order = np.argsort(units, kind="stable")
    values, starts, counts = np.unique(units[order], return_index=True, return_counts=True)
    over = (counts > max_rows) & (values >= 0)
    for unit, start, count in np.column_stack([values, starts, counts])[over].tolist():
        rows = order[start : start + count]
        ranks = [_rank(key, unit, ordinal) for ordinal in range(count)]
        keep[rows[np.argsort(ranks)[max_rows:]]] = False
    return keep


def in_partition(units: NDArray[np.int64], parts: NDArray[np.int64], wanted: int) -> NDArray[np.bool_]:
    """Mask of the rows of one part of the table, in which each unit lies in exactly one part.

    A unit lies in the first part, in public order, in which it has a row; its rows in other parts belong to
    no part. The rule looks at that unit's rows only and is the same for every request, so no unit is ever
    in two parts of one snapshot.

    Args:
        units: unit of each row, shape (rows,); negative for a missing id.
        parts: code of each row's value of the partition column, shape (rows,).
        wanted: code of the part.
    """
    values, inverse = np.unique(units, return_inverse=True)
    first = np.full(len(values), np.iinfo(np.int64).max)
    np.minimum.at(first, inverse, parts.astype(np.int64))
    mask: NDArray[np.bool_] = (first[inverse] == wanted) & (parts == wanted)
    return mask


def _rank(key: bytes, unit: int, ordinal: int) -> int:
    message = f"{unit}:{ordinal}".encode()
    return int.from_bytes(hashlib.blake2b(message, key=key, digest_size=7).digest(), "big")
