from __future__ import annotations

import numpy as np
import pytest

from dpsynth.attacks.across import difference_scores, shared_noise, shared_rows
from dpsynth.attacks.excess import excess_of_scores
from dpsynth.attacks.linkage import halves, inferred, linked, most_common_hit, pairs_linked
from dpsynth.attacks.roc import rank_p_values

SIZES = (9, 9, 9, 9)


def rows(count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 9, size=(count, 4))


def judge(members, controls, seed=3):
    rng = np.random.default_rng(seed)
    return excess_of_scores(members, controls, rounds=200, confidence=0.95, rng=rng)


def test_halves_share_no_column_and_cover_all() -> None:
    for one, two in halves(5, 4, np.random.default_rng(3)):
        assert sorted([*one, *two]) == list(range(5))
        assert (len(one), len(two)) == (2, 3)


def test_both_halves_of_a_copied_row_meet_in_it_and_halves_of_two_people_do_not() -> None:
    release = np.array([[1, 1, 1, 1], [2, 2, 2, 2], [3, 3, 3, 3]])
    scores, naive = pairs_linked(release, release, SIZES, [((0, 1), (2, 3))])
    assert (scores.tolist(), naive.tolist()) == ([1.0] * 3, [0.0] * 3)


def test_ties_share_the_chance_of_meeting() -> None:
    release = np.array([[1, 1, 5, 5], [1, 1, 6, 6], [2, 2, 5, 5]])
    scores, _ = pairs_linked(np.array([[1, 1, 5, 5]]), release, SIZES, [((0, 1), (2, 3))])
    assert scores == pytest.approx([1 / 3])


def test_the_commonest_label_is_guessed_and_ties_share_the_chance() -> None:
    assert most_common_hit(np.array([2, 2, 1]), 2) == 1.0
    assert most_common_hit(np.array([2, 2, 1]), 1) == 0.0
    assert most_common_hit(np.array([2, 1]), 1) == 0.5
    assert most_common_hit(np.array([2, 1]), 7) == 0.0


def test_unknown_columns_are_read_off_the_nearest_row() -> None:
    release = np.array([[1, 1, 5, 5], [2, 2, 6, 6]])
    targets = np.array([[1, 1, 5, 5], [1, 2, 6, 6], [8, 8, 6, 6], [2, 2, 6, 0]])
    scores, exact = linked(targets, release, SIZES, (0, 1))
    assert scores.tolist() == [1.0, 0.5, 0.5, 0.0]
    assert exact.tolist() == [True, False, False, True]


def test_a_secret_is_inferred_from_all_other_columns_and_not_from_itself() -> None:
    release = np.array([[1, 1, 1, 7], [2, 2, 2, 8]])
    found = inferred(np.array([[1, 1, 1, 8], [2, 2, 2, 8]]), release, SIZES, (3,))
    assert found.tolist() == [[0.0], [1.0]]


def test_excess_is_found_where_members_are_favoured_and_not_where_they_are_not() -> None:
    rng = np.random.default_rng(3)
    half, naive = (rng.random(400) < 0.5).astype(float), np.zeros(400)
    found = judge((np.ones(400), naive), (half, naive))
    assert found.excess == 1.0
    fair = judge((half, naive), (rng.permutation(half), naive))
    assert fair.low < 0.0 < fair.high


def test_what_the_naive_attacker_explains_narrows_the_interval_and_keeps_the_excess() -> None:
    rng = np.random.default_rng(3)
    easy = [(rng.random(500) < 0.5).astype(float) for _ in range(2)]
    gain = (rng.random(500) < 0.2) * (1 - easy[0])
    raw = judge((easy[0] + gain, np.zeros(500)), (easy[1], np.zeros(500)))
    clever = judge((easy[0] + gain, easy[0]), (easy[1], easy[1]))
    assert clever.error < 0.5 * raw.error
    assert clever.low < 0.2 < clever.high


def test_an_attack_that_always_succeeds_has_no_excess() -> None:
    ones = np.ones(50), np.ones(50)
    assert (judge(ones, ones).excess, judge(ones, ones).error) == (0.0, 0.0)


def test_carried_rows_are_seen_and_independent_draws_are_not() -> None:
    rng = np.random.default_rng(3)
    reference, first, second = (rng.integers(0, 7, size=(n, 5)) for n in (500, 1000, 1000))
    reused = np.concatenate([second[200:], first[:200]])
    assert shared_rows(first, reused, reference, rng).p < 1e-4
    apart = [shared_rows(first, rng.integers(0, 7, size=(1000, 5)), reference, rng) for _ in range(20)]
    assert min(found.p for found in apart) > 1e-3
    assert min(found.across + found.inside for found in apart) > 30


def test_the_same_errors_are_seen_and_errors_of_their_own_are_not() -> None:
    rng = np.random.default_rng(3)
    real, sizes = rng.integers(0, 9, size=(4000, 8)), (9,) * 8

    def noisy():
        return [1 / 9 + rng.normal(0, 0.02, 9) for _ in sizes]

    def drawn(weights):
        columns = [rng.choice(9, 4000, p=np.abs(w) / np.abs(w).sum()) for w in weights]
        return np.column_stack(columns)

    noise = noisy()
    assert shared_noise(drawn(noise), drawn(noise), real, sizes, 0.02).p < 1e-4
    apart = [shared_noise(drawn(noisy()), drawn(noisy()), real, sizes, 0.02).p for _ in range(10)]
    assert min(apart) > 1e-3


def test_one_common_cell_is_too_little_to_compare_noise_on() -> None:
    table = np.zeros((50, 2), dtype=np.int64)
    assert shared_noise(table, table, table, (1, 1), 0.02).p == 1.0


def test_the_difference_of_exact_releases_tells_who_joined() -> None:
    rng = np.random.default_rng(3)
    common, joined, left = rows(300, rng), rows(100, rng), rows(100, rng)
    pairs = [(0, 1), (1, 2), (2, 3)]
    before, now = np.concatenate([common, left]), np.concatenate([common, joined])
    scores = [difference_scores(t, before, now, SIZES, pairs, 5) for t in (joined, left)]
    assert rank_p_values(*scores)[0] < 1e-6
    apart = [difference_scores(t, rows(400, rng), rows(400, rng), SIZES, pairs, 5) for t in (joined, left)]
    assert rank_p_values(*apart)[0] > 1e-3
