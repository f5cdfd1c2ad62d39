"""Total variation distance of marginals, and the two baselines to read it against."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from dpsynth.core.domain import Clique
from dpsynth.core.table import SyntheticTable
from dpsynth.vault.table import SensitiveTable

__all__ = ["Reference", "bootstrap_of", "shuffled"]


class Reference:
    """The real rows' marginals of each width, kept between comparisons."""

    def __init__(self, table: SensitiveTable, widths: tuple[int, ...] = (2, 3)) -> None:
        self._cliques: dict[int, list[Clique]] = {
            width: list(combinations(table.domain.names, width)) for width in widths
        }
        self._shares = {
            clique: (counts := table._marginal(clique)) / counts.sum()
            for cliques in self._cliques.values()
            for clique in cliques
        }

    def mean_tvd(self, drawn: SyntheticTable) -> dict[str, float]:
        """{"tvd2": ..., "tvd3": ...}: mean over all marginals of half the L1 distance of proportions."""
        return {
            f"tvd{width}": float(np.mean([self._tvd(drawn, clique) for clique in cliques]))
            for width, cliques in self._cliques.items()
        }

    def _tvd(self, drawn: SyntheticTable, clique: Clique) -> float:
        share = drawn.marginal(clique) / drawn.rows
        return 0.5 * float(np.abs(share - self._shares[clique]).sum())


def bootstrap_of(table: SensitiveTable, rng: np.random.Generator) -> SyntheticTable:
    """As many real rows, drawn with replacement. Not private."""
    rows = len(table._units)
    drawn = rng.integers(0, rows, rows)
    codes = {name: column[drawn].astype(np.int64) for name, column in table._rows().items()}
    return SyntheticTable(table.domain, codes)


def shuffled(table: SensitiveTable, rng: np.random.Generator) -> SyntheticTable:
    """Each column shuffled alone: exact one-way marginals, columns independent. Not private."""
    codes = {name: rng.permutation(column).astype(np.int64) for name, column in table._rows().items()}
    return SyntheticTable(table.domain, codes)
