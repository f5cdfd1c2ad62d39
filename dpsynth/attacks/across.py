"""What two releases of one table tell together: reused rows, reused noise, differences of small cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dpsynth.attacks.cells import cell_index, row_labels

__all__ = ["SharedNoise", "SharedRows", "difference_scores", "shared_noise", "shared_rows"]

_BY_CHANCE = 2.0 / 3.0


@dataclass(frozen=True)
class SharedRows:
    """Rows that occur exactly twice in two releases and never among reference rows.

    Attributes:
        across: those with one copy in each release; inside: both copies in one release.
        distinct: the smaller share of different rows in a release; identity means little where it is low.
        p: one-sided p-value that releases share more rows than independent draws would.
    """

    across: int
    inside: int
    distinct: float
    p: float


def shared_rows(
    earlier: NDArray[np.int64],
    release: NDArray[np.int64],
    reference: NDArray[np.int64],
    rng: np.random.Generator,
) -> SharedRows:
    """Compare rows shared across two releases with rows repeated inside them, at equal sizes.

    If a row is drawn with chances p and q by the two models, independently, both copies of a pair fall into
    different releases with chance 2 p q / (p + q)^2, which is at most 1/2 whatever p and q are, so that no
    model of the table is needed. Samplers that thin their draws to smooth counts repeat rows less inside a
    release; up to two thirds are therefore put down to chance.

    Args:
        earlier, release: released rows, (rows, d), at least one each.
        reference: real rows; what is found among them is common and left out.
        rng: the choice of as many rows of the larger release as the smaller one has.
    """
    side = min(len(earlier), len(release))
    first, second = (rows[rng.permutation(len(rows))[:side]] for rows in (earlier, release))
    _, counts = row_labels(first, second, reference)
    twice = (counts[0] + counts[1] == 2) & (counts[2] == 0)
    across = int((twice & (counts[0] == 1)).sum())
    inside = int(twice.sum()) - across
    distinct = min(int((part > 0).sum()) for part in counts[:2]) / side
    return SharedRows(
        across, inside, distinct, float(stats.binom.sf(across - 1, across + inside, _BY_CHANCE))
    )


@dataclass(frozen=True)
class SharedNoise:
    """Correlation of two releases' errors on common cells of single columns.

    Attributes:
        correlation: Pearson, after the errors' trend over the cells' frequencies is taken out.
        freedom: cells less the constraints and the trend.
        p: one-sided p-value that errors agree.
    """

    correlation: float
    freedom: int
    p: float


def shared_noise(
    earlier: NDArray[np.int64],
    release: NDArray[np.int64],
    real: NDArray[np.int64],
    sizes: Sequence[int],
    common: float,
) -> SharedNoise:
    """Do two releases err alike on single columns, as they would if they had used the same noise?

    Errors are standardised differences of frequencies from the real rows. Only cells of at least ``common``
    count: rare ones are pushed up from zero alike by any correct release. A straight trend over the
    frequency, which any smoothing leaves alike, is taken out. Releases that were not fitted to these rows
    err alike by the rows' own chance, and are flagged.

    Args:
        earlier, release: released rows; real: rows of the table, (rows, d), none empty.
        sizes: number of codes of each column.
        common: least real frequency of a cell, in 0 .. 1.
    """
    errors, columns = [], 0
    for column, size in enumerate(sizes):
        true, one, two = (
            np.bincount(rows[:, column], minlength=size) / len(rows) for rows in (real, earlier, release)
        )
        kept = true >= common
        if kept.sum() > 1:
            columns += 1
            spread = np.sqrt(true[kept] * (1.0 - true[kept]))
            errors.append(np.stack([true[kept], (one - true)[kept] / spread, (two - true)[kept] / spread]))
    if not errors:
        return SharedNoise(0.0, 0, 1.0)
    true, one, two = np.concatenate(errors, axis=1)
    freedom = len(true) - columns - 2
    if freedom < 4:
        return SharedNoise(0.0, max(freedom, 0), 1.0)
    trend = np.stack([np.ones_like(true), true])
    one, two = (error - trend.T @ np.linalg.lstsq(trend.T, error, rcond=None)[0] for error in (one, two))
    scale = math.sqrt(float(one @ one) * float(two @ two))
    found = float(one @ two) / scale if scale > 0.0 else 0.0
    found = min(max(found, -1.0 + 1e-12), 1.0 - 1e-12)
    return SharedNoise(
        found, freedom, float(stats.norm.sf(math.atanh(found) * math.sqrt(max(freedom - 2, 1))))
    )


def difference_scores(
    targets: NDArray[np.int64],
    earlier: NDArray[np.int64],
    release: NDArray[np.int64],
    sizes: Sequence[int],
    cliques: Sequence[tuple[int, ...]],
    small: int,
) -> NDArray[np.float64]:
    """Sum over cliques of how much the target's cell grew between releases, where it was small.

    Someone who was in one release and not in the other moves exactly the cells that hold them; in a cell of
    at most ``small`` earlier rows that is a large part.

    Args:
        targets: rows to score, (targets, d).
        earlier, release: released rows, at least one each; the later one is scaled to the earlier one's size.
        sizes: number of codes of each column.
        cliques: column positions of each marginal compared.
        small: largest earlier count of a cell that is looked at (>= 1).
    """
    scores = np.zeros(len(targets))
    scale = len(earlier) / len(release)
    targets, earlier, release = (np.asfortranarray(table) for table in (targets, earlier, release))
    for columns in cliques:
        cells = int(np.prod([sizes[column] for column in columns]))
        before, after = (
            np.bincount(cell_index(rows, columns, sizes), minlength=cells) for rows in (earlier, release)
        )
        grown = np.where(before <= small, after * scale - before, 0.0)
        scores += grown[cell_index(targets, columns, sizes)]
    return scores
