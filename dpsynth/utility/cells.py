"""Which marginals are compared, from public facts alone, and their counts in encoded rows."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Clique, Domain

__all__ = ["MOST_CELLS", "MOST_MARGINALS", "Codes", "counts", "marginals_of", "some_rows"]

Codes = NDArray[np.int64]
"""Encoded rows, shape (rows, columns), in domain order."""

MOST_MARGINALS, MOST_CELLS = 60, 100_000


def marginals_of(domain: Domain, width: int) -> tuple[Clique, ...]:
    """Marginals of ``width`` columns and at most ``MOST_CELLS`` cells: all, or ``MOST_MARGINALS`` of them.

    Which ones follows from the public domain: evenly spaced in its order.
    """
    small = [one for one in combinations(domain.names, width) if domain.size(one) <= MOST_CELLS]
    step = max(1.0, len(small) / MOST_MARGINALS)
    return tuple(small[int(number * step)] for number in range(min(len(small), MOST_MARGINALS)))


def counts(codes: Codes, domain: Domain, names: Clique) -> NDArray[np.int64]:
    """Counts over ``names``, C order, shape (cells,)."""
    index = np.zeros(len(codes), dtype=np.int64)
    for name in names:
        index = index * domain[name].size + codes[:, domain.names.index(name)]
    return np.bincount(index, minlength=domain.size(names))


def some_rows(codes: Codes, most: int, rng: np.random.Generator) -> Codes:
    """The rows, or ``most`` of them drawn at random, in their order."""
    if len(codes) <= most:
        return codes
    return codes[np.sort(rng.choice(len(codes), most, replace=False))]
