"""Several processes, each with some of the units, train one model: sums meet, and noise is added once.

Each worker flips the coins of its own units, so that their union is one Poisson sample; clipped sums are
added up inside the curators, before anyone else sees them; the first worker draws the noise and all get the
same answer. Noise in each worker would cost accuracy, noise in none privacy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, distributed

__all__ = ["Alone", "Group", "Workers"]


class Workers(Protocol):
    """Who takes part in a training."""

    def agree(
        self, sums: Sequence[Tensor], noised: Callable[[Sequence[Tensor]], list[Tensor]]
    ) -> list[Tensor]:
        """Add up every worker's ``sums``, noise the total once, and give all the same."""


class Alone:
    """One worker, which has everyone."""

    def agree(
        self, sums: Sequence[Tensor], noised: Callable[[Sequence[Tensor]], list[Tensor]]
    ) -> list[Tensor]:
        """Noise the sums."""
        return noised(sums)


class Group:
    """The processes of a ``torch.distributed`` group, which must share no unit.

    The caller starts the group, with a timeout: a worker that fails must not leave others waiting.
    """

    def __init__(self, group: distributed.ProcessGroup | None = None) -> None:
        """Group: None for the default one."""
        self._group = group

    def agree(
        self, sums: Sequence[Tensor], noised: Callable[[Sequence[Tensor]], list[Tensor]]
    ) -> list[Tensor]:
        """One reduction to the first worker, and one broadcast of what it noised."""
        first = distributed.get_global_rank(self._group, 0) if self._group else 0
        flat = torch.cat([one.double().flatten() for one in sums])
        distributed.reduce(flat, first, group=self._group)
        shapes = [one.shape for one in sums]
        if distributed.get_rank() == first:
            total = _shaped(flat, shapes, sums[0].dtype)
            flat = torch.cat([one.double().flatten() for one in noised(total)])
        distributed.broadcast(flat, first, group=self._group)
        return _shaped(flat, shapes, sums[0].dtype)


def _shaped(flat: Tensor, shapes: Sequence[torch.Size], kind: torch.dtype) -> list[Tensor]:
    sizes = [shape.numel() for shape in shapes]
    parts: Sequence[Tensor] = flat.to(kind).split(sizes)  # type: ignore[no-untyped-call]
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
