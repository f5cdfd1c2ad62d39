"""A fitted graphical model: potentials, the calibrated tree and the estimated total, over a public domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Clique
from dpsynth.core.table import SyntheticTable
from dpsynth.graphical.density import log_density
from dpsynth.graphical.factor import Array, Ids
from dpsynth.graphical.inference import BeliefTree
from dpsynth.graphical.layout import Layout
from dpsynth.graphical.measurements import Target
from dpsynth.graphical.records import posterior_rows
from dpsynth.graphical.sampling import sample_codes
from dpsynth.graphical.stack import Rows
from dpsynth.graphical.thinning import thinned

__all__ = ["GraphicalModel"]

_POOL = 8
"""Rows drawn for each row kept."""

_MOST_POOLED = 30_000_000
"""Above this many drawn codes the table is drawn at once: sampling error is small, memory is not."""

_LEAST_SWEPT = 10_000
"""Sweeps move rows together: of fewer rows each would go to the likeliest cell instead of a random one."""

_SETTLING_SWEEPS = 3
_LOG_ZERO = -1e9


@dataclass(frozen=True)
class GraphicalModel:
    """A Markov random field that has only seen noisy marginals.

    Attributes:
        layout: numbering of the domain's columns.
        potentials: log-potentials by measured clique; carried over as the next fit's start.
        beliefs: the calibrated junction tree.
        total: estimated number of rows, >= 1.
        loss: half the sum of squared errors, each divided by its noise variance, at the fit.
        stride: length of the fit's last step, in safe first steps; where a warm start goes on.
        beyond: noisy counts that the tree has no room for; rows honour them, ``marginal`` does not.
    """

    layout: Layout
    potentials: Mapping[Ids, Array]
    beliefs: BeliefTree
    total: float
    loss: float
    stride: float = 0.0
    beyond: tuple[Target, ...] = ()

    def __post_init__(self) -> None:
        if any(target.cells is not None for target in self.beyond):
            raise ValueError("counts beyond the tree must be over codes, not over groups of codes")

    @property
    def cells(self) -> int:
        """Model size: cells of all cliques of the junction tree."""
        return sum(belief.size for belief in self.beliefs.beliefs)

    def marginal(self, clique: Clique) -> Array:
        """Expected counts over any columns, flat in C order, summing to ``total``."""
        ids = self.layout.ids(clique)
        return self.layout.outward(self.beliefs.marginal(ids) * self.total, clique)

    def log_density(self, codes: NDArray[np.int64]) -> Array | None:
        """Natural log of each row's probability, shape (rows,); None where there are counts beyond the tree.

        Rows then follow a posterior that has no closed form.

        Args:
            codes: shape (rows, columns), in domain order.
        """
        if self.beyond:
            return None
        order = [self.layout.domain.names.index(name) for name in self.layout.names]
        return log_density(self.beliefs, codes[:, order].astype(np.int32), self._sizes)

    def sample(self, rows: int, rng: np.random.Generator) -> SyntheticTable:
        """``rows`` synthetic rows (``rows`` >= 0): a pool is drawn and thinned to its own marginals."""
        drawn = thinned(self._pool(rows, rng), rows, self._sizes, rng)
        domain = self.layout.domain
        codes = {name: drawn[:, self.layout.ids((name,))[0]].astype(np.int64) for name in domain.names}
        return SyntheticTable(domain, codes)

    def _pool(self, rows: int, rng: np.random.Generator) -> Rows:
        """At least ``rows`` rows of the model, and of what it was told beyond its tree."""
        times = _POOL if 0 < rows * _POOL * len(self._sizes) <= _MOST_POOLED else 1
        if not self.beyond:
            return self._draw(rows * times, rng)
        potentials = dict(self.potentials)
        for ids, values in self.layout.zeros.items():
            potentials[ids] = potentials.get(ids, 0.0) + np.maximum(values, _LOG_ZERO)
        start = self._draw(max(rows, min(round(self.total), _LEAST_SWEPT)), rng)
        sweeps = posterior_rows(start, self._sizes, potentials, self.beyond, self.total, rng)
        kept = islice(sweeps, _SETTLING_SWEEPS, _SETTLING_SWEEPS + times)
        return np.concatenate([swept.copy() for swept in kept])

    def _draw(self, rows: int, rng: np.random.Generator) -> Rows:
        codes = sample_codes(self.beliefs, rows, rng)
        return np.column_stack([codes[column].astype(np.int32) for column in range(len(self._sizes))])

    @property
    def _sizes(self) -> list[int]:
        """Number of codes by column id; hidden columns, which no domain has, come last."""
        lengths: dict[int, int] = {}
        for clique, belief in zip(self.beliefs.tree.cliques, self.beliefs.beliefs, strict=True):
            lengths.update(zip(clique, belief.shape, strict=True))
        return [lengths[column] for column in range(len(lengths))]
