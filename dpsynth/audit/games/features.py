"""Black box: what is visible in released rows, as numbers that a score can be made of."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.cells import small_pairs
from dpsynth.attacks.marginal_ratio import marginal_ratio_scores
from dpsynth.core.domain import Domain
from dpsynth.core.table import SyntheticTable

__all__ = ["release_features", "target_features"]


def _matrix(release: SyntheticTable, domain: Domain) -> tuple[NDArray[np.int64], bool]:
    """Codes in domain order within the domain, and whether anything had to be put right for that."""
    if tuple(release.codes) != domain.names:
        return np.zeros((0, len(domain.columns)), dtype=np.int64), True
    raw = np.column_stack([release.codes[name] for name in domain.names])
    kept = np.clip(raw, 0, np.array(domain.shape) - 1)
    return kept.astype(np.int64), bool((kept != raw).any())


def release_features(release: SyntheticTable, domain: Domain, target: dict[str, int]) -> list[float]:
    """Counts of codes, pairs and matches with the target, extremes, sizes; the same number for any release.

    Nothing but the release enters: its rows, and the domain that it says it has.

    Args:
        release: synthetic rows.
        domain: the public domain.
        target: the target's code in each column.
    """
    rows, malformed = _matrix(release, domain)
    wanted = np.array([target[name] for name in domain.names])
    equal, first = rows == wanted, rows == 0
    found = [float(len(rows)), float(malformed), float(len(release.domain.columns))]
    for at, column in enumerate(domain.columns):
        counts = np.bincount(rows[:, at], minlength=column.size)
        seen = np.flatnonzero(counts)
        ends = [seen[0], seen[-1]] if len(seen) else [-1, -1]
        said = release.domain[column.name].size if column.name in release.domain.names else 0
        found += [*counts.tolist(), *ends, len(seen), said]
    for one, two in combinations(range(len(wanted)), 2):
        found += [(equal[:, one] & equal[:, two]).sum(), (first[:, one] & first[:, two]).sum()]
    found += np.bincount(equal.sum(axis=1), minlength=len(wanted) + 1).tolist()
    return [float(value) for value in found]


def target_features(
    release: SyntheticTable,
    domain: Domain,
    targets: NDArray[np.int64],
    reference: NDArray[np.int64],
    max_cells: int,
) -> list[list[float]]:
    """Of each target, six numbers: marginal ratios over columns and pairs, near matches, rows.

    Args:
        release: synthetic rows.
        domain: the public domain.
        targets: one row for each target, shape (targets, columns).
        reference: rows whose membership is not in question, shape (rows, columns).
        max_cells: largest pair that is compared.
    """
    rows, malformed = _matrix(release, domain)
    alone = [(at,) for at in range(len(domain.columns))]
    pairs = small_pairs(domain.shape, max_cells)
    ratios = [
        marginal_ratio_scores(targets, rows, reference, domain.shape, cliques) for cliques in (alone, pairs)
    ]
    missed = (rows[None, :, :] != targets[:, None, :]).sum(axis=2)
    near = [(missed <= most).sum(axis=1) for most in (0, 1)]
    columns = [*ratios, *near, np.full(len(targets), len(rows)), np.full(len(targets), malformed)]
    return np.column_stack(columns).astype(np.float64).tolist()  # type: ignore[no-any-return]
