"""Clipped sums: the same as clipping Opacus' per-sample gradients, bounded for each example, or refused."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dpsynth.core.errors import BadInput
from dpsynth.mechanisms.clipping import BookKeeping, ClippedSums, Ghost, check_separable, engine_for, trained

COLUMNS, WIDTH = 6, 5
Make = Callable[[], nn.Module]


class Shown(nn.Module):
    """Codes as numbers, then layers; one number for each example."""

    def __init__(self, *layers: nn.Module, positions: bool = False) -> None:
        super().__init__()
        self.layers, self.positions = nn.Sequential(*layers), positions

    def forward(self, rows: Tensor) -> Tensor:
        shown = torch.sin(rows.double() + 1.0).to(next(self.parameters()).dtype)
        if self.positions:
            shown = torch.stack([shown * k for k in (1.0, -0.5, 2.0)], dim=1)
        return self.layers(shown).flatten(1).sum(1)


class Twice(nn.Module):
    """One layer, called twice on a row."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(COLUMNS, COLUMNS)

    def forward(self, rows: Tensor) -> Tensor:
        shown = torch.cos(rows.double()).to(self.layer.weight.dtype)
        return self.layer(torch.tanh(self.layer(shown))).sum(1)


class Words(nn.Module):
    """Codes as embedded words."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.last = nn.Embedding(9, 4), nn.Linear(4, 1)

    def forward(self, rows: Tensor) -> Tensor:
        return self.last(torch.tanh(self.table(rows)).mean(1)).squeeze(1)


def frozen_first() -> nn.Module:
    model = Shown(nn.Linear(COLUMNS, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 1))
    for parameter in model.layers[0].parameters():
        parameter.requires_grad_(False)
    return model


BOOKED: dict[str, Make] = {
    "linear": lambda: Shown(nn.Linear(COLUMNS, WIDTH), nn.LeakyReLU(), nn.Linear(WIDTH, 1)),
    "no bias": lambda: Shown(nn.Linear(COLUMNS, WIDTH, bias=False), nn.GELU(), nn.Linear(WIDTH, 1)),
    "layer norm": lambda: Shown(
        nn.Linear(COLUMNS, WIDTH), nn.LayerNorm(WIDTH), nn.SiLU(), nn.Linear(WIDTH, 1)
    ),
    "positions": lambda: Shown(
        nn.Linear(COLUMNS, WIDTH), nn.LayerNorm(WIDTH), nn.Tanh(), nn.Linear(WIDTH, 2), positions=True
    ),
    "called twice": Twice,
    "frozen layer": frozen_first,
}
OTHERS: dict[str, Make] = {
    "embedding": Words,
    "convolution": lambda: Shown(nn.Unflatten(1, (1, COLUMNS)), nn.Conv1d(1, 3, 2), nn.Tanh()),
    "group norm": lambda: Shown(nn.Linear(COLUMNS, 4), nn.GroupNorm(2, 4), nn.Tanh(), nn.Linear(4, 1)),
}


def loss(model: nn.Module, rows: Tensor) -> Tensor:
    return functional.softplus(-model(rows)) * (1.0 + rows[:, 0].to(torch.float32))


def rows(examples: int) -> Tensor:
    return torch.randint(0, 9, (examples, COLUMNS))


# The layers' inputs are codes: Opacus' hooks fire without a gradient of them, as they should.
pytestmark = pytest.mark.filterwarnings("ignore:Full backward hook is firing")


def by_opacus(model: nn.Module, codes: Tensor, clip: float) -> list[Tensor]:
    """Per-sample gradients of Opacus' hooks, clipped and summed one by one."""
    from opacus.grad_sample import GradSampleModule

    wrapped = GradSampleModule(model, batch_first=True, loss_reduction="sum")
    loss(model, codes).sum().backward()
    each = [p.grad_sample.detach().clone() for p in trained(model)]
    wrapped.to_standard_module()
    model.zero_grad(set_to_none=True)
    norms = torch.stack([one.flatten(1).square().sum(1) for one in each]).sum(0).sqrt()
    factors = (clip / norms).clamp(max=1.0)
    return [torch.tensordot(factors, one, dims=1) for one in each]


def assert_close(found: list[Tensor], wanted: list[Tensor]) -> None:
    """To 1e-5 of the whole, beside the thousandth that is left for rounding."""
    size = math.sqrt(sum(float(one.square().sum()) for one in wanted))
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert float((one - other).norm()) <= 1e-5 * size


@pytest.mark.parametrize("clip", [1e6, 0.05], ids=["nothing clipped", "most clipped"])
@pytest.mark.parametrize("name", [*BOOKED, *OTHERS])
def test_sums_equal_those_of_opacus_per_sample_gradients(
    name: str, clip: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpsynth.mechanisms.clipping.ROUNDING", 0.0)
    model, codes = (BOOKED | OTHERS)[name](), rows(40)
    wanted = by_opacus(model, codes, clip)
    assert isinstance(engine_for(model), BookKeeping if name in BOOKED else Ghost)
    assert_close(engine_for(model).clipped_sum(model, loss, codes, clip), wanted)
    if name != "called twice":  # which Opacus refuses for ghost clipping
        assert_close(Ghost().clipped_sum(model, loss, codes, clip), wanted)


@pytest.mark.parametrize("engine", [BookKeeping(), Ghost()], ids=["book-keeping", "opacus"])
@pytest.mark.parametrize("size", [1e6, 1e30, math.inf, math.nan])
def probe_of(size: float) -> tuple[Tensor, Tensor, Callable[[nn.Module, Tensor], Tensor]]:
    """Twenty rows, the same and one whose loss is ``size`` times larger, and that loss."""
    codes = rows(21)
    codes[:, 1] = torch.arange(21) % 8
    codes[20, 1] = 8

    def huge(model: nn.Module, codes: Tensor) -> Tensor:
        return loss(model, codes) * torch.where(codes[:, 1] == 8, size, 1.0)

    return codes[:20], codes, huge


def distance(one: list[Tensor], other: list[Tensor]) -> float:
    return float(torch.cat([(a - b).flatten() for a, b in zip(one, other, strict=True)]).norm())


@pytest.mark.parametrize("engine", [BookKeeping(), Ghost()], ids=["book-keeping", "opacus"])
@pytest.mark.parametrize("size", [1e6, 1e30, math.inf, math.nan])
def test_no_example_moves_the_sum_further_than_the_clip(engine: ClippedSums, size: float) -> None:
    model, clip = BOOKED["linear"](), 0.5
    without, whole, huge = probe_of(size)
    found = engine.clipped_sum(model, huge, whole, clip)
    moved = distance(found, engine.clipped_sum(model, huge, without, clip))
    assert moved <= clip
    assert size != 1e6 or moved > 0.99 * clip  # what is not finite is left out
    assert all(bool(torch.isfinite(one).all()) for one in found)


def test_clipping_the_batch_instead_of_each_example_fails_the_probe() -> None:
    model, clip = BOOKED["linear"](), 0.5
    without, whole, huge = probe_of(1e6)

    def by_batch(codes: Tensor) -> list[Tensor]:
        found = torch.autograd.grad(huge(model, codes).sum(), trained(model))
        norm = math.sqrt(sum(float(one.square().sum()) for one in found))
        return [one * min(1.0, clip * len(codes) / norm) for one in found]

    assert distance(by_batch(whole), by_batch(without)) > 2 * clip


def test_gradients_that_were_there_stay() -> None:
    for engine in (BookKeeping(), Ghost()):
        model = BOOKED["linear"]()
        for parameter in trained(model):
            parameter.grad = torch.full_like(parameter, 3.0)
        engine.clipped_sum(model, loss, rows(5), 1.0)
        assert all(bool((p.grad == 3.0).all()) for p in trained(model) if p.grad is not None)
        assert not any(hasattr(p, "_norm_sample") or hasattr(p, "grad_sample") for p in model.parameters())


def batch_sum(model: nn.Module, codes: Tensor) -> Tensor:
    found = model(codes)
    return found / found.detach().abs().sum()


def centred(model: nn.Module, codes: Tensor) -> Tensor:
    shown = codes.float()
    return model.layers(shown - shown.mean(0)).sum(1)


def spread(model: nn.Module, codes: Tensor) -> Tensor:
    found = model(codes)
    return found - found.mean()


@pytest.mark.parametrize("shared", [batch_sum, centred, spread])
def test_a_loss_that_looks_at_other_examples_is_refused(
    shared: Callable[[nn.Module, Tensor], Tensor],
) -> None:
    with pytest.raises(BadInput, match="depends on other examples"):
        check_separable(BOOKED["linear"](), shared, rows(4))


class Remembers(nn.Linear):
    """A layer that keeps a running sum of what passes, and uses it for nothing."""

    def __init__(self) -> None:
        super().__init__(COLUMNS, 1)
        self.register_buffer("seen", torch.zeros(COLUMNS))

    def forward(self, shown: Tensor) -> Tensor:
        self.seen += shown.detach().sum(0)
        return super().forward(shown)


def test_a_model_that_remembers_rows_in_a_buffer_is_refused() -> None:
    with pytest.raises(BadInput, match="keeps numbers about the rows"):
        check_separable(Shown(Remembers()), loss, rows(4))


def test_nothing_of_the_rows_stays_on_the_layers() -> None:
    for name, make in (BOOKED | OTHERS).items():
        if name != "called twice":
            model = make()
            Ghost().clipped_sum(model, loss, rows(6), 1.0)
            assert not any(hasattr(layer, "activations") for layer in model.modules())
    model = OTHERS["group norm"]()
    with pytest.raises(RuntimeError, match="stopped"):
        Ghost().clipped_sum(model, stopped, rows(6), 1.0)
    assert not any(hasattr(layer, "activations") for layer in model.modules())


def stopped(model: nn.Module, codes: Tensor) -> Tensor:
    loss(model, codes)
    raise RuntimeError("stopped")


def test_batch_normalisation_is_refused() -> None:
    model = Shown(nn.Linear(COLUMNS, WIDTH), nn.BatchNorm1d(WIDTH), nn.Linear(WIDTH, 1))
    for alone in (nn.BatchNorm1d(WIDTH, track_running_stats=False), nn.BatchNorm1d(WIDTH)):
        coupled = Shown(nn.Linear(COLUMNS, WIDTH), alone, nn.Linear(WIDTH, 1))
        with pytest.raises(BadInput, match=r"other examples|keeps numbers"):
            check_separable(coupled, loss, rows(4))
    with pytest.raises(BadInput, match="cannot be clipped for each example"):
        engine_for(model).clipped_sum(model, loss, rows(4), 1.0)


@pytest.mark.parametrize("name", [*BOOKED, *OTHERS])
def test_models_that_treat_examples_by_themselves_are_not_refused(name: str) -> None:
    check_separable((BOOKED | OTHERS)[name](), loss, rows(4))


def test_a_loss_that_draws_random_numbers_is_not_refused() -> None:
    def noisy(model: nn.Module, codes: Tensor) -> Tensor:
        return loss(model, codes) * torch.rand(len(codes))

    check_separable(BOOKED["linear"](), noisy, rows(4))


def test_a_mean_over_the_batch_is_no_loss_for_each_example() -> None:
    with pytest.raises(BadInput, match="one number for each example"):
        BookKeeping().clipped_sum(BOOKED["linear"](), lambda m, c: loss(m, c).mean(), rows(4), 1.0)


def test_layers_that_are_written_over_are_refused() -> None:
    model = Shown(nn.Linear(COLUMNS, WIDTH), nn.ReLU(inplace=True), nn.Linear(WIDTH, 1))
    with pytest.raises(BadInput, match="written over"):
        BookKeeping().clipped_sum(model, loss, rows(4), 1.0)


def test_tied_weights_are_not_book_kept() -> None:
    first, second = nn.Linear(COLUMNS, COLUMNS), nn.Linear(COLUMNS, COLUMNS)
    second.weight = first.weight
    assert not BookKeeping.handles(Shown(first, nn.Tanh(), second))
