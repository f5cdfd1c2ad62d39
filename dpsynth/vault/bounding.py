"""Contribution bounding: no unit keeps more rows than the policy's bound."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["bound_contributions"]


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
    values, counts = np.unique(units[keep], return_counts=True)
    for unit in values[counts > max_rows].tolist():
        rows = np.flatnonzero(units == unit)
        ranks = [_rank(key, unit, ordinal) for ordinal in range(len(rows))]
        keep[rows[np.argsort(ranks)[max_rows:]]] = False
    return keep


def _rank(key: bytes, unit: int, ordinal: int) -> int:
    message = f"{unit}:{ordinal}".encode()
    return int.from_bytes(hashlib.blake2b(message, key=key, digest_size=7).digest(), "big")
