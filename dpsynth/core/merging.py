"""Merged codes: a marginal may be counted over groups of a column's codes instead of each code.

Where many codes are rarer than the noise of a count, noise drowns them one by one, not together. A merging
says which codes of a column count as one; it is made from public facts and noisy answers. A record still
falls into exactly one cell, so sensitivities and costs are those of the unmerged marginal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Clique, Domain

__all__ = ["Merging", "checked_merging", "merged_cells", "merged_counts", "merged_shape"]

Merging = Mapping[str, tuple[int, ...]]
"""Group of each code, by column; columns that are not named stay as they are."""


def checked_merging(domain: Domain, clique: Clique, merging: Merging) -> dict[str, tuple[int, ...]]:
    """What it says of the clique's columns. Raises ValueError unless groups are 0, 1, ... without a gap."""
    said = {name: tuple(merging[name]) for name in clique if name in merging}
    for name, groups in said.items():
        if len(groups) != domain[name].size or set(groups) != set(range(len(set(groups)))):
            raise ValueError(f"a merging must give every code of {name!r} a group, numbered from 0")
    return said


def merged_shape(sizes: Mapping[str, int], names: Sequence[str], merging: Merging) -> tuple[int, ...]:
    """Number of groups of each column, in the given order."""
    return tuple(max(merging[name]) + 1 if name in merging else sizes[name] for name in names)


def merged_cells(sizes: Mapping[str, int], names: Sequence[str], merging: Merging) -> NDArray[np.intp]:
    """Merged cell of each cell of the marginal over ``names``, both in C order of ``names``."""
    return _cells(tuple(tuple(merging.get(name, range(sizes[name]))) for name in names))


@lru_cache(maxsize=1024)  # a round asks for the same cells of every candidate as the round before
def _cells(groups: tuple[tuple[int, ...], ...]) -> NDArray[np.intp]:
    cells = np.zeros(1, dtype=np.intp)
    for codes in groups:
        cells = (cells[:, None] * (max(codes) + 1) + np.asarray(codes, dtype=np.intp)).reshape(-1)
    cells.flags.writeable = False
    return cells


def merged_counts(
    counts: NDArray[np.int64], domain: Domain, clique: Clique, merging: Merging
) -> NDArray[np.int64]:
    """Whole numbers over the clique, flat, added up over its merged cells, exactly."""
    if not merging:
        return counts
    sizes = dict(zip(clique, domain.sizes(clique), strict=True))
    sums = np.zeros(math.prod(merged_shape(sizes, clique, merging)), dtype=np.int64)
    np.add.at(sums, merged_cells(sizes, clique, merging), counts)
    return sums
