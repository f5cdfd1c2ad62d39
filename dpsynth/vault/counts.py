"""True counts of one run: what a call needs is counted together, and what fits is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Clique
from dpsynth.core.merging import Merging, merged_counts
from dpsynth.vault.table import SensitiveTable

__all__ = ["KnownCounts"]

_KEPT_CELLS = 50_000_000
_BATCH_CELLS = 20_000_000


class KnownCounts:
    """Counts of a table's marginals. What is kept and what is counted together follows from public sizes."""

    def __init__(self, table: SensitiveTable) -> None:
        self._table = table
        self._kept: dict[Clique, NDArray[np.int64]] = {}
        self._kept_cells = 0
        self._passing: dict[Clique, NDArray[np.int64]] = {}
        self._wanted: tuple[Clique, ...] = ()

    def want(self, cliques: Iterable[Clique]) -> None:
        """Say which marginals will be asked for, in this order. Nothing is read yet."""
        self._wanted = tuple(dict.fromkeys(cliques))
        self._passing = {}

    def of(self, names: Clique, merging: Merging) -> NDArray[np.int64]:
        """True counts over ``names``, added up over groups of codes where they are merged."""
        return merged_counts(self._whole(names), self._table.domain, names, merging)

    def _whole(self, names: Clique) -> NDArray[np.int64]:
        """Known, or counted now with what is wanted after it."""
        known = self._kept.get(names, self._passing.get(names))
        if known is None:
            found = self._table._marginals(list(self._batch(names)))
            self._passing = {c: counts for c, counts in found.items() if not self._keep(c, counts)}
            known = found[names]
        return known

    def _batch(self, names: Clique) -> Iterator[Clique]:
        """These and the wanted ones after them that are not kept, as far as a batch goes."""
        yield names
        cells = self._table.domain.size(names)
        later = self._wanted[self._wanted.index(names) + 1 :] if names in self._wanted else ()
        for c in later:
            if c not in self._kept:
                cells += self._table.domain.size(c)
                if cells > _BATCH_CELLS:
                    return
                yield c

    def _keep(self, names: Clique, counts: NDArray[np.int64]) -> bool:
        if self._kept_cells + counts.size > _KEPT_CELLS:
            return False
        self._kept[names] = counts
        self._kept_cells += counts.size
        return True
