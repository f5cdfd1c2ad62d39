from __future__ import annotations

import numpy as np
import pytest

from dpsynth.attacks.distances import closer_shares, distances_to
from dpsynth.attacks.nearest import ByColumn, isolation, nearest_agreement

SIZES = (4, 300, 2)


def rows(count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, np.array(SIZES), size=(count, len(SIZES)))


def test_agreements_are_those_counted_row_by_row_on_any_columns() -> None:
    rng = np.random.default_rng(3)
    table, targets = rows(200, rng), rows(20, rng)
    fast = ByColumn(table, SIZES)
    for columns in ((0, 1, 2), (1,), ()):
        for row in targets:
            expected = (table[:, list(columns)] == row[list(columns)]).sum(axis=1)
            assert fast.agreements(row.tolist(), columns).tolist() == expected.tolist()


def test_more_columns_than_a_byte_counts_do_not_wrap() -> None:
    table = np.zeros((2, 300), dtype=np.int64)
    assert nearest_agreement(table[:1], table, (2,) * 300)[0].tolist() == [300]


def test_nearest_second_and_ties() -> None:
    table = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 1], [0, 1, 1]])
    best, second, ties = nearest_agreement(np.array([[0, 0, 0], [0, 1, 1]]), table, (2, 2, 2))
    assert (best.tolist(), second.tolist(), ties.tolist()) == ([3, 3], [2, 3], [1, 2])


def test_distances_and_their_ratio_say_what_is_identical_and_what_ties() -> None:
    table = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 1]])
    found = distances_to(np.array([[0, 0, 0], [1, 1, 1]]), table, (2, 2, 2))
    assert found.dcr == pytest.approx([0.0, 1 / 3])
    assert found.nndr == pytest.approx([0.0, 0.5])
    alone = distances_to(np.array([[0, 0, 0]]), table[:1], (2, 2, 2))
    assert (alone.dcr.tolist(), alone.nndr.tolist()) == ([0.0], [1.0])


def test_rows_copied_from_train_are_nearer_to_it_and_ties_count_for_nobody() -> None:
    rng = np.random.default_rng(3)
    train, holdout = rows(100, rng), rows(100, rng)
    near, far, equal = closer_shares(distances_to(train, train, SIZES), distances_to(train, holdout, SIZES))
    assert near > 0.9 > far
    assert near + far + equal == pytest.approx(1.0)
    same = distances_to(train, train, SIZES)
    assert closer_shares(same, same) == (0.0, 0.0, 1.0)


def test_isolation_leaves_the_row_itself_out_and_ranks_the_loner_first() -> None:
    real = np.array([[0, 0, 0]] * 5 + [[3, 7, 1]])
    found = isolation(real, real, SIZES, 3)
    assert found[:5].tolist() == [0.0] * 5
    assert found[5] == 1.0
    assert isolation(real[:1], real[:1], SIZES, 3).tolist() == [0.0]
