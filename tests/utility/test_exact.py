"""Exact measures: right where they are known by hand, and plain words where nothing can be judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dpsynth.core.domain import Column, Domain
from dpsynth.utility.association import cramers_v
from dpsynth.utility.cells import MOST_MARGINALS, _set_at, marginals_of, some_rows
from dpsynth.utility.evidence import exact_utility
from dpsynth.utility.marginals import width_errors
from dpsynth.utility.regression import interval_overlap

Rows = Callable[..., NDArray[np.int64]]
ROLES = ("quasi_identifier", "other", "other", "sensitive")


def measured(real: NDArray[np.int64], made: NDArray[np.int64], domain: Domain, **said: Any) -> dict[str, Any]:
    found = exact_utility([real], made, domain, np.random.default_rng(1), roles=ROLES, **said)
    json.dumps(found, allow_nan=False)  # no NaN hides in it
    return found


def test_errors_of_marginals_are_total_variation_by_hand() -> None:
    two = Domain((Column("x", "categorical", ("a", "b")), Column("y", "categorical", ("c", "d"))))
    real = np.array([[0, 0], [0, 0], [1, 1], [1, 1]])
    made = np.array([[0, 1], [1, 0], [1, 0], [1, 0]])
    one, both = width_errors(real, made, two, 1), width_errors(real, made, two, 2)
    assert (one["mean"], one["largest"], one["judged"]) == (0.25, 0.25, 2)
    assert both["mean"] == 1.0
    assert width_errors(real, made, two, 3)["mean"] is None


def test_the_same_rows_have_no_error_and_a_sample_has_what_chance_gives(domain: Domain, rows: Rows) -> None:
    real = rows(20_000)
    assert all(width_errors(real, real, domain, width)["mean"] == 0 for width in (1, 2, 3))
    found = [width_errors(real, rows(2_000, seed=seed), domain, 2) for seed in range(20, 60)]
    mean = float(np.mean([one["mean"] for one in found]))
    assert mean == pytest.approx(found[0]["by_chance"], rel=0.15)


def test_of_many_marginals_a_stated_number_is_chosen_without_looking_at_rows() -> None:
    wide = Domain(tuple(Column(f"c{number}", "categorical", ("a", "b")) for number in range(30)))
    chosen = marginals_of(wide, 3)
    assert len(set(chosen)) == len(chosen) == MOST_MARGINALS
    assert {name for names in chosen for name in names} >= {"c0", "c29"}


def test_of_very_many_columns_marginals_are_found_without_listing_all_of_them() -> None:
    names = tuple(f"c{number}" for number in range(500))
    wide = Domain(tuple(Column(name, "categorical", ("a", "b")) for name in names))
    chosen = marginals_of(wide, 3)
    assert len(set(chosen)) == MOST_MARGINALS
    assert list(chosen) == sorted(chosen, key=lambda one: [names.index(name) for name in one])
    few = tuple(names[:40])
    assert [_set_at(few, 3, place) for place in range(0, 9_880, 97)] == list(combinations(few, 3))[::97]


def test_rows_of_several_parts_are_drawn_from_all_of_them(rows: Rows) -> None:
    parts = [rows(300), rows(40, seed=2), rows(0), rows(700, seed=3)]
    assert np.array_equal(some_rows(parts, 2_000, np.random.default_rng(1)), np.concatenate(parts))
    parts = [np.full((many, 1), number) for number, many in enumerate((300, 40, 0, 700))]
    few = some_rows(parts, 520, np.random.default_rng(1))
    assert len(few) == 520
    assert np.bincount(few[:, 0], minlength=4) / 520 == pytest.approx(
        np.array([300, 40, 0, 700]) / 1040, abs=0.06
    )


def test_association_is_zero_for_independent_columns_and_one_where_one_follows_from_the_other() -> None:
    assert cramers_v(np.array([[250, 250], [250, 250]])) == 0
    assert cramers_v(np.array([[500, 0], [0, 500]])) == pytest.approx(1, abs=1e-3)
    assert cramers_v(np.array([[500, 500], [0, 0]])) is None


def test_overlap_is_the_mean_share_that_each_interval_has_of_the_other() -> None:
    assert interval_overlap((0, 2), (0, 2)) == 1
    assert interval_overlap((0, 2), (1, 5)) == pytest.approx(0.5 * 1 / 2 + 0.5 * 1 / 4)
    assert interval_overlap((0, 1), (2, 3)) == 0


def test_rows_that_lost_the_relation_predict_worse_than_rows_that_kept_it(domain: Domain, rows: Rows) -> None:
    real = rows(8_000)
    kept = measured(real, rows(8_000, seed=6), domain)["prediction"]["accuracy"]
    lost = measured(real, rows(8_000, seed=6, tie=0.0), domain)
    assert kept["synthetic rows"]["estimate"] == pytest.approx(0.95, abs=0.02)
    assert lost["prediction"]["accuracy"]["synthetic rows"]["estimate"] < 0.85
    assert lost["prediction"]["accuracy"]["real rows"]["estimate"] == pytest.approx(0.95, abs=0.02)
    assert lost["regression"]["mean_overlap"] < 0.95
    assert lost["association"]["largest_gap"] > 0.5


def test_groups_stand_in_public_order_and_small_ones_say_that_they_are_small(
    domain: Domain, rows: Rows
) -> None:
    real, made = rows(6_000), rows(6_000, seed=7)
    real[:, 0] = np.where(np.arange(6_000) < 5_960, 2, 0)
    made[:, 0] = np.where(np.arange(6_000) < 3_000, 2, 1)
    found = measured(real, made, domain)["groups"]
    assert found["by"] == "region"
    assert [one["group"] for one in found["groups"]] == ["north", "east", "south"]
    assert found["groups"][0]["why_not"] == "fewer than 100 real and synthetic rows: too small to judge"
    assert found["groups"][1]["why_not"] == "fewer than 100 real rows: too small to judge"
    assert found["groups"][2]["accuracy"]["real rows"]["estimate"] > 0.9
    assert "error_1" not in found["groups"][0]


def test_a_column_of_one_value_cannot_be_predicted_or_explained(domain: Domain, rows: Rows) -> None:
    real, made = rows(2_000), rows(2_000, seed=8)
    made[:, 3] = 0
    found = measured(real, made, domain)
    assert found["prediction"]["why_not"].startswith("ill takes one value only in the synthetic rows")
    assert "same for all rows" in found["regression"]["why_not"]
    assert found["association"]["unjudged"] == 3


def test_a_value_that_nobody_has_gets_words_in_place_of_an_area(rows: Rows) -> None:
    wider = Domain(
        (
            Column("region", "categorical", ("north", "east", "south")),
            Column("age", "integer", edges=("0", "20", "40", "60", "80"), has_missing=True),
            Column("plan", "categorical", ("a", "b")),
            Column("ill", "categorical", ("no", "yes", "unknown")),
        )
    )
    values = measured(rows(2_000), rows(2_000, seed=8), wider)["prediction"]["values"]
    assert [one["value"] for one in values] == ["no", "yes", "unknown"]
    assert values[2]["why_not"].startswith("too few test rows")


@pytest.mark.parametrize("many", [0, 1, 2, 5, 30, 150])
def test_small_tables_are_said_to_be_small(domain: Domain, rows: Rows, many: int) -> None:
    for real, made in ((rows(many), rows(500, seed=8)), (rows(500), rows(many, seed=8))):
        found = measured(real, made, domain)
        if many == 0:
            assert found["why_not"] == "one of the tables has no rows"
        else:
            assert "too few to judge" in found["prediction"]["why_not"]


def test_a_table_of_one_column_has_errors_and_nothing_to_predict(rows: Rows) -> None:
    one = Domain((Column("plan", "categorical", ("a", "b")),))
    codes = rows(500)[:, [2]]
    found = exact_utility([codes], codes, one, np.random.default_rng(1))
    assert found["marginals"][0]["mean"] == 0
    assert found["prediction"]["why_not"]
    assert found["groups"]["why_not"]
