"""Fewer rows that stand for many: a table whose low-order marginals are those of a larger pool.

Rows drawn independently add sampling error to every marginal. Here a pool several times as large is drawn,
its marginals are taken as the truth, and rows of the table are exchanged for rows of the pool wherever that
brings the table's marginals closer in squared error. Every row stays a draw of the model; only the choice
among draws is made. (Herding, Welling 2009, and kernel thinning, Dwivedi & Mackey 2021, do this for other
discrepancies.) Post-processing; it needs no exact marginal, so it serves any model that can be sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import prod

import numpy as np

from dpsynth.graphical.factor import Ids
from dpsynth.graphical.stack import Rows, Stack, stack_of

__all__ = ["thinned"]

_LEAST_ROWS = 1_000
"""Of fewer rows an exchange would make the likely ones likelier still: they stay as they were drawn."""

_MOST_CELLS = 4_000_000
_MOST_TABLES = 1_500


def thinned(pool: Rows, rows: int, sizes: Sequence[int], rng: np.random.Generator) -> Rows:
    """``rows`` rows of ``pool`` whose marginals are close to the pool's; fewer than 1,000 are just drawn.

    Args:
        pool: (many, columns); at least ``rows`` rows.
        rows: how many to keep, >= 0.
        sizes: number of codes by column id.
        rng: source of randomness (post-processing).
    """
    from dpsynth.graphical.loops import exchange  # loaded late: the compiler takes a moment

    mixed = pool[rng.permutation(len(pool))]
    kept = np.array(mixed[:rows], order="C")
    stack = _compared(sizes)
    if rows < _LEAST_ROWS or not stack.cells:
        return kept
    excess = stack.counts(kept) - stack.counts(pool) * (rows / len(pool))
    for start in range(rows, len(mixed), rows):
        offers = mixed[start : start + rows]
        order = rng.permutation(rows)[: len(offers)]
        exchange(kept, offers, order, stack.columns, stack.strides, stack.starts, excess)
    return kept


def _compared(sizes: Sequence[int]) -> Stack:
    """All marginals of three columns where they are few and small enough, else of two, else of one."""
    useful = [column for column, size in enumerate(sizes) if size > 1]
    for width in (min(3, len(useful)), 2, 1):
        tables: list[Ids] = list(combinations(useful, width)) if width else []
        cells = sum(prod(sizes[column] for column in ids) for ids in tables)
        if len(tables) <= _MOST_TABLES and cells <= _MOST_CELLS:
            return stack_of(sizes, tables)
    return stack_of(sizes, [])
