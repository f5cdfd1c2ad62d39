from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from dpsynth.attacks.excess import ExcessRisk
from dpsynth.audit.evidence import EarlierRelease, ReleaseEvidence, one_row_per_unit
from dpsynth.audit.excess_rule import ALL, Asked, excess_result
from dpsynth.audit.plan_release import ReleaseSection
from dpsynth.audit.r3_singling_out import check_singling_out
from dpsynth.audit.release import attack_release
from dpsynth.audit.release_runner import run_release_attacks
from dpsynth.audit.result import Claim
from dpsynth.core.domain import Column, Domain
from dpsynth.core.errors import BadInput
from dpsynth.core.table import SyntheticTable

SIZES = (12, 5, 3, 11, 13, 3, 20, 4)
DOMAIN = Domain(
    tuple(Column(f"c{i}", "categorical", tuple(f"v{v}" for v in range(n))) for i, n in enumerate(SIZES))
)
SIDE = 300


def people(count, rng):
    trait = rng.random(count)
    columns = [np.where(rng.random(count) < 0.6, trait, rng.random(count)) ** 2 * size for size in SIZES]
    return np.minimum(np.column_stack(columns).astype(np.int64), np.array(SIZES) - 1)


@pytest.fixture
def quick(plan):
    return plan.model_copy(update={"predicates": 800, "resampling_rounds": 60})


@pytest.fixture
def attack(quick):
    def run(seed, make_release, swap=False, side=SIDE, epsilon="1.0", **other):
        rng = np.random.default_rng(seed)
        members, controls, reference = people(side, rng), people(side, rng), people(8 * side, rng)
        release = make_release(members, rng)
        if swap:
            members, controls = controls, members
        units = np.arange(side), np.arange(side) + side
        evidence = ReleaseEvidence(
            release,
            members,
            controls,
            *units,
            other.get("reference", reference),
            DOMAIN,
            Claim(1, epsilon, "1e-6"),
        )
        return {result.id: result for result in attack_release(evidence, quick, rng)}

    return run


def independent(members, rng):
    return people(2000, rng)


def copying(members, rng):
    return np.concatenate([people(2000 - len(members) * 3 // 10, rng), members[: len(members) * 3 // 10]])


def members_only(members, rng):
    return members


def test_a_release_that_owes_nothing_to_members_is_not_accused_in_thirty_audits(attack) -> None:
    outcomes = [{k: r.outcome for k, r in attack(seed, independent, side=600).items()} for seed in range(30)]
    assert not [o for o in outcomes if "fail" in o.values()]
    assert sum("warn" in o.values() for o in outcomes) <= 3
    assert sum("inconclusive" in o.values() for o in outcomes) == 0


def test_copying_thirty_percent_of_members_stops_the_line(attack) -> None:
    assert [attack(seed, copying)["R6"].outcome for seed in range(5)] == ["fail"] * 5


def test_releasing_the_members_themselves_fails_every_attack(attack) -> None:
    results = attack(3, members_only)
    assert {k: r.outcome for k, r in results.items()} == dict.fromkeys(("R1", "R3", "R6"), "fail")
    assert results["R1"].details["epsilon_lower_bound"] > 1.0


def test_singling_out_accuses_nobody_by_the_reach_of_its_interval(quick) -> None:
    """Two columns, few coins: the upper bound passes the stop limit in a quarter of correct releases."""
    columns = [
        Column(name, "categorical", tuple(map(str, range(size)))) for name, size in (("a", 2), ("b", 40))
    ]
    rng, side = np.random.default_rng(3), 300

    def few(count):
        return np.column_stack([rng.integers(0, 2, count), np.minimum(rng.geometric(0.075, count), 40) - 1])

    def judged():
        units, claim = (np.arange(side), np.arange(side) + side), Claim(1, "1", "1e-6")
        sides = few(side), few(side)
        evidence = ReleaseEvidence(few(600), *sides, *units, few(2000), Domain(tuple(columns)), claim)
        return check_singling_out(evidence, quick, rng)

    results = [judged() for _ in range(60)]
    past = [r for r in results if r.high >= quick.excess_stop]
    accused_by_the_bound_alone = [r for r in past if r.low > 0.0 or r.high - r.estimate < quick.excess_stop]
    assert len(accused_by_the_bound_alone) >= 6
    assert [r.outcome for r in results].count("fail") == 0


@pytest.mark.parametrize("side", [200, 300])
def test_singling_out_catches_the_members_themselves_with_few_coins(attack, side) -> None:
    assert [attack(seed, members_only, side=side)["R3"].outcome for seed in range(10)] == ["fail"] * 10


def test_exact_marginals_of_members_contradict_a_claim(attack) -> None:
    def exact(members, rng):
        # Columns drawn in pairs from members: marginals are exact, rows are not copies.
        picks = rng.integers(0, len(members), size=(2000, 4))
        return np.column_stack([members[picks[:, j // 2], j] for j in range(len(SIZES))])

    assert attack(3, exact, epsilon="0.05")["R1"].outcome == "fail"


def test_swapped_labels_are_inconclusive_and_not_a_pass(attack) -> None:
    results = attack(3, members_only, swap=True)
    assert {r.outcome for r in results.values()} == {"inconclusive"}


def test_too_few_coins_are_inconclusive(attack) -> None:
    assert {r.outcome for r in attack(3, members_only, side=40).values()} == {"inconclusive"}


def test_an_empty_release_is_inconclusive(attack) -> None:
    results = attack(3, lambda members, rng: members[:0])
    assert {r.outcome for r in results.values()} == {"inconclusive"}


def test_a_claim_too_large_to_contradict_is_inconclusive(attack) -> None:
    assert attack(3, independent, epsilon="12.0")["R1"].outcome == "inconclusive"


def test_plain_sentences_of_release_attacks_hold_no_number(attack) -> None:
    for make in (independent, copying, members_only):
        for result in attack(3, make).values():
            assert not re.search(r"\d", result.plain + result.question + result.could_have_found)


def test_one_row_of_each_unit_is_tried() -> None:
    units = np.array([4, 4, 4, 9, 2, 2])
    chosen = one_row_per_unit(units, np.random.default_rng(3))
    assert sorted(units[chosen].tolist()) == [2, 4, 9]


@pytest.mark.parametrize(
    ("units", "message"), [((np.arange(3), np.arange(2)), "its unit"), ((np.arange(3),) * 2, "both sides")]
)
def test_evidence_that_contradicts_itself_is_refused(units, message) -> None:
    rows = people(3, np.random.default_rng(3))
    with pytest.raises(ValueError, match=message):
        ReleaseEvidence(rows, rows, rows, *units, rows, DOMAIN, Claim(1, "1", "1e-6"))


def test_evidence_does_not_show_itself() -> None:
    rows = people(3, np.random.default_rng(3))
    evidence = ReleaseEvidence(
        rows, rows, rows, np.arange(3), np.arange(3) + 3, rows, DOMAIN, Claim(1, "1", "1e-6")
    )
    assert repr(evidence) == "<ReleaseEvidence: contents withheld>"


def test_the_runner_attacks_what_the_coins_reveal(quick) -> None:
    rng = np.random.default_rng(3)
    members, controls, reference = people(SIDE, rng), people(SIDE, rng), people(2000, rng)

    class Coined:
        def reveal_for_attack(self):
            return members, controls, reference

        def units_for_attack(self):
            return np.arange(SIDE), np.arange(SIDE) + SIDE

    release = SyntheticTable(DOMAIN, {name: members[:, i] for i, name in enumerate(DOMAIN.names)})
    results = run_release_attacks(Coined(), release, quick, Claim(1, "1.0", "1e-6"), rng)
    assert [(r.id, r.evidence, r.outcome) for r in results] == [
        ("R1", "B", "fail"),
        ("R3", "B", "fail"),
        ("R6", "B", "fail"),
    ]


NEW = ("R2", "R4", "R5", "R7", "R8", "L1")
SECTION = {
    "targets_per_side": 400,
    "density_targets_per_side": 400,
    "most_rows": 5000,
    "distance_rows": 300,
    "neighbours": 5,
    "kernel_mismatch": "0.2",
    "auc_needed": "0.65",
    "splits": 3,
    "isolated_share": "0.1",
    "small_cell": 5,
    "common_cell": "0.02",
    "distinct_needed": "0.5",
}


@pytest.fixture
def wider(plan):
    section = ReleaseSection.model_validate(SECTION)
    return plan.model_copy(update={"tests": NEW, "release": section, "resampling_rounds": 100})


@pytest.fixture
def onset(wider):
    """Attack a release made from (members, others, rng); ``change`` swaps fields of the evidence."""

    def run(seed, make_release, tests=NEW, side=SIDE, domain=DOMAIN, make=people, **change):
        rng = np.random.default_rng(seed)
        members, controls, reference = make(side, rng), make(side, rng), make(5 * side, rng)
        release = make_release(members, rng)
        if change.pop("swap", False):
            members, controls = controls, members
        units, claim = (np.arange(side), np.arange(side) + side), Claim(10**7, "1.0", "1e-6")
        evidence = ReleaseEvidence(release, members, controls, *units, reference, domain, claim)
        evidence = replace(evidence, **change)
        plan = wider.model_copy(update={"tests": tests})
        return {result.id: result for result in attack_release(evidence, plan, rng)}

    return run


def before(rows, name="before"):
    return (EarlierRelease(name, Claim(10**7, "1.0", "1e-6"), rows),)


def test_correct_releases_are_not_accused_by_the_wider_attacks(onset) -> None:
    found = []
    for seed in range(6):
        found.append({k: r.outcome for k, r in onset(seed, independent).items()})
    assert not [one for one in found if "fail" in one.values()]
    assert sum("warn" in one.values() for one in found) <= 1
    assert {one["R7"] for one in found} == {"shown"}
    assert sum(one["R5"] == "pass" for one in found) >= 3


def test_copies_of_members_are_seen_by_every_wider_attack(onset) -> None:
    results = onset(3, copying, tests=("R2", "R4", "R5", "L1"))
    outcomes = {k: r.outcome for k, r in results.items()}
    assert (outcomes["R5"], outcomes["L1"]) == ("fail", "fail")
    assert outcomes["R2"] == "warn"
    assert outcomes["R4"] in ("warn", "fail")
    assert results["R2"].holm
    assert (
        results["L1"].details["groups"][0]["members_rate"]
        > results["L1"].details["groups"][0]["controls_rate"]
    )


def test_the_members_themselves_fail_linkage_and_inference(onset) -> None:
    found = onset(3, members_only, tests=("R4", "R5", "L1"))
    assert {k: r.outcome for k, r in found.items()} == {"R4": "fail", "R5": "fail", "L1": "fail"}


def test_a_true_column_attached_to_members_is_seen_where_it_is_marked_sensitive(onset) -> None:
    def attached(members, rng):
        # All that an attacker knows stands beside the true code of column 6; column 1 is redrawn.
        taken = members.copy()
        taken[:, 1] = rng.permutation(taken[:, 1])
        return np.concatenate([people(1500, rng), taken])

    marked = onset(3, attached, tests=("R5",), sensitive=(6,))["R5"]
    assert marked.outcome == "fail"
    assert set(marked.details["risks"]) == {"all", "most isolated people"}
    redrawn = onset(3, attached, tests=("R5",), sensitive=(1,))["R5"]
    assert redrawn.outcome in ("pass", "inconclusive")


def test_quasi_identifiers_of_the_policy_are_what_the_outsider_knows(onset) -> None:
    found = onset(3, copying, tests=("L1",), quasi=(0, 3, 4))["L1"]
    assert found.details["known_columns"] == ["c0", "c3", "c4"]


def test_reused_rows_and_joined_people_are_seen_across_releases(onset) -> None:
    rng = np.random.default_rng(5)
    earlier = people(1500, rng)

    def reused(members, rng):
        return np.concatenate([people(1300, rng), earlier[:200]])

    def exact(members, rng):
        return np.concatenate([earlier[:1200], members])

    assert onset(3, reused, tests=("R8",), earlier=before(earlier))["R8"].outcome == "warn"
    joined = onset(3, exact, tests=("R8",), earlier=before(earlier))["R8"]
    assert joined.outcome == "warn"
    assert joined.details["compared"][0]["p"]["cells"] < 1e-6


def test_budgets_of_releases_add_up_and_a_first_release_is_only_shown(onset) -> None:
    first = onset(3, independent, tests=("R8",))["R8"]
    assert (first.outcome, first.details["rho_nano"], first.details["releases"]) == ("shown", 10**7, 1)
    second = onset(3, independent, tests=("R8",), earlier=before(None))["R8"]
    assert (second.outcome, second.details["rho_nano"], second.details["mu"]) == (
        "inconclusive",
        2 * 10**7,
        None,
    )


def test_distances_are_shown_whatever_they_are(onset) -> None:
    for make in (independent, members_only):
        found = onset(3, make, tests=("R7",))["R7"]
        assert found.outcome == "shown"
        assert found.details["caption"] == "not a privacy test"
        assert found.plain.endswith("not a privacy test.")
    assert found.details["members"]["share_identical"] == 1.0


def test_swapped_labels_do_not_pass_the_wider_attacks(onset) -> None:
    found = onset(3, members_only, tests=("R2", "R4", "R5", "L1"), swap=True)
    assert {k: r.outcome for k, r in found.items()} == dict.fromkeys(found, "inconclusive")


def one_column(count, rng):
    return people(count, rng)[:, :1]


def constant(count, rng):
    return np.zeros((count, len(SIZES)), dtype=np.int64)


@pytest.mark.parametrize("side", [20, SIDE])
@pytest.mark.parametrize("rows", [0, 1])
def test_a_release_of_no_row_or_one_is_inconclusive(onset, rows, side) -> None:
    tests = ("R1", "R2", "R3", "R4", "R5", "R6", "L1")
    found = onset(3, lambda members, rng: members[:rows], tests=tests, side=side)
    assert {r.outcome for r in found.values()} == {"inconclusive"}
    assert all(r.plain for r in found.values())


def test_people_who_are_all_alike_are_inconclusive(onset) -> None:
    tests = ("R1", "R2", "R3", "R4", "R5", "R6", "R7", "L1")
    found = onset(3, lambda members, rng: members, tests=tests, make=constant)
    assert {r.outcome for r in found.values()} == {"inconclusive"}


def test_a_table_of_one_column_has_nothing_to_link_or_infer(onset) -> None:
    domain = Domain(DOMAIN.columns[:1])
    found = onset(3, lambda members, rng: members, domain=domain, make=one_column)
    assert {k: found[k].outcome for k in ("R4", "R5", "L1")} == dict.fromkeys(
        ("R4", "R5", "L1"), "inconclusive"
    )
    assert "fail" not in {r.outcome for r in found.values()}


def test_columns_that_do_not_vary_are_not_guessed(onset) -> None:
    def half(count, rng):
        rows = people(count, rng)
        rows[:, 4:] = 0
        return rows

    def same(members, rng):
        return half(1000, rng)

    assert onset(3, same, tests=("R5",), make=half, sensitive=(5,))["R5"].outcome == "inconclusive"
    assert onset(3, same, tests=("L1",), make=half, quasi=(0, 1, 2, 3))["L1"].outcome == "inconclusive"


@pytest.mark.parametrize("wrong", [-1, 999])
def test_codes_outside_the_domain_are_inconclusive_and_crash_nothing(onset, wrong) -> None:
    tests = ("R1", "R2", "R3", "R4", "R5", "R6", "R7", "L1")
    found = onset(3, lambda members, rng: np.where(members == 0, wrong, members), tests=tests)
    assert {r.outcome for r in found.values()} == {"inconclusive"}


def test_plain_sentences_of_wider_attacks_hold_no_number(onset) -> None:
    for make in (independent, copying):
        for result in onset(3, make, earlier=before(people(500, np.random.default_rng(1)))).values():
            assert result.evidence == "B"
            assert not re.search(r"\d", result.plain + result.question + result.could_have_found)


def test_a_plan_without_the_section_is_refused(plan) -> None:
    rng = np.random.default_rng(3)
    rows = people(SIDE, rng), people(SIDE, rng), people(SIDE, rng)
    units = np.arange(SIDE), np.arange(SIDE) + SIDE
    evidence = ReleaseEvidence(*rows, *units, people(SIDE, rng), DOMAIN, Claim(1, "1", "1e-6"))
    with pytest.raises(BadInput, match="section release"):
        attack_release(evidence, plan.model_copy(update={"tests": ("R4",), "release": None}), rng)


def test_a_small_group_without_a_hit_on_either_side_does_not_look_like_wrong_labels(plan) -> None:
    """An excess of nothing, less a rounding error, with an error of nothing."""
    quiet = ExcessRisk(0.0021, 0.0021, 0.004, -1e-17, -1e-17, -1e-17, 0.0, 0.0)
    whole = ExcessRisk(0.0172, 0.016, 0.0005, 0.0011, -0.0069, 0.0091, 0.0041, 0.0041)
    asked = Asked("L1", "Linkage", "?", "Members are linked")
    assert excess_result(asked, {ALL: whole, "few": quiet}, plan, 500, {}).outcome == "pass"
    swapped = replace(whole, excess=-0.05)
    assert excess_result(asked, {ALL: swapped, "few": quiet}, plan, 500, {}).outcome == "inconclusive"
