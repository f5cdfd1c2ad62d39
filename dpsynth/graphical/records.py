"""Rows that follow a graphical model and, beside it, noisy marginals that its tree has no room for.

Exact inference limits a model to a tree of bounded size. What lies beyond can still be honoured row by row:
with p the fitted model and y_c noisy counts of standard deviation sigma_c, the rows are drawn by Gibbs
sampling (Geman & Geman 1984) from the posterior

    product over rows of p(row)  *  exp(- sum over c of |counts_c(rows) - y_c|^2 / (2 sigma_c^2)).

The model is the prior of each row, the noise is the likelihood, so a noisy cell moves the rows only as far as
its noise allows. All of it is post-processing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from dpsynth.graphical.factor import Array, Ids
from dpsynth.graphical.measurements import Target
from dpsynth.graphical.stack import Rows, stack_of

__all__ = ["posterior_rows"]

_LEAST_VARIANCE = 0.5
"""Counts are whole: asking for more than half a row is asking for nothing."""


def posterior_rows(
    rows: Rows,
    sizes: Sequence[int],
    potentials: Mapping[Ids, Array],
    wanted: Sequence[Target],
    total: float,
    rng: np.random.Generator,
) -> Iterator[Rows]:
    """Sweep for ever; yields the same array after each sweep, changed in place.

    Args:
        rows: rows drawn from the model, (rows, columns).
        sizes: number of codes by column id.
        potentials: the model's log-potentials; -inf for cells that cannot be.
        wanted: noisy counts of ``total`` rows.
        total: number of rows that ``wanted`` counts, > 0.
        rng: source of randomness (post-processing, not privacy noise).
    """
    from dpsynth.graphical.loops import resample  # loaded late: the compiler takes a moment

    scale = len(rows) / total
    model, beyond = stack_of(sizes, list(potentials)), stack_of(sizes, [target.ids for target in wanted])
    logs = np.concatenate([np.zeros(0), *[values.reshape(-1) for values in potentials.values()]])
    # A row of the released table stands for 1 / scale rows, in the prior and in the counts alike.
    weights = np.array([1.0 / (max(target.variance, _LEAST_VARIANCE) * scale) for target in wanted])
    excess = beyond.counts(rows)
    excess -= np.concatenate([np.zeros(0), *[target.values.reshape(-1) * scale for target in wanted]])
    lengths = np.asarray(sizes, dtype=np.int64)
    while True:
        resample(rows, lengths, model.parts, logs, beyond.parts, excess, weights, rng)
        yield rows
