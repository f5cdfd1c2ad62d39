"""Layers whose per-example gradients are known in closed form from what flows in and what flows back.

For each call of a layer there are its input and the gradient of the summed losses with respect to its output.
Calls of one layer within a batch add up, as positions of a sequence do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["RULES", "Calls", "Use"]

Calls = Sequence[tuple[Tensor, Tensor]]
"""Input (examples, ..., in) and gradient at the output (examples, ..., out) of each call."""


class Use(Protocol):
    """What one layer adds to the gradients of a batch."""

    def squared_norms(self) -> Tensor:
        """Squared L2 norm of each example's gradient over the layer's parameters, shape (examples,)."""

    def weighted(self, factors: Tensor) -> dict[nn.Parameter, Tensor]:
        """Sum over examples of factor times gradient, for each of the layer's trained parameters."""


class _Linear:
    """weight: g a^T, bias: g, summed over positions. Norms of sums by Gram matrices (Goodfellow 2015)."""

    def __init__(self, layer: nn.Linear, calls: Calls) -> None:
        self._weight: nn.Parameter = layer.weight  # type: ignore[assignment]  # torch says Tensor
        self._bias: nn.Parameter | None = layer.bias
        self._taken = _positions([taken for taken, _ in calls])
        self._flow = _positions([flow for _, flow in calls])

    def squared_norms(self) -> Tensor:
        """See :class:`Use`."""
        weight, bias = self._trained()
        if self._taken.shape[1] == 1:
            taken, flow = self._taken[:, 0].square().sum(1), self._flow[:, 0].square().sum(1)
            return flow * (taken * float(weight) + float(bias))
        flow = self._flow @ self._flow.transpose(1, 2)
        taken = self._taken @ self._taken.transpose(1, 2)
        return (flow * (taken * float(weight) + float(bias))).sum((1, 2))

    def weighted(self, factors: Tensor) -> dict[nn.Parameter, Tensor]:
        """See :class:`Use`."""
        flow = (self._flow * factors[:, None, None]).flatten(0, 1)
        weight, bias = self._trained()
        found: dict[nn.Parameter, Tensor] = {}
        if weight:
            found[self._weight] = flow.T @ self._taken.flatten(0, 1)
        if self._bias is not None and bias:
            found[self._bias] = flow.sum(0)
        return found

    def _trained(self) -> tuple[bool, bool]:
        return self._weight.requires_grad, self._bias is not None and self._bias.requires_grad


class _LayerNorm:
    """weight: g times the normalised input, bias: g, both written out: they are as small as the layer."""

    def __init__(self, layer: nn.LayerNorm, calls: Calls) -> None:
        shape, eps = layer.normalized_shape, layer.eps
        inner = len(shape)
        normal = [functional.layer_norm(taken, shape, eps=eps) for taken, _ in calls]
        weight = [_summed(one * flow, inner) for one, (_, flow) in zip(normal, calls, strict=True)]
        bias = [_summed(flow, inner) for _, flow in calls]
        pairs: list[tuple[nn.Parameter | None, Any]] = [(layer.weight, sum(weight)), (layer.bias, sum(bias))]
        self._each: dict[nn.Parameter, Any] = {p: g for p, g in pairs if p is not None and p.requires_grad}

    def squared_norms(self) -> Tensor:
        """See :class:`Use`."""
        squares = [one.square().flatten(1).sum(1) for one in self._each.values()]
        return torch.stack(squares).sum(0)

    def weighted(self, factors: Tensor) -> dict[nn.Parameter, Tensor]:
        """See :class:`Use`."""
        return {p: torch.tensordot(factors, one, dims=1) for p, one in self._each.items()}


def _positions(parts: Sequence[Tensor]) -> Tensor:
    """Shape (examples, positions, features), the calls one after another."""
    flat = [one.reshape(len(one), -1, one.shape[-1]) for one in parts]
    return flat[0] if len(flat) == 1 else torch.cat(flat, dim=1)


def _summed(values: Tensor, inner: int) -> Tensor:
    """Summed over everything between the example and the last ``inner`` dimensions."""
    return values.reshape(len(values), -1, *values.shape[values.dim() - inner :]).sum(1)


RULES: Mapping[type[nn.Module], Callable[[Any, Calls], Use]] = {
    nn.Linear: _Linear,
    nn.LayerNorm: _LayerNorm,
}
"""Layers that book-keeping knows, by their exact type: a subclass may compute something else."""
