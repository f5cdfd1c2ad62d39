"""S9: rows that the noisy model could not have drawn are found; rows that it draws by itself are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from dpsynth.attacks.verbatim import apart, detectable_rate, expected_near, fisher_more, poisson_more
from dpsynth.audit.plan_structural import StructuralSection
from dpsynth.audit.s9_copies import check_copies_made, entropic_rows, widened
from dpsynth.core.curator import Dense, NoisyMarginal
from dpsynth.core.domain import Column, Determined, Domain, Impossible
from dpsynth.core.table import SyntheticTable
from dpsynth.graphical.fitting import fit
from dpsynth.graphical.layout import Layout
from dpsynth.graphical.measurements import merge
from dpsynth.synthesizers.independent import Independent
from dpsynth.synthesizers.mixture import PairTargets, as_model, fit_mixture
from dpsynth.synthesizers.structure import StructuredModel

ROOT = Path(__file__).resolve().parents[2]
LEVEL = 1e-4


def columns(*sizes: int) -> tuple[Column, ...]:
    return tuple(Column(f"c{i}", "categorical", tuple(map(str, range(size)))) for i, size in enumerate(sizes))


SMALL = Domain(columns(2, 4, 3))
EVERY = np.array(list(np.ndindex(*SMALL.shape)))


@pytest.fixture
def marginal(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("audits.mutants.marginal")


@pytest.fixture
def look(plan) -> Callable[..., Any]:
    def check(pipeline, fits=20, rows=60, needed=0.4, controls=300) -> Any:
        section = StructuralSection.model_construct(
            copy_alpha=LEVEL, copy_fits=fits, copy_rows=rows, copy_rate_needed=needed, copy_controls=controls
        )
        planned = plan.model_copy(update={"structural": section})
        return check_copies_made(pipeline.limited(20_000), planned, np.random.default_rng(3))

    return check


def answers(domain: Domain, seed: int = 3) -> list[NoisyMarginal]:
    rng = np.random.default_rng(seed)
    cliques = [(name,) for name in domain.names] + [domain.names[:2], domain.names[1:3]]
    return [NoisyMarginal(c, rng.gamma(2.0, 50.0, domain.size(c)), 5.0) for c in cliques]


def assert_is_its_density(model: Any, domain: Domain, every: np.ndarray) -> None:
    chance = np.exp(model.log_density(every))
    assert chance.sum() == pytest.approx(1.0, abs=1e-5)
    drawn = model.sample(40_000, np.random.default_rng(3)).marginal(domain.names) / 40_000
    assert np.abs(drawn - chance).max() < 0.01


def test_the_density_of_a_graphical_model_is_that_of_its_rows() -> None:
    assert_is_its_density(fit(SMALL, answers(SMALL)), SMALL, EVERY)


def test_the_density_of_a_mixture_sums_its_hidden_groups_out() -> None:
    targets = PairTargets(SMALL, answers(SMALL))
    assert_is_its_density(as_model(targets, fit_mixture(targets, 4, 200, 1.0), 0.0), SMALL, EVERY)


def test_a_column_that_follows_adds_nothing_and_a_row_in_which_it_does_not_cannot_be() -> None:
    domain = Domain(columns(2, 4, 3, 2), determined=(Determined("c3", "c0", (1, 0)),))
    model = StructuredModel(fit(SMALL, answers(SMALL)), domain)
    every = np.array(list(np.ndindex(*domain.shape)))
    assert_is_its_density(model, domain, every)
    assert (np.exp(model.log_density(every))[every[:, 0] == every[:, 3]] == 0).all()


def test_models_whose_rows_are_drawn_in_other_ways_have_no_density() -> None:
    model = fit(SMALL, answers(SMALL))
    beyond = tuple(merge(Layout(SMALL), [NoisyMarginal(("c0", "c2"), np.full(6, 10.0), 5.0)]))
    assert replace(model, beyond=beyond).log_density(EVERY) is None
    ruled = replace(SMALL, impossible=(Impossible(("c0", "c1"), (0,)),))
    assert StructuredModel(model, ruled).log_density(EVERY) is None
    assert isinstance(StructuredModel(model, ruled), Dense)


@pytest.mark.parametrize("synthesizer", ["independent", "mst"])
def test_a_correct_pipeline_passes_and_says_what_it_would_have_seen(look, marginal, synthesizer) -> None:
    made = marginal.correct(Independent() if synthesizer == "independent" else None)
    result = look(made, fits=6 if synthesizer == "mst" else 20)
    assert result.outcome == "pass"
    assert "a row copied by" in result.could_have_found
    assert result.details["columns_added"] > 0


def test_a_model_that_copies_a_row_now_and_then_fails(look, marginal) -> None:
    result = look(marginal.correct(marginal.Copier(Independent(), 0.5)))
    assert (result.outcome, "equal to a row" in result.plain) == ("fail", True)


class Hidden:
    """A fitted model, its density kept to itself."""

    def __init__(self, inner: Any) -> None:
        self.sample = inner.sample


class NoDensity:
    """As the GANs: it samples, and nobody can say how likely a row is."""

    name, version = "no-density", "1"

    def __init__(self, inner: Any) -> None:
        self.inner, self.plan = inner, inner.plan

    def fit(self, plan, curator):
        return Hidden(self.inner.fit(plan, curator))


@pytest.mark.parametrize(("chance", "outcome"), [(0.5, "fail"), (0.0, "pass")])
def test_without_a_density_rows_left_out_are_what_hits_are_compared_with(
    look, marginal, chance, outcome
) -> None:
    result = look(marginal.correct(NoDensity(marginal.Copier(Independent(), chance))))
    assert (result.outcome, result.details["pools"][0]["against"]) == (outcome, "rows left out")


def test_rows_of_a_large_budget_come_out_again_and_a_rule_that_blocks_any_hit_would_be_wrong() -> None:
    """The counter-example: every code of 50 rows is counted nearly exactly, so a model draws them again."""
    domain, rng = Domain(columns(4, 4, 4)), np.random.default_rng(3)
    plain_rule, s9 = 0, 0
    for _ in range(20):
        rows = entropic_rows(domain, 50, rng)
        counted = [
            NoisyMarginal(
                names,
                SyntheticTable(domain, dict(zip(domain.names, rows.T, strict=True))).marginal(names) * 1.0,
                0.1,
            )
            for names in [domain.names[:2], domain.names[1:]]
        ]
        model = fit(domain, counted)
        released = model.sample(50, rng).matrix()
        hits = int((apart(released, rows) == 0).sum())
        chance, _ = expected_near(model.log_density, np.unique(rows, axis=0), domain.shape)
        plain_rule += hits > 0
        s9 += poisson_more(hits, 50 * chance) < LEVEL
    assert (plain_rule, s9) == (20, 0)


class Boastful(Hidden):
    """Says that it would draw any row anyway."""

    def log_density(self, codes):
        return np.full(len(codes), -3.0)


class Boasting(NoDensity):
    def fit(self, plan, curator):
        return Boastful(self.inner.fit(plan, curator))


class Failing(Independent):
    def fit(self, plan, curator):
        raise RuntimeError("of a person called Alice")


class Short(Hidden):
    def __init__(self, inner: Any) -> None:
        self.sample = lambda rows, rng: inner.sample(rows // 2, rng)


class Shortening(NoDensity):
    def fit(self, plan, curator):
        return Short(self.inner.fit(plan, curator))


@pytest.mark.parametrize(
    ("synthesizer", "words"),
    [
        (Boasting(Independent()), "density does not agree"),
        (Failing(), "failed with RuntimeError"),
        (Shortening(Independent()), "failed with ValueError"),
    ],
)
def test_what_cannot_be_believed_or_looked_at_is_inconclusive(look, marginal, synthesizer, words) -> None:
    result = look(marginal.correct(synthesizer), fits=3)
    assert (result.outcome, words in result.plain, "Alice" in result.plain) == ("inconclusive", True, False)


def test_too_few_fits_for_the_copies_that_the_plan_asks_for_are_inconclusive(look, marginal) -> None:
    result = look(marginal.correct(Independent()), fits=3, needed=0.06)
    assert (result.outcome, "could not have been told" in result.plain) == ("inconclusive", True)


def test_ninety_fits_see_one_copy_in_twenty_with_99_percent() -> None:
    assert detectable_rate(lambda hits: poisson_more(hits, 1e-7), LEVEL / 2, 90, 0.99) <= 0.0501
    assert detectable_rate(lambda hits: fisher_more(hits, 18_000, 0, 3_600_000), LEVEL / 2, 90, 0.9) < 0.05
    assert detectable_rate(lambda hits: 1.0, LEVEL, 90, 0.9) == 1.0


def test_random_rows_keep_to_the_public_structure() -> None:
    rules = Impossible(("c0", "c1"), (0, 1, 2)), Determined("c2", "c1", (2, 1, 0, 1))
    domain = replace(SMALL, impossible=rules[:1], determined=rules[1:])
    rows = entropic_rows(domain, 500, np.random.default_rng(3))
    assert len(rows) == 500
    assert not ((rows[:, 0] == 0) & (rows[:, 1] < 3)).any()
    assert (rows[:, 2] == np.array([2, 1, 0, 1])[rows[:, 1]]).all()
    nothing = replace(SMALL, impossible=(Impossible(("c0",), (0, 1)),))
    with pytest.raises(ValueError, match="impossible"):
        entropic_rows(nothing, 5, np.random.default_rng(3))


def test_a_narrow_domain_gets_columns_and_a_wide_one_none() -> None:
    taken = Domain((*columns(2), Column("further 1", "categorical", ("a", "b"))), weights=(1.0, 2.0))
    made = widened(taken, 5_000.0)
    assert (made.names[2:], made.weights) == (
        ("further 1'", "further 2", "further 3"),
        (1.0, 2.0, 1.0, 1.0, 1.0),
    )
    assert widened(taken, 4.0) == taken


def test_distances_count_the_columns_that_differ() -> None:
    rows, others = np.array([[0, 1, 2], [5, 5, 5]]), np.array([[0, 1, 2], [0, 1, 3], [5, 5, 0]])
    assert apart(rows, others).tolist() == [0, 1]
    uniform = lambda codes: np.full(len(codes), -np.log(24.0))  # noqa: E731
    exact, near = expected_near(uniform, EVERY[:1], SMALL.shape)
    assert (exact, near) == (pytest.approx(1 / 24), pytest.approx((1 + 1 + 3 + 2) / 24))
