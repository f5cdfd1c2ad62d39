from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dpsynth.audit.plan import load_plan, plan_sha256
from dpsynth.audit.surrogate import make_surrogate, neighbours
from dpsynth.core.errors import BadInput
from dpsynth.core.unit import PrivacyUnit

PLANS = Path(__file__).parents[2] / "audits" / "plans"


def test_the_shipped_plan_holds_the_documented_limits() -> None:
    plan = load_plan(PLANS, "quick")
    assert (plan.excess_warn, plan.excess_stop, plan.noise_alpha, plan.noise_fits) == (0.05, 0.09, 1e-4, 3)
    assert plan.tests == ("S1", "S2", "S3", "S4", "S5", "S6", "R1", "R3", "R6", "R7", "L1")
    assert plan.training_tests == ("S7", "S8", "G5")
    assert (plan.sampling_alpha, plan.sampling_steps, plan.gradient_alpha) == (1e-6, 200, 1e-4)
    assert plan.canary_share_needed == 0.7


def test_comments_do_not_change_the_hash_and_thresholds_do(tmp_path) -> None:
    text = (PLANS / "quick.yaml").read_text()
    digests = []
    for change in (text, "# hello\n" + text, text.replace('excess_stop: "0.09"', 'excess_stop: "0.9"')):
        (tmp_path / "quick.yaml").write_text(change)
        digests.append(plan_sha256(load_plan(tmp_path, "quick")))
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('alpha: "0.05"', "alpha: 0.05"),
        ('alpha: "0.05"', 'alpha: "5e-2"'),
        ('alpha: "0.05"', 'alpha: "1.5"'),
        ("noise_fits: 3", "noise_fits: 2"),
        ("noise_fits: 3", 'noise_fits: "3"'),
        ("[S1, S2, S3, S4, S5, S6, R1, R3, R6, R7, L1]", "[S1, S1]"),
        ("[S1, S2, S3, S4, S5, S6, R1, R3, R6, R7, L1]", "[G1]"),
        ("[S1, S2, S3, S4, S5, S6, R1, R3, R6, R7, L1]", "[]"),
        ("[S7, S8, G5]", "[S7, S7]"),
        ("[S7, S8, G5]", "[S1]"),
        ('excess_warn: "0.05"', 'excess_warn: "0.10"'),
        ("name: quick", "name: other"),
        ("predicates: 2000", "predicates: 2000\nsurprise: 1"),
        ("predicates: 2000", "predicates: 2000\npredicates: 100"),
    ],
)
def test_a_malformed_plan_is_refused(tmp_path, old, new) -> None:
    text = (PLANS / "quick.yaml").read_text()
    assert old in text
    (tmp_path / "quick.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(BadInput):
        load_plan(tmp_path, "quick")


@pytest.mark.parametrize("name", ["absent", "../quick", "quick.yaml", ""])
def test_a_plan_that_is_not_there_is_refused(name) -> None:
    with pytest.raises(BadInput):
        load_plan(PLANS, name)


def test_surrogate_rows_lie_in_the_domain_are_correlated_and_hold_units_over_the_bound(domain) -> None:
    unit = PrivacyUnit("person", "id", 3, "replace_one")
    rows = make_surrogate(domain, unit, 3000, np.random.default_rng(3))
    for column in domain.columns:
        assert rows.codes[column.name].min() >= 0
        assert rows.codes[column.name].max() == column.size - 1
    assert np.corrcoef(rows.codes["b"], rows.codes["e"])[0, 1] > 0.2
    assert np.bincount(rows.units).max() > unit.max_rows


def test_each_neighbour_differs_in_one_unit_only(domain) -> None:
    unit = PrivacyUnit("person", "id", 3, "replace_one")
    base = make_surrogate(domain, unit, 200, np.random.default_rng(3))
    near = neighbours(base, domain, unit)
    assert len(near) == 5
    for neighbour in near:
        changed = set()
        for label in np.union1d(base.units, neighbour.rows.units):
            before, after = (
                (rows.codes["b"][rows.units == label]).tolist() for rows in (base, neighbour.rows)
            )
            if before != after:
                changed.add(int(label))
        assert len(changed) == 1


def test_replacement_and_overfull_units_are_tried_only_where_they_are_neighbours(domain) -> None:
    unit = PrivacyUnit("row", None, 1, "add_remove")
    base = make_surrogate(domain, unit, 200, np.random.default_rng(3))
    names = [neighbour.name for neighbour in neighbours(base, domain, unit)]
    assert len(names) == 3
    assert not any("replaced" in name or "too many" in name for name in names)
