"""What DP-SGD draws: coins that are independent and Poisson's, and normal noise that nobody can repeat."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from dpsynth.mechanisms.keystream import KeyStream

UNITS, RATE, STEPS = 600, 0.05, 2000
LEVEL = 1e-6


def coins(draw: Callable[[], NDArray[np.bool_]]) -> NDArray[np.bool_]:
    return np.stack([draw() for _ in range(STEPS)])


def is_poisson(drawn: NDArray[np.bool_]) -> bool:
    """Binomial(n, q) sizes, of the table and of parts of it, and Binomial(T, q) counts of each unit."""
    steps, units = drawn.shape
    parts = [np.arange(units) % 2 == 0, np.arange(units) < units // 2, np.ones(units, dtype=bool)]
    sizes = [(drawn[:, part].sum(1), int(part.sum())) for part in parts]
    return all(_binomial(counts, trials) for counts, trials in [*sizes, (drawn.sum(0), steps)])


def _binomial(counts: NDArray[np.int64], trials: int) -> bool:
    """Chi-square of the counts about their known mean, two-sided, and of their sum."""
    mean, variance = trials * RATE, trials * RATE * (1 - RATE)
    spread = float((((counts - mean) ** 2) / variance).sum())
    total = (float(counts.sum()) - len(counts) * mean) / math.sqrt(len(counts) * variance)
    tails = (
        stats.chi2.cdf(spread, len(counts)),
        stats.chi2.sf(spread, len(counts)),
        2 * stats.norm.sf(abs(total)),
    )
    return 2 * min(tails[:2]) > LEVEL and tails[2] > LEVEL


def test_samples_are_poisson_in_size_and_for_each_unit() -> None:
    stream = KeyStream()
    assert is_poisson(coins(lambda: stream.included(UNITS, RATE)))


def shuffled() -> Callable[[], NDArray[np.bool_]]:
    """Batches of a fixed size from a shuffled table, as data loaders make them."""
    rng, size, queue = np.random.default_rng(), round(UNITS * RATE), []

    def draw() -> NDArray[np.bool_]:
        if not queue:
            order = rng.permutation(UNITS)
            queue.extend(order[low : low + size] for low in range(0, UNITS, size))
        chosen = np.zeros(UNITS, dtype=bool)
        chosen[queue.pop()] = True
        return chosen

    return draw


def fixed_size() -> Callable[[], NDArray[np.bool_]]:
    """Batches of a fixed size, drawn without replacement each time."""
    rng, size = np.random.default_rng(), round(UNITS * RATE)
    return lambda: np.isin(np.arange(UNITS), rng.choice(UNITS, size, replace=False))


def by_group() -> Callable[[], NDArray[np.bool_]]:
    """A batch from one half of the table, chosen by a coin for both halves together."""
    rng = np.random.default_rng()
    return lambda: (rng.random(UNITS) < 2 * RATE) & (np.arange(UNITS) % 2 == rng.integers(2))


@pytest.mark.parametrize("sampler", [shuffled, fixed_size, by_group])
def test_samplers_that_are_not_poisson_fail_the_same_test(
    sampler: Callable[[], Callable[[], NDArray[np.bool_]]],
) -> None:
    assert not is_poisson(coins(sampler()))


def test_a_rate_of_one_takes_everyone_and_no_units_give_no_coins() -> None:
    assert KeyStream().included(50, 1.0).all()
    assert KeyStream().included(0, 0.5).shape == (0,)


def test_small_samples_are_often_empty() -> None:
    stream = KeyStream()
    empty = sum(not stream.included(3, 0.01).any() for _ in range(400))
    assert 370 <= empty <= 400  # 388 expected


def test_noise_is_normal_of_the_stated_scale() -> None:
    draws = KeyStream().normal(400_001, 2.5).numpy()
    assert draws.shape == (400_001,)
    assert stats.kstest(draws / 2.5, "norm").pvalue > LEVEL
    spread = float(((draws / 2.5) ** 2).sum())
    assert 2 * min(stats.chi2.cdf(spread, 400_001), stats.chi2.sf(spread, 400_001)) > LEVEL
    assert abs(stats.norm.ppf(LEVEL / 2)) / math.sqrt(200_000) > abs(
        np.corrcoef(draws[:-1:2], draws[1::2])[0, 1]
    )


def test_the_farthest_draws_keep_their_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words of 0, 1, 2, ...: radii are those of (word + 1) / 2^63, each another one."""
    stream = KeyStream()
    monkeypatch.setattr(stream, "words", lambda count: np.arange(count, dtype=np.uint64) % (count // 2))
    draws = stream.normal(20, 1.0).numpy()
    radius = np.hypot(draws[:10], draws[10:])
    assert radius == pytest.approx(np.sqrt(-2 * np.log((np.arange(10) + 1.0) / 2.0**63)))
    assert len(np.unique(radius)) == 10


def test_both_halves_of_the_transform_are_independent() -> None:
    draws = KeyStream().normal(200_000, 1.0).numpy()
    first, second = draws[:100_000], draws[100_000:]
    for one, other in ((first, second), (first**2, second**2)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 / math.sqrt(100_000)


def test_two_streams_never_agree_and_none_can_be_copied() -> None:
    one, other = KeyStream(), KeyStream()
    assert not np.intersect1d(one.words(1000), other.words(1000)).size
    assert not np.intersect1d(one.words(1000), one.words(1000)).size
    with pytest.raises(TypeError):
        pickle.dumps(one)
