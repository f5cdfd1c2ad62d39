"""SensitiveTable: encoded rows of people, opaque to everyone outside this room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Clique, Domain
from dpsynth.vault.counting.count import count_marginals
from dpsynth.vault.counting.rows import Codes, MemoryRows, RowSource, code_type, whole_columns

__all__ = ["SensitiveTable"]


class SensitiveTable:
    """Rows encoded to the public domain, with the unit that each row belongs to.

    It has no length, iteration, array conversion, pickle or telling repr. This stops accidents and
    reviewable mischief; it does not stop hostile code in the same process.
    """

    __slots__ = ("_domain", "_reads", "_source", "_units")

    def __init__(
        self, domain: Domain, codes: Mapping[str, NDArray[np.integer]] | RowSource, units: NDArray[np.int64]
    ) -> None:
        """Codes: an array (rows,) for each column, or a source of them; units: the unit of each row."""
        self._domain = domain
        self._units = units
        self._reads = 0
        self._source: RowSource = (
            _in_memory(domain, codes, len(units)) if isinstance(codes, Mapping) else codes
        )

    @property
    def domain(self) -> Domain:
        """The public domain."""
        return self._domain

    def _open(self) -> RowSource:
        """The encoded rows. Every read of rows in this room goes through here and is counted."""
        self._reads += 1
        return self._source

    def _rows(self) -> dict[str, Codes]:
        """The encoded columns, each whole."""
        return whole_columns(self._open())

    def _marginals(self, cliques: Sequence[Clique]) -> dict[Clique, NDArray[np.int64]]:
        """True counts over each clique, flattened in C order, in one read; the total for the empty clique."""
        return count_marginals(self._open(), cliques)

    def _marginal(self, names: Clique) -> NDArray[np.int64]:
        """True counts over ``names``."""
        return self._marginals([names])[names]

    def _select(self, keep: NDArray[np.bool_]) -> SensitiveTable:
        """The rows where ``keep`` is true."""
        return SensitiveTable(self._domain, self._open().where(keep), self._units[keep])

    def __repr__(self) -> str:
        return "<SensitiveTable: contents withheld>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a sensitive table does not leave its process")

    def __array__(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a sensitive table is not an array")


def _in_memory(domain: Domain, codes: Mapping[str, NDArray[np.integer]], rows: int) -> MemoryRows:
    sizes = dict(zip(domain.names, domain.shape, strict=True))
    held = {name: np.ascontiguousarray(codes[name], dtype=code_type(size)) for name, size in sizes.items()}
    return MemoryRows(sizes, held, rows)
