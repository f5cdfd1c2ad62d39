"""Counting over groups of codes: the cost of the whole marginal, the sums of its counts, the same witness."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.accounting.cost import zcdp_cost
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.core.curator import Candidate
from dpsynth.core.domain import Column, Domain
from dpsynth.core.merging import merged_cells, merged_counts, merged_shape
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.surrogate import Door
from dpsynth.vault.table import SensitiveTable

SIZES = {"a": 4, "b": 3, "c": 5}
DOMAIN = Domain(tuple(Column(name, "categorical", tuple("vwxyz"[:size])) for name, size in SIZES.items()))
UNIT = PrivacyUnit("person", None, 1, "add_remove")
MERGING = {"a": (0, 1, 0, 1), "c": (0, 0, 1, 2, 0)}
QUIET = 1e-3
"""A noise multiplier whose noise is 0 in practice: the exact answer shows."""


def codes(rows: int = 300) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(8)
    return {name: rng.integers(0, size, rows) for name, size in SIZES.items()}


def curator(rho: int = 10**18) -> tuple[TableCurator, PrivacyFilter]:
    budget = PrivacyFilter(zcdp_cost(rho))
    table = SensitiveTable(DOMAIN, codes(), np.arange(300))
    return TableCurator(table, UNIT, budget, OpenDPNoise()), budget


def one_by_one(names: tuple[str, ...], rows: dict[str, np.ndarray]) -> np.ndarray:
    """Each row looked up by hand."""
    found = np.zeros(merged_shape(SIZES, names, MERGING), dtype=int)
    for row in zip(*(rows[name] for name in names), strict=True):
        pairs = zip(names, row, strict=True)
        found[tuple(MERGING[name][code] if name in MERGING else code for name, code in pairs)] += 1
    return found.reshape(-1)


@pytest.mark.parametrize("clique", [("a",), ("b",), ("a", "c"), ("a", "b", "c")])
def test_merged_marginals_are_the_sums_that_looking_up_each_row_gives(clique: tuple[str, ...]) -> None:
    (answer,) = curator()[0].measure([clique], QUIET, MERGING)
    assert answer.values.tolist() == one_by_one(clique, codes()).tolist()
    assert answer.merging == {name: MERGING[name] for name in clique if name in MERGING}


def test_merging_costs_what_the_whole_marginal_costs() -> None:
    whole, merged = curator(), curator()
    whole[0].measure([("a", "c"), ("b",)], 7.0)
    merged[0].measure([("a", "c"), ("b",)], 7.0, MERGING)
    assert whole[1].events == merged[1].events
    assert whole[0].remaining == merged[0].remaining


@pytest.mark.parametrize("groups", [(0, 1, 0), (0, 1, 3, 0), (1, 2, 1, 2), (-1, 0, 1, 0)])
def test_a_merging_that_leaves_a_code_or_a_group_out_is_refused_uncharged(groups: tuple[int, ...]) -> None:
    guard, budget = curator()
    with pytest.raises(ValueError, match="every code of 'a' a group"):
        guard.measure([("a", "b")], 5.0, {"a": groups})
    with pytest.raises(ValueError, match="every code of 'a' a group"):
        guard.select([Candidate(("a",), 1.0, 0.0, {"a": groups})], {("a",): np.zeros(4)}, 1.0)
    assert budget.events == ()


def test_choices_weigh_merged_errors() -> None:
    """Errors that cancel inside groups are none at that grain: the other marginal is chosen."""
    guard, _ = curator()
    counts = {name: one_by_one((name,), codes()).astype(float) for name in ("b",)}
    within = np.bincount(codes()["a"], minlength=4) + np.array([90.0, -80.0, -90.0, 80.0])
    estimates = {("a",): within, ("b",): counts["b"] + np.array([20.0, -20.0, 0.0])}
    fine = [Candidate(("a",), 1.0, 0.0), Candidate(("b",), 1.0, 0.0)]
    grouped = [Candidate(("a",), 1.0, 0.0, MERGING), fine[1]]
    assert guard.select(fine, estimates, 1e4) == 0
    assert guard.select(grouped, estimates, 1e4) == 1


def test_a_merging_that_changes_its_mind_after_the_check_is_scored_as_it_was_checked() -> None:
    class Fickle(dict[str, tuple[int, ...]]):
        asked = 0

        def __getitem__(self, name: str) -> tuple[int, ...]:
            self.asked += 1
            return (0, 0, 0, 1) if self.asked == 1 else (7, 0, 0, 1)

    guard, budget = curator()
    assert guard.select([Candidate(("a",), 1.0, 0.0, Fickle(a=()))], {("a",): np.zeros(4)}, 1.0) == 0
    assert len(budget.events) == 1


def test_the_witness_of_an_audit_sees_merged_answers_and_asks_neighbours_the_same() -> None:
    door = Door(DOMAIN, UNIT, OpenDPNoise())
    rows = codes(60)
    here, there = (
        door.table(rows, np.arange(60)),
        door.table({n: c[1:] for n, c in rows.items()}, np.arange(59)),
    )
    run = door.open(here, zcdp_cost(10**12))
    run.curator.measure([("a", "c")], 3.0, MERGING)
    run.curator.select([Candidate(("a", "c"), 1.0, 0.0, MERGING)], {("a", "c"): np.zeros(20)}, 1.0)
    counted, chosen = run.records
    assert counted.true.tolist() == one_by_one(("a", "c"), rows).tolist()
    assert np.abs(counted.requery(there) - counted.true).sum() == 1.0
    assert 0 < np.abs(chosen.requery(there) - chosen.true).max() <= chosen.sensitivity


@given(st.data())
def test_merging_keeps_every_row_in_exactly_one_cell(data: st.DataObject) -> None:
    """So neighbours differ by one row in one cell, as without merging: sensitivities stand."""
    groups = {
        name: data.draw(st.lists(st.integers(0, 2), min_size=size, max_size=size), label=name)
        for name, size in SIZES.items()
    }
    merging = {n: tuple(sorted(set(g)).index(one) for one in g) for n, g in groups.items()}
    cells = merged_cells(SIZES, tuple(SIZES), merging)
    size = int(np.prod(merged_shape(SIZES, tuple(SIZES), merging)))
    assert sorted(set(cells.tolist())) == list(range(size))
    counts = np.arange(60, dtype=np.int64) << 40
    merged = merged_counts(counts, DOMAIN, tuple(SIZES), merging)
    assert merged.sum() == counts.sum()
    assert merged.tolist() == [int(counts[cells == cell].sum()) for cell in range(size)]
