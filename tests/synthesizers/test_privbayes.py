"""``privbayes``: its sentences hold in its model, its parents are those that matter, its limits hold."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.accounting.reserve import marginal_cost
from dpsynth.core.domain import Column, Domain
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.synthesizers.privbayes import DirectedModel, PrivBayes
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.table import SensitiveTable

Codes = dict[str, NDArray[np.int64]]


def table(rows: int = 10_000) -> tuple[Domain, Codes]:
    """a drives b; b drives c; d depends on a and b together; e and the one code of f on nothing."""
    rng = np.random.default_rng(1)
    a = rng.integers(0, 5, rows)
    b = np.where(rng.random(rows) < 0.8, a % 4, rng.integers(0, 4, rows))
    c = np.where(rng.random(rows) < 0.8, b % 3, rng.integers(0, 3, rows))
    d = np.where(rng.random(rows) < 0.9, (a + b) % 2, rng.integers(0, 2, rows))
    codes = {"a": a, "b": b, "c": c, "d": d, "e": rng.integers(0, 3, rows), "f": np.zeros(rows, np.int64)}
    sizes = {"a": 5, "b": 4, "c": 3, "d": 2, "e": 3, "f": 1}
    columns = [Column(n, "categorical", values=tuple(str(v) for v in range(s))) for n, s in sizes.items()]
    return Domain(tuple(columns)), codes


def run(rho_nano: int = 10**8, room: int = 10_000) -> tuple[DirectedModel, PrivacyFilter]:
    domain, codes = table()
    plan = PrivBayes().plan(domain, rho_nano, room)
    budget = PrivacyFilter(marginal_cost(rho_nano, plan.choices_nano, "1e-6"))
    rows = SensitiveTable(domain, codes, np.arange(len(codes["a"])))
    curator = TableCurator(rows, PrivacyUnit("row", None, 1, "add_remove"), budget, OpenDPNoise())
    model = PrivBayes().fit(plan, curator)
    assert isinstance(model, DirectedModel)
    return model, budget


@pytest.fixture(scope="module")
def fitted() -> DirectedModel:
    return run()[0]


def test_parents_are_the_columns_that_matter(fitted: DirectedModel) -> None:
    linked = {frozenset((name, each)) for name, parents in fitted.parents.items() for each in parents}
    assert frozenset("ab") in linked
    assert frozenset("bc") in linked
    assert any({"a", "b", "d"} == {name, *parents} for name, parents in fitted.parents.items())
    assert sorted(fitted.parents) == ["a", "b", "c", "d", "e", "f"]


def test_parents_come_before_their_children(fitted: DirectedModel) -> None:
    placed: set[str] = set()
    for name, parents in fitted.parents.items():
        assert placed.issuperset(parents)
        placed.add(name)


def test_each_sentence_holds_exactly_in_the_model(fitted: DirectedModel) -> None:
    """P(name | all before) = P(name | parents), by brute force over the whole table of the model."""
    placed: list[str] = []
    domain = fitted.layout.domain
    for name, parents in fitted.parents.items():
        family = domain.clique((*placed, name))
        whole = fitted.marginal(family).reshape(domain.sizes(family)) / fitted.total
        axis = family.index(name)
        away = tuple(place for place, each in enumerate(family) if each not in {*parents, name})
        among = whole.sum(axis=away, keepdims=True)
        given = among / np.maximum(among.sum(axis=axis, keepdims=True), 1e-300)
        assert whole == pytest.approx(whole.sum(axis=axis, keepdims=True) * given, abs=1e-9)
        placed.append(name)


def test_sentences_name_the_parents_and_what_is_left_out(fitted: DirectedModel) -> None:
    said, order = fitted.statements(), list(fitted.parents)
    assert len(said) == 6
    assert said[0] == f"{order[0]} comes first"
    for sentence, name in zip(said, order, strict=True):
        assert sentence.startswith(name)
        assert all(parent in sentence for parent in fitted.parents[name])
    split = [each for each in said if "given these, it is taken to be independent of" in each]
    assert split
    assert said[-1] == "f is taken to be independent of the columns before it (" + ", ".join(order[:-1]) + ")"


def test_the_limit_on_families_keeps_the_model_within_its_room() -> None:
    for room in (18, 40, 80):
        assert run(room=room)[0].cells <= room


def test_a_small_budget_allows_only_small_families() -> None:
    domain = table()[0]
    model = run(rho_nano=60_000)[0]
    assert all(domain.size((name, *parents)) <= 100 for name, parents in model.parents.items())
    large = max(domain.size((name, *parents)) for name, parents in run()[0].parents.items())
    assert large > max(domain.size((name, *parents)) for name, parents in model.parents.items())


def test_the_whole_budget_is_used_and_a_tiny_one_goes_to_single_columns() -> None:
    assert run()[1].remaining_rho < 10**6
    model, budget = run(rho_nano=3_000)
    assert len(budget.events) == 6
    assert all(parents == () for parents in model.parents.values())


def test_marginals_beat_independence() -> None:
    domain, codes = table()
    sample = run(10**7)[0].sample(10_000, np.random.default_rng(1)).codes
    for one, two in combinations("abc", 2):
        size = domain[two].size
        pair = [np.bincount(rows[one] * size + rows[two], minlength=20) for rows in (codes, sample)]
        assert np.abs(pair[0] - pair[1]).sum() / 20_000 < 0.06
