"""Fisher's linear discriminant with shrinkage: many features to one score. Small, and the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Discriminant", "fit_discriminant", "single_feature"]

_RIDGE = 1e-3


@dataclass(frozen=True)
class Discriminant:
    """A linear score; higher means "with the target".

    Attributes:
        weights: one for each feature, shape (features,).
    """

    weights: NDArray[np.float64]

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores of rows of features, shape (rows,)."""
        return np.asarray(features @ self.weights)


def fit_discriminant(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> Discriminant:
    """Weights (pooled covariance + ridge)^-1 (mean inside - mean outside), features scaled first.

    A feature that never changes weighs nothing. The ridge is a share of each feature's variance over both
    sides, so one that separates the sides without error weighs most.

    Args:
        inside, outside: training features with and without the target, shape (rows, features).
    """
    both = np.concatenate([inside, outside])
    scale = both.std(axis=0)
    live = scale > 1e-12 * (1.0 + np.abs(both).max(axis=0))
    weights = np.zeros(both.shape[1])
    if live.any():
        one, two = inside[:, live] / scale[live], outside[:, live] / scale[live]
        centred = np.concatenate([one - one.mean(axis=0), two - two.mean(axis=0)])
        pooled = centred.T @ centred / len(centred) + _RIDGE * np.eye(int(live.sum()))
        weights[live] = np.linalg.solve(pooled, one.mean(axis=0) - two.mean(axis=0)) / scale[live]
    return Discriminant(weights)


def single_feature(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> Discriminant:
    """The one feature whose means lie furthest apart for its spread within the sides."""
    gap = inside.mean(axis=0) - outside.mean(axis=0)
    spread = np.sqrt(inside.var(axis=0) / len(inside) + outside.var(axis=0) / len(outside))
    apart = np.abs(gap) / np.maximum(spread, 1e-9)
    weights = np.zeros(inside.shape[1])
    best = int(apart.argmax())
    weights[best] = 1.0 if gap[best] >= 0 else -1.0
    return Discriminant(weights)
