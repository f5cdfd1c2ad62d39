"""A fitted graphical model: potentials, the calibrated tree and the estimated total, over a public domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dpsynth.core.domain import Clique
from dpsynth.core.table import SyntheticTable
from dpsynth.graphical.factor import Array, Ids
from dpsynth.graphical.inference import BeliefTree
from dpsynth.graphical.layout import Layout
from dpsynth.graphical.sampling import sample_codes

__all__ = ["GraphicalModel"]


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
    """

    layout: Layout
    potentials: Mapping[Ids, Array]
    beliefs: BeliefTree
    total: float
    loss: float
    stride: float = 0.0

    @property
    def cells(self) -> int:
        """Model size: cells of all cliques of the junction tree."""
        return sum(belief.size for belief in self.beliefs.beliefs)

    def marginal(self, clique: Clique) -> Array:
        """Expected counts over any columns, flat in C order, summing to ``total``."""
        ids = self.layout.ids(clique)
        return self.layout.outward(self.beliefs.marginal(ids) * self.total, clique)

    def sample(self, rows: int, rng: np.random.Generator) -> SyntheticTable:
        """Draw ``rows`` synthetic rows (``rows`` >= 0) from the model alone."""
        codes = sample_codes(self.beliefs, rows, rng)
        names = self.layout.domain.names
        return SyntheticTable(
            self.layout.domain, {name: codes[self.layout.ids((name,))[0]] for name in names}
        )
