"""Compiled loops beside their plain twins; rows beyond the tree, thinned rows, zeros in a fit."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, islice
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dpsynth.core.curator import NoisyMarginal
from dpsynth.core.domain import Column, Domain, Impossible
from dpsynth.graphical.factor import Ids
from dpsynth.graphical.fitting import fit
from dpsynth.graphical.layout import Layout
from dpsynth.graphical.loops import exchange, resample
from dpsynth.graphical.measurements import Target, merge
from dpsynth.graphical.records import posterior_rows
from dpsynth.graphical.stack import Rows, Stack, stack_of
from dpsynth.graphical.thinning import thinned

SIZES = [1, 2, 3, 4]


def domain_of(*sizes: int, impossible: tuple[Impossible, ...] = ()) -> Domain:
    columns = (
        Column(f"c{place}", "categorical", values=tuple(str(code) for code in range(size)))
        for place, size in enumerate(sizes)
    )
    return Domain(tuple(columns), impossible)


def rows_of(count: int, rng: np.random.Generator, sizes: list[int] = SIZES) -> Rows:
    return np.column_stack([rng.integers(0, size, count) for size in sizes]).astype(np.int32)


def plain_counts(rows: Rows, tables: list[Ids], sizes: list[int]) -> NDArray[np.float64]:
    counts = [np.zeros([sizes[column] for column in ids]) for ids in tables]
    for row in rows:
        for table, ids in zip(counts, tables, strict=True):
            table[tuple(row[list(ids)])] += 1
    return np.concatenate([np.zeros(0), *[table.reshape(-1) for table in counts]])


TABLES = st.lists(
    st.sets(st.integers(0, len(SIZES) - 1), min_size=1, max_size=3).map(lambda ids: tuple(sorted(ids))),
    min_size=1,
    max_size=5,
)


@given(TABLES, st.integers(0, 30), st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_stacked_counts_are_those_of_plain_counting(tables: list[Ids], count: int, seed: int) -> None:
    rows = rows_of(count, np.random.default_rng(seed))
    stack = stack_of(SIZES, tables)
    assert stack.cells == sum(prod(SIZES[column] for column in ids) for ids in tables)
    np.testing.assert_array_equal(stack.counts(rows), plain_counts(rows, tables, SIZES))


@given(TABLES, st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_an_exchange_lowers_the_squared_excess_and_keeps_its_books(tables: list[Ids], seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, offers = rows_of(20, rng), rows_of(15, rng)
    wanted = plain_counts(rows_of(20, rng), tables, SIZES) + 0.25
    before, stack = rows.copy(), stack_of(SIZES, tables)
    excess = stack.counts(rows) - wanted
    order = rng.permutation(20)[:15]
    expected, twin = before.copy(), excess.copy()
    for offer, row in enumerate(order):  # the plain twin: recount for every offer
        changed = expected.copy()
        changed[row] = offers[offer]
        trial = plain_counts(changed, tables, SIZES) - wanted
        if (trial @ trial) < (twin @ twin) - 1e-9:
            expected, twin = changed, trial
    exchange(rows, offers, order, stack.columns, stack.strides, stack.starts, excess)
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_allclose(excess, twin)


def conditional(
    row: NDArray[np.int32], column: int, model: Stack, logs: NDArray[np.float64], tables: list[Ids]
) -> NDArray[np.float64]:
    """Brute force: the model's weight of the row with every code of one column."""
    scores = np.zeros(SIZES[column])
    for code in range(SIZES[column]):
        changed = row.copy()
        changed[column] = code
        for table, ids in enumerate(tables):
            lengths = [SIZES[each] for each in ids]
            cell = int(np.ravel_multi_index(tuple(changed[list(ids)]), lengths))
            scores[code] += logs[model.starts[table] + cell]
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum())


def test_a_sweep_draws_from_the_models_conditionals() -> None:
    rng, tables = np.random.default_rng(3), [(1, 2), (2, 3), (0, 1, 3)]
    model, none = stack_of(SIZES, tables), stack_of(SIZES, [])
    logs = rng.normal(0, 1, model.cells)
    start = np.array([[0, 1, 2, 3]], dtype=np.int32)
    rows = np.repeat(start, 40_000, axis=0)
    lengths = np.array(SIZES)
    # Only the first column that varies sees the start as it was.
    resample(rows, lengths, model.parts, logs, none.parts, np.zeros(0), np.zeros(0), rng)
    expected = conditional(start[0], 1, model, logs, tables)
    found = np.bincount(rows[:, 1], minlength=2) / len(rows)
    assert found == pytest.approx(expected, abs=4 * np.sqrt(0.25 / len(rows)))


def test_rows_never_enter_a_cell_of_no_weight() -> None:
    rng = np.random.default_rng(4)
    never = np.zeros((3, 4))
    never[1, :] = -1e9
    rows = rows_of(500, rng)
    rows[:, 2] = np.where(rows[:, 2] == 1, 0, rows[:, 2])
    wanted = [Target((2,), np.array([0.0, 400.0, 100.0]), 1.0)]
    swept = next(posterior_rows(rows, SIZES, {(2, 3): never}, wanted, 500.0, rng))
    assert not (swept[:, 2] == 1).any()


def test_the_sweep_keeps_count_of_its_rows() -> None:
    rng, tables = np.random.default_rng(5), [(1, 2), (1, 3)]
    rows, stack = rows_of(300, rng), stack_of(SIZES, tables)
    excess = stack.counts(rows) - 10.0
    lengths, model = np.array(SIZES), stack_of(SIZES, [])
    resample(rows, lengths, model.parts, np.zeros(0), stack.parts, excess, np.full(2, 0.5), rng)
    np.testing.assert_allclose(excess, plain_counts(rows, tables, SIZES) - 10.0)


def noisy(domain: Domain, table: NDArray[np.float64], clique: tuple[str, ...], sigma: float) -> NoisyMarginal:
    axes = tuple(place for place, name in enumerate(domain.names) if name not in clique)
    return NoisyMarginal(clique, table.sum(axis=axes).reshape(-1), sigma)


def test_rows_follow_a_quiet_pair_that_the_tree_does_not_hold_and_ignore_a_loud_one() -> None:
    domain, rng = domain_of(3, 3, 3), np.random.default_rng(6)
    joint = np.zeros((3, 3, 3))
    for a, b in np.ndindex(3, 3):
        joint[a, b, a] = 400.0 if a == b else 50.0
    told = [noisy(domain, joint, ("c0", "c1"), 1.0), noisy(domain, joint, ("c2",), 1.0)]
    model = fit(domain, told)
    total = joint.sum()

    def error(sigma: float) -> float:
        beyond = merge(model.layout, [noisy(domain, joint, ("c0", "c2"), sigma)])
        drawn = replace(model, beyond=tuple(beyond)).sample(round(total), rng)
        return float(np.abs(drawn.marginal(("c0", "c2")) - joint.sum(axis=1).reshape(-1)).sum() / total)

    alone = model.sample(round(total), rng).marginal(("c0", "c2"))
    floor = float(np.abs(alone - joint.sum(axis=1).reshape(-1)).sum() / total)
    assert error(1.0) < 0.1 * floor
    assert error(1e6) > 0.8 * floor


def test_thinned_rows_are_closer_to_their_pool_than_drawn_ones_and_all_come_from_it() -> None:
    rng, sizes = np.random.default_rng(7), [4, 5, 6, 7]
    joint = rng.dirichlet(np.full(prod(sizes), 0.3))
    cells = rng.choice(len(joint), 16_000, p=joint)
    pool = np.column_stack(np.unravel_index(cells, sizes)).astype(np.int32)
    kept = thinned(pool, 2_000, sizes, rng)
    stack = stack_of(sizes, list(combinations(range(4), 2)))
    wanted = stack.counts(pool) / 8

    def distance(rows: Rows) -> float:
        return float(np.abs(stack.counts(rows) - wanted).sum())

    assert kept.shape == (2_000, 4)
    assert distance(kept) < 0.6 * distance(pool[:2_000])
    assert {tuple(row) for row in kept}.issubset({tuple(row) for row in pool})


def test_few_rows_are_as_likely_as_the_model_says() -> None:
    shares = np.array([0.5, 0.3, 0.15, 0.05])
    pool, rng = np.zeros((20_000, 2), dtype=np.int32), np.random.default_rng(13)
    for column in range(2):
        pool[:, column] = rng.permutation(np.repeat(np.arange(4), (20_000 * shares).astype(int)))
    drawn = np.concatenate(
        [thinned(pool[rng.permutation(len(pool))[:16]], 2, [4, 4], rng) for _ in range(2_000)]
    )
    assert np.bincount(drawn[:, 0], minlength=4) / len(drawn) == pytest.approx(shares, abs=0.03)


@pytest.mark.parametrize("rows", [0, 1])
def test_nothing_and_one_row_are_thinned_too(rows: int) -> None:
    pool = rows_of(8 * rows, np.random.default_rng(8))
    assert thinned(pool, rows, SIZES, np.random.default_rng(9)).shape == (rows, 4)


def test_columns_of_one_code_are_no_obstacle() -> None:
    model = fit(domain_of(1, 1), [NoisyMarginal(("c0",), np.array([5.0]), 1.0)])
    assert model.sample(5, np.random.default_rng(10)).rows == 5


@pytest.mark.parametrize("cliques", [[("c0",)], [("c0", "c1"), ("c1", "c2")], [("c0", "c1"), ("c0", "c2")]])
def test_impossible_cells_stay_empty_in_a_fit_and_possible_ones_do_not(
    cliques: list[tuple[str, ...]],
) -> None:
    rule = Impossible(("c0", "c2"), (0, 4))
    domain, rng = domain_of(2, 2, 3, impossible=(rule,)), np.random.default_rng(11)
    answers = [
        NoisyMarginal(clique, rng.integers(50, 500, domain.size(clique)).astype(float), 5.0)
        for clique in cliques
    ]
    model = fit(domain, answers)
    assert set(Layout(domain).zeros) == {Layout(domain).ids(rule.clique)}
    counts = model.marginal(rule.clique)
    assert counts[[0, 4]].max() == 0.0
    assert counts[[1, 2, 3, 5]].min() > 0.0
    drawn = model.sample(20_000, rng).marginal(rule.clique)
    assert drawn[[0, 4]].max() == 0


def test_a_fit_with_zeros_is_the_conditional_of_the_full_joint() -> None:
    """Nothing measured but one column: the rest is uniform over what is possible."""
    domain = domain_of(2, 3, impossible=(Impossible(("c0", "c1"), (0, 5)),))
    model = fit(domain, [NoisyMarginal(("c0",), np.array([300.0, 100.0]), 1.0)])
    found = model.marginal(("c0", "c1"))
    np.testing.assert_allclose(found, [0, 150, 150, 50, 50, 0], atol=0.5)


def test_sweeps_go_on_from_where_they_were() -> None:
    rng = np.random.default_rng(12)
    rows = rows_of(50, rng)
    wanted = [Target((1,), np.array([10.0, 40.0]), 1e-6)]
    last = [swept.copy() for swept in islice(posterior_rows(rows, SIZES, {}, wanted, 50.0, rng), 3)][-1]
    assert np.bincount(last[:, 1], minlength=2).tolist() == pytest.approx([10, 40], abs=4)


def test_counts_over_groups_of_codes_are_refused_beyond_the_tree() -> None:
    """Neither the sampler of rows nor the file of a kept model knows groups: no silent misreading."""
    model = fit(domain_of(3), [NoisyMarginal(("c0",), np.array([5.0, 5.0, 5.0]), 1.0)])
    merged = merge(model.layout, [NoisyMarginal(("c0",), np.array([10.0, 5.0]), 1.0, {"c0": (0, 0, 1)})])
    with pytest.raises(ValueError, match="not over groups"):
        replace(model, beyond=tuple(merged))
