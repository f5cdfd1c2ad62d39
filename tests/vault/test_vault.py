"""Vault promises: opaque rows, public domains only, bounded contributions, charge before count."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.accounting.cost import Cost, zcdp_cost
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.core.curator import Candidate
from dpsynth.core.domain import Column, Domain
from dpsynth.core.errors import BudgetExceeded, DpsynthError
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.policy.columns import ColumnSpec
from dpsynth.vault.bounding import bound_contributions, in_partition
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.encode import encode_column
from dpsynth.vault.opening import flip_coin
from dpsynth.vault.surrogate import Door, RecordingCurator
from dpsynth.vault.table import SensitiveTable

DOMAIN = Domain(
    (
        Column("colour", "categorical", ("red", "green", "other")),
        Column("size", "integer", edges=("0", "10", "20")),
    )
)
PLENTY = zcdp_cost(10**9)
PERSON = PrivacyUnit("person", None, 1, "add_remove")


def table(rows: int = 40) -> SensitiveTable:
    rng = np.random.default_rng(5)
    codes = {"colour": rng.integers(0, 3, rows), "size": rng.integers(0, 2, rows)}
    return SensitiveTable(DOMAIN, codes, np.arange(rows))


def curator(cost: Cost = PLENTY, of: SensitiveTable | None = None) -> tuple[TableCurator, PrivacyFilter]:
    budget = PrivacyFilter(cost)
    return TableCurator(of or table(), PERSON, budget, OpenDPNoise()), budget


def test_a_sensitive_table_shows_nothing_of_itself() -> None:
    sensitive = table()
    assert repr(sensitive) == str(sensitive) == "<SensitiveTable: contents withheld>"
    for act in (len, iter, np.asarray, pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            act(sensitive)  # type: ignore[operator]
    with pytest.raises(AttributeError):
        sensitive.extra = 1  # type: ignore[attr-defined]


def test_marginals_agree_with_a_plain_count() -> None:
    sensitive = table(500)
    codes = sensitive._rows()
    expected = np.zeros((3, 2), dtype=int)
    for colour, size in zip(codes["colour"], codes["size"], strict=True):
        expected[colour, size] += 1
    assert sensitive._marginal(("colour", "size")).tolist() == expected.ravel().tolist()
    assert sensitive._marginal(()).tolist() == [500]


@pytest.mark.parametrize(
    "cost",
    [
        pytest.param(zcdp_cost(1000), id="too little rho"),
        pytest.param(Cost(zcdp_cost(10**10).rdp, mu2=1000), id="too little mu squared"),
        pytest.param(Cost(zcdp_cost(0).rdp, delta=10**18, mu2=10**12), id="delta alone"),
    ],
)
def test_the_curator_charges_before_it_touches_a_row(cost: Cost) -> None:
    sensitive = table()
    guard, budget = curator(cost, sensitive)
    before = sensitive._reads
    with pytest.raises(BudgetExceeded):
        guard.measure([("colour",)], sigma=1.0)
    with pytest.raises(BudgetExceeded):
        guard.select([Candidate(("size",), 1.0, 0.0)], {("size",): np.zeros(2)}, epsilon=1.0)
    assert sensitive._reads == before
    assert budget.events == ()


def test_measured_marginals_cost_what_their_sigma_says_and_come_in_domain_order() -> None:
    guard, budget = curator()
    answers = guard.measure([("size", "colour"), ("size",)], sigma=10.0)
    assert [answer.clique for answer in answers] == [("colour", "size"), ("size",)]
    assert [answer.values.shape for answer in answers] == [(6,), (2,)]
    assert guard.remaining == 10**9 - 2 * 5_000_000
    assert guard.count(10.0).values.shape == (1,)
    assert len(budget.events) == 3


def test_estimates_that_are_not_finite_or_not_the_right_shape_are_refused_uncharged() -> None:
    guard, budget = curator()
    for estimate in (np.zeros(3), np.array([np.nan, 0.0])):
        with pytest.raises(ValueError, match="finite"):
            guard.select([Candidate(("size",), 1.0, 0.0)], {("size",): estimate}, epsilon=1.0)
    assert budget.events == ()


@given(st.lists(st.integers(-1, 6), max_size=60), st.integers(1, 4))
def test_no_unit_keeps_more_rows_than_its_bound_and_a_missing_id_keeps_none(
    ids: list[int], bound: int
) -> None:
    units = np.array(ids, dtype=np.int64)
    keep = bound_contributions(units, bound, b"key")
    values, counts = np.unique(units[keep], return_counts=True)
    assert (values >= 0).all()
    wanted = {unit: min(bound, ids.count(unit)) for unit in set(ids) if unit >= 0}
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == wanted


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(0, 5))
def test_removing_a_unit_changes_no_choice_for_any_other_unit(ids: list[int], gone: int) -> None:
    units = np.array(ids, dtype=np.int64)
    rest = units != gone
    assert (bound_contributions(units, 2, b"k")[rest] == bound_contributions(units[rest], 2, b"k")).all()


ROWS_IN_PARTS = st.lists(st.tuples(st.integers(-1, 5), st.integers(0, 2)), min_size=1, max_size=60)


@given(ROWS_IN_PARTS)
def test_every_unit_lies_in_one_part_of_the_table_and_in_no_other(rows: list[tuple[int, int]]) -> None:
    units, parts = (np.array(values, dtype=np.int64) for values in zip(*rows, strict=True))
    inside = [in_partition(units, parts, part) for part in range(3)]
    for unit in {unit for unit, _ in rows if unit >= 0}:
        first = min(part for one, part in rows if one == unit)
        assert [bool(mask[units == unit].any()) for mask in inside] == [part == first for part in range(3)]
        assert (inside[first][units == unit] == (parts[units == unit] == first)).all()


@given(ROWS_IN_PARTS, st.integers(0, 5), st.integers(0, 2))
def test_removing_a_unit_moves_no_other_unit_to_another_part(
    rows: list[tuple[int, int]], gone: int, part: int
) -> None:
    units, parts = (np.array(values, dtype=np.int64) for values in zip(*rows, strict=True))
    rest = units != gone
    expected = in_partition(units, parts, part)[rest]
    assert (in_partition(units[rest], parts[rest], part) == expected).all()


def spec(**more: object) -> ColumnSpec:
    base: dict[str, object] = {"name": "x", "role": "other", "action": "keep", "domain_source": "test"}
    return ColumnSpec.model_validate({**base, **more})


NUMBER = spec(
    type="integer", bounds=("0", "20"), bins=("0", "10", "20"), out_of_domain="clamp", missing="category"
)
COLOUR = spec(type="categorical", domain=("red", "é", "other"), out_of_domain="other", missing="other")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0", 0), ("9", 0), ("10", 1), ("20", 1), (" 7 ", 0), ("-5", 0), ("1e400", 1), ("inf", 1),
        ("-inf", 0),
        ("-0", 0), ("99999999999999999999", 1), ("NaN", 2), ("", 2), ("1,5", 2), ("3.5", 2), ("twelve", 2),
        ("sNaN", 2), ("1e999999999999999999999", 2),
    ],
)  # fmt: skip
def test_numbers_go_where_the_policy_says_and_never_raise(text: str, code: int) -> None:
    assert encode_column(NUMBER, NUMBER.column(), [text]).tolist() == [code]


@pytest.mark.parametrize(("text", "code"), [("red", 0), ("e\u0301", 1), ("blue", 2), ("", 2), ("RED", 2)])
def test_categories_are_matched_exactly_after_normalisation_and_others_are_mapped(
    text: str, code: int
) -> None:
    assert encode_column(COLOUR, COLOUR.column(), [text]).tolist() == [code]


@settings(max_examples=300)
@given(st.text(max_size=20))
def test_no_text_whatever_makes_the_encoder_fail_or_leave_the_domain(text: str) -> None:
    for one in (NUMBER, COLOUR):
        assert 0 <= encode_column(one, one.column(), [text])[0] < one.column().size


def test_the_audit_coin_splits_by_unit_and_loses_nobody() -> None:
    rows = 3000
    units = np.arange(rows) // 3
    codes = {"colour": np.zeros(rows, dtype=int), "size": np.zeros(rows, dtype=int)}
    fitted, coined = flip_coin(SensitiveTable(DOMAIN, codes, units), 0.4, np.random.default_rng(1))
    members, controls, reference = coined.reveal_for_attack()
    assert len(members) + len(controls) + len(reference) == rows
    assert len(fitted._units) == len(members) + len(reference)
    inside, outside = coined.units_for_attack()
    assert not set(inside.tolist()) & set(outside.tolist())
    assert all(np.count_nonzero(units == unit) == 3 for unit in inside)
    assert 0.15 < len(np.unique(outside)) / 1000 < 0.25
    assert repr(coined) == "<CoinedRows: contents withheld>"


def test_only_surrogate_rows_can_be_recorded() -> None:
    with pytest.raises(TypeError, match="surrogate"):
        RecordingCurator(table(), PERSON, PrivacyFilter(zcdp_cost(1)), OpenDPNoise())


def test_a_recorded_run_sees_every_read_and_tells_charged_ones_from_others() -> None:
    door = Door(DOMAIN, PERSON, OpenDPNoise())
    rows = door.table({"colour": np.array([0, 1, 2]), "size": np.array([0, 1, 1])}, np.arange(3))
    run = door.open(rows, zcdp_cost(10**9))
    run.curator.measure([("size",)], sigma=5.0)
    run.curator.select([Candidate(("colour",), 1.0, 0.0)], {("colour",): np.zeros(3)}, epsilon=0.5)
    assert run.reads == sum(record.reads for record in run.records) == 2
    assert [record.event for record in run.records] == list(run.charged)
    run.curator._table._rows()
    assert run.reads == 3


def test_errors_about_a_source_never_quote_a_value(tmp_path: Path, rand_policy_text: str) -> None:
    from dpsynth.policy.loader import load_policy_text
    from dpsynth.vault.sources import parse

    policy = load_policy_text(rand_policy_text, "p")
    header = ",".join(column.name for column in policy.columns)
    for data in (
        f"{header}\n424242,1\n",
        f'{header}\n"424242\n',
        f"{header},extra\n" + "424242," * 10 + "1\n",
    ):
        with pytest.raises(DpsynthError) as caught:
            parse(data.encode(), policy)
        assert "424242" not in str(caught.value)
