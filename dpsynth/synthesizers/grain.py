"""At how fine a grain marginals are worth counting: codes rarer than the noise are counted together.

As MST's compressed domain (McKenna, Miklau & Sheldon, arXiv 2108.04978, section 3.2), with two differences:
rare codes are packed in groups that stand out of the noise instead of all into one, and the grain is made
anew, finer, when later counts are less noisy. Inside a group a model has the one-way counts to go by.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Clique, Domain
from dpsynth.core.merging import Merging, merged_cells, merged_shape
from dpsynth.graphical.model import GraphicalModel

__all__ = ["Grain", "grouped"]


def grouped(counts: NDArray[np.float64], least: float) -> tuple[int, ...]:
    """Group of each code, numbered from 0 by first code.

    Codes of at least ``least`` rows stand alone. Rarer ones are packed in their public order until a group
    reaches that; a last group that does not joins the one before, or stays small if there is none.
    """
    packed: list[list[int]] = []
    filled = least
    for code in np.flatnonzero(counts < least).tolist():
        if filled >= least:
            packed.append([])
            filled = 0.0
        packed[-1].append(code)
        filled += max(float(counts[code]), 0.0)
    if len(packed) > 1 and filled < least:
        rest = packed.pop()
        packed[-1] += rest
    first = {code: codes[0] for codes in packed for code in codes}
    heads = [first.get(code, code) for code in range(len(counts))]
    number = {head: group for group, head in enumerate(dict.fromkeys(heads))}
    return tuple(number[head] for head in heads)


class Grain:
    """Groups of codes of all columns that are worth telling apart.

    Attributes:
        merging: group of each code, for columns where codes are merged.
    """

    def __init__(self, domain: Domain, model: GraphicalModel, least: float) -> None:
        """Groups of at least ``least`` rows, by what the model holds of each column alone."""
        self._sizes = {name: domain[name].size for name in domain.names}
        made = {name: grouped(model.marginal((name,)), least) for name in domain.names}
        self.merging: Merging = {name: one for name, one in made.items() if max(one) + 1 < self._sizes[name]}

    def of(self, clique: Clique) -> Merging:
        """Groups of the clique's columns; a column on its own is always told code by code."""
        return {name: self.merging[name] for name in clique if name in self.merging and len(clique) > 1}

    def cells(self, clique: Clique) -> int:
        """Cells of the clique's marginal at this grain."""
        return prod(merged_shape(self._sizes, clique, self.of(clique)))

    def counts(self, model: GraphicalModel, clique: Clique) -> NDArray[np.float64]:
        """The model's counts over the clique, flat, at this grain."""
        return self.summed(model.marginal(clique), clique)

    def summed(self, counts: NDArray[np.float64], clique: Clique) -> NDArray[np.float64]:
        """Counts of the clique's cells, flat, added up to this grain."""
        merging = self.of(clique)
        if not merging:
            return counts
        return np.asarray(np.bincount(merged_cells(self._sizes, clique, merging), counts, self.cells(clique)))
