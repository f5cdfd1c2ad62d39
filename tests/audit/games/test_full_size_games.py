from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from dpsynth.audit.games.g1_g2_micro import check_black_box, check_white_box
from dpsynth.audit.games.g3_shadow import shadow_game
from dpsynth.audit.games.g4_canaries import canary_game, check_canaries
from dpsynth.audit.games.play import run_games
from dpsynth.audit.games.spread import Here
from dpsynth.audit.run import run_audit
from dpsynth.audit.surrogate import make_surrogate
from dpsynth.core.curator import Entrustment
from dpsynth.core.domain import Column, Domain
from dpsynth.core.table import SyntheticTable
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.synthesizers.independent import Independent

HOUSEHOLD = PrivacyUnit("household", "id", 2, "add_remove")
REPLACED = PrivacyUnit("household", "id", 2, "replace_one")
LARGE = 400_000_000  # epsilon about 4, so that few fits tell how much noise there is
SMALL = 36_000_000  # epsilon about 1, so that few fits tell a sign


def played(pipeline, plan):
    return {one.id: one for one in run_games(pipeline, plan, Here(), os_generator())}


@dataclass
class Replaced:
    """A model whose release is changed on its way out."""

    model: object
    change: object

    def sample(self, rows, rng):
        return self.change(self.model.sample(rows, rng))


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
    assert float(outcomes[OpenDPNoise].details["delta"]) * 2 * 400 <= 0.001 / 10


def test_few_canaries_are_no_pass(make_pipeline, games_plan) -> None:
    found = played(make_pipeline(LARGE), games_plan("G4", canaries=20, canary_fits=1))
    assert found["G4"].outcome == "inconclusive"


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
