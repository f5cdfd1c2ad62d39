"""One-hot rows and guides: draws follow their distributions, and a guide's optimum is what it was told."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from scipy.special import rel_entr

from dpsynth.neural.encoding import Encoding
from dpsynth.neural.guide import Guide
from dpsynth.neural.networks import Generator, critic
from dpsynth.synthesizers.adversary import Settings, guided

SIZES = (2, 3, 4)
ENCODING = Encoding(SIZES)


def joint(seed: int = 3) -> NDArray[np.float64]:
    """A known table of probabilities over the three columns."""
    return np.random.default_rng(seed).dirichlet(np.full(24, 0.5)).reshape(SIZES)


def rows_of(table: NDArray[np.float64]) -> torch.Tensor:
    """Every combination as often as the table says, of ten thousand rows."""
    cells = np.rint(table.ravel() * 1e4).astype(int)
    codes = np.unravel_index(np.repeat(np.arange(24), cells), SIZES)
    return torch.from_numpy(np.stack(codes, axis=1))


def generator() -> torch.Generator:
    made = torch.Generator()
    made.seed()
    return made


def test_codes_become_ones_in_their_places() -> None:
    shown = ENCODING.one_hot(torch.tensor([[1, 2, 0], [0, 0, 3]]))
    assert shown.tolist() == [[0, 1, 0, 0, 1, 1, 0, 0, 0], [1, 0, 1, 0, 0, 0, 0, 0, 1]]


def test_draws_are_one_hot_follow_the_logits_and_pass_gradients() -> None:
    logits = torch.randn(1, 9, requires_grad=True)
    drawn = ENCODING.drawn(logits.expand(20_000, 9), generator())
    assert torch.allclose(drawn, drawn.round(), atol=1e-6)
    counts = drawn.detach().round()
    for place, size in zip(ENCODING.places, SIZES, strict=True):
        assert bool((counts[:, place].sum(1) == 1).all())
        wanted = logits[0, place].softmax(0).detach().double().numpy() * 20_000
        assert (
            stats.chi2.sf(((counts[:, place].sum(0).numpy() - wanted) ** 2 / wanted).sum(), size - 1) > 1e-6
        )
    (drawn[:, 0].sum()).backward()
    assert logits.grad is not None
    assert float(logits.grad.abs().sum()) > 0


def test_codes_are_drawn_by_inversion_and_never_outside_the_domain() -> None:
    chances = ENCODING.probabilities(torch.randn(1, 9)).expand(20_000, 9)
    rng = np.random.default_rng()
    codes = ENCODING.codes(chances, torch.from_numpy(rng.random((20_000, 3)))).numpy()
    for column, (place, size) in enumerate(zip(ENCODING.places, SIZES, strict=True)):
        wanted = chances[0, place].double().numpy() * 20_000
        counts = np.bincount(codes[:, column], minlength=size)
        assert stats.chi2.sf(((counts - wanted) ** 2 / wanted).sum(), size - 1) > 1e-6
    edge = ENCODING.codes(chances[:2], torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]))
    assert edge[0].tolist() == [0, 0, 0]
    assert edge[1].tolist() == [1, 2, 3]


def test_an_impossible_code_is_never_drawn() -> None:
    chances = torch.tensor([[0.0, 1.0, 0.5, 0.0, 0.5, 1.0, 0.0, 0.0, 0.0]]).expand(5000, 9)
    codes = ENCODING.codes(chances, torch.rand(5000, 3, generator=generator()).double()).numpy()
    assert set(codes[:, 0]) == {1}
    assert set(codes[:, 1]) == {0, 2}
    assert set(codes[:, 2]) == {0}


def test_a_guide_is_satisfied_by_the_rows_it_describes_and_by_no_others() -> None:
    table = joint()
    guide = Guide(rows_of(table), ENCODING, [(0, 1, 2)])
    right = float(guide.loss(ENCODING.one_hot(rows_of(table))))
    assert abs(right) < 1e-3
    columns = [table.sum(axis=away) for away in ((1, 2), (0, 2), (0, 1))]
    for other in (np.einsum("i,j,k->ijk", *columns), joint(seed=4)):
        assert float(guide.loss(ENCODING.one_hot(rows_of(other)))) > 0.01


def divergence(wanted: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    return float(rel_entr(wanted, expected + 1e-6).sum())


def test_a_guides_loss_equals_the_plain_sum_over_cells() -> None:
    codes = rows_of(joint())
    guide = Guide(codes, ENCODING, [(0, 1, 2)])
    table = np.zeros(SIZES)
    np.add.at(table, tuple(codes.numpy().T), 1.0 / len(codes))
    chances = ENCODING.probabilities(torch.randn(7, 9))
    parts = [chances[:, place].double().numpy() for place in ENCODING.places]
    plain = 0.0
    for one, other in combinations(range(3), 2):
        expected = np.einsum("ri,rj->ij", parts[one], parts[other]) / 7
        plain += divergence(table.sum(axis=3 - one - other), expected)
    expected = np.einsum("ri,rj,rk->ijk", *parts) / 7
    plain += divergence(table, expected)
    assert float(guide.loss(chances)) == pytest.approx(plain, rel=1e-3)


def test_a_generator_starts_near_the_columns_and_each_row_is_its_own() -> None:
    guide = Guide(rows_of(joint()), ENCODING)
    made = Generator(ENCODING, 8, 32, guide.one_way)
    chances = ENCODING.probabilities(made(torch.randn(4000, 8))).mean(0).detach()
    assert float((chances - guide.one_way).abs().max()) < 0.2
    noise = torch.randn(5, 8)
    assert torch.allclose(made(noise)[2], made(noise[2:3])[0], atol=1e-6)
    assert critic(9, 4)(torch.zeros(6, 9)).shape == (6,)


def test_training_to_a_guide_reaches_its_pairs_and_all_of_its_codes() -> None:
    """Squared errors weighted by the guide's own probabilities would end in a few repeated rows."""
    rng = np.random.default_rng(5)
    first = rng.integers(0, 3, 4000)
    codes = np.stack([first % 2, first, (first + (rng.random(4000) < 0.1)) % 4], axis=1)
    guide = Guide(torch.from_numpy(codes), ENCODING)
    made = Generator(ENCODING, 16, 64, guide.one_way)
    guided(made, guide, Settings(200), generator(), lambda step: None)
    with torch.no_grad():
        chances = ENCODING.probabilities(made(torch.randn(4000, 16)))
    pair = (chances[:, 2:5].T @ chances[:, 5:9] / 4000).numpy()
    wanted = np.zeros((3, 4))
    np.add.at(wanted, (codes[:, 1], codes[:, 2]), 1 / 4000)
    assert np.abs(pair - wanted).sum() / 2 < 0.05
