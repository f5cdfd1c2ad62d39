"""What the curator answered, tidied for fitting: repeats merged, contained cliques grouped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dpsynth.core.curator import NoisyMarginal
from dpsynth.graphical.factor import Array, Ids
from dpsynth.graphical.layout import Layout

__all__ = ["Target", "estimate_total", "group_targets", "merge"]

_LEAST_VARIANCE = 1e-12


@dataclass(frozen=True)
class Target:
    """Noisy counts to match: ``values`` has one axis per id; ``variance`` is per cell, in rows squared."""

    ids: Ids
    values: Array
    variance: float


def merge(layout: Layout, measured: Sequence[NoisyMarginal]) -> dict[Ids, Target]:
    """One target per column set; repeated measurements are averaged by inverse variance."""
    merged: dict[Ids, Target] = {}
    for answer in measured:
        ids = layout.ids(answer.clique)
        new = Target(ids, layout.inward(answer.values, answer.clique), max(answer.sigma**2, _LEAST_VARIANCE))
        old = merged.get(ids)
        merged[ids] = new if old is None else _average(old, new)
    return merged


def _average(one: Target, two: Target) -> Target:
    weight = two.variance / (one.variance + two.variance)
    values = weight * one.values + (1.0 - weight) * two.values
    return Target(one.ids, values, weight * one.variance)


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
