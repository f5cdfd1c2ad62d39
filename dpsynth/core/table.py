"""Synthetic rows in encoded form. Green: nothing here ever held a person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Domain

__all__ = ["SyntheticTable"]


@dataclass(frozen=True)
class SyntheticTable:
    """Encoded synthetic rows.

    Attributes:
        domain: the public domain.
        codes: one int64 array of shape (rows,) per column, each code in 0 .. size-1.
    """

    domain: Domain
    codes: dict[str, NDArray[np.int64]]

    def __post_init__(self) -> None:
        if tuple(self.codes) != self.domain.names:
            raise ValueError("columns of a synthetic table must be those of its domain, in order")

    @property
    def rows(self) -> int:
        """Number of synthetic rows."""
        return len(next(iter(self.codes.values())))

    def matrix(self) -> NDArray[np.int64]:
        """All codes, shape (rows, columns), in domain order."""
        return np.column_stack([self.codes[name] for name in self.domain.names])

    def marginal(self, names: tuple[str, ...]) -> NDArray[np.int64]:
        """Counts over ``names``, flattened in C order, shape (domain.size(names),)."""
        index = np.zeros(self.rows, dtype=np.int64)
        for name in names:
            index = index * self.domain[name].size + self.codes[name]
        return np.bincount(index, minlength=self.domain.size(names))
