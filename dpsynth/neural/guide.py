"""Rows of a noisy model as a guide for a generator: how far its expected marginals are from theirs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dpsynth.neural.encoding import Encoding

__all__ = ["Guide"]

_LEAST = 1e-6
"""Added to expected probabilities: cells that the guide has and a batch has not yet."""

_AT_ONCE = 4_000


class Guide:
    """All pairs, and some triples, of a table that follows from noisy answers.

    A generator's columns are independent given its noise, so a batch's expected marginals are averages of
    outer products; all pairs together are one matrix product.
    """

    def __init__(
        self, codes: Tensor, encoding: Encoding, triples: Sequence[tuple[int, int, int]] = ()
    ) -> None:
        """Codes: int64, shape (rows >= 1, columns); triples: column numbers."""
        self.encoding = encoding
        together = torch.zeros(encoding.width, encoding.width, dtype=torch.float64, device=codes.device)
        for low in range(0, len(codes), _AT_ONCE):
            shown = encoding.one_hot(codes[low : low + _AT_ONCE])
            together += shown.T @ shown
        together = (together / len(codes)).float()
        self.one_way = together.diagonal().clone()
        for place in encoding.places:
            together[place, place] = 0.0
        self._pairs = together
        self._triples = [(triple, self._counted(codes, triple)) for triple in triples]

    def loss(self, probabilities: Tensor) -> Tensor:
        """Sum over marginals of the divergence KL(guide | expected marginal of a batch), nats.

        The likelihood of pairs (composite likelihood, Lindsay 1988): missing what the guide has costs without
        end, having what it has not costs little, so that the first steps spread out. Squared errors weighted
        by the guide's probabilities do the opposite, and end in a few rows repeated.
        """
        rows, places = len(probabilities), self.encoding.places
        found = self._divergence(self._pairs, probabilities.T @ probabilities / rows) / 2
        for triple, wanted in self._triples:
            expected = _product(*[probabilities[:, places[column]] for column in triple]) / rows
            found = found + self._divergence(wanted, expected)
        return found

    @staticmethod
    def _divergence(wanted: Tensor, expected: Tensor) -> Tensor:
        return (torch.xlogy(wanted, wanted) - wanted * (expected + _LEAST).log()).sum()

    def _counted(self, codes: Tensor, triple: tuple[int, int, int]) -> Tensor:
        """Shares of rows in each cell, shape (pairs of the first two, third)."""
        first, second, third = (self.encoding.sizes[column] for column in triple)
        cells = (codes[:, triple[0]] * second + codes[:, triple[1]]) * third + codes[:, triple[2]]
        counts = torch.bincount(cells, minlength=first * second * third).float()
        return counts.reshape(first * second, third) / len(codes)


def _product(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """Sum over rows of the outer product of three columns' distributions."""
    both = (first[:, :, None] * second[:, None, :]).flatten(1)
    return both.T @ third
