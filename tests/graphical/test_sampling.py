"""Sampling: rows follow the model's own marginals, and columns independent given others stay so."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import chi2

from dpsynth.core.curator import NoisyMarginal
from dpsynth.core.domain import Column, Domain
from dpsynth.graphical.fitting import fit
from dpsynth.graphical.model import GraphicalModel


def column(name: str, size: int) -> Column:
    return Column(name, "categorical", values=tuple(str(code) for code in range(size)))


DOMAIN = Domain((column("a", 4), column("b", 3), column("one", 1), column("c", 4), column("d", 2)))


def chain() -> GraphicalModel:
    """A model a - b - c with strong links; d is unconnected."""
    rng = np.random.default_rng(7)
    pairs = [("a", "b"), ("b", "c"), ("d",), ("one",)]
    answers = [
        NoisyMarginal(clique, 5000 * rng.dirichlet(np.full(DOMAIN.size(clique), 0.6)), 1.0)
        for clique in pairs
    ]
    return fit(DOMAIN, answers)


MODEL = chain()


def chi_square(observed: np.ndarray, expected: np.ndarray) -> tuple[float, int]:
    expected = expected * observed.sum() / expected.sum()
    keep = expected > 1.0
    return float(((observed - expected)[keep] ** 2 / expected[keep]).sum()), int(keep.sum()) - 1


@pytest.mark.parametrize("ways", [1, 2, 3])
def test_every_sampled_marginal_agrees_with_the_models_own(ways: int) -> None:
    table = MODEL.sample(20_000, np.random.default_rng(3))
    for clique in combinations(DOMAIN.names, ways):
        statistic, freedom = chi_square(table.marginal(clique), MODEL.marginal(clique))
        assert statistic <= chi2.ppf(1 - 1e-4, max(freedom, 1)), clique


def test_columns_independent_given_a_third_stay_independent() -> None:
    table = MODEL.sample(20_000, np.random.default_rng(4))
    for code in range(3):
        inside = table.codes["b"] == code
        seen = np.bincount(table.codes["a"][inside] * 4 + table.codes["c"][inside], minlength=16).reshape(
            4, 4
        )
        free = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / max(seen.sum(), 1)
        statistic, _ = chi_square(seen.reshape(-1), free.reshape(-1))
        assert statistic <= chi2.ppf(1 - 1e-4, 9)


def test_that_check_notices_groups_filled_in_the_same_order() -> None:
    table = MODEL.sample(20_000, np.random.default_rng(4))
    inside = table.codes["b"] == int(np.argmax(MODEL.marginal(("b",))))
    one, two = np.sort(table.codes["a"][inside]), np.sort(table.codes["c"][inside])
    seen = np.bincount(one * 4 + two, minlength=16).reshape(4, 4)
    free = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / seen.sum()
    statistic, _ = chi_square(seen.reshape(-1), free.reshape(-1))
    assert statistic > chi2.ppf(1 - 1e-4, 9)


def test_small_samples_are_unbiased() -> None:
    rng = np.random.default_rng(5)
    counts = sum(MODEL.sample(3, rng).marginal(("a", "c")) for _ in range(3000))
    statistic, freedom = chi_square(np.asarray(counts), MODEL.marginal(("a", "c")))
    assert statistic <= chi2.ppf(1 - 1e-4, freedom)


def test_the_first_rows_follow_the_model_as_the_last_ones_do() -> None:
    table = MODEL.sample(20_000, np.random.default_rng(6))
    for name in ("a", "b", "c"):
        head = np.bincount(table.codes[name][:5000], minlength=DOMAIN[name].size)
        statistic, freedom = chi_square(head, MODEL.marginal((name,)))
        assert statistic <= chi2.ppf(1 - 1e-4, freedom)


def test_rounding_is_closer_to_the_model_than_independent_draws() -> None:
    expected = MODEL.marginal(("a", "b")) * 20_000 / MODEL.total
    ours = MODEL.sample(20_000, np.random.default_rng(3)).marginal(("a", "b"))
    drawn = np.random.default_rng(3).multinomial(20_000, expected / expected.sum())
    assert np.abs(ours - expected).sum() < 0.2 * np.abs(drawn - expected).sum()


@pytest.mark.parametrize("rows", [0, 1, 2, 1000])
def test_any_number_of_rows_gives_valid_codes(rows: int) -> None:
    table = MODEL.sample(rows, np.random.default_rng(1))
    assert table.rows == rows
    for name in DOMAIN.names:
        assert ((table.codes[name] >= 0) & (table.codes[name] < DOMAIN[name].size)).all()


def test_a_cell_of_probability_zero_is_never_drawn() -> None:
    answers = [NoisyMarginal(("a", "b"), np.repeat([1e6, -1e6], 6), 1e-3)]
    model = fit(DOMAIN, answers)
    assert MODEL.sample(5000, np.random.default_rng(1)).marginal(("a",))[3] > 0
    assert model.sample(5000, np.random.default_rng(1)).marginal(("a",))[3] == 0


def test_the_same_generator_gives_the_same_rows_and_another_gives_others() -> None:
    one, two, other = (MODEL.sample(500, np.random.default_rng(seed)).matrix() for seed in (1, 1, 2))
    assert (one == two).all()
    assert (one != other).any()
