"""Counting all two-way marginals of one table in memory, by the vault and by common libraries."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpsynth.core.domain import Clique
from dpsynth.vault.table import SensitiveTable

__all__ = ["count_all_pairs"]

Answer = np.ndarray | pd.Series | pd.DataFrame
Engine = Callable[[Clique], Answer]
_REPEATS = 3


def count_all_pairs(table: SensitiveTable) -> dict[str, float]:
    """Best of three wall seconds for all pairs, by engine; each engine's counts are checked first.

    Every engine starts from its own form of the codes and stops at its own form of the answer, both outside
    the clock: the vault and its columns, pandas and a frame, numpy and a float matrix.
    """
    domain = table.domain
    frame = pd.DataFrame(dict(table._rows()))
    matrix = frame.to_numpy(dtype=np.float64)
    place = {name: position for position, name in enumerate(domain.names)}

    def histogramdd(pair: Clique) -> NDArray[np.float64]:
        sizes = domain.sizes(pair)
        ranges = [(-0.5, size - 0.5) for size in sizes]
        return np.histogramdd(matrix[:, [place[name] for name in pair]], bins=sizes, range=ranges)[0]

    engines: dict[str, Engine] = {
        "vault": table._marginal,
        "pandas groupby": lambda pair: frame.groupby(list(pair)).size(),
        "pandas crosstab": lambda pair: pd.crosstab(frame[pair[0]], frame[pair[1]]),
        "numpy histogramdd": histogramdd,
    }
    pairs: list[Clique] = list(combinations(domain.names, 2))
    for pair in pairs:
        answers = [_dense(engine(pair), domain.sizes(pair)) for engine in engines.values()]
        if not all(np.array_equal(answers[0], other) for other in answers[1:]):
            raise RuntimeError("the engines disagree about a marginal")
    return {name: _best_seconds(engine, pairs) for name, engine in engines.items()}


def _dense(answer: Answer, sizes: tuple[int, ...]) -> NDArray[np.float64]:
    """Any engine's answer as counts of all cells, flat in C order."""
    if isinstance(answer, np.ndarray):
        return answer.ravel().astype(np.float64)
    cells = answer.stack() if isinstance(answer, pd.DataFrame) else answer
    codes = cells.index.to_frame().to_numpy()
    full = np.zeros(sizes)
    full[codes[:, 0], codes[:, 1]] = cells.to_numpy()
    return full.ravel()


def _best_seconds(engine: Engine, pairs: list[Clique]) -> float:
    best = float("inf")
    for _ in range(_REPEATS):
        start = time.perf_counter()
        for pair in pairs:
            engine(pair)
        best = min(best, time.perf_counter() - start)
    return best
