"""How likely a calibrated junction tree is to draw a row (Koller & Friedman 2009, section 10.2.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dpsynth.graphical.factor import Array
from dpsynth.graphical.inference import BeliefTree
from dpsynth.graphical.stack import Rows

__all__ = ["log_density"]


def log_density(beliefs: BeliefTree, rows: Rows, sizes: Sequence[int]) -> Array:
    """Natural log of each row's probability, shape (rows,); -inf for rows that cannot be.

    Args:
        beliefs: a calibrated tree.
        rows: codes, shape (rows, columns by id). Columns that the tree has beyond these are summed out.
        sizes: number of codes by column id, of all columns of the tree.
    """
    total = np.full(len(rows), -np.inf)
    for hidden in np.ndindex(*sizes[rows.shape[1] :]):
        whole = np.column_stack([rows, np.tile(np.array(hidden, dtype=rows.dtype), (len(rows), 1))])
        total = np.logaddexp(total, _joint(beliefs, whole))
    return total


def _joint(beliefs: BeliefTree, rows: Rows) -> Array:
    """Product of the cliques' probabilities over that of the separators."""
    tree, total = beliefs.tree, np.zeros(len(rows))
    with np.errstate(divide="ignore"):
        for node, clique in enumerate(tree.cliques):
            separator = tree.separators[node]
            chance = beliefs.beliefs[node][tuple(rows[:, column] for column in clique)]
            above = beliefs.table(node, separator)[tuple(rows[:, column] for column in separator)]
            ratio = np.divide(chance, above, out=np.zeros(len(rows)), where=chance > 0)
            total += np.log(ratio)
    return total
