"""Linkage through the release: halves of the same people, an attacker's table, one unknown column.

Ties are common on coded tables. Scores are chances of success over ties, so that no tie-breaking adds noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.cells import row_labels
from dpsynth.attacks.nearest import ByColumn

__all__ = ["halves", "inferred", "linked", "most_common_hit", "pairs_linked"]

_Split = tuple[Sequence[int], Sequence[int]]


def halves(columns: int, splits: int, rng: np.random.Generator) -> list[_Split]:
    """``splits`` random divisions of ``columns`` (>= 2) columns into two halves."""
    orders = [rng.permutation(columns).tolist() for _ in range(splits)]
    return [(order[: columns // 2], order[columns // 2 :]) for order in orders]


def pairs_linked(
    targets: NDArray[np.int64], release: NDArray[np.int64], sizes: Sequence[int], splits: Sequence[_Split]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Chance that both halves of a target lead to the same released row (Giomi et al., PETS 2023).

    Each half is linked to its nearest released rows; of equally near rows, the one that comes first in one
    common random order. Two sets then meet with the chance |both| / |either|.

    Args:
        targets: rows to link, shape (targets, d).
        release: released rows, shape (released, d), at least one.
        sizes: number of codes of each column.
        splits: divisions of the columns into two halves; scores are means over them.

    Returns:
        scores of the targets' own halves, and of one half with the second half of the target before
        (the naive attacker), each (targets,) in 0 .. 1.
    """
    table = ByColumn(release, sizes)
    scores, naive = np.zeros(len(targets)), np.zeros(len(targets))
    for one, two in splits:
        last = _nearest(table, targets[-1].tolist(), two)
        for at, row in enumerate(targets.tolist()):
            first, second = _nearest(table, row, one), _nearest(table, row, two)
            scores[at] += _overlap(first, second) / len(splits)
            naive[at] += _overlap(first, last) / len(splits)
            last = second
    return scores, naive


def _nearest(table: ByColumn, row: Sequence[int], columns: Sequence[int]) -> NDArray[np.bool_]:
    found = table.agreements(row, columns)
    return np.asarray(found == found.max())


def _overlap(one: NDArray[np.bool_], two: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(one & two) / np.count_nonzero(one | two))


def linked(
    targets: NDArray[np.int64], release: NDArray[np.int64], sizes: Sequence[int], known: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """An attacker who holds the ``known`` columns links each target to the release and reads off the rest.

    Of the released rows that agree with the target on the most known columns, the commonest combination of
    all other columns is taken for the target's.

    Returns:
        chance that every other column is right, and whether all known columns were matched, each (targets,).
    """
    rest = [column for column in range(len(sizes)) if column not in set(known)]
    labels, _ = row_labels(release[:, rest], targets[:, rest])
    table = ByColumn(release, sizes)
    scores, exact = np.zeros(len(targets)), np.zeros(len(targets), dtype=np.bool_)
    for at, row in enumerate(targets.tolist()):
        found = table.agreements(row, known)
        best = found.max()
        exact[at] = best == len(known)
        scores[at] = most_common_hit(labels[0][found == best], int(labels[1][at]))
    return scores, exact


def inferred(
    targets: NDArray[np.int64], release: NDArray[np.int64], sizes: Sequence[int], secrets: Sequence[int]
) -> NDArray[np.float64]:
    """Chance of reading each secret column off the released rows nearest on all other columns.

    The commonest code among the nearest rows is guessed.

    Returns:
        shape (targets, secrets), in 0 .. 1.
    """
    table, every = ByColumn(release, sizes), range(len(sizes))
    scores = np.zeros((len(targets), len(secrets)))
    for at, row in enumerate(targets.tolist()):
        total = table.agreements(row, every)
        for place, column in enumerate(secrets):
            others = total - table.equal(row, column)
            scores[at, place] = most_common_hit(release[others == others.max(), column], row[column])
    return scores


def most_common_hit(labels: NDArray[np.int64], own: int) -> float:
    """Chance that the commonest of ``labels`` (at least one, >= 0) is ``own``; ties share it."""
    counts = np.bincount(labels)
    best = counts.max()
    if own >= len(counts) or counts[own] < best:
        return 0.0
    return 1.0 / float(np.count_nonzero(counts == best))
