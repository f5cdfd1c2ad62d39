"""A mixture of groups inside which columns are independent, fitted to noisy one- and two-way marginals.

The latent class model (Lazarsfeld & Henry 1968), fitted as relaxed projection fits rows (Aydore et al.,
arXiv 2103.06641): all two-way marginals of the mixture are one matrix product, so that a step costs
4 x groups x codes^2 operations however many columns there are. Adam (Kingma & Ba 2015) on the softmax
parameters; the loss is half the squared error over the noise variance, plus ``penalty`` times the mutual
information between group and columns, which starts larger and is let down (annealing) so that groups part
one by one. The start is a fixed low-discrepancy sequence: the same answers give the same model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dpsynth.core.curator import NoisyMarginal
from dpsynth.core.domain import Clique, Domain
from dpsynth.graphical.factor import Array, Ids
from dpsynth.graphical.inference import calibrate
from dpsynth.graphical.junction_tree import junction_tree
from dpsynth.graphical.layout import Layout
from dpsynth.graphical.measurements import Target, estimate_total, merge
from dpsynth.graphical.model import GraphicalModel

__all__ = ["Mixture", "PairTargets", "as_model", "fit_mixture"]

Matrix = NDArray[np.float32]

_RATE, _WARM_UP, _MEAN, _SQUARE = 0.15, 50, 0.9, 0.99
_HOT = 30.0
_LEAST = 1e-6


class PairTargets:
    """Noisy one- and two-way marginals as one square matrix over all codes of all columns.

    Attributes:
        layout: numbering of the columns; code c of column i is line ``starts[i] + c``.
        total: estimated number of rows.
        values, weights: shape (codes, codes), symmetric: noisy proportions and one over their variance (0
            where nothing was measured, and in the blocks of a column with itself).
        single, single_weights: the same of single columns, shape (codes,).
    """

    def __init__(self, domain: Domain, answers: Sequence[NoisyMarginal]) -> None:
        self.layout = Layout(domain)
        merged = merge(self.layout, answers)
        self.total = estimate_total(merged)
        self.starts = np.cumsum([0, *self.layout.sizes[:-1]])
        codes = sum(self.layout.sizes)
        self.values, self.weights = (np.zeros((codes, codes), dtype=np.float32) for _ in range(2))
        self.single, self.single_weights = (np.zeros(codes, dtype=np.float32) for _ in range(2))
        for target in merged:
            self._put(target)

    def _put(self, target: Target) -> None:
        where = [
            slice(self.starts[column], self.starts[column] + self.layout.sizes[column])
            for column in target.ids
        ]
        share, weight = target.values / self.total, self.total**2 / target.variance
        if len(where) == 1:
            self.single[where[0]], self.single_weights[where[0]] = share, weight
        elif len(where) == 2:
            one, two = where
            self.values[one, two], self.weights[one, two] = share, weight
            self.values[two, one], self.weights[two, one] = share.T, weight

    def block(self, matrix: Matrix, pair: Clique) -> Matrix:
        """The part of a matrix over codes that belongs to a pair, axes in ascending id, in proportions."""
        one, two = self.layout.ids(pair)
        rows, cols = (slice(self.starts[i], self.starts[i] + self.layout.sizes[i]) for i in (one, two))
        return matrix[rows, cols]

    def loss(self, shares: Matrix) -> float:
        """Half the squared error of two-way proportions over the noise variance, mean over measured cells."""
        measured = max(int(np.count_nonzero(self.weights)), 1)
        error = shares - self.values
        return 0.5 * float(np.vdot(error * self.weights, error)) / measured


@dataclass(frozen=True)
class Mixture:
    """Groups and what they are like.

    Attributes:
        shares: proportion of each group, shape (groups,).
        codes: probability of each code given the group, shape (groups, codes); sums to 1 by column.
    """

    shares: Matrix
    codes: Matrix

    def pairs(self) -> Matrix:
        """All two-way proportions, shape (codes, codes)."""
        return self.codes.T @ (self.shares[:, None] * self.codes)


def fit_mixture(targets: PairTargets, groups: int, steps: int, penalty: float) -> Mixture:
    """The mixture of ``groups`` >= 1 that explains the targets, after ``steps`` >= 1 of descent."""
    return _Descent(targets, groups).run(steps, penalty)


class _Descent:
    def __init__(self, targets: PairTargets, groups: int) -> None:
        self.targets = targets
        self.codes = len(targets.single)
        self.owner = np.repeat(np.arange(len(targets.starts)), targets.layout.sizes)
        floor = np.maximum(targets.single, np.float32(_LEAST))
        self.base = np.log(floor / np.add.reduceat(floor, targets.starts)[self.owner])
        lattice = np.outer(np.arange(1, groups + 1), np.arange(1, self.codes + 1)) * ((5**0.5 - 1) / 2)
        self.parameters = [
            ndtri(np.clip(lattice % 1.0, 1e-3, 1 - 1e-3)).astype(np.float32),
            np.zeros(groups, dtype=np.float32),
        ]

    def run(self, steps: int, penalty: float) -> Mixture:
        means = [np.zeros_like(each) for each in self.parameters]
        squares = [np.zeros_like(each) for each in self.parameters]
        for step in range(1, steps + 1):
            strength = penalty * max(1.0, _HOT ** (1.0 - 2.0 * step / steps))
            rate = _RATE * min(1.0, step / _WARM_UP) * (0.51 + 0.5 * np.cos(np.pi * step / steps))
            for place, slope in enumerate(self._slopes(np.float32(strength))):
                mean, square = means[place], squares[place]
                mean += np.float32(1 - _MEAN) * (slope - mean)
                square += np.float32(1 - _SQUARE) * (slope * slope - square)
                scale = np.sqrt(square / np.float32(1 - _SQUARE**step)) + np.float32(1e-12)
                self.parameters[place] -= np.float32(rate / (1 - _MEAN**step)) * mean / scale
        return self.mixture()

    def mixture(self) -> Mixture:
        starts, owner = self.targets.starts, self.owner
        logits = self.parameters[0] + self.base
        odds = np.exp(logits - np.maximum.reduceat(logits, starts, axis=1)[:, owner])
        weights = np.exp(self.parameters[1] - self.parameters[1].max())
        return Mixture(weights / weights.sum(), odds / np.add.reduceat(odds, starts, axis=1)[:, owner])

    def _slopes(self, penalty: np.float32) -> tuple[Matrix, Matrix]:
        """Gradient with respect to the logits of the codes and of the groups."""
        targets, now = self.targets, self.mixture()
        error = now.pairs()
        error -= targets.values
        error *= targets.weights
        by_pair = now.codes @ error
        by_single = targets.single_weights * (now.shares @ now.codes - targets.single)
        divergence = np.log(now.codes + np.float32(1e-20)) - self.base
        inner = now.codes * (2 * by_pair + by_single + penalty * divergence)
        drift = np.add.reduceat(inner, targets.starts, axis=1)[:, self.owner]
        codes = now.shares[:, None] * (inner - now.codes * drift)
        gain = (now.codes * (by_pair + by_single + penalty * divergence)).sum(axis=1)
        return codes, now.shares * (gain - now.shares @ gain)


def as_model(targets: PairTargets, mixture: Mixture, loss: float) -> GraphicalModel:
    """The mixture as a graphical model: a star around a column that is in the tree but not in the domain.

    The group is the id after the last column's. It is summed out of every marginal and left out of every
    row, and whatever works on calibrated trees (sampling, conditioning) works on it.
    """
    layout, sizes = targets.layout, (*targets.layout.sizes, len(mixture.shares))
    group = len(layout.sizes)
    potentials: dict[Ids, Array] = {}
    for column, (start, size) in enumerate(zip(targets.starts, layout.sizes, strict=True)):
        odds = np.log(mixture.codes[:, start : start + size].astype(np.float64).T + 1e-30)
        potentials[column, group] = odds
    shares = np.log(mixture.shares.astype(np.float64) + 1e-30)
    potentials[0, group] = potentials[0, group] + shares
    beliefs = calibrate(junction_tree(sizes, potentials), sizes, potentials)
    return GraphicalModel(layout, potentials, beliefs, targets.total, loss)
