"""Density-ratio membership scores: how much more of the release than of people lies near a row.

DOMIAS (van Breugel et al. 2023) in five forms; no single one is best (Synth-MIA), so all are computed:
the marginal ratio of ``marginal_ratio``, and here the nearest row, a ratio among nearest neighbours, a ratio
of kernel sums and a classifier that tells released rows from reference rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from dpsynth.attacks.cells import cell_index
from dpsynth.attacks.nearest import ByColumn

__all__ = ["classifier_scores", "neighbour_scores"]

_HALF = 0.5
_MOST_STEPS = 40


def neighbour_scores(
    targets: NDArray[np.int64],
    release: NDArray[np.int64],
    reference: NDArray[np.int64],
    sizes: Sequence[int],
    neighbours: int,
    mismatch: float,
) -> dict[str, NDArray[np.float64]]:
    """Three scores from the numbers of released and reference rows at each distance from the target.

    ``nearest``: columns by which the nearest released row is nearer than the nearest reference row; ties by
    how many rows are so near. ``neighbours``: log ratio of both tables' shares within the smallest radius
    that holds ``neighbours`` rows of either. ``kernel``: log ratio of mean kernels, the kernel being
    ``mismatch`` to the power of the columns that disagree (Aitchison and Aitken 1976, without its constant).

    Args:
        targets, release, reference: encoded rows, (rows, d); neither table is empty.
        sizes: number of codes of each column.
        neighbours: rows of a neighbourhood (>= 1).
        mismatch: weight of one disagreement, in 0 .. 1.

    Returns:
        float64 scores by name, each (targets,).
    """
    tables, d = (ByColumn(release, sizes), ByColumn(reference, sizes)), len(sizes)
    lengths = len(release), len(reference)
    weights = mismatch ** np.arange(d + 1)
    scores = {name: np.empty(len(targets)) for name in ("nearest", "neighbours", "kernel")}
    for at, row in enumerate(targets.tolist()):
        counts = [
            np.bincount(table.agreements(row, range(d)), minlength=d + 1)[::-1].astype(np.float64)
            for table in tables
        ]
        inside = [np.cumsum(part) for part in counts]
        radius = min(int(np.searchsorted(inside[0] + inside[1], neighbours)), d)
        shares = [(part[radius] + _HALF) / length for part, length in zip(inside, lengths, strict=True)]
        masses = [(part @ weights) / length for part, length in zip(counts, lengths, strict=True)]
        first = [int(np.argmax(part > 0.0)) for part in counts]
        at_first = [(part[first[0]] + _HALF) / length for part, length in zip(inside, lengths, strict=True)]
        scores["nearest"][at] = first[1] - first[0] + special.expit(np.log(at_first[0] / at_first[1]))
        scores["neighbours"][at] = np.log(shares[0] / shares[1])
        scores["kernel"][at] = np.log(masses[0] / masses[1])
    return scores


def classifier_scores(
    targets: NDArray[np.int64],
    release: NDArray[np.int64],
    reference: NDArray[np.int64],
    sizes: Sequence[int],
    cliques: Sequence[tuple[int, ...]],
) -> NDArray[np.float64]:
    """Log odds of "released" by a logistic regression on the cells of ``cliques``, shape (targets,).

    Both tables weigh the same in all; the penalty is half the squared norm of the weights.
    """
    ends = np.cumsum([np.prod([sizes[column] for column in columns]) for columns in cliques]).tolist()
    starts = [0, *ends[:-1]]

    def cells(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        rows = np.asfortranarray(rows)
        return [cell_index(rows, c, sizes) + start for c, start in zip(cliques, starts, strict=True)]

    taught = cells(np.concatenate([release, reference]))
    released = np.arange(len(release) + len(reference)) < len(release)
    sign = np.where(released, 1.0, -1.0)
    weight = np.where(released, 1.0 / len(release), 1.0 / len(reference)) * len(sign) / 2.0

    def loss(taken: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = sign * _logits(taken, taught)
        pull = -weight * sign * special.expit(-margin)
        slope = np.concatenate(
            [
                np.bincount(at - start, weights=pull, minlength=end - start)
                for at, start, end in zip(taught, starts, ends, strict=True)
            ]
        )
        value = float(weight @ np.logaddexp(0.0, -margin)) + float(taken @ taken) / 2.0
        return value, slope + taken

    found = optimize.minimize(
        loss, np.zeros(ends[-1]), jac=True, method="L-BFGS-B", options={"maxiter": _MOST_STEPS}
    )
    return _logits(found.x, cells(targets))


def _logits(weights: NDArray[np.float64], cells: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    total = np.zeros(len(cells[0]))
    for at in cells:
        total += weights[at]
    return total
