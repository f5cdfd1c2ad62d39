"""Rows from a calibrated junction tree, clique by clique, from the conditionals given the separator.

Counts are rounded, not drawn: inside each group of rows that agree on the separator, the points
(rank + U) / n with one uniform U per group are pushed through the conditional's distribution function
(systematic sampling, Madow 1949), so every count is within one of its expectation and unbiased. Ranks are
*shuffled inside the group*: without that, columns that are independent given the separator would all be
filled in the same order and come out correlated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dpsynth.graphical.factor import Array, Ids
from dpsynth.graphical.inference import BeliefTree

__all__ = ["sample_codes"]

Codes = NDArray[np.int64]


def sample_codes(beliefs: BeliefTree, rows: int, rng: np.random.Generator) -> dict[int, Codes]:
    """Codes by column id, each of shape (rows,), distributed as the model.

    Args:
        beliefs: a calibrated tree.
        rows: number of rows, >= 0.
        rng: source of randomness (post-processing, not privacy noise).
    """
    codes: dict[int, Codes] = {}
    tree = beliefs.tree
    for node, clique in enumerate(tree.cliques):
        separator = tree.separators[node]
        fresh = tuple(column for column in clique if column not in separator)
        order = [clique.index(column) for column in separator + fresh]
        table = beliefs.beliefs[node].transpose(order)
        shape = table.shape
        groups = _flat_index(codes, separator, shape, rows)
        cells = _draw(table.reshape(int(np.prod(shape[: len(separator)])), -1), groups, rng)
        drawn = np.unravel_index(cells, shape[len(separator) :])
        codes.update({column: part.astype(np.int64) for column, part in zip(fresh, drawn, strict=True)})
    return codes


def _flat_index(codes: dict[int, Codes], separator: Ids, shape: tuple[int, ...], rows: int) -> Codes:
    index = np.zeros(rows, dtype=np.int64)
    for column, length in zip(separator, shape[: len(separator)], strict=True):
        index = index * length + codes[column]
    return index


def _draw(table: Array, groups: Codes, rng: np.random.Generator) -> Codes:
    """One cell per row from ``table[group]`` (rows of weights), by systematic sampling in shuffled order."""
    weights = np.clip(table, 0.0, None)
    weights[~np.any(weights > 0, axis=1)] = 1.0
    reach = np.cumsum(weights, axis=1)
    reach /= reach[:, -1:]
    points = _points(groups, len(table), rng)
    # Group g owns the interval [g, g + 1) of one long distribution function: a single search serves all rows.
    reach += np.arange(len(table))[:, None]
    found = np.searchsorted(reach.reshape(-1), groups + points, side="right")
    return _last_possible(weights, found, groups)


def _last_possible(weights: Array, found: Codes, groups: Codes) -> Codes:
    """Undo what rounding at an interval's end may do: stay in the group, on a cell of positive weight."""
    width = weights.shape[1]
    last = width - 1 - np.argmax(weights[:, ::-1] > 0, axis=1)
    capped: Codes = np.minimum(found - groups * width, last[groups])
    return capped


def _points(groups: Codes, count: int, rng: np.random.Generator) -> Array:
    rows = len(groups)
    sizes = np.bincount(groups, minlength=count)
    shuffled = rng.permutation(rows)
    placed = shuffled[np.argsort(groups[shuffled], kind="stable")]
    starts = np.cumsum(sizes) - sizes
    rank = np.empty(rows)
    rank[placed] = np.arange(rows) - starts[groups[placed]]
    offset = rng.random(count)
    return (rank + offset[groups]) / np.maximum(sizes[groups], 1)
