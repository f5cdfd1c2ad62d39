from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest

from dpsynth.audit.games.play import run_games
from dpsynth.audit.games.spread import Here
from dpsynth.audit.games.units import MemoryStore
from dpsynth.core.domain import Column, Domain
from dpsynth.core.table import SyntheticTable
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.synthesizers.independent import Independent
from dpsynth.vault.surrogate import Door
from dpsynth.vault.surrogate_table import SurrogateTable

HOUSEHOLD = PrivacyUnit("household", "id", 2, "add_remove")
REPLACED = PrivacyUnit("household", "id", 2, "replace_one")
LARGE = 400_000_000  # epsilon about 4, so that few fits tell how much noise there is
SMALL = 36_000_000  # epsilon about 1, so that few fits tell a sign


@dataclass(frozen=True)
class Weaker(OpenDPNoise):
    """Noise so many times weaker than declared."""

    times: float

    def gaussian(self, counts, scale):
        return super().gaussian(counts, scale / self.times)


class Silent(OpenDPNoise):
    """One of three answers has no noise."""

    def __init__(self) -> None:
        self.asked = itertools.count()

    def gaussian(self, counts, scale):
        return counts.copy() if next(self.asked) % 3 == 0 else super().gaussian(counts, scale)


class Unbounded(Door):
    """Forgets the contribution bound."""

    def table(self, codes, units):
        return SurrogateTable(self.domain, {name: codes[name] for name in self.domain.names}, units)


@dataclass
class Replaced:
    """A model whose release is changed on its way out."""

    model: object
    change: object

    def sample(self, rows, rng):
        return self.change(self.model.sample(rows, rng))


class OnlySeen(Independent):
    """Releases no category that no row has."""

    def fit(self, plan, curator):
        rows = {name: np.unique(codes) for name, codes in curator._table._rows().items()}

        def change(table):
            codes = {
                name: np.where(np.isin(column, rows[name]), column, rows[name][0])
                for name, column in table.codes.items()
            }
            return SyntheticTable(table.domain, codes)

        return Replaced(super().fit(plan, curator), change)


class CrashesOn(Independent):
    """Fails where some code is there, or always."""

    def __init__(self, always: bool = False) -> None:
        self.always = always

    def fit(self, plan, curator):
        if self.always or max(int(codes.max()) for codes in curator._table._rows().values()) > 0:
            raise RuntimeError("no fit")
        return super().fit(plan, curator)


class Broken(Independent):
    """Releases something that is no table of the domain."""

    def __init__(self, change) -> None:
        self.change = change

    def fit(self, plan, curator):
        return Replaced(super().fit(plan, curator), self.change)


def played(pipeline, plan):
    return {one.id: one for one in run_games(pipeline, plan, Here(), os_generator())}


def test_a_quarter_of_the_noise_is_seen_in_the_answers(make_pipeline, games_plan) -> None:
    found = played(make_pipeline(LARGE, noise=Weaker(4.0)), games_plan("G2", fits=150))
    assert found["G2"].outcome == "fail"
    assert found["G2"].p_value <= 0.001
    assert found["G2"].estimate > float(found["G2"].threshold)


def test_an_answer_without_noise_is_seen_in_the_answers(make_pipeline, games_plan) -> None:
    found = played(make_pipeline(LARGE, noise=Silent()), games_plan("G2", fits=150))
    assert found["G2"].outcome == "fail"


def test_a_unit_with_too_many_rows_is_seen_in_the_answers(make_pipeline, games_plan) -> None:
    found = played(make_pipeline(LARGE, unit=HOUSEHOLD, door=Unbounded), games_plan("G2", fits=300))
    assert found["G2"].outcome == "fail"


def test_categories_from_rows_are_seen_in_the_release_and_not_in_the_answers(
    make_pipeline, games_plan
) -> None:
    found = played(make_pipeline(LARGE, synthesizer=OnlySeen()), games_plan("G1", "G2", fits=150))
    assert found["G1"].outcome == "fail"
    assert found["G2"].outcome != "fail"


def test_a_crash_that_tells_is_an_answer(make_pipeline, games_plan) -> None:
    found = played(make_pipeline(LARGE, synthesizer=CrashesOn()), games_plan("G1", "G2", fits=150))
    assert found["G1"].outcome == "fail"
    assert found["G2"].outcome == "inconclusive"


@pytest.mark.parametrize("unit", [HOUSEHOLD, REPLACED])
def test_a_correct_pipeline_is_not_accused(make_pipeline, games_plan, unit) -> None:
    plan = games_plan("G1", "G2", fits=120, noise_ratio_needed="0.05", tell_needed="0.9")
    found = played(make_pipeline(SMALL, unit=unit), plan)
    assert {one.outcome for one in found.values()} == {"pass"}
    assert "of the declared" in found["G2"].could_have_found
    assert "% of fits" in found["G1"].could_have_found


def test_noise_too_weak_by_the_root_of_two_is_an_honest_miss_of_the_black_box(
    make_pipeline, games_plan
) -> None:
    class Root(OpenDPNoise):
        def gaussian(self, counts, scale):
            return super().gaussian(counts, scale / 2**0.5)

    found = played(make_pipeline(SMALL, noise=Root()), games_plan("G1", fits=120, tell_needed="0.9"))
    assert found["G1"].outcome == "pass"


def test_games_too_small_for_the_claim_do_not_pass(make_pipeline, games_plan) -> None:
    found = played(make_pipeline(LARGE), games_plan("G1", "G2", fits=30))
    assert {one.outcome for one in found.values()} == {"inconclusive"}
    assert {one.could_have_found for one in found.values()} == {""}


def test_a_target_that_moves_too_little_is_no_pass(make_pipeline, games_plan) -> None:
    """Part of the budget is not spent, so the answers show less than the claim allows."""

    class Half(Independent):
        def plan(self, domain, rho_nano, max_model_cells):
            return super().plan(domain, rho_nano // 3, max_model_cells)

    pipeline = replace(make_pipeline(LARGE), synthesizer=Half())
    found = played(pipeline, games_plan("G2", fits=60, noise_ratio_needed="0.01"))
    assert found["G2"].outcome == "inconclusive"
    assert "too little" in found["G2"].plain


@pytest.mark.parametrize(
    "change",
    [
        lambda table: None,
        lambda table: SyntheticTable(Domain((Column("q", "categorical", ("x",)),)), {"q": np.array([0])}),
        lambda table: SyntheticTable(table.domain, {n: c[:0] for n, c in table.codes.items()}),
        lambda table: SyntheticTable(table.domain, {n: c * 0 for n, c in table.codes.items()}),
        lambda table: SyntheticTable(table.domain, {n: c - 99 for n, c in table.codes.items()}),
    ],
)
def test_whatever_is_released_gets_an_answer_in_words(make_pipeline, games_plan, change) -> None:
    plan = games_plan("G1", "G2", "G3", fits=30)
    found = played(make_pipeline(LARGE, synthesizer=Broken(change)), plan)
    assert {one.outcome for one in found.values()} <= {"inconclusive", "fail"}
    assert all(one.plain for one in found.values())


def test_fits_that_all_crash_and_domains_without_a_choice_are_inconclusive(make_pipeline, games_plan) -> None:
    plan = games_plan("G1", "G2", "G3", "G4", fits=30)
    crashed = played(make_pipeline(LARGE, synthesizer=CrashesOn(always=True)), plan)
    single = Domain((Column("one", "categorical", ("x",)),))
    flat = played(make_pipeline(LARGE, domain=single), plan)
    for found in (crashed, flat):
        assert {one.outcome for one in found.values()} == {"inconclusive"}
        assert list(found) == ["G1", "G2", "G3", "G4"]


def test_three_looks_stop_early_at_a_fault_and_count_every_fit_otherwise(make_pipeline, games_plan) -> None:
    plan = games_plan("G2", fits=180, looks=3, unit_fits=20)
    seen = {}
    for noise in (Weaker(16.0), OpenDPNoise()):
        store = MemoryStore()
        found = run_games(make_pipeline(LARGE, noise=noise), plan, Here(), os_generator(), store=store)
        seen[type(noise)] = sum(map(len, store.known.values())), {one.id: one.outcome for one in found}
    assert seen[Weaker][1]["G2"] == "fail"
    assert seen[Weaker][0] < 360
    assert seen[OpenDPNoise][0] == 360
    assert "fail" not in seen[OpenDPNoise][1].values()
