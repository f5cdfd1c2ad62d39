"""Inference is exact: every marginal equals the one summed from the full joint distribution."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from dpsynth.graphical.factor import Array, Factor, Ids, expand
from dpsynth.graphical.inference import calibrate
from dpsynth.graphical.junction_tree import junction_tree, model_cells

SIZES = (1, 2, 2, 3, 3, 4)
EVERY_COLUMN = tuple(range(len(SIZES)))
STRUCTURES = {
    "tree": [(1, 2), (2, 3), (3, 4), (3, 5)],
    "cycle": [(1, 2), (2, 3), (3, 4), (4, 5), (1, 5)],
    "contained cliques": [(1, 2, 3), (1, 2), (2, 3), (3,), (4, 5)],
    "unconnected": [(1, 2), (4, 5)],
    "size-one column": [(0, 1), (0, 5), (0, 3)],
    "one clique": [EVERY_COLUMN],
    "nothing": [],
}


def potentials_of(cliques: list[Ids], spread: float = 1.0) -> dict[Ids, Array]:
    rng = np.random.default_rng(5)
    return {ids: spread * rng.normal(size=[SIZES[i] for i in ids]) for ids in cliques}


def joint_of(potentials: dict[Ids, Array]) -> Array:
    logs = np.zeros(SIZES)
    for ids, values in potentials.items():
        logs = logs + expand(values, ids, EVERY_COLUMN)
    joint = np.exp(logs - logs.max())
    return joint / joint.sum()


def summed(joint: Array, ids: Ids) -> Array:
    return joint.sum(axis=tuple(i for i in EVERY_COLUMN if i not in ids))


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_marginal_equals_brute_force(name: str) -> None:
    potentials = potentials_of(STRUCTURES[name])
    joint = joint_of(potentials)
    beliefs = calibrate(junction_tree(SIZES, potentials), SIZES, potentials)
    for ways in range(len(SIZES) + 1):
        for ids in combinations(EVERY_COLUMN, ways):
            np.testing.assert_allclose(beliefs.marginal(ids), summed(joint, ids), atol=1e-12)


def test_a_wrong_potential_is_noticed_by_that_comparison() -> None:
    potentials = potentials_of(STRUCTURES["cycle"])
    joint = joint_of(potentials)
    potentials[(1, 2)] = potentials[(1, 2)] + np.array([[0.0, 0.1], [0.0, 0.0]])
    beliefs = calibrate(junction_tree(SIZES, potentials), SIZES, potentials)
    assert np.abs(beliefs.marginal((1, 2)) - summed(joint, (1, 2))).max() > 1e-3


def test_extreme_potentials_stay_finite_and_exact() -> None:
    potentials = potentials_of(STRUCTURES["tree"], spread=100.0)
    beliefs = calibrate(junction_tree(SIZES, potentials), SIZES, potentials)
    np.testing.assert_allclose(beliefs.marginal((1, 5)), summed(joint_of(potentials), (1, 5)), atol=1e-9)


def test_potentials_that_pull_far_apart_lose_no_cell() -> None:
    """Each is smallest where the other is largest: the product of their exponentials is 0 in every cell."""
    potentials = {
        (1, 2): np.array([[0.0, -900.0], [-900.0, -900.0]]),
        (2, 3): np.array([[-1000.0, -1000.0, -999.0], [0.0, 0.0, 0.0]]),
    }
    product = expand(np.exp(potentials[1, 2]), (1, 2), (1, 2, 3)) * np.exp(potentials[2, 3])
    assert not product.any()
    beliefs = calibrate(junction_tree(SIZES, [(1, 2, 3)]), SIZES, potentials)
    np.testing.assert_allclose(
        beliefs.marginal((1, 2, 3)), summed(joint_of(potentials), (1, 2, 3)), rtol=1e-9
    )
    assert beliefs.marginal((1,))[1] == pytest.approx(0.5)


def test_a_table_of_impossible_cells_alone_is_not_a_distribution() -> None:
    """Callers are told by numbers that are not finite, never by a made-up uniform."""
    potentials = {(1, 2): np.full((2, 2), -np.inf)}
    beliefs = calibrate(junction_tree(SIZES, potentials), SIZES, potentials)
    assert not np.isfinite(beliefs.marginal((1, 2))).any()


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_tree_covers_every_clique_and_keeps_running_intersection(name: str) -> None:
    tree = junction_tree(SIZES, STRUCTURES[name])
    assert all(tree.home(ids) >= 0 for ids in [*STRUCTURES[name], *((i,) for i in EVERY_COLUMN)])
    for column in EVERY_COLUMN:
        holding = [node for node, clique in enumerate(tree.cliques) if column in clique]
        tops = [node for node in holding if column not in tree.separators[node]]
        assert len(tops) == 1, "the cliques that hold a column must be one connected subtree"


def test_no_clique_of_the_tree_contains_another() -> None:
    for cliques in STRUCTURES.values():
        tree = junction_tree(SIZES, cliques)
        assert not any(set(a) <= set(b) for a in tree.cliques for b in tree.cliques if a != b)


def test_model_cells_is_the_size_of_the_tree_that_is_built() -> None:
    for cliques in STRUCTURES.values():
        assert model_cells(SIZES, cliques) == junction_tree(SIZES, cliques).cells(SIZES)


def test_a_cycle_of_four_needs_one_chord_and_a_tree_needs_none() -> None:
    sizes = (10, 10, 10, 10)
    assert model_cells(sizes, [(0, 1), (1, 2), (2, 3)]) == 300
    assert model_cells(sizes, [(0, 1), (1, 2), (2, 3), (0, 3)]) == 2000


def test_contraction_equals_product_then_marginal() -> None:
    rng = np.random.default_rng(2)
    left = Factor((1, 3, 5), rng.random((2, 3, 4)))
    right = Factor((2, 3, 4, 5), rng.random((2, 3, 3, 4)))
    for keep in [(), (1, 2), (3,), (1, 3, 4), (1, 2, 3, 4, 5)]:
        quick, slow = left.contract(right, keep), left.times(right).marginal(keep)
        assert quick.ids == slow.ids
        np.testing.assert_allclose(quick.values, slow.values)


def test_dividing_by_a_zero_marginal_gives_zero() -> None:
    table = Factor((0, 1), np.array([[0.0, 0.0], [0.25, 0.75]]))
    np.testing.assert_array_equal(table.given(table.marginal((0,))).values, [[0.0, 0.0], [0.25, 0.75]])


def test_a_factor_refuses_axes_out_of_order() -> None:
    with pytest.raises(ValueError, match="ascending"):
        Factor((3, 1), np.ones((3, 2)))
