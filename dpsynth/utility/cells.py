"""Which marginals are compared, from public facts alone, and their counts in encoded rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Clique, Domain

__all__ = ["MOST_CELLS", "MOST_MARGINALS", "Codes", "counts", "marginals_of", "some_rows"]

_Item = TypeVar("_Item")

Codes = NDArray[np.int64]
"""Encoded rows, shape (rows, columns), in domain order."""

MOST_MARGINALS, MOST_CELLS = 60, 100_000
_MOST_LISTED, _LOOKED_AT = 5_000, 600


def marginals_of(domain: Domain, width: int) -> tuple[Clique, ...]:
    """Marginals of ``width`` columns and at most ``MOST_CELLS`` cells: all, or ``MOST_MARGINALS`` of them.

    Which ones follows from the public domain: evenly spaced in its order.
    """
    small = [one for one in _candidates(domain.names, width) if domain.size(one) <= MOST_CELLS]
    return tuple(_evenly(small, MOST_MARGINALS))


def _candidates(names: Clique, width: int) -> list[Clique]:
    """All sets of columns in order, or evenly spaced ones of so many that listing them would take long."""
    many = math.comb(len(names), width)
    if many <= _MOST_LISTED:
        return list(combinations(names, width))
    return [_set_at(names, width, place) for place in _evenly(range(many), _LOOKED_AT)]


def _set_at(names: Clique, width: int, place: int) -> Clique:
    """The set at this place of ``combinations``, without listing those before it."""
    chosen: list[str] = []
    for at, name in enumerate(names):
        with_it = math.comb(len(names) - at - 1, width - len(chosen) - 1) if len(chosen) < width else 0
        if place < with_it:
            chosen.append(name)
        else:
            place -= with_it
    return tuple(chosen)


def _evenly(items: Sequence[_Item], most: int) -> list[_Item]:
    """At most ``most`` items, evenly spaced, in order."""
    few = min(len(items), most)
    return [items[number * len(items) // few] for number in range(few)]


def counts(codes: Codes, domain: Domain, names: Clique) -> NDArray[np.int64]:
    """Counts over ``names``, C order, shape (cells,)."""
    index = np.zeros(len(codes), dtype=np.int64)
    for name in names:
        index = index * domain[name].size + codes[:, domain.names.index(name)]
    return np.bincount(index, minlength=domain.size(names))


def some_rows(parts: Sequence[Codes], most: int, rng: np.random.Generator) -> Codes:
    """The rows of all parts, or ``most`` of them drawn at random, in their order."""
    many = sum(map(len, parts))
    if many <= most:
        return np.concatenate(parts)
    keep = np.zeros(many, dtype=np.bool_)
    keep[rng.choice(many, most, replace=False)] = True
    ends = np.cumsum([len(part) for part in parts])[:-1]
    pairs = zip(parts, np.split(keep, ends), strict=True)
    return np.concatenate([part[chosen] for part, chosen in pairs])
