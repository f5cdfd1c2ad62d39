from __future__ import annotations

import re

import numpy as np
import pytest

from dpsynth.audit.evidence import ReleaseEvidence, one_row_per_unit
from dpsynth.audit.r3_singling_out import check_singling_out
from dpsynth.audit.release import attack_release
from dpsynth.audit.release_runner import run_release_attacks
from dpsynth.audit.result import Claim
from dpsynth.core.domain import Column, Domain
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
