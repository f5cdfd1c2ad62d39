"""Paid measures: the stated sensitivity holds, the price is the share, intervals hold what they say."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dpsynth.core.domain import Column, Domain
from dpsynth.core.unit import Adjacency, PrivacyUnit
from dpsynth.utility.cells import counts, marginals_of
from dpsynth.utility.learner import learn
from dpsynth.utility.measures import MeasurePlan, share_of
from dpsynth.utility.paid import (
    SCALE,
    error_sums,
    errors_sensitivity,
    hits,
    hits_sensitivity,
    read_errors,
    read_hits,
    widths_of,
)

Rows = Callable[..., NDArray[np.int64]]
SMALL = Domain(
    (
        Column("x", "categorical", ("a", "b", "c")),
        Column("y", "categorical", ("d", "e")),
        Column("z", "categorical", ("f", "g", "h", "i")),
    )
)
ROW = st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 3))


def table(rows: list[tuple[int, ...]]) -> NDArray[np.int64]:
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def unit(most: int, adjacency: Adjacency) -> PrivacyUnit:
    return PrivacyUnit("person", None, most, adjacency)


@settings(max_examples=150)
@given(
    rest=st.lists(ROW, max_size=12),
    made=st.lists(ROW, min_size=1, max_size=9),
    old=st.lists(ROW, max_size=3),
    new=st.lists(ROW, max_size=3),
)
def test_a_unit_moves_both_queries_by_no_more_than_is_paid_for(
    rest: list[tuple[int, ...]],
    made: list[tuple[int, ...]],
    old: list[tuple[int, ...]],
    new: list[tuple[int, ...]],
) -> None:
    """All rows of a unit replaced by others; with none on one side, added or removed."""
    adjacency: Adjacency = "replace_one" if old and new else "add_remove"
    who = unit(max(len(old), len(new), 1), adjacency)
    before, after, synthetic = table(rest + old), table(rest + new), table(made)
    moved = error_sums(before, synthetic, SMALL) - error_sums(after, synthetic, SMALL)
    assert np.abs(moved[:-1]).max() <= SCALE * who.max_rows + 1
    assert np.linalg.norm(moved) <= errors_sensitivity(SMALL, who)
    model = learn(synthetic, SMALL, "y")
    assert np.linalg.norm(hits(before, model) - hits(after, model)) <= hits_sensitivity(who)


def test_the_stated_sensitivity_is_reached_and_not_a_guess_far_above() -> None:
    """A row in a cell that no synthetic row is in moves every marginal's error by one row."""
    real, made = table([(0, 0, 0)] * 50), table([(0, 0, 0)] * 7)
    moved = error_sums(table([*map(tuple, real.tolist()), (2, 1, 3)]), made, SMALL) - error_sums(
        real, made, SMALL
    )
    assert np.linalg.norm(moved) == pytest.approx(errors_sensitivity(SMALL, unit(1, "add_remove")), rel=2e-3)


def test_the_sums_are_rows_times_mean_total_variation_rounded_down(domain: Domain, rows: Rows) -> None:
    real, made = rows(900), rows(400, seed=6, tie=0.2)
    sums = error_sums(real, made, domain)
    for width, got in zip(widths_of(domain), sums, strict=False):
        pairs = [
            [counts(codes, domain, names) / len(codes) for codes in (real, made)]
            for names in marginals_of(domain, width)
        ]
        mean = float(np.mean([0.5 * np.abs(a - b).sum() for a, b in pairs]))
        assert got == pytest.approx(SCALE * 900 * mean, abs=1)
    assert sums[-1] == SCALE * 900


def test_hits_count_every_row_once_by_its_true_value(domain: Domain, rows: Rows) -> None:
    real = rows(700)
    model = learn(rows(2_000, seed=6), domain, "ill")
    found = hits(real, model)
    assert found.shape == (4,)
    assert found.reshape(2, 2).sum(axis=1).tolist() == np.bincount(real[:, 3], minlength=2).tolist()
    assert found[0::2].sum() == (model.predicted(real) == real[:, 3]).sum()


@given(rho=st.integers(0, 10**12), share=st.sampled_from(["0", "0.05", "0.333333333333", "0.5", "1e-9"]))
def test_the_share_is_exact_and_split_without_losing_a_nano(rho: int, share: str) -> None:
    part = share_of(rho, share)
    assert part <= Fraction(share) * rho < part + 1
    for task in ("ill", None):
        plan = MeasurePlan.of(part, task)
        assert plan.rho_nano == part
        assert bool(plan.task_nano) == bool(task and part > 1)
        assert len(plan.steps()) == 1 + bool(plan.task_nano)


def test_intervals_hold_the_exact_values_at_least_as_often_as_they_say(domain: Domain, rows: Rows) -> None:
    real, made = rows(3_000), rows(3_000, seed=6, tie=0.5)
    model, rng, sigma = learn(made, domain, "ill"), np.random.default_rng(2), 25.0
    sums, hit = error_sums(real, made, domain), hits(real, model)
    exact = [
        *(sums[:-1] / sums[-1]),
        hit[0::2].sum() / hit.sum(),
        *(hit[0::2] / hit.reshape(-1, 2).sum(axis=1)),
    ]
    held = 0
    for _ in range(300):
        noisy = sums + np.rint(rng.normal(0, SCALE * sigma, sums.shape))
        found = read_errors(noisy.tolist(), SCALE * sigma, domain)
        found += read_hits(hit + np.rint(rng.normal(0, sigma, hit.shape)), sigma, domain["ill"])
        held += all(float(m.low) <= v <= float(m.high) for m, v in zip(found, exact, strict=True))
        assert all(0 <= float(m.low) <= float(m.estimate) <= float(m.high) <= 1 for m in found)
    assert held >= 0.95 * 300
    widths = [float(m.high) - float(m.low) for m in found]
    assert max(widths) < 0.25  # and they are not so wide that they could not fail


@pytest.mark.parametrize("many", [0, 1, 40])
def test_noise_that_drowns_a_small_table_gives_words_and_no_number(
    domain: Domain, rows: Rows, many: int
) -> None:
    sums = error_sums(rows(many), rows(300, seed=6), domain)
    found = read_errors(sums.tolist(), SCALE * 40.0, domain)
    found += read_hits(np.full(4, many / 4), 40.0, domain["ill"])
    assert {(m.estimate, m.low, m.high) for m in found} == {("", "", "")}
    assert all("cannot be judged" in m.why_not for m in found)


def test_values_are_told_in_public_order_whatever_the_counts(domain: Domain) -> None:
    for noisy in ([10.0, 5.0, 900.0, 50.0], [900.0, 50.0, 10.0, 5.0]):
        names = [m.name for m in read_hits(np.array(noisy), 1.0, domain["ill"])]
        places = [name.find("is no") > 0 for name in names], [name.find("is yes") > 0 for name in names]
        assert [place.index(True) for place in places] == [1, 2]
        assert all(one < two for one, two in pairwise(place.index(True) for place in places))
