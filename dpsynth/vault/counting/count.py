"""The one way to count marginals of rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Clique
from dpsynth.core.errors import BadInput
from dpsynth.vault.counting.plain import count_plainly
from dpsynth.vault.counting.rows import RowSource

__all__ = ["count_marginals"]

_PLAIN = 4_000_000
"""Rows times marginals below which numpy is done before the compiled loops are loaded."""

_MOST_CELLS = 1 << 32


def count_marginals(source: RowSource, cliques: Sequence[Clique]) -> dict[Clique, NDArray[np.int64]]:
    """Exact counts of any set of marginals, of any mix of sizes, in as few readings of the rows as fit.

    Beside the answers it holds one block of rows and a bounded number of counters, both sized from the
    public domain; a single marginal larger than that bound has its own counters.

    Args:
        source: encoded rows, in memory or elsewhere.
        cliques: column names; the empty clique is the number of rows.

    Returns:
        For each clique int64 counts, shape (cells,), C order over the names as given.

    Raises:
        KeyError: a name that the source does not have.
        ValueError: a name twice in one clique.
        BadInput: a marginal of more than 2^32 cells.
        IntegrityError: codes outside the public domain.
    """
    sizes = source.sizes
    distinct = tuple(dict.fromkeys(cliques))
    cells = {c: _cells(c, [sizes[name] for name in c]) for c in distinct}
    several = [c for c, size in cells.items() if size and any(sizes[name] > 1 for name in c)]
    counts = _count(source, several) if several else {}
    for c in distinct:
        if c not in counts:
            counts[c] = np.full(cells[c], source.rows, dtype=np.int64)
    return {c: counts[c] for c in distinct}


def _cells(names: Clique, sizes: Sequence[int]) -> int:
    if len(set(names)) < len(names):
        raise ValueError("a marginal names each of its columns once")
    cells = prod(sizes)
    if cells > _MOST_CELLS:
        raise BadInput(
            f"The marginal over {', '.join(names)} has {cells} cells",
            allowed=f"at most {_MOST_CELLS} cells",
            remedy="ask for fewer columns, or make their domains coarser in the policy",
        )
    return cells


def _count(source: RowSource, cliques: Sequence[Clique]) -> dict[Clique, NDArray[np.int64]]:
    if source.rows * len(cliques) <= _PLAIN:
        return count_plainly(source, cliques)
    # Loading the compiled loops takes half a second, and the command line has no use for them.
    from dpsynth.vault.counting.packed import count_packed

    return count_packed(source, cliques)
