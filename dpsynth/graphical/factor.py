"""Factors: dense tables over numbered columns, in probability space (Koller & Friedman 2009, section 4.2).

A column is an id (a small int); the axes of a factor are in ascending id, so that any two factors can be
lined up by inserting axes of length one.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Factor", "Ids", "drop_axis", "expand"]

Array = NDArray[np.float64]
Ids = tuple[int, ...]
"""Column ids, strictly ascending."""


def drop_axis(values: Array, axis: int) -> Array:
    """Sum a C-contiguous array over one axis; same result as ``values.sum(axis)``, with fast inner loops."""
    shape = values.shape
    before, here, after = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
    if after == 1:
        out = values.reshape(before, here) @ np.ones(here)
    elif before == 1:
        out = np.ones(here) @ values.reshape(here, after)
    else:
        out = np.add.reduce(values.reshape(before, here, after), axis=1)
    return np.asarray(out, dtype=np.float64).reshape(shape[:axis] + shape[axis + 1 :])


def expand(values: Array, ids: Ids, target: Ids) -> Array:
    """A view of ``values`` (axes ``ids``) with length-one axes, ready to broadcast over axes ``target``."""
    lengths = dict(zip(ids, values.shape, strict=True))
    return values.reshape([lengths.get(column, 1) for column in target])


@dataclass(frozen=True)
class Factor:
    """A non-negative table over columns.

    Attributes:
        ids: column ids, strictly ascending.
        values: float64, one axis per column.
    """

    ids: Ids
    values: Array

    def __post_init__(self) -> None:
        if self.values.ndim != len(self.ids) or list(self.ids) != sorted(set(self.ids)):
            raise ValueError("a factor needs one axis per column, in ascending column id")

    def lengths(self) -> dict[int, int]:
        """Number of codes by column id."""
        return dict(zip(self.ids, self.values.shape, strict=True))

    def marginal(self, keep: Ids) -> Factor:
        """Sum out every column not in ``keep`` (columns of ``keep`` that are not here are ignored)."""
        ids, values = self.ids, np.asarray(self.values, order="C")
        for column in reversed(self.ids):
            if column not in keep:
                axis = ids.index(column)
                values = drop_axis(values, axis)
                ids = ids[:axis] + ids[axis + 1 :]
        return Factor(ids, values)

    def times(self, other: Factor) -> Factor:
        """Pointwise product over the union of both column sets."""
        ids = tuple(sorted({*self.ids, *other.ids}))
        return Factor(ids, expand(self.values, self.ids, ids) * expand(other.values, other.ids, ids))

    def given(self, condition: Factor) -> Factor:
        """Divide by a factor over a subset of the columns; 0 / 0 is 0."""
        below = expand(condition.values, condition.ids, self.ids)
        safe = np.where(below > 0, below, 1.0)
        return Factor(self.ids, np.where(below > 0, self.values / safe, 0.0))

    def contract(self, other: Factor, keep: Ids) -> Factor:
        """``times(other).marginal(keep)`` without forming the product: one batched matrix product."""
        left = self.marginal(tuple({*keep, *other.ids}))
        right = other.marginal(tuple({*keep, *self.ids}))
        shared = [column for column in left.ids if column in right.ids]
        batch = [column for column in shared if column in keep]
        summed = [column for column in shared if column not in keep]
        rows = [column for column in left.ids if column not in right.ids]
        cols = [column for column in right.ids if column not in left.ids]
        lengths = left.lengths() | right.lengths()
        blocks = [prod(lengths[column] for column in group) for group in (batch, rows, summed, cols)]
        one = _arrange(left, batch + rows + summed).reshape(blocks[0], blocks[1], blocks[2])
        two = _arrange(right, batch + summed + cols).reshape(blocks[0], blocks[2], blocks[3])
        made = batch + rows + cols
        product = np.matmul(one, two).reshape([lengths[column] for column in made])
        return Factor(tuple(sorted(made)), np.asarray(product.transpose(np.argsort(made)), order="C"))


def _arrange(factor: Factor, order: list[int]) -> Array:
    return factor.values.transpose([factor.ids.index(column) for column in order])
