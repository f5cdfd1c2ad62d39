"""Scores of synthetic rows: how far all marginals are from the real ones, and what models learn from them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

__all__ = ["MarginalScores", "auc_scores"]

Codes = NDArray[np.int64]
Sizes = dict[str, int]


class MarginalScores:
    """The real rows' marginals of one, two and three columns, kept between comparisons."""

    def __init__(self, real: pd.DataFrame, domain: Sizes, widths: tuple[int, ...] = (1, 2, 3)) -> None:
        self._domain = domain
        self._real = {
            width: list(_marginals(real, domain, width)) for width in widths if width <= len(domain)
        }

    def mean_tvd(self, drawn: pd.DataFrame) -> dict[str, float]:
        """{"tvd1": ..}: mean over all marginals of half the L1 distance of proportions.

        Raises ValueError for rows with a code outside the domain, or none at all.
        """
        for name, size in self._domain.items():
            if drawn.empty or drawn[name].min() < 0 or drawn[name].max() >= size:
                raise ValueError(f"column {name} has a code outside its domain, or there are no rows")
        return {f"tvd{width}": self._distance(drawn, width) for width in self._real}

    def _distance(self, drawn: pd.DataFrame, width: int) -> float:
        pairs = zip(self._real[width], _marginals(drawn, self._domain, width), strict=True)
        return float(np.mean([0.5 * np.abs(one - other).sum() for one, other in pairs]))


def _marginals(rows: pd.DataFrame, domain: Sizes, width: int) -> Iterator[NDArray[np.float64]]:
    """Proportions of each marginal of ``width`` columns, C order, in the order of ``combinations``."""
    codes = [rows[name].to_numpy(dtype=np.int64) for name in domain]
    sizes = list(domain.values())

    def extend(first: int, index: Codes, cells: int, more: int) -> Iterator[NDArray[np.float64]]:
        for column in range(first, len(codes) - more + 1):
            longer, count = index * sizes[column] + codes[column], cells * sizes[column]
            if more > 1:
                yield from extend(column + 1, longer, count, more - 1)
            else:
                yield np.bincount(longer, minlength=count) / len(rows)

    return extend(0, np.zeros(len(rows), dtype=np.int64), 1, width)


def auc_scores(drawn: pd.DataFrame, test: pd.DataFrame, domain: Sizes, target: str) -> dict[str, float]:
    """Area under the curve on real held-out rows of models trained on synthetic ones.

    Positive: code 1 or more of ``target``. ``gb_auc``: histogram gradient boosting on the codes;
    ``lr_auc``: logistic regression on one-hot columns. 0.5 where the synthetic rows hold one class only.
    """
    features = [name for name in domain if name != target]
    learned, truth = (drawn[target] >= 1).to_numpy(), (test[target] >= 1).to_numpy()
    if learned.all() or not learned.any():
        return {"gb_auc": 0.5, "lr_auc": 0.5}
    boosted = HistGradientBoostingClassifier(random_state=0).fit(drawn[features].to_numpy(), learned)
    linear = LogisticRegression(C=1.0, max_iter=200).fit(_one_hot(drawn, features, domain), learned)
    by_boosting = boosted.predict_proba(test[features].to_numpy())[:, 1]
    by_regression = linear.predict_proba(_one_hot(test, features, domain))[:, 1]
    return {
        "gb_auc": float(roc_auc_score(truth, by_boosting)),
        "lr_auc": float(roc_auc_score(truth, by_regression)),
    }


def _one_hot(rows: pd.DataFrame, features: list[str], domain: Sizes) -> sparse.csr_matrix:
    starts = np.cumsum([0] + [domain[name] for name in features])
    columns = (rows[features].to_numpy(dtype=np.int64) + starts[:-1]).ravel()
    line = np.repeat(np.arange(len(rows)), len(features))
    return sparse.csr_matrix((np.ones(len(columns)), (line, columns)), (len(rows), int(starts[-1])))
