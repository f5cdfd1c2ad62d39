"""One partition of a table: every unit lies in exactly one, by a rule that looks at its own rows only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dpsynth.core.errors import BadInput
from dpsynth.policy.loader import load_policy_text
from dpsynth.policy.model import Policy
from dpsynth.vault.bounding import in_partition
from dpsynth.vault.opening import open_table
from dpsynth.vault.sources import fingerprint

COLUMNS = """
columns:
  - {name: person, role: identifier, type: string, action: drop}
  - name: plan
    role: other
    type: categorical
    domain: [basic, plus, other]
    domain_source: test
    out_of_domain: other
    missing: other
  - name: sex
    role: other
    type: categorical
    domain: [f, m]
    domain_source: test
    out_of_domain: f
    missing: f

"""
PARTS = 4
Rows = list[tuple[int, int]]
ROWS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, PARTS - 1)), max_size=50)


def masks(rows: Rows) -> list[NDArray[np.bool_]]:
    """The mask of each part."""
    units = np.array([unit for unit, _ in rows], dtype=np.int64)
    parts = np.array([part for _, part in rows], dtype=np.int64)
    return [in_partition(units, parts, wanted) for wanted in range(PARTS)]


def members(rows: Rows) -> dict[int, set[int]]:
    """The units that each part sees, and where each of them is seen."""
    seen: dict[int, set[int]] = {}
    for part, mask in enumerate(masks(rows)):
        for (unit, _), inside in zip(rows, mask, strict=True):
            if inside:
                seen.setdefault(unit, set()).add(part)
    return seen


@given(ROWS)
def test_every_unit_lies_in_exactly_one_partition_and_it_is_its_first(rows: Rows) -> None:
    first = {unit: min(part for one, part in rows if one == unit) for unit, _ in rows}
    assert members(rows) == {unit: {part} for unit, part in first.items()}


@given(ROWS)
def test_a_row_of_a_unit_in_a_second_partition_is_in_none(rows: Rows) -> None:
    first = {unit: min(part for one, part in rows if one == unit) for unit, _ in rows}
    seen = np.sum(masks(rows), axis=0) if rows else np.array([])
    assert seen.tolist() == [int(part == first[unit]) for unit, part in rows]


@given(ROWS, st.integers(0, 6))
def test_removing_a_unit_changes_nothing_for_the_others_and_touches_one_partition_only(
    rows: Rows, gone: int
) -> None:
    rest = [(unit, part) for unit, part in rows if unit != gone]
    stays = np.array([unit != gone for unit, _ in rows], dtype=bool)
    changed = 0
    for before, after in zip(masks(rows), masks(rest), strict=True):
        assert before[stays].tolist() == after.tolist()
        changed += bool(before[~stays].any())
    assert changed == (1 if len(rest) < len(rows) else 0)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: Rows, dice: object) -> None:
    shuffled = list(rows)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert members(shuffled) == members(rows)


def test_a_rule_that_asked_for_each_row_alone_would_put_one_unit_in_two_partitions() -> None:
    rows = [(1, 0), (1, 2)]
    alone = [np.array([part == wanted for _, part in rows]) for wanted in range(PARTS)]
    assert sum(mask.any() for mask in alone) == 2
    assert sum(mask.any() for mask in masks(rows)) == 1


@pytest.fixture
def policy(rand_policy_text: str) -> Callable[..., Policy]:
    def build(*pairs: tuple[str, str]) -> Policy:
        text = rand_policy_text
        start, end = text.index("columns:"), text.index("synthesis:")
        text = text[:start] + COLUMNS.lstrip() + text[end:]
        for old, new in (
            ("id_column: null", "id_column: person\n  partition_column: plan"),
            ("max_rows_per_unit: 1", "max_rows_per_unit: 2"),
            *pairs,
        ):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        return load_policy_text(text, "variant.yaml")

    return build


TABLE = b"""person,plan,sex
a,plus,m
a,basic,f
 a,plus,m
b,plus,m
b,plus,f
b,plus,f
c,gold,m
,basic,m
d,,f
"""


def seen(policy: Policy, partition: str) -> list[tuple[str, str]]:
    table = open_table(TABLE, fingerprint(TABLE), policy, partition)
    codes = table._rows()
    domain = policy.domain()
    columns = [[domain[name].values[code] for code in codes[name]] for name in domain.names]
    return sorted(zip(*columns, strict=True))


def test_a_run_on_one_partition_sees_only_rows_of_units_whose_first_partition_it_is(
    policy: Callable[..., Policy],
) -> None:
    one = policy()
    assert seen(one, "basic") == [("basic", "f")]
    assert {plan for plan, _ in seen(one, "plus")} == {"plus"}
    assert seen(one, "other") == [("other", "f"), ("other", "m")]


def test_bounds_hold_inside_the_partition_and_the_whole_table_is_seen_without_one(
    policy: Callable[..., Policy],
) -> None:
    one = policy()
    assert len(seen(one, "plus")) == 2
    assert len(seen(one, "")) == 6


def test_with_each_row_a_unit_of_its_own_every_row_lies_in_the_partition_it_names(
    policy: Callable[..., Policy],
) -> None:
    rows = policy(("id_column: person", "id_column: null"), ("max_rows_per_unit: 2", "max_rows_per_unit: 1"))
    assert [len(seen(rows, part)) for part in ("basic", "plus", "other")] == [2, 5, 2]


def test_partitions_under_replace_one_do_not_load_because_one_change_would_touch_two(
    policy: Callable[..., Policy],
) -> None:
    with pytest.raises(BadInput, match="replace_one does not go with a partition_column"):
        policy(("adjacency: add_remove", "adjacency: replace_one"))
    both = (("adjacency: add_remove", "adjacency: replace_one"), ("\n  partition_column: plan", ""))
    assert policy(*both).privacy_unit.partition_column is None
