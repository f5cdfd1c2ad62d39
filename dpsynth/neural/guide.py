"""Noisy marginals as a guide for a generator: how far its expected marginals are from what is known."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dpsynth.core.domain import Clique, Domain
from dpsynth.neural.encoding import Encoding

__all__ = ["Guide", "Marginals"]

_LEAST = 2e-4
"""Added to a cell's probability where errors are weighed: cells with nothing in them must not rule."""

_WIDE_WEIGHT = 3.0
"""Weight of a wider marginal's cell beside a pair's."""


class Marginals(Protocol):
    """Something fitted to noisy answers, such as a graphical model, that knows every marginal."""

    @property
    def total(self) -> float:
        """Estimated number of rows."""

    def marginal(self, clique: Clique) -> NDArray[np.float64]:
        """Expected counts, flat in C order, summing to ``total``."""


class Guide:
    """All pairs, and some wider marginals, of a fitted model.

    A generator's columns are independent given its noise, so a batch's expected marginals are averages of
    outer products; all pairs together are one matrix product.
    """

    def __init__(self, known: Marginals, domain: Domain, wider: Sequence[Clique] = ()) -> None:
        self.encoding = Encoding(tuple(domain.shape))
        places = dict(zip(domain.names, self.encoding.places, strict=True))
        self.pairs = torch.zeros(self.encoding.width, self.encoding.width)
        for one, other in combinations(domain.names, 2):
            table = _table(known, domain, (one, other))
            self.pairs[places[one], places[other]] = table
            self.pairs[places[other], places[one]] = table.T
        self._between = torch.ones_like(self.pairs)
        for place in places.values():
            self._between[place, place] = 0.0
        self._wider = [([places[name] for name in clique], _table(known, domain, clique)) for clique in wider]
        self.one_way = torch.cat([_table(known, domain, (name,)) for name in domain.names])

    def loss(self, probabilities: Tensor) -> Tensor:
        """Sum over cells of squared error by (probability + a little), of a batch's expected marginals."""
        rows = len(probabilities)
        error = (probabilities.T @ probabilities / rows - self.pairs) * self._between
        found = (error.square() / (self.pairs + _LEAST)).sum() / 2
        for places, wanted in self._wider:
            expected = _product([probabilities[:, place] for place in places]) / rows
            found = found + _WIDE_WEIGHT * ((expected - wanted).square() / (wanted + _LEAST)).sum()
        return found


def _table(known: Marginals, domain: Domain, clique: Clique) -> Tensor:
    shape = [domain[name].size for name in clique]
    values = torch.from_numpy(np.maximum(known.marginal(clique), 0.0)).reshape(shape)
    return (values / values.sum().clamp(min=1e-9)).to(torch.float32)


def _product(parts: Sequence[Tensor]) -> Tensor:
    """Sum over rows of the outer product of three columns' distributions."""
    first, second, third = parts
    both = (first[:, :, None] * second[:, None, :]).flatten(1)
    return (both.T @ third).reshape(first.shape[1], second.shape[1], third.shape[1])
