"""DCR and NNDR: how near released rows lie to real ones. Descriptive; no privacy test can be made of them.

"Datasets deemed private by proxy metrics are highly vulnerable to MIAs" (Yao, Krco, Ganev, de Montjoye,
"The DCR Delusion", 2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.nearest import nearest_agreement

__all__ = ["Distances", "closer_shares", "distances_to"]


@dataclass(frozen=True)
class Distances:
    """Distances of released rows to one table, each shape (rows,).

    Attributes:
        dcr: share of columns that disagree with the nearest row, 0 .. 1.
        nndr: that share over the second nearest row's; 1 where both are zero.
        ties: rows of the table that are equally near.
    """

    dcr: NDArray[np.float64]
    nndr: NDArray[np.float64]
    ties: NDArray[np.int64]


def distances_to(rows: NDArray[np.int64], table: NDArray[np.int64], sizes: Sequence[int]) -> Distances:
    """Distances of ``rows``, (rows, d), to ``table``, (length, d), at least one row."""
    best, second, ties = nearest_agreement(rows, table, sizes)
    first, next_one = 1.0 - best / len(sizes), 1.0 - second / len(sizes)
    ratio = np.divide(first, next_one, out=np.ones(len(rows)), where=next_one > 0.0)
    return Distances(first, ratio, ties)


def closer_shares(train: Distances, holdout: Distances) -> tuple[float, float, float]:
    """Shares of released rows nearer to train, nearer to holdout, and equally near; they sum to 1."""
    nearer, farther = (
        float((train.dcr < holdout.dcr).mean()),
        float((train.dcr > holdout.dcr).mean()),
    )
    return nearer, farther, 1.0 - nearer - farther
