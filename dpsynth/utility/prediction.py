"""Train on synthetic rows, test on real ones; beside it the same learner trained on real rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.attacks.intervals import wilson
from dpsynth.attacks.roc import auc_delong
from dpsynth.core.domain import Domain
from dpsynth.utility.cells import Codes
from dpsynth.utility.learner import learn

__all__ = ["CONFIDENCE", "LEAST", "Trained", "accuracy", "prediction", "task_of", "trained"]

CONFIDENCE = 0.95
LEAST = 100
"""Rows below which nothing is judged."""

_LEAST_OF_A_VALUE = 20
_DEFAULT_VALUES = 20


def task_of(domain: Domain, named: str | None) -> str | None:
    """The column that is predicted: the named one, or the last of 2 to 20 values; None if there is none."""
    if named is not None or len(domain.columns) < 2:
        return named
    fit = [column.name for column in domain.columns if 2 <= column.size <= _DEFAULT_VALUES]
    return fit[-1] if fit else None


@dataclass(frozen=True)
class Trained:
    """Both learners' probabilities for the same real test rows, which neither was trained on.

    Attributes:
        task: the column predicted.
        test: the test rows, shape (rows, columns).
        chances: probabilities by what the learner was trained on, each (rows, values).
    """

    task: str
    test: Codes
    chances: dict[str, NDArray[np.float64]]


def trained(real: Codes, made: Codes, domain: Domain, task: str, rng: np.random.Generator) -> Trained | str:
    """Train on half of the real rows and on the synthetic ones, for tests on the other half; or why not."""
    at = domain.names.index(task)
    for rows, words in ((real, "real"), (made, "synthetic")):
        if len(rows) < 2 * LEAST:
            return f"fewer than {2 * LEAST} {words} rows are too few to judge"
        if len(np.unique(rows[:, at])) < 2:
            return f"{task} takes one value only in the {words} rows, so there is nothing to predict"
    order = rng.permutation(len(real))
    train, test = real[order[: len(real) // 2]], real[order[len(real) // 2 :]]
    models = {"real rows": learn(train, domain, task), "synthetic rows": learn(made, domain, task)}
    return Trained(task, test, {name: model.probabilities(test) for name, model in models.items()})


def accuracy(found: Trained, domain: Domain, keep: NDArray[np.bool_] | None = None) -> dict[str, Any]:
    """Share of test rows (of those kept) that each learner predicts right, with Wilson's interval."""
    truth = found.test[:, domain.names.index(found.task)]
    rows = np.ones(len(truth), dtype=np.bool_) if keep is None else keep
    answer = {}
    for name, chances in found.chances.items():
        hits = int((chances.argmax(axis=1) == truth)[rows].sum())
        interval = wilson(hits, int(rows.sum()), CONFIDENCE)
        answer[name] = {"estimate": interval.estimate, "low": interval.low, "high": interval.high}
    return answer


def prediction(found: Trained | str | None, domain: Domain) -> dict[str, Any]:
    """Accuracy of both learners, that of always saying the commonest value, and AUC for each public value."""
    if found is None:
        return {"why_not": "no column has 2 to 20 values, or there is one column only"}
    if isinstance(found, str):
        return {"why_not": found}
    truth = found.test[:, domain.names.index(found.task)]
    shares = np.bincount(truth, minlength=domain[found.task].size) / len(truth)
    return {
        "why_not": "",
        "task": found.task,
        "accuracy": accuracy(found, domain),
        "commonest": float(shares.max()),
        "values": [_value(found, truth, code, domain) for code in range(domain[found.task].size)],
    }


def _value(found: Trained, truth: NDArray[np.int64], code: int, domain: Domain) -> dict[str, Any]:
    """How well each learner tells rows of this value from the others."""
    answer: dict[str, Any] = {"value": domain[found.task].label(code)}
    has = truth == code
    if min(has.sum(), (~has).sum()) < _LEAST_OF_A_VALUE:
        return answer | {"why_not": "too few test rows have it, or have it not, to judge"}
    for name, chances in found.chances.items():
        area = auc_delong(chances[has, code], chances[~has, code], CONFIDENCE)
        answer[name] = {"estimate": area.estimate, "low": area.low, "high": area.high}
    return answer | {"why_not": ""}
