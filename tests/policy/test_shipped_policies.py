"""The shipped policies say what their data is documented to hold, and how much may be spent."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from dpsynth.policy.loader import load_policy
from dpsynth.policy.model import Cap, Policy

POLICIES = Path(__file__).parents[2] / "policies"


@pytest.fixture
def rand() -> Policy:
    """The policy of the RAND Health Insurance Experiment."""
    return load_policy(POLICIES / "rand-health.yaml")


@pytest.fixture
def adult() -> Policy:
    """The policy of UCI Adult."""
    return load_policy(POLICIES / "adult.yaml")


def _rho(cap: Cap) -> float:
    """zCDP that an (epsilon, delta) cap stands for: best order (Canonne, Kamath, Steinke 2020)."""
    epsilon, delta = float(cap.epsilon or "nan"), float(cap.delta or "nan")
    return max((epsilon - math.log1p(-1 / a) + math.log(delta * a) / (a - 1)) / a for a in range(2, 65))


def test_rand_health_has_room_for_two_releases_of_epsilon_one_and_not_for_three(rand: Policy) -> None:
    one = _rho(rand.budget.per_release)
    assert (rand.budget.per_release.epsilon, rand.budget.per_release.delta) == ("1", "1e-6")
    for cap in (rand.budget.lifetime, rand.budget.per_requester):
        assert 2.2 * one < _rho(cap) < 2.8 * one


def test_rand_health_protects_a_person_year_and_says_what_that_means(rand: Policy) -> None:
    unit = rand.unit()
    assert (unit.kind, unit.id_column, unit.max_rows) == ("person-year", None, 1)
    assert "no person id" in rand.privacy_unit.note
    assert "several years" in rand.privacy_unit.note


def test_rand_health_keeps_the_ten_published_columns(rand: Policy) -> None:
    names = ["mdvis", "lncoins", "idp", "lpi", "fmde", "physlm", "disea", "hlthg", "hlthf", "hlthp"]
    assert list(rand.domain().names) == names
    assert all(2 <= size <= 21 for size in rand.domain().shape)


def test_each_published_coinsurance_rate_has_a_bin_of_its_own(rand: Policy) -> None:
    edges = [float(edge) for edge in rand.domain()["lncoins"].edges]
    logs = [math.log1p(rate) for rate in (0, 25, 50, 95)]
    bins = [sum(edge <= value for edge in edges) for value in logs]
    assert len(set(bins)) == 4
    assert max(math.log1p(100), *logs) <= edges[-1]


def test_every_bound_of_rand_health_names_its_public_source(rand: Policy) -> None:
    assert all("public" in (spec.domain_source or "") for spec in rand.columns)


def test_adult_keeps_the_documented_columns_without_the_survey_weight(adult: Policy) -> None:
    assert len(adult.columns) == 15
    assert [spec.name for spec in adult.columns if not spec.kept] == ["fnlwgt"]
    assert adult.domain()["income"].values == ("<=50K", ">50K", "?")
    assert len(adult.domain()["native-country"].values) == 42
    assert len(adult.domain()["education"].values) == 17
    assert all("adult.names, UCI, 1996 (public)" in (s.domain_source or "") for s in adult.columns if s.kept)


def test_adult_states_that_rank_of_education_follows_from_its_kind(adult: Policy) -> None:
    domain = adult.domain()
    (rank,) = domain.determined
    assert (rank.column, rank.by) == ("education-num", "education")
    told = dict(zip(domain["education"].values, rank.codes, strict=True))
    assert domain["education-num"].values[told["Preschool"]] == "1"
    assert domain["education-num"].values[told["Doctorate"]] == "16"
    assert sorted(rank.codes) == list(range(17))
    (jobless,) = domain.impossible
    assert jobless.clique == ("workclass", "occupation")
    assert len(jobless.cells) == len(domain["occupation"].values) - 1
