from __future__ import annotations

import numpy as np
import pytest

from dpsynth.attacks.cells import cell_index, row_labels, small_pairs
from dpsynth.attacks.marginal_ratio import marginal_ratio_scores, mean_by_unit
from dpsynth.attacks.replay import copied_unique, copy_rates
from dpsynth.attacks.roc import auc_delong
from dpsynth.attacks.singling_out import ANY, draw_predicates, excess_risk, matches

SIZES = (4, 5, 6, 3, 4, 5)


def rows(count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, np.array(SIZES), size=(count, len(SIZES)))


def test_cells_follow_c_order() -> None:
    codes = np.array([[1, 2, 0, 0, 0, 0], [3, 4, 0, 0, 0, 0]])
    assert cell_index(codes, (0, 1), SIZES).tolist() == [7, 19]


def test_a_column_too_large_for_any_pair_is_still_looked_at_alone() -> None:
    assert small_pairs((3, 4, 5000), 100) == [(0, 1), (2,)]


def test_equal_rows_get_equal_labels_across_tables() -> None:
    labels, counts = row_labels(np.array([[1, 2], [1, 2]]), np.array([[0, 0], [1, 2]]))
    assert labels[0][0] == labels[0][1] == labels[1][1] != labels[1][0]
    assert counts[:, labels[0][0]].tolist() == [2, 1]


def test_members_whose_exact_marginals_are_released_stand_out() -> None:
    rng = np.random.default_rng(3)
    members, controls, reference = rows(60, rng), rows(60, rng), rows(5000, rng)
    pairs = small_pairs(SIZES, 1000)
    scores = [marginal_ratio_scores(t, members, reference, SIZES, pairs) for t in (members, controls)]
    assert auc_delong(*scores, 0.95).low > 0.65


def test_an_unrelated_release_tells_members_from_controls_no_better_than_a_coin() -> None:
    rng = np.random.default_rng(3)
    members, controls, reference, release = (rows(n, rng) for n in (400, 400, 5000, 2000))
    pairs = small_pairs(SIZES, 1000)
    scores = [marginal_ratio_scores(t, release, reference, SIZES, pairs) for t in (members, controls)]
    interval = auc_delong(*scores, 0.999)
    assert interval.low <= 0.5 <= interval.high


def test_a_unit_is_one_canary_however_many_rows_it_has() -> None:
    assert mean_by_unit(np.array([1.0, 3.0, 5.0]), np.array([7, 7, 2])).tolist() == [5.0, 2.0]


def test_predicates_hold_for_the_row_they_were_read_from_and_leave_other_columns_free() -> None:
    rng = np.random.default_rng(3)
    release = rows(1, rng)
    predicates = draw_predicates(release, 50, rng)
    assert matches(predicates, release).all()
    assert ((predicates == ANY).sum(axis=1) <= len(SIZES) - 2).all()


def _excess(release: np.ndarray, members: np.ndarray, controls: np.ndarray, rng: np.random.Generator):  # type: ignore[no-untyped-def]
    return excess_risk(
        release, members, controls, SIZES, predicates=1000, rounds=100, confidence=0.95, rng=rng
    )


def test_copied_members_are_singled_out_more_than_controls() -> None:
    rng = np.random.default_rng(3)
    members, controls = rows(400, rng), rows(400, rng)
    release = np.concatenate([rows(200, rng), members])
    assert _excess(release, members, controls, rng).low > 0.09


def test_an_unrelated_release_shows_no_excess_about_as_often_as_the_interval_says() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(40):
        result = _excess(rows(1000, rng), rows(200, rng), rows(200, rng), rng)
        covered += result.low <= 0.0 <= result.high
    assert covered >= 36


def test_unequal_sides_are_refused() -> None:
    rng = np.random.default_rng(3)
    with pytest.raises(ValueError, match="equally many"):
        _excess(rows(9, rng), rows(3, rng), rows(4, rng), rng)


def test_only_rows_that_no_other_real_row_equals_count_as_copies() -> None:
    release = np.array([[1, 1], [2, 2]])
    members, controls, reference = np.array([[1, 1], [2, 2]]), np.array([[3, 3]]), np.array([[2, 2]])
    unique, released, control_unique, control_released = copied_unique(release, members, controls, reference)
    assert unique.tolist() == [True, False]
    assert released.tolist() == [True, True]
    assert (control_unique.tolist(), control_released.tolist()) == ([True], [False])


def test_copy_rates_accuse_copying_and_not_chance() -> None:
    assert copy_rates(60, 200, 2, 200, 0.95).difference.low > 0.09
    fair = copy_rates(6, 200, 5, 200, 0.95)
    assert fair.difference.low < 0 < fair.difference.high
    assert fair.p_more > 0.1
