from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dpsynth.audit.games.answers import weigh
from dpsynth.audit.games.features import release_features, target_features
from dpsynth.audit.games.g3_shadow import standing_apart
from dpsynth.audit.games.g4_canaries import spread_out
from dpsynth.audit.games.micro import micro_game
from dpsynth.audit.games.pairs import micro_domain, micro_pair
from dpsynth.core.domain import Column, Determined, Domain
from dpsynth.core.table import SyntheticTable
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.rng import os_generator
from dpsynth.synthesizers.independent import Independent
from dpsynth.synthesizers.mst import MST

HOUSEHOLD = PrivacyUnit("household", "id", 2, "add_remove")
REPLACED = PrivacyUnit("household", "id", 2, "replace_one")


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
