"""How the engine numbers columns: by ascending size, so that the innermost array axis is the longest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dpsynth.core.domain import Clique, Domain
from dpsynth.graphical.factor import Array, Ids

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """Numbering of the columns of a domain.

    Id ``i`` is the i-th smallest column (ties in domain order). Arrays inside the engine have one axis
    per column, in ascending id: numpy's inner loops then run over the longest axis.
    """

    domain: Domain

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Column names by id."""
        return tuple(sorted(self.domain.names, key=lambda name: self.domain[name].size))

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes by id."""
        return self.domain.sizes(self.names)

    @cached_property
    def _number(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def zeros(self) -> dict[Ids, Array]:
        """Log-potentials of what is publicly impossible: 0 where a cell may be, -inf where it cannot."""
        found: dict[Ids, Array] = {}
        for rule in self.domain.impossible:
            flat = np.zeros(self.domain.size(rule.clique))
            flat[list(rule.cells)] = -np.inf
            ids = self.ids(rule.clique)
            found[ids] = found.get(ids, 0.0) + self.inward(flat, rule.clique)
        return found

    def ids(self, clique: Clique) -> Ids:
        """Ascending ids of a clique's columns. Raises KeyError on an unknown name."""
        return tuple(sorted(self._number[name] for name in clique))

    def inward(self, values: Array, clique: Clique) -> Array:
        """Flat values in C order over ``clique`` -> array with axes in ascending id."""
        numbers = [self._number[name] for name in clique]
        shaped = np.asarray(values, dtype=np.float64).reshape(self.domain.sizes(clique))
        return np.asarray(shaped.transpose(np.argsort(numbers)), order="C")

    def outward(self, values: Array, clique: Clique) -> Array:
        """Array with axes in ascending id -> flat values in C order over ``clique``."""
        numbers = [self._number[name] for name in clique]
        place = {number: axis for axis, number in enumerate(sorted(numbers))}
        return values.transpose([place[number] for number in numbers]).reshape(-1)
