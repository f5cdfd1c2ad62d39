"""A denoiser: hidden columns stay hidden, draws follow the model, and clipping forgets no rare rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from dpsynth.core.errors import BadInput
from dpsynth.mechanisms.clipping import BookKeeping, check_separable
from dpsynth.neural.denoiser import Denoiser, Masks, drawn_rows, hidden_loss
from dpsynth.neural.encoding import Encoding
from dpsynth.synthesizers.denoising import Balance, Settings, ShownLoss, corrected, taught

SIZES = (2, 3, 4)
ENCODING = Encoding(SIZES)


def generator() -> torch.Generator:
    made = torch.Generator()
    made.seed()
    return made


def denoiser(one_way: Tensor | None = None) -> Denoiser:
    flat = torch.cat([torch.full((size,), 1.0 / size) for size in SIZES])
    return Denoiser(ENCODING, 32, flat if one_way is None else one_way)


def rows(count: int) -> Tensor:
    """The second column follows the third, nine times out of ten."""
    rng = np.random.default_rng(5)
    third = rng.integers(0, 4, count)
    second = (third + (rng.random(count) < 0.1)) % 3
    return torch.from_numpy(np.stack([rng.integers(0, 2, count), second, third], axis=1))


def test_shares_are_those_of_the_rows() -> None:
    shares = ENCODING.shares(torch.tensor([[1, 2, 0], [1, 0, 3]]))
    assert shares.tolist() == [0, 1, 0.5, 0, 0.5, 0.5, 0, 0, 0.5]


def test_a_column_that_is_to_be_told_is_not_shown() -> None:
    """A model that repeats what it sees is right about shown columns and at a loss about hidden ones."""

    class Repeats(Denoiser):
        def forward(self, shown: Tensor) -> Tensor:
            assert bool(((shown == 0) | (shown == 1)).all())
            return 50.0 * shown

    repeats = Repeats(ENCODING, 4, torch.full((9,), 0.1))
    losses = hidden_loss(repeats, rows(200), Masks.drawn(3, 4, generator()))
    least, most = np.log(min(SIZES)), np.log(max(SIZES))
    assert losses.shape == (200,)
    assert float(losses.min()) > least - 1e-4
    assert float(losses.max()) < most + 1e-4


def test_masks_hide_every_number_of_columns_and_every_column_equally_often() -> None:
    some = torch.tensor([[0, 0, 0], [1, 2, 3], [1, 0, 2]])
    noise = generator()
    away = torch.stack([Masks.drawn(3, 2, noise).hidden(some) for _ in range(4000)])
    numbers = away.sum(-1)
    assert int(numbers.min()) == 1
    for row in range(3):
        shares = torch.bincount(numbers[:, row].ravel(), minlength=4)[1:] / 8000
        assert float((shares - 1 / 3).abs().max()) < 0.03
        assert float((away[:, row].float().mean((0, 1)) - 2 / 3).abs().max()) < 0.03
    assert bool(
        (numbers[..., 0] <= numbers[..., 1]).all()
    )  # few are hidden in one showing, many in the other
    together = (away[:, 0, 0] == away[:, 1, 0]).all(-1).float().mean()
    assert float(together) < 0.3  # different rows have masks of their own


def test_a_loss_answers_the_same_until_it_is_renewed() -> None:
    model, loss, codes = denoiser(), ShownLoss(2, generator()), rows(50)
    first = loss(model, codes)
    assert torch.equal(first, loss(model, codes))
    assert torch.allclose(first[7:9], loss(model, codes[7:9]))
    loss.renew()
    assert not torch.allclose(first, loss(model, codes))


def test_a_loss_over_examples_by_themselves_passes_and_one_over_the_batch_does_not() -> None:
    model, loss = denoiser(), ShownLoss(2, generator())
    assert BookKeeping.handles(model)
    check_separable(model, loss, rows(4))

    def blurred(model: nn.Module, codes: Tensor) -> Tensor:
        losses = loss(model, codes)
        return losses - losses.mean()

    with pytest.raises(BadInput, match="depends on other examples"):
        check_separable(model, blurred, rows(4))


def test_a_loss_of_another_model_is_refused() -> None:
    with pytest.raises(TypeError):
        ShownLoss(2, generator())(nn.Linear(9, 9), rows(4))


def test_an_untaught_denoiser_draws_its_first_guess_and_a_taught_one_pairs() -> None:
    codes = rows(4000)
    model = Denoiser(ENCODING, 64, ENCODING.shares(codes))
    with torch.no_grad():
        model.last.weight.zero_()
    first = drawn_rows(model, 20_000, np.random.default_rng(3))
    for at, place in enumerate(ENCODING.places):
        wanted = ENCODING.shares(codes)[place].double().numpy()
        counts = np.bincount(first[:, at], minlength=SIZES[at])
        assert stats.chisquare(counts, 20_000 * wanted / wanted.sum()).pvalue > 1e-6
    taught(model, codes, Settings(400), generator(), lambda step: None)
    drawn = drawn_rows(model, 5000, np.random.default_rng(4))
    wanted = np.histogram2d(*codes[:, 1:].numpy().T, bins=(range(4), range(5)))[0] / 4000
    found = np.histogram2d(*drawn[:, 1:].T, bins=(range(4), range(5)))[0] / 5000
    assert np.abs(wanted - found).sum() / 2 < 0.06


@pytest.mark.parametrize("count", [0, 1, 2001])
def test_any_number_of_rows_can_be_drawn(count: int) -> None:
    drawn = drawn_rows(denoiser(), count, np.random.default_rng(1))
    assert drawn.shape == (count, 3)
    assert bool((drawn >= 0).all())
    assert bool((drawn < np.array(SIZES)).all())


def test_a_balance_is_what_clipping_takes_away() -> None:
    """With no clipping to speak of it is nothing; else both together are the whole gradient."""
    model, codes = denoiser(), rows(1)
    none = Balance(codes, 1e6, Settings(1), generator()).lost(model)
    assert max(float(one.abs().max()) for one in none) < 1e-2  # the share that clipping leaves unused
    balance = Balance(codes, 1e-9, Settings(1, batch=1), generator())
    tight = [
        torch.stack(one).mean(0) for one in zip(*(balance.lost(model) for _ in range(2000)), strict=True)
    ]
    noise = generator()
    losses = [hidden_loss(model, codes, Masks.drawn(3, 2, noise)) for _ in range(4000)]
    whole = torch.autograd.grad(torch.cat(losses).mean(), [*model.parameters()])
    for one, other in zip(tight, whole, strict=True):
        assert float((one - other).norm()) < 0.3 * float(other.norm()) + 1e-3


class Clipped:
    """A training without noise, so that what clipping does is seen alone."""

    def __init__(self, codes: Tensor, clip: float, steps: int) -> None:
        self.codes, self.clip, self.left = codes, clip, steps

    def step(self, model: nn.Module, loss: ShownLoss) -> list[Tensor]:
        self.left -= 1
        return BookKeeping().clipped_sum(model, loss, self.codes, self.clip)


class Nothing(Balance):
    def lost(self, denoiser: Denoiser) -> list[Tensor]:
        return [torch.zeros_like(weight) for weight in denoiser.parameters()]


@pytest.mark.parametrize(("kind", "forgets"), [(Balance, False), (Nothing, True)])
def test_a_training_with_tight_clips_keeps_rare_codes_only_in_balance(
    kind: type[Balance], forgets: bool
) -> None:
    codes = torch.zeros(400, 3, dtype=torch.int64)
    codes[:40, 0] = 1  # one in ten
    model = Denoiser(ENCODING, 32, (ENCODING.shares(codes) + 1e-4))
    settings = Settings(1, corrected_rate=3e-3)
    balance = kind(codes, 0.01, settings, generator())
    corrected(model, Clipped(codes, 0.01, 150), balance, settings, 400.0, lambda step: None)
    drawn = drawn_rows(model, 8000, np.random.default_rng(2))
    assert bool(np.mean(drawn[:, 0] == 1) < 0.05) is forgets


def test_the_weights_of_a_training_end_as_their_average() -> None:
    """The average of weights that went one way lies behind the last of them."""
    path: list[float] = []

    class Watched(Clipped):
        def step(self, model: nn.Module, loss: ShownLoss) -> list[Tensor]:
            path.append(float(next(model.parameters()).detach().sum()))
            self.left -= 1
            return [torch.ones_like(weight) for weight in model.parameters()]

    model, settings = denoiser(), Settings(1)
    corrected(
        model,
        Watched(rows(4), 1.0, 30),
        Nothing(rows(4), 1.0, settings, generator()),
        settings,
        1.0,
        lambda s: None,
    )
    assert all(after < before for before, after in pairwise(path))
    assert path[-1] < float(next(model.parameters()).detach().sum()) < path[0]
