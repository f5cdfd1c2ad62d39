from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest

from dpsynth.audit.games.answers import weigh
from dpsynth.audit.games.features import release_features, target_features
from dpsynth.audit.games.g1_g2_micro import check_black_box, check_white_box
from dpsynth.audit.games.g3_shadow import shadow_game, standing_apart
from dpsynth.audit.games.g4_canaries import canary_game, check_canaries, spread_out
from dpsynth.audit.games.micro import micro_game
from dpsynth.audit.games.pairs import micro_domain, micro_pair
from dpsynth.audit.games.play import run_games
from dpsynth.audit.games.spread import Here
from dpsynth.audit.games.units import MemoryStore
from dpsynth.audit.run import run_audit
from dpsynth.audit.surrogate import make_surrogate
from dpsynth.core.curator import Entrustment
from dpsynth.core.domain import Column, Determined, Domain
from dpsynth.core.table import SyntheticTable
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.synthesizers.independent import Independent
from dpsynth.synthesizers.mst import MST
from dpsynth.vault.surrogate import Door
from dpsynth.vault.surrogate_table import SurrogateTable

HOUSEHOLD = PrivacyUnit("household", "id", 2, "add_remove")
REPLACED = PrivacyUnit("household", "id", 2, "replace_one")
LARGE = 400_000_000  # epsilon about 4, so that few fits tell how much noise there is
SMALL = 36_000_000  # epsilon about 1, so that few fits tell a sign


@dataclass(frozen=True)
class Quarter(OpenDPNoise):
    """A quarter of the declared noise."""

    def gaussian(self, counts, scale):
        return super().gaussian(counts, scale / 4.0)


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


# What the games are made of.


def test_the_target_differs_from_the_rest_in_every_column(make_pipeline) -> None:
    domain = micro_domain(make_pipeline().door.domain, 3, 4)
    assert domain.shape == (4, 4, 4)
    pair = micro_pair(domain, PrivacyUnit("person", None, 1, "add_remove"), 8)
    assert pair.target == {"a": 3, "b": 3, "c": 3}
    assert len(pair.outside.units) == 8
    assert len(pair.inside.units) == 9
    assert all(set(codes.tolist()) == {0} for codes in pair.outside.codes.values())


def test_under_replacement_the_number_of_rows_is_the_same(make_pipeline) -> None:
    pair = micro_pair(micro_domain(make_pipeline().door.domain, 3, 4), REPLACED, 8)
    assert len(pair.outside.units) == len(pair.inside.units) == 8 + 3 * 2


def test_numbers_are_cut_to_whole_bins_and_relations_left_out() -> None:
    domain = Domain(
        (
            Column("n", "integer", edges=("0", "1", "2", "5", "9"), has_missing=True),
            Column("one", "categorical", ("x",)),
            Column("f", "categorical", ("x", "y")),
        ),
        determined=(Determined("f", "n", (0, 0, 1, 1, 1)),),
    )
    small = micro_domain(domain, 5, 3)
    assert small.shape == (3, 2)
    assert small.names == ("n", "f")
    assert small["n"].edges == ("0", "1", "2", "5")
    assert small.determined == ()
    assert micro_domain(Domain((Column("one", "categorical", ("x",)),)), 5, 3) is None


@pytest.mark.parametrize("synthesizer", [Independent(), MST()])
@pytest.mark.parametrize("unit", [PrivacyUnit("person", None, 1, "add_remove"), HOUSEHOLD, REPLACED])
def test_the_target_moves_answers_by_nearly_all_that_the_claim_allows(
    make_pipeline, section, synthesizer, unit
) -> None:
    pipeline = make_pipeline(unit=unit, synthesizer=synthesizer)
    game = micro_game(pipeline, section())
    seen = [game.play(1, os_generator()) for _ in range(5)]
    allowed = pipeline.claim.mu2_nano * 1e-9
    assert all(one["crashed"] == [0.0] for one in seen)
    assert all(one["information"][0] <= allowed for one in seen)
    if isinstance(synthesizer, Independent):
        assert all(one["information"][0] > 0.9 * allowed for one in seen)


def test_weighing_uses_what_was_put_out_and_never_the_true_answers(make_pipeline, section) -> None:
    game = micro_game(make_pipeline(), section())
    fit = game.pipeline.fit(game.pair.inside, os_generator())
    door = game.pipeline.door
    tables = [door.table(one.codes, one.units) for one in (game.pair.outside, game.pair.inside)]
    hidden = [replace(record, true=np.full_like(record.true, np.nan)) for record in fit.run.records]
    known, blind = weigh(fit.run.records, *tables), weigh(hidden, *tables)
    assert known == blind
    assert known.total == pytest.approx(sum(known.parts.values()))
    assert set(known.parts) == {"column a", "column b", "column c"}
    swapped = weigh(fit.run.records, *reversed(tables))
    assert swapped.total == pytest.approx(-known.total)
    assert swapped.information == pytest.approx(known.information)


def test_features_show_what_is_there_and_never_fail() -> None:
    domain = Domain((Column("a", "categorical", ("x", "y", "z")), Column("b", "categorical", ("u", "v"))))
    target = {"a": 2, "b": 1}
    table = SyntheticTable(domain, {"a": np.array([0, 0, 2]), "b": np.array([0, 1, 1])})
    whole = release_features(table, domain, target)
    assert whole[:3] == [3.0, 0.0, 2.0]
    assert whole[3:10] == [2.0, 0.0, 1.0, 0.0, 2.0, 2.0, 3.0]
    assert whole[-3:] == [1.0, 1.0, 1.0]
    empty = SyntheticTable(domain, {"a": np.zeros(0, np.int64), "b": np.zeros(0, np.int64)})
    outside = SyntheticTable(domain, {"a": np.array([0, 7]), "b": np.array([-1, 0])})
    narrow = Domain((replace(domain["a"], values=("x", "y")), domain["b"]))
    fewer = SyntheticTable(narrow, {"a": np.array([0]), "b": np.array([1])})
    other = SyntheticTable(Domain((Column("q", "categorical", ("x",)),)), {"q": np.array([0])})
    seen = [release_features(one, domain, target) for one in (empty, outside, fewer, other)]
    assert {len(one) for one in seen} == {len(whole)}
    assert [one[1] for one in seen] == [0.0, 1.0, 0.0, 1.0]
    assert seen[2][9] == 2.0
    assert np.isfinite(seen).all()


def test_a_copied_target_stands_out_among_targets() -> None:
    rng = np.random.default_rng(1)
    domain = Domain(tuple(Column(name, "categorical", tuple("01234567")) for name in "abcd"))
    rows = rng.integers(0, 8, (200, 4))
    release = rng.integers(0, 8, (200, 4))
    release[:60] = rows[0]
    table = SyntheticTable(domain, dict(zip("abcd", release.T, strict=True)))
    features = np.array(target_features(table, domain, rows[:20], rows, 1000))
    assert features[:, :3].argmax(axis=0).tolist() == [0, 0, 0]
    assert features[0, 3] >= features[0, 2] >= 60


def test_rows_that_stand_apart_are_found() -> None:
    rows = np.zeros((30, 4), dtype=np.int64)
    rows[7], rows[20] = 3, [1, 1, 0, 0]
    assert standing_apart(rows, 2).tolist() == [7, 20]
    assert standing_apart(rows[:1], 1).tolist() == [0]


@pytest.mark.parametrize("shape", [(5, 5, 5), (30, 40, 50), (2, 2), (1000, 3), (5, 3, 2)])
def test_canaries_are_distinct_and_spread_over_every_column(shape) -> None:
    rows = spread_out(shape, 1000)
    assert len(rows) == min(1000, int(np.prod(shape)))
    assert len(np.unique(rows, axis=0)) == len(rows)
    for at, size in enumerate(shape):
        counts = np.bincount(rows[:, at], minlength=size)
        assert counts.max() <= 2 * max(1, len(rows) / size)


# What they catch, and what they do not.


def test_a_quarter_of_the_noise_is_seen_in_the_answers(make_pipeline, games_plan) -> None:
    found = played(make_pipeline(LARGE, noise=Quarter()), games_plan("G2", fits=150))
    assert found["G2"].outcome == "fail"
    assert found["G2"].p_value <= 0.001
    assert found["G2"].estimate > float(found["G2"].threshold)


def test_an_answer_without_noise_is_seen_in_the_answers(make_pipeline, games_plan) -> None:
    found = played(make_pipeline(LARGE, noise=Silent()), games_plan("G2", fits=150))
    assert found["G2"].outcome == "fail"


def test_a_unit_with_too_many_rows_is_seen_in_the_answers(make_pipeline, games_plan) -> None:
    found = played(make_pipeline(LARGE, unit=HOUSEHOLD, door=Unbounded), games_plan("G2", fits=150))
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
    for noise in (Quarter(), OpenDPNoise()):
        store = MemoryStore()
        found = run_games(make_pipeline(LARGE, noise=noise), plan, Here(), os_generator(), store=store)
        seen[type(noise)] = sum(map(len, store.known.values())), {one.id: one.outcome for one in found}
    assert seen[Quarter][1]["G2"] == "fail"
    assert seen[Quarter][0] < 360
    assert seen[OpenDPNoise][0] == 360
    assert "fail" not in seen[OpenDPNoise][1].values()


# The full-size games.


def test_a_sign_of_one_target_is_found_in_full_size_releases(make_pipeline, games_plan) -> None:
    plan = games_plan("G3", shadow_fits=150, shadow_targets=1)

    class Copies(Independent):
        """Releases every row of the table as it is."""

        def fit(self, plan, curator):
            rows = {name: np.array(codes) for name, codes in curator._table._rows().items()}

            def change(table):
                codes = {n: np.resize(rows[n].astype(np.int64), table.rows) for n in table.codes}
                return SyntheticTable(table.domain, codes)

            return Replaced(super().fit(plan, curator), change)

    caught = played(make_pipeline(SMALL, synthesizer=Copies()), plan)["G3"]
    correct = played(make_pipeline(SMALL), games_plan("G3", shadow_fits=210, tell_needed="0.99"))["G3"]
    assert caught.outcome == "fail"
    assert correct.outcome == "pass"
    assert correct.details["targets"] == 2


@pytest.mark.parametrize("unit", [HOUSEHOLD, REPLACED])
def test_a_target_that_is_out_is_gone_or_replaced(make_pipeline, section, unit) -> None:
    pipeline = make_pipeline(unit=unit)
    rows = make_surrogate(pipeline.door.domain, unit, 60, np.random.default_rng(2))
    game = shadow_game(pipeline, rows, section(), np.random.default_rng(3))
    out, inside = game._table(np.zeros(2, dtype=bool)), game._table(np.ones(2, dtype=bool))
    assert np.array_equal(inside.units, rows.units)
    assert (len(out.units) == len(rows.units)) == (unit is REPLACED)
    assert np.isin(game.targets, out.units).all() == (unit is REPLACED)


@pytest.mark.parametrize("unit", [PrivacyUnit("person", None, 1, "add_remove"), HOUSEHOLD, REPLACED])
def test_canaries_catch_answers_that_are_nearly_bare_and_not_correct_ones(
    make_pipeline, games_plan, section, unit
) -> None:
    class Bare(OpenDPNoise):
        def gaussian(self, counts, scale):
            return super().gaussian(counts, scale / 1000.0)

    wide = Domain(tuple(Column(name, "categorical", tuple(map(str, range(200)))) for name in "ab"))
    section = section(canaries=200)
    outcomes = {}
    for noise in (Bare(), OpenDPNoise()):
        pipeline = make_pipeline(36_000_000, noise=noise, unit=unit, domain=wide)
        rows = make_surrogate(wide, unit, 60, np.random.default_rng(4))
        game = canary_game(pipeline, rows, section)
        seen = [game.play(0, os_generator()) for _ in range(2)]
        outcomes[type(noise)] = check_canaries(game, seen, section, os_generator())
    assert outcomes[Bare].outcome == "fail"
    assert outcomes[OpenDPNoise].outcome == "pass"
    assert outcomes[OpenDPNoise].details["canaries"] == 400
    assert float(outcomes[OpenDPNoise].details["delta_used"]) * 2 * 400 <= 0.001 / 10


def test_few_canaries_are_no_pass(make_pipeline, games_plan) -> None:
    found = played(make_pipeline(LARGE), games_plan("G4", canaries=20, canary_fits=1))
    assert found["G4"].outcome == "inconclusive"


# The audit that calls them.


def test_the_audit_plays_the_games_that_its_plan_names(make_pipeline, games_plan) -> None:
    told = []
    report = run_audit(
        make_pipeline(LARGE),
        games_plan("S1", "G2", "G4", fits=30),
        release_results=(),
        subject={},
        rng=os_generator(),
        progress=lambda *one: told.append(one),
    )
    assert [one.id for one in report.results] == ["S1", "G2", "G4"]
    assert {name for name, *_ in told} == {"micro", "canaries"}


def test_a_plan_without_games_plays_none(make_pipeline, games_plan) -> None:
    assert run_games(make_pipeline(), games_plan("S1"), Here(), os_generator()) == ()


def test_an_entrusted_library_is_said_not_to_be_tested(make_pipeline, games_plan) -> None:
    trust = Entrustment("env", "lib", "1", "mst", "1", "0")
    report = run_audit(
        make_pipeline(),
        games_plan("G1", "G4"),
        release_results=(),
        subject={},
        rng=os_generator(),
        entrusted=trust,
    )
    assert [(one.id, one.outcome) for one in report.results] == [("G1", "not_tested"), ("G4", "not_tested")]


def test_sides_without_fits_have_no_answer_but_words(make_claim, games_plan) -> None:
    plan, claim = games_plan("G1"), make_claim(LARGE)
    one = {"crashed": [0.0], "release": [1.0], "answers": [1.0, 0.0], "information": [1.0]}
    for check in (check_black_box, check_white_box):
        assert check({1: [one], 0: [one]}, claim, plan, plan.games).outcome == "inconclusive"
