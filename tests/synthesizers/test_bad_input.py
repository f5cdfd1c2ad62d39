"""Every registered synthesizer of ours survives tables of next to nothing and refuses what is too large."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.accounting.reserve import plan_cost
from dpsynth.core.domain import Column, Domain
from dpsynth.core.errors import PolicyRefusal
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.synthesizers import diffusion
from dpsynth.synthesizers.feasibility import refuse_if_too_large
from dpsynth.synthesizers.registry import available, load_synthesizer
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.table import SensitiveTable

OURS = sorted(available())
RHO = 10**7
ROOM = 2_000


@pytest.fixture(scope="module", autouse=True)
def shorter_teaching(short_trainings: None) -> Iterator[None]:
    """Whether rows come out whole does not hang on how well they were learnt."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffusion, "_TEACHING_STEPS", 100)
        yield


def category(name: str, size: int) -> Column:
    return Column(name, "categorical", values=tuple(f"v{code}" for code in range(size)))


WITH_MISSING = Column("m", "integer", edges=("0", "1", "5"), has_missing=True)
MIXED = Domain((category("a", 3), category("one", 1), WITH_MISSING, category("b", 2)))
FLAT = Domain((category("one", 1), category("other", 1)))


def rows_of(domain: Domain, rows: int, constant: bool) -> dict[str, NDArray[np.int64]]:
    rng = np.random.default_rng(1)
    return {
        column.name: np.full(rows, column.size - 1) if constant else rng.integers(0, column.size, rows)
        for column in domain.columns
    }


CASES = {
    "empty table": (MIXED, rows_of(MIXED, 0, constant=False)),
    "one row": (MIXED, rows_of(MIXED, 1, constant=False)),
    "constant columns, one of them all missing": (MIXED, rows_of(MIXED, 300, constant=True)),
    "an all-missing column beside others": (
        MIXED,
        {**rows_of(MIXED, 300, constant=False), "m": np.full(300, 2)},
    ),
    "only columns of one code": (FLAT, rows_of(FLAT, 50, constant=True)),
}


def test_the_registry_holds_our_own() -> None:
    assert {"independent", "mst", "aim", "privbayes", "wide", "gan", "diffusion"} <= set(OURS)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("case", CASES)
def test_next_to_nothing_gives_valid_rows_and_spends_what_was_planned(name: str, case: str) -> None:
    domain, codes = CASES[case]
    synthesizer = load_synthesizer(name)
    plan = synthesizer.plan(domain, RHO, ROOM)
    budget = PrivacyFilter(plan_cost(plan, "1e-6"))
    rows = SensitiveTable(domain, codes, np.arange(len(codes[domain.names[0]])))
    unit = PrivacyUnit("row", None, 1, "add_remove")
    model = synthesizer.fit(plan, TableCurator(rows, unit, budget, OpenDPNoise()))
    assert budget.remaining_rho <= (1 - plan.least_spent) * RHO
    drawn = model.sample(200, np.random.default_rng(1)).codes
    for column in domain.columns:
        assert drawn[column.name].min() >= 0
        assert drawn[column.name].max() < column.size


@pytest.mark.parametrize("name", OURS)
def test_an_all_missing_column_comes_out_missing(name: str) -> None:
    domain, codes = MIXED, {**rows_of(MIXED, 20_000, constant=False), "m": np.full(20_000, 2)}
    synthesizer = load_synthesizer(name)
    plan = synthesizer.plan(domain, RHO, ROOM)
    budget = PrivacyFilter(plan_cost(plan, "1e-6"))
    rows = SensitiveTable(domain, codes, np.arange(20_000))
    unit = PrivacyUnit("row", None, 1, "add_remove")
    model = synthesizer.fit(plan, TableCurator(rows, unit, budget, OpenDPNoise()))
    assert (model.sample(1_000, np.random.default_rng(1)).codes["m"] == 2).mean() > 0.97


@pytest.mark.parametrize("name", OURS)
def test_a_domain_too_large_is_refused_by_the_plan_and_one_that_just_fits_is_not(name: str) -> None:
    domain = Domain((category("a", 10), category("b", 10)))
    with pytest.raises(PolicyRefusal, match="one-way"):
        load_synthesizer(name).plan(domain, RHO, 19)
    assert load_synthesizer(name).plan(domain, RHO, 20).rho_nano == RHO


def test_the_refusal_names_the_columns_to_blame_and_what_would_fit() -> None:
    domain = Domain((category("a", 10), category("postcode", 5000), category("b", 4), category("job", 700)))
    with pytest.raises(PolicyRefusal) as caught:
        refuse_if_too_large("aim", domain, RHO, 1_000)
    said = caught.value.text()
    assert "5000 in postcode, 700 in job" in said
    assert "10 in a" not in said
    largest = int(said.split("no column above ")[1].split()[0])
    for width, fits in ((largest, True), (largest + 1, False)):
        cut = Domain(tuple(category(each.name, min(each.size, width)) for each in domain.columns))
        assert (sum(cut.shape) <= 1_000) == fits
    refuse_if_too_large("aim", domain, RHO, 5_714)


def test_no_budget_no_column_and_a_column_without_values_are_refused_in_words() -> None:
    for domain, rho_nano, said in (
        (MIXED, 0, "budget"),
        (Domain(()), RHO, "at least one column"),
        (Domain((category("a", 3), category("void", 0))), RHO, "void"),
    ):
        with pytest.raises(PolicyRefusal, match=said):
            refuse_if_too_large("aim", domain, rho_nano, ROOM)


def test_more_columns_than_room_says_how_many_fit() -> None:
    domain = Domain(tuple(category(f"c{place}", 2) for place in range(50)))
    with pytest.raises(PolicyRefusal, match="at most 40 columns"):
        refuse_if_too_large("aim", domain, RHO, 40)
