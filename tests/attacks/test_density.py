from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dpsynth.attacks.density import classifier_scores, neighbour_scores
from dpsynth.attacks.roc import detectable_auc, rank_p_values

SIZES = (8, 8, 8, 8)
PAIRS = [(0, 1), (0, 2), (1, 3)]


def rows(count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 8, size=(count, 4))


def scored(targets, release, reference):
    return neighbour_scores(targets, release, reference, SIZES, 5, 0.2) | {
        "classifier": classifier_scores(targets, release, reference, SIZES, PAIRS)
    }


NAMES = ("nearest", "neighbours", "kernel", "classifier")


@pytest.fixture(scope="module")
def sides():
    rng = np.random.default_rng(3)
    members, controls, reference = rows(200, rng), rows(200, rng), rows(1000, rng)
    copies = np.concatenate([members, rows(200, rng)])
    both = np.concatenate([members, controls])
    return {
        "copies": scored(both, copies, reference),
        "apart": scored(both, rows(400, rng), reference),
    }


@pytest.mark.parametrize("name", NAMES)
def test_members_that_are_copied_stand_out_and_members_of_nothing_do_not(sides, name) -> None:
    caught, fair = (sides[kind][name] for kind in ("copies", "apart"))
    assert rank_p_values(caught[:200], caught[200:])[0] < 1e-4
    assert 0.001 < rank_p_values(fair[:200], fair[200:])[0] < 0.999


def test_scores_stay_finite_on_single_rows() -> None:
    one = np.zeros((1, 4), dtype=np.int64)
    assert all(np.isfinite(found).all() for found in scored(one, one, one).values())


def test_rank_p_values_are_those_of_the_rank_sum_with_ties() -> None:
    rng = np.random.default_rng(3)
    members, controls = rng.integers(0, 6, 80).astype(float), rng.integers(0, 5, 60).astype(float)
    expected = stats.mannwhitneyu(members, controls, alternative="greater", use_continuity=False).pvalue
    assert rank_p_values(members, controls) == pytest.approx((expected, 1.0 - expected))
    assert rank_p_values(np.zeros(5), np.zeros(5)) == (1.0, 1.0)


def test_more_coins_see_a_smaller_area() -> None:
    assert 0.5 < detectable_auc(1000, 1000, 0.01, 0.9) < detectable_auc(100, 100, 0.01, 0.9) < 0.7
    assert detectable_auc(2, 2, 0.01, 0.9) == 1.0
