"""SensitiveTable: encoded rows of people, opaque to everyone outside this room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Clique, Domain

__all__ = ["SensitiveTable"]


class SensitiveTable:
    """Rows encoded to the public domain, with the unit that each row belongs to.

    It has no length, iteration, array conversion, pickle or telling repr. This stops accidents and
    reviewable mischief; it does not stop hostile code in the same process.
    """

    __slots__ = ("_codes", "_domain", "_reads", "_units")

    def __init__(
        self, domain: Domain, codes: Mapping[str, NDArray[np.integer]], units: NDArray[np.int64]
    ) -> None:
        """Codes: one array (rows,) per column of the domain; units: the unit of each row, (rows,)."""
        self._domain = domain
        self._units = units
        self._reads = 0
        self._codes = {
            name: np.ascontiguousarray(codes[name], dtype=np.min_scalar_type(max(domain[name].size - 1, 0)))
            for name in domain.names
        }

    @property
    def domain(self) -> Domain:
        """The public domain."""
        return self._domain

    def _rows(self) -> dict[str, NDArray[np.unsignedinteger]]:
        """The encoded columns. Every read of rows in this room goes through here and is counted."""
        self._reads += 1
        return self._codes

    def _marginal(self, names: Clique) -> NDArray[np.int64]:
        """True counts over ``names``, flattened in C order; the total for the empty clique."""
        codes = self._rows()
        if not names:
            return np.array([len(self._units)], dtype=np.int64)
        cells = self._domain.size(names)
        index: NDArray[np.int64] = np.zeros(len(self._units), dtype=np.int64)
        for name in names:
            index *= self._domain[name].size
            index += codes[name]
        return np.bincount(index, minlength=cells)

    def _select(self, keep: NDArray[np.bool_]) -> SensitiveTable:
        """The rows where ``keep`` is true."""
        codes = {name: column[keep] for name, column in self._rows().items()}
        return SensitiveTable(self._domain, codes, self._units[keep])

    def __repr__(self) -> str:
        return "<SensitiveTable: contents withheld>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a sensitive table does not leave its process")

    def __array__(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a sensitive table is not an array")
