"""Planted faults of DP-SGD: each changes one function of production, as a fault in its source would.

A fault is a context manager; what runs inside of it is broken in that one way. Faults are found by what a
pipeline does: no check knows their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audits.mutants.pipeline import SmallTraining
from dpsynth.mechanisms.clipping import BookKeeping, trained
from dpsynth.mechanisms.gradient import GradientMechanism
from dpsynth.mechanisms.keystream import GradientNoise, KeyStream
from dpsynth.mechanisms.rng import os_generator

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from dpsynth.core.curator import Plan
    from dpsynth.core.gradient import PerExampleLoss

__all__ = [
    "FAULTS",
    "CheckpointByRows",
    "StopByRows",
    "clipped_by_batch",
    "halved_noise",
    "shuffled_batches",
    "small_batches_unclipped",
]

_SMALL = 12


@contextmanager
def shuffled_batches() -> Iterator[None]:
    """P13: batches of one size from a shuffled list, each unit once a turn, booked as Poisson samples.

    For S7: sizes do not vary at all, and nobody is in two batches of a turn.
    """
    queues: WeakKeyDictionary[GradientNoise, NDArray[np.int64]] = WeakKeyDictionary()

    def sample(self: GradientMechanism, units: int, noise: GradientNoise) -> NDArray[np.bool_]:
        size, left = round(self.plan.rate * units), queues.get(noise, np.zeros(0, dtype=np.int64))
        if len(left) < size:
            left = os_generator().permutation(units)
        queues[noise] = left[size:]
        coins = np.zeros(units, dtype=np.bool_)
        coins[left[:size]] = True
        return coins

    with patch.object(GradientMechanism, "sample", sample):
        yield


class _ByBatch(BookKeeping):
    """The sum over a batch is clipped as a whole."""

    def clipped_sum(self, model: nn.Module, loss: PerExampleLoss, rows: Tensor, clip: float) -> list[Tensor]:
        whole = _plain_sum(model, loss, rows)
        factor = min(1.0, clip / max(_norm(whole), 1e-30))
        return [one * factor for one in whole]


class _ByBatchMean(BookKeeping):
    """The mean over a batch is clipped, then taken for the mean of clipped ones."""

    def clipped_sum(self, model: nn.Module, loss: PerExampleLoss, rows: Tensor, clip: float) -> list[Tensor]:
        whole = _plain_sum(model, loss, rows)
        factor = min(1.0, clip * len(rows) / max(_norm(whole), 1e-30))
        return [one * factor for one in whole]


class _SmallUnclipped(BookKeeping):
    """Batches below a size are not clipped."""

    def clipped_sum(self, model: nn.Module, loss: PerExampleLoss, rows: Tensor, clip: float) -> list[Tensor]:
        if len(rows) < _SMALL:
            return _plain_sum(model, loss, rows)
        return super().clipped_sum(model, loss, rows, clip)


def _plain_sum(model: nn.Module, loss: PerExampleLoss, rows: Tensor) -> list[Tensor]:
    with torch.enable_grad():
        return list(torch.autograd.grad(loss(model, rows).sum(), trained(model)))


def _norm(parts: list[Tensor]) -> float:
    return float(torch.cat([one.flatten() for one in parts]).norm())


@contextmanager
def clipped_by_batch(mean: bool = False) -> Iterator[None]:
    """P14: clipping of the batch's sum (or mean) in place of each example's gradient.

    For S8: the sum over a sample is not the sum of what its units add by themselves. G5 sees the mean's too.
    """
    with patch("dpsynth.vault.gradients.engine_for", lambda model: _ByBatchMean() if mean else _ByBatch()):
        yield


@contextmanager
def small_batches_unclipped() -> Iterator[None]:
    """P14: no clipping where a batch is small, as the last one of a turn is.

    For S8: a long gradient in a small sample adds more than the clip. G5 sees it where the canary is in one.
    """
    with patch("dpsynth.vault.gradients.engine_for", lambda model: _SmallUnclipped()):
        yield


@contextmanager
def halved_noise() -> Iterator[None]:
    """Noise of half the declared scale. For S4, and for G5."""
    drawn = KeyStream.normal

    def normal(self: KeyStream, count: int, scale: float) -> Tensor:
        return drawn(self, count, scale / 2.0)

    with patch.object(KeyStream, "normal", normal):
        yield


class _ByRows(SmallTraining):
    """Reads rows outside of any mechanism, to see how well it does."""

    def _badness(self, network: nn.Module, curator: Any) -> float:
        columns = curator._table._rows().values()
        codes = torch.from_numpy(np.stack([column.astype(np.int64) for column in columns], axis=1))
        with torch.no_grad():
            return float(self._loss(network, codes).mean())


class CheckpointByRows(_ByRows):
    """P15: keeps the weights that did best on real rows. For S1: a read outside of any mechanism."""

    def _train(self, network: nn.Module, plan: Plan, curator: Any) -> None:
        source, best, kept = curator.gradient(plan.gradient), np.inf, network.state_dict()
        while source.left:
            self._move(network, source.step(network, self._loss))
            if source.left % 50 == 0 and (now := self._badness(network, curator)) < best:
                best, kept = now, {name: one.clone() for name, one in network.state_dict().items()}
        network.load_state_dict(kept)


class StopByRows(_ByRows):
    """P15: stops when it no longer does better on real rows. For S1: a read outside of any mechanism."""

    def _train(self, network: nn.Module, plan: Plan, curator: Any) -> None:
        source, best = curator.gradient(plan.gradient), np.inf
        while source.left:
            self._move(network, source.step(network, self._loss))
            if source.left % 50 == 0:
                now = self._badness(network, curator)
                if now > best:
                    return
                best = now


FAULTS: Mapping[str, Callable[[], AbstractContextManager[None]]] = {
    "shuffled batches of one size": shuffled_batches,
    "the batch's sum is clipped": clipped_by_batch,
    "the batch's mean is clipped": lambda: clipped_by_batch(mean=True),
    "small batches are not clipped": small_batches_unclipped,
    "half the noise of a training": halved_noise,
}
"""Faults of the mechanism, by name for people."""
