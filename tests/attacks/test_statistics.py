from __future__ import annotations

import numpy as np
import pytest

from dpsynth.attacks.intervals import clopper_pearson, newcombe, wilson
from dpsynth.attacks.roc import auc_delong, tpr_at_fpr


def test_clopper_pearson_has_the_textbook_ends() -> None:
    none = clopper_pearson(0, 100, 0.95)
    assert (none.low, none.high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 100)))
    assert clopper_pearson(100, 100, 0.95).high == 1.0
    assert (clopper_pearson(0, 0, 0.95).low, clopper_pearson(0, 0, 0.95).high) == (0.0, 1.0)


def test_newcombe_equals_the_published_example() -> None:
    # Newcombe 1998, Table II, (a) 56/70 - 48/80, method 10.
    interval = newcombe(56, 70, 48, 80, 0.95)
    assert (interval.low, interval.high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


def test_no_trials_know_nothing() -> None:
    assert (newcombe(0, 0, 3, 9, 0.95).low, newcombe(0, 0, 3, 9, 0.95).high) == (-1.0, 1.0)
    assert wilson(0, 0, 0.95).high == 1.0


def test_auc_counts_pairs_with_ties_as_one_half() -> None:
    rng = np.random.default_rng(3)
    members, controls = rng.integers(0, 5, 40).astype(float), rng.integers(0, 4, 30).astype(float)
    pairs = (members[:, None] > controls).mean() + 0.5 * (members[:, None] == controls).mean()
    assert auc_delong(members, controls, 0.95).estimate == pytest.approx(pairs)


def test_auc_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        interval = auc_delong(rng.normal(size=100), rng.normal(size=120), 0.95)
        covered += interval.low <= 0.5 <= interval.high
    assert 0.92 <= covered / 400 <= 0.98


def test_auc_of_one_score_is_refused() -> None:
    with pytest.raises(ValueError, match="two scores"):
        auc_delong(np.zeros(1), np.zeros(5), 0.95)


def test_useless_scores_reach_about_the_false_positive_rate_and_good_ones_far_more() -> None:
    rng = np.random.default_rng(3)
    useless = tpr_at_fpr(rng.normal(size=2000), rng.normal(size=2000), 0.01, 0.95, rng)
    good = tpr_at_fpr(rng.normal(3.0, size=2000), rng.normal(size=2000), 0.01, 0.95, rng)
    assert useless.tpr.low <= 0.015
    assert useless.fpr.low <= 0.01 <= useless.fpr.high
    assert good.tpr.low > 0.5
