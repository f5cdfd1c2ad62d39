"""Sums of gradients that were clipped for each example: by book-keeping, or by Opacus.

Both answer the same: the sum over examples of min(1, clip / norm) times the gradient, where norm is the L2
norm of the example's gradient over all trained parameters. An example whose gradient is not finite adds
nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from dpsynth.core.errors import BadInput
from dpsynth.mechanisms.layers import RULES, Use

if TYPE_CHECKING:
    from dpsynth.core.gradient import PerExampleLoss

__all__ = ["ROUNDING", "BookKeeping", "ClippedSums", "Ghost", "check_separable", "engine_for", "trained"]

ROUNDING = 1e-3
"""Share of the clipping norm that is left unused: sums of some thousand examples round by far less."""


class ClippedSums(Protocol):
    """A way to sum clipped gradients."""

    def clipped_sum(self, model: nn.Module, loss: PerExampleLoss, rows: Tensor, clip: float) -> list[Tensor]:
        """One tensor for each trained parameter; ``rows`` has at least one example."""


def trained(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that require gradients, in the model's order."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def engine_for(model: nn.Module) -> ClippedSums:
    """Book-keeping where every trained parameter belongs to a layer that it knows; else Opacus."""
    return BookKeeping() if BookKeeping.handles(model) else Ghost()


class BookKeeping:
    """One backward pass, norms in closed form, one weighted product a layer (Bu et al. 2023, section 3).

    The pass stops at the layers' outputs: it needs no gradient of any weight. What plain SGD spends on the
    gradients of weights is spent once too, with each example weighted by its clipping factor.
    """

    @staticmethod
    def handles(model: nn.Module) -> bool:
        """Whether every trained parameter belongs to exactly one layer that has a closed form."""
        owned = [p for layer in _layers(model) for p in layer.parameters(recurse=False) if p.requires_grad]
        known = all(type(layer) in RULES for layer in _layers(model))
        return known and len(owned) == len(trained(model)) == len({id(p) for p in owned})

    def clipped_sum(self, model: nn.Module, loss: PerExampleLoss, rows: Tensor, clip: float) -> list[Tensor]:
        """See :class:`ClippedSums`."""
        layers = _layers(model)
        with _watched(layers) as seen, torch.enable_grad():
            total = _losses(model, loss, rows).sum()
        calls = [(layer, *call) for layer in layers for call in seen[layer]]
        outputs = [output for _, _, output in calls]
        flows = torch.autograd.grad(total, outputs, allow_unused=True)
        with torch.no_grad():
            uses = _uses(calls, flows)
            squares = [use.squared_norms() for use in uses]
            if not squares:
                return [torch.zeros_like(p) for p in trained(model)]
            norms = torch.stack(squares).sum(0).sqrt()
            finite = torch.isfinite(norms)
            if bool(finite.all()):
                return _in_order(model, uses, _factors(norms, clip))
        return _without(self, model, loss, rows[finite], clip)


def _uses(calls: Sequence[tuple[nn.Module, Tensor, Tensor]], flows: Sequence[Tensor | None]) -> list[Use]:
    """One for each layer that the losses depend on."""
    found: dict[nn.Module, list[tuple[Tensor, Tensor]]] = {}
    for (layer, taken, _), flow in zip(calls, flows, strict=True):
        if flow is not None:
            found.setdefault(layer, []).append((taken, flow))
    return [RULES[type(layer)](layer, pairs) for layer, pairs in found.items()]


def _in_order(model: nn.Module, uses: Sequence[Use], factors: Tensor) -> list[Tensor]:
    sums: dict[nn.Parameter, Tensor] = {}
    for use in uses:
        sums.update(use.weighted(factors))
    return [sums[p] if p in sums else torch.zeros_like(p) for p in trained(model)]


class Ghost:
    """Opacus: ghost clipping (two passes) where it knows a layer, per-example gradients elsewhere."""

    def clipped_sum(self, model: nn.Module, loss: PerExampleLoss, rows: Tensor, clip: float) -> list[Tensor]:
        """See :class:`ClippedSums`."""
        parameters = trained(model)
        kept = [p.grad for p in parameters]
        model.zero_grad(set_to_none=True)
        wrapped = _wrapped(model, clip)
        try:
            with torch.enable_grad(), warnings.catch_warnings():
                # The first layer's input needs no gradient, and Opacus' hooks do not rely on one.
                warnings.filterwarnings("ignore", message="Full backward hook is firing")
                losses = _losses(model, loss, rows)
                losses.sum().backward(retain_graph=True)  # type: ignore[no-untyped-call]
            norms = wrapped.get_norm_sample()
            finite = torch.isfinite(norms)
            if bool(finite.all()):
                wrapped.disable_hooks()
                weighted = (_factors(norms, clip) * losses).sum()
                found = torch.autograd.grad(weighted, parameters, allow_unused=True)
                return [_or_zero(one, p) for one, p in zip(found, parameters, strict=True)]
        finally:
            wrapped.to_standard_module()
            _forget(model)
            for parameter, gradient in zip(parameters, kept, strict=True):
                parameter.grad = gradient
        return _without(self, model, loss, rows[finite], clip)


def _wrapped(model: nn.Module, clip: float) -> Any:
    from opacus.grad_sample import GradSampleModuleFastGradientClipping

    try:
        return GradSampleModuleFastGradientClipping(
            model, batch_first=True, loss_reduction="sum", max_grad_norm=clip, use_ghost_clipping=True
        )
    except NotImplementedError as error:
        raise BadInput(
            "This model cannot be clipped for each example",
            allowed="trained layers without buffers, each used by itself",
            remedy="replace batch normalisation by layer normalisation",
        ) from error


def _forget(model: nn.Module) -> None:
    """Opacus keeps layers' inputs on the layers until they flow back, which some never do: they are rows."""
    for layer in model.modules():
        for kept in ("activations", "max_batch_len"):
            if hasattr(layer, kept):
                delattr(layer, kept)


def _or_zero(gradient: Tensor | None, parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if gradient is None else gradient.detach()


def _without(
    engine: ClippedSums, model: nn.Module, loss: PerExampleLoss, rows: Tensor, clip: float
) -> list[Tensor]:
    """The sum without the examples whose gradient is not finite: they would turn all of it into nothing."""
    if len(rows) == 0:
        return [torch.zeros_like(p) for p in trained(model)]
    return engine.clipped_sum(model, loss, rows, clip)


def _factors(norms: Tensor, clip: float) -> Tensor:
    """min(1, clip / norm), a little less, so that rounding in single precision stays under ``clip``."""
    return (clip * (1.0 - ROUNDING) / norms.clamp(min=1e-30)).clamp(max=1.0)


def _losses(model: nn.Module, loss: PerExampleLoss, rows: Tensor) -> Tensor:
    losses = loss(model, rows)
    if losses.shape != (len(rows),) or not losses.requires_grad:
        raise BadInput(
            "A loss for DP-SGD answers one number for each example, which depends on the model's weights",
            allowed="shape (examples,)",  # never how many: the sample's size is a fact about the rows
            remedy="do not average over the batch",
        )
    return losses


def check_separable(model: nn.Module, loss: PerExampleLoss, rows: Tensor) -> None:
    """Refuse a model or a loss in which one example's number depends on another example.

    Batch normalisation does that, and so does a loss that is divided by a sum over the batch: clipping each
    example would then bound nothing. The check follows gradients, so losses may draw random numbers.

    Args:
        rows: made-up rows of the public domain, at least two.

    Raises BadInput.
    """
    _check_memory(model, loss, rows)
    _check_values(model, loss, rows)
    layers = _layers(model)
    with _watched(layers) as seen, torch.enable_grad():
        losses = _losses(model, loss, rows)
    outputs = [output for layer in layers for _, output in seen[layer]]
    for example in (0, len(rows) - 1):
        flows: Sequence[Tensor | None] = torch.autograd.grad(
            losses[example], outputs, retain_graph=True, allow_unused=True
        )
        others = torch.arange(len(rows), device=rows.device) != example
        for flow in flows:
            if flow is not None and (len(flow) != len(rows) or bool(flow[others].any())):
                raise _inseparable()


def _check_memory(model: nn.Module, loss: PerExampleLoss, rows: Tensor) -> None:
    """A buffer that is written to while rows pass, such as a running mean, would leave without noise."""
    before = [(id(one), one._version) for one in model.buffers()]
    with torch.no_grad():
        loss(model, rows)
    if before != [(id(one), one._version) for one in model.buffers()]:
        raise BadInput(
            "The model keeps numbers about the rows that pass through it",
            allowed="models whose buffers are only read",
            remedy="replace batch normalisation by layer normalisation, and leave out running averages",
        )


def _check_values(model: nn.Module, loss: PerExampleLoss, rows: Tensor) -> None:
    """What is computed from rows before any layer leaves no gradient: there the numbers themselves tell."""
    with torch.no_grad():
        before, again, changed = (loss(model, one) for one in (rows, rows, torch.cat([rows[:1], rows[:-1]])))
    if torch.equal(before, again) and not torch.allclose(before[0], changed[0], rtol=1e-4, atol=1e-6):
        raise _inseparable()


def _inseparable() -> BadInput:
    return BadInput(
        "An example's loss depends on other examples of its batch",
        allowed="models and losses that treat each example by itself",
        remedy="replace batch normalisation by layer normalisation, and leave out sums over the batch",
    )


def _layers(model: nn.Module) -> list[nn.Module]:
    """Submodules with parameters of their own that are trained."""
    return [m for m in model.modules() if any(p.requires_grad for p in m.parameters(recurse=False))]


_Calls = dict[nn.Module, list[tuple[Tensor, Tensor]]]


@contextmanager
def _watched(layers: Sequence[nn.Module]) -> Iterator[_Calls]:
    """Each call of each layer: its input and its output."""
    seen: _Calls = {layer: [] for layer in layers}
    versions: list[tuple[Tensor, int]] = []

    def remember(layer: nn.Module, taken: tuple[Tensor, ...], output: Tensor) -> None:
        kept = taken[0].detach()
        seen[layer].append((kept, output))
        versions.extend((one, one._version) for one in (kept, output))

    handles = [layer.register_forward_hook(remember) for layer in layers]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
    if any(tensor._version != version for tensor, version in versions):
        raise BadInput(
            "A layer's input or output is written over by the model",
            allowed="activations that make new tensors",
            remedy="leave out inplace=True",
        )
