"""What the curator answered, tidied for fitting: repeats merged, contained cliques grouped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.curator import NoisyMarginal
from dpsynth.core.merging import Merging, merged_cells, merged_shape
from dpsynth.graphical.factor import Array, Ids
from dpsynth.graphical.layout import Layout

__all__ = ["Target", "estimate_total", "group_targets", "merge"]

_LEAST_VARIANCE = 1e-12


@dataclass(frozen=True)
class Target:
    """Noisy counts to match.

    Attributes:
        ids: the columns.
        values: one axis per id, of its groups of codes where they were merged, else of its codes.
        variance: per cell, in rows squared.
        cells: merged cell of each cell over ``ids``, both in C order; None where no codes were merged.
    """

    ids: Ids
    values: Array
    variance: float
    cells: NDArray[np.intp] | None = None

    def error(self, counts: Array) -> Array:
        """How far ``counts`` over ``ids`` are from the values, in the shape of the values."""
        if self.cells is None:
            return counts - self.values
        sums = np.bincount(self.cells, counts.reshape(-1), self.values.size)
        return np.asarray(sums.reshape(self.values.shape) - self.values)

    def spread(self, values: Array, sizes: Sequence[int]) -> Array:
        """Numbers by merged cell, written to each of its cells over ``ids``."""
        if self.cells is None:
            return values
        return np.asarray(values.reshape(-1)[self.cells].reshape([sizes[column] for column in self.ids]))


def merge(layout: Layout, measured: Sequence[NoisyMarginal]) -> list[Target]:
    """One target per column set and merging; repeated measurements are averaged by inverse variance."""
    merged: dict[tuple[object, ...], Target] = {}
    for answer in measured:
        said = {name: tuple(groups) for name, groups in answer.merging.items() if name in answer.clique}
        key = (layout.ids(answer.clique), tuple(sorted(said.items())))
        new, old = _target(layout, answer, said), merged.get(key)
        merged[key] = new if old is None else _average(old, new)
    return list(merged.values())


def _target(layout: Layout, answer: NoisyMarginal, merging: Merging) -> Target:
    variance = max(answer.sigma**2, _LEAST_VARIANCE)
    ids = layout.ids(answer.clique)
    if not merging:
        return Target(ids, layout.inward(answer.values, answer.clique), variance)
    sizes = {name: layout.domain[name].size for name in answer.clique}
    names = [layout.names[column] for column in ids]
    shaped = np.asarray(answer.values).reshape(merged_shape(sizes, answer.clique, merging))
    inward = shaped.transpose([answer.clique.index(name) for name in names])
    return Target(ids, np.array(inward, order="C"), variance, merged_cells(sizes, names, merging))


def _average(one: Target, two: Target) -> Target:
    weight = two.variance / (one.variance + two.variance)
    values = weight * one.values + (1.0 - weight) * two.values
    return replace(one, values=values, variance=weight * one.variance)


def estimate_total(targets: Sequence[Target]) -> float:
    """Inverse-variance mean of the targets' sums, at least 1 (no exact count is ever needed)."""
    if not targets:
        return 1.0
    sums = np.array([target.values.sum() for target in targets])
    weights = np.array([1.0 / (target.variance * target.values.size) for target in targets])
    return max(1.0, float(weights @ sums / weights.sum()))


def group_targets(targets: Sequence[Target]) -> dict[Ids, list[Target]]:
    """Maximal column sets -> the targets they contain (themselves included); each target is in one group."""
    groups: dict[Ids, list[Target]] = {}
    for target in sorted(targets, key=lambda each: (-len(each.ids), each.ids)):
        holder = next((ids for ids in groups if set(target.ids).issubset(ids)), target.ids)
        groups.setdefault(holder, []).append(target)
    return groups
