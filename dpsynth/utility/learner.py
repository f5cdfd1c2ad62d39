"""A plain learner: multinomial logistic regression on one-hot codes, with a small ridge. No tuning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from dpsynth.core.domain import Domain
from dpsynth.utility.cells import Codes

__all__ = ["MOST_FEATURES", "Learner", "features_of", "learn"]

MOST_FEATURES, _STEPS = 400, 100
_CHUNK = 50_000


@dataclass(frozen=True)
class Learner:
    """A fitted model.

    Attributes:
        domain: of the rows that it reads.
        task: the column that it predicts.
        columns: those that it predicts from.
        weights: shape (features + 1, values of the task); the last row is the intercept.
    """

    domain: Domain
    task: str
    columns: tuple[str, ...]
    weights: NDArray[np.float64]

    def probabilities(self, codes: Codes) -> NDArray[np.float64]:
        """Of each value of the task for each row, shape (rows, values)."""
        scores = _one_hot(codes, self.domain, self.columns) @ self.weights
        return np.asarray(special.softmax(scores, axis=1))

    def predicted(self, codes: Codes) -> NDArray[np.int64]:
        """The most likely code of the task for each row, shape (rows,)."""
        parts = [codes[low : low + _CHUNK] for low in range(0, len(codes), _CHUNK)]
        found = [self.probabilities(part).argmax(axis=1) for part in parts]
        return np.concatenate([np.empty(0, dtype=np.int64), *found])


def features_of(domain: Domain, task: str) -> tuple[str, ...]:
    """Columns to predict from: all others in public order, as far as ``MOST_FEATURES`` codes go."""
    taken, codes = [], 0
    for column in domain.columns:
        if column.name != task and codes + column.size <= MOST_FEATURES:
            taken.append(column.name)
            codes += column.size
    return tuple(taken)


def _one_hot(codes: Codes, domain: Domain, columns: tuple[str, ...]) -> NDArray[np.float64]:
    sizes = domain.sizes(columns)
    table = np.zeros((len(codes), sum(sizes) + 1))
    table[:, -1] = 1.0
    start, rows = 0, np.arange(len(codes))
    for name, size in zip(columns, sizes, strict=True):
        table[rows, start + codes[:, domain.names.index(name)]] = 1.0
        start += size
    return table


def learn(codes: Codes, domain: Domain, task: str) -> Learner:
    """Fit on rows (>= 1). A value of the task that no row has is simply never likely.

    Minimises the mean negative log likelihood plus half the squared weights over the number of rows.
    """
    columns = features_of(domain, task)
    table = _one_hot(codes, domain, columns)
    truth = np.eye(domain[task].size)[codes[:, domain.names.index(task)]]
    shape, rows = (table.shape[1], truth.shape[1]), len(codes)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(shape)
        logs = special.log_softmax(table @ weights, axis=1)
        slope = (table.T @ (np.exp(logs) - truth) + weights) / rows
        return (0.5 * float((weights**2).sum()) - float((truth * logs).sum())) / rows, slope.ravel()

    options = {"maxiter": _STEPS, "ftol": 1e-7}
    found = optimize.minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options=options)
    return Learner(domain, task, columns, np.asarray(found.x).reshape(shape))
