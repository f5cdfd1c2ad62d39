"""Public structure: never measured, always kept; shown on the real curator over made-up rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dpsynth.accounting.cost import cost_of, total
from dpsynth.accounting.curves import ORDERS, rho_of
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.accounting.reserve import covered_order, plan_cost
from dpsynth.core.curator import Candidate, Curator, Entrustment, FittedModel, NoisyMarginal, Plan, Progress
from dpsynth.core.domain import Clique, Column, Determined, Domain, Impossible
from dpsynth.core.errors import IntegrityError
from dpsynth.core.merging import Merging
from dpsynth.core.structure import follow, require_structure, violating
from dpsynth.core.table import SyntheticTable
from dpsynth.core.unit import PrivacyUnit
from dpsynth.graphical.model import GraphicalModel
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.synthesizers.registry import available, load_synthesizer
from dpsynth.synthesizers.structure import ReducedCurator, StructuredModel, StructuredSynthesizer, reduced
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.surrogate import Door
from dpsynth.vault.table import SensitiveTable

RHO = 20_000_000
ROOM = 1000
MILLION = 1_000_000

YEARS = ("child", "teen", "adult", "old")
COLUMNS = (
    Column("grade", "categorical", values=("low", "middle", "high", "none")),
    Column("age", "integer", edges=("0", "16", "20", "65", "100"), has_missing=True),
    Column("years", "categorical", values=YEARS),
    Column("job", "categorical", values=("employed", "self", "none")),
    Column("hours", "integer", edges=("0", "1", "20", "60")),
    Column("level", "integer", edges=("1", "2", "3", "4", "5")),
)
# Those under 16 have no job; without a job there are no hours; the old have no middle grade while employed.
ZEROS = (
    Impossible(("age", "job"), (0, 1)),
    Impossible(("job", "hours"), (7, 8)),
    Impossible(("grade", "years", "job"), (4 * 3 + 3 * 3,)),
)
FOLLOWS = (Determined("years", "age", (0, 1, 2, 3, 2)), Determined("level", "grade", (0, 1, 2, 3)))
DOMAIN = Domain(COLUMNS, ZEROS, FOLLOWS)
GRAPHICAL = ("aim", "independent", "mst", "privbayes")
UNIT = PrivacyUnit("row", None, 1, "add_remove")


def people(rows: int, seed: int = 1, obey: bool = True) -> dict[str, NDArray[np.int64]]:
    """Made-up rows with strong relations, which keep to the structure if they are to."""
    rng = np.random.default_rng(seed)
    age = rng.choice(5, rows, p=[0.2, 0.1, 0.5, 0.15, 0.05])
    job = np.where(rng.random(rows) < 0.8, np.minimum(age % 3, 2), rng.integers(0, 3, rows))
    grade = np.where(rng.random(rows) < 0.7, job, rng.integers(0, 4, rows))
    hours = np.where(rng.random(rows) < 0.7, 2 - job, rng.integers(0, 3, rows))
    codes = {"grade": grade, "age": age, "years": age * 0, "job": job, "hours": hours, "level": age * 0}
    if not obey:
        return {name: column % DOMAIN[name].size for name, column in codes.items()}
    codes["job"] = np.where(age == 0, 2, codes["job"])
    codes["hours"] = np.where(codes["job"] == 2, 0, codes["hours"])
    codes = follow(DOMAIN, codes)
    bad = violating(DOMAIN, codes)
    return follow(DOMAIN, codes | {"grade": np.where(bad, 0, codes["grade"])})


def run(
    name: str, domain: Domain = DOMAIN, rows: int = 3000, obey: bool = True, rho: int = RHO, room: int = ROOM
) -> tuple[Any, ...]:
    """Plan, fit and record one run; the model, the plan and the run."""
    synthesizer = load_synthesizer(name)
    plan = synthesizer.plan(domain, rho, room)
    door = Door(domain, UNIT, OpenDPNoise())
    codes = people(rows, obey=obey)
    opened = door.open(door.table(codes, np.arange(rows)), plan_cost(plan, "1e-6"))
    return synthesizer.fit(plan, opened.curator), plan, opened


def spent(plan: Plan, opened: Any) -> int:
    """Nano-rho over the orders that the plan covers."""
    return rho_of(total(cost_of(event) for event in opened.charged).rdp, covered_order(plan) or ORDERS[-1])


@pytest.fixture(scope="module", params=sorted(available()))
def fitted(request: pytest.FixtureRequest) -> tuple[Any, ...]:
    return run(request.param)


def test_the_made_up_rows_are_as_they_claim() -> None:
    assert not violating(DOMAIN, people(5000)).any()
    assert violating(DOMAIN, people(5000, obey=False)).mean() > 0.5


def test_a_column_that_follows_is_never_counted_and_costs_nothing(fitted: tuple[Any, ...]) -> None:
    _, plan, opened = fitted
    asked = {name for record in opened.records for clique in record.cliques for name in clique}
    assert asked == {"grade", "age", "job", "hours"}
    assert 0.99 * RHO <= spent(plan, opened) <= RHO
    assert plan.steps[0] == (
        "Column years follows from age by public knowledge: filled in, never counted, no cost."
    )
    assert any("level follows from grade" in step for step in plan.steps)


def test_what_is_saved_makes_every_other_count_less_noisy() -> None:
    told, _, one = run("independent")
    untold, _, two = run("independent", Domain(COLUMNS))
    assert isinstance(told, StructuredModel)
    assert not isinstance(untold, StructuredModel)
    sigma = [{record.sigma for record in opened.records} for opened in (one, two)]
    assert max(sigma[0]) ** 2 == pytest.approx(max(sigma[1]) ** 2 * 4 / 6, rel=1e-6)


def test_no_row_of_a_million_breaks_the_structure(fitted: tuple[Any, ...]) -> None:
    table = fitted[0].sample(MILLION, np.random.default_rng(5))
    assert table.rows == MILLION
    assert table.domain == DOMAIN
    assert tuple(table.codes) == DOMAIN.names
    assert not violating(DOMAIN, table.codes).any()
    require_structure(DOMAIN, table.codes)
    # The rules were not kept by giving up on whole values: each is still drawn.
    assert all(set(np.unique(table.codes[name])) == set(range(DOMAIN[name].size)) for name in ("age", "job"))


@pytest.mark.parametrize("fitted", GRAPHICAL, indirect=True)
def test_the_engine_itself_gives_impossible_cells_no_probability(fitted: tuple[Any, ...]) -> None:
    inner = fitted[0].inner
    assert isinstance(inner, GraphicalModel)
    free = reduced(DOMAIN)
    assert not violating(free, inner.sample(MILLION, np.random.default_rng(6)).codes).any()
    for rule in free.impossible:
        expected = inner.marginal(rule.clique)
        assert expected[list(rule.cells)].sum() == 0.0
        assert expected.sum() == pytest.approx(inner.total)


def test_rows_that_follow_counts_beyond_the_tree_keep_to_the_structure_too() -> None:
    inner = run("aim", rows=20_000, rho=2 * 10**9, room=150)[0].inner
    assert inner.beyond
    for rows in (500, 20_000):
        assert not violating(reduced(DOMAIN), inner.sample(rows, np.random.default_rng(1)).codes).any()


@pytest.mark.parametrize("name", sorted(available()))
@pytest.mark.parametrize("rows", [0, 1, 800])
def test_rows_that_contradict_the_policy_change_no_rule_and_raise_nothing(name: str, rows: int) -> None:
    model, plan, opened = run(name, rows=rows, obey=False)
    assert not violating(DOMAIN, model.sample(2000, np.random.default_rng(1)).codes).any()
    assert model.sample(0, np.random.default_rng(1)).rows == 0
    assert plan == load_synthesizer(name).plan(DOMAIN, RHO, ROOM)
    assert spent(plan, opened) <= RHO


def test_the_relations_of_a_told_model_are_those_of_the_rows(fitted: tuple[Any, ...]) -> None:
    model = fitted[0]
    true = SyntheticTable(DOMAIN, people(3000))
    drawn = model.sample(3000, np.random.default_rng(4))
    for clique in (("age", "years"), ("grade", "level")):
        gap = 0.5 * np.abs(drawn.marginal(clique) - true.marginal(clique)).sum() / 3000
        assert gap < 0.05


def test_without_structure_nothing_is_wrapped_and_the_plan_is_the_inner_one() -> None:
    plain = Domain(COLUMNS)
    for name in available():
        outer = load_synthesizer(name)
        assert isinstance(outer, StructuredSynthesizer)
        assert outer.plan(plain, RHO, ROOM) == outer.inner.plan(plain, RHO, ROOM)
        assert (outer.name, outer.version) == (name, available()[name])
    model, _, _ = run("independent", plain)
    assert not isinstance(model, StructuredModel)


def test_the_plan_says_what_is_impossible() -> None:
    steps = load_synthesizer("independent").plan(DOMAIN, RHO, ROOM).steps
    (said,) = (step for step in steps if "impossible" in step)
    assert said.startswith("5 combinations are impossible by public knowledge, no cost: age x job; ")
    assert said.endswith("; grade x years x job.")


def test_the_reduced_domain_says_of_parents_what_was_said_of_their_columns() -> None:
    weights = (1.0, 2.0, 5.0, 1.0, 0.5, 0.1)
    free = reduced(Domain(COLUMNS, ZEROS, FOLLOWS, weights))
    assert free.names == ("grade", "age", "job", "hours")
    assert free.weights == (1.0, 5.0, 1.0, 0.5)
    assert free.determined == ()
    assert free.impossible[:2] == ZEROS[:2]
    grade, age, job = 1, 3, 0
    assert free.impossible[2] == Impossible(("grade", "age", "job"), ((grade * 5 + age) * 3 + job,))
    plain = Domain(COLUMNS, ZEROS)
    assert reduced(plain) is plain


def test_a_parent_of_several_columns_and_a_value_that_two_share() -> None:
    domain = Domain(
        COLUMNS[:3],
        (Impossible(("grade", "years"), (0 * 4 + 2, 3 * 4 + 0)),),
        (Determined("years", "age", (0, 1, 2, 3, 2)),),
    )
    free = reduced(domain)
    assert free.impossible == (Impossible(("grade", "age"), (0 * 5 + 2, 0 * 5 + 4, 3 * 5 + 0)),)


@dataclass
class _Careless:
    """A model that draws every column uniformly, whatever the structure says."""

    domain: Domain
    draws: int = 0

    def sample(self, rows: int, rng: np.random.Generator) -> SyntheticTable:
        self.draws += 1
        codes = {column.name: rng.integers(0, column.size, rows) for column in self.domain.columns}
        return SyntheticTable(self.domain, codes)


def test_a_model_that_ignores_the_structure_is_drawn_from_until_the_rows_keep_to_it() -> None:
    inner = _Careless(reduced(DOMAIN))
    rows = 60_000
    table = StructuredModel(inner, DOMAIN).sample(rows, np.random.default_rng(2))
    assert not violating(DOMAIN, table.codes).any()
    # What comes out is the uniform distribution over what is possible.
    possible = [
        cell
        for cell in range(reduced(DOMAIN).size(("age", "job")))
        if cell not in ZEROS[0].cells
    ]  # fmt: skip
    share = table.marginal(("age", "job")) / rows
    assert share[list(ZEROS[0].cells)].sum() == 0
    expected = np.array([_completions(cell) for cell in possible], dtype=np.float64)
    assert np.abs(share[possible] - expected / expected.sum()).max() < 0.01
    assert inner.draws > 1


def _completions(cell: int) -> int:
    """Possible records with this (age, job), over grade and hours."""
    age, job = divmod(cell, 3)
    grades = 3 if (job, FOLLOWS[0].codes[age]) == (0, 3) else 4
    return grades * (1 if job == 2 else 3)


def test_a_model_whose_rows_need_no_mending_is_drawn_from_once() -> None:
    free = Domain(COLUMNS[:2])
    inner = _Careless(free)
    StructuredModel(inner, Domain(COLUMNS[:3], (), FOLLOWS[:1])).sample(100, np.random.default_rng(2))
    assert inner.draws == 1


class _Hopeless(_Careless):
    def sample(self, rows: int, rng: np.random.Generator) -> SyntheticTable:
        table = super().sample(rows, rng)
        return SyntheticTable(
            self.domain, table.codes | {name: table.codes[name] * 0 for name in ("age", "job")}
        )


def test_a_model_of_impossible_rows_alone_ends_in_a_clear_failure() -> None:
    with pytest.raises(IntegrityError, match="nearly all rows"):
        StructuredModel(_Hopeless(reduced(DOMAIN)), DOMAIN).sample(10, np.random.default_rng(2))


def test_a_table_that_breaks_a_rule_is_caught_by_the_names_of_the_rule_and_no_other_is() -> None:
    good = people(500)
    require_structure(DOMAIN, good)
    bad = {name: column.copy() for name, column in good.items()}
    bad["level"][7] = (bad["level"][7] + 1) % 4
    with pytest.raises(IntegrityError, match="Column level does not follow from grade"):
        require_structure(DOMAIN, bad)
    bad = {name: column.copy() for name, column in good.items()}
    bad["age"][3], bad["years"][3], bad["job"][3], bad["hours"][3] = 0, 0, 0, 1
    with pytest.raises(IntegrityError, match="age and job that is impossible"):
        require_structure(DOMAIN, bad)
    assert violating(DOMAIN, bad).nonzero()[0].tolist() == [3]
    require_structure(Domain(COLUMNS), people(500, obey=False))


@dataclass
class _Behind:
    """A curator that writes down what it is asked."""

    asked: list[Any] = field(default_factory=list)
    domain: Domain = DOMAIN
    remaining: int = 17

    def count(self, sigma: float) -> NoisyMarginal:
        self.asked.append(sigma)
        return NoisyMarginal((), np.zeros(1), sigma)

    def measure(
        self, cliques: Sequence[Clique], sigma: float, merging: Merging | None = None
    ) -> list[NoisyMarginal]:
        self.asked.append((cliques, sigma, merging))
        return []

    def select(
        self,
        candidates: Sequence[Candidate],
        estimates: Mapping[Clique, NDArray[np.float64]],
        epsilon: float,
    ) -> int:
        self.asked.append((candidates, estimates, epsilon))
        return 1

    def entrust(self, trust: Entrustment, rows: int) -> SyntheticTable:
        self.asked.append((trust, rows))
        return SyntheticTable(DOMAIN, people(rows))

    def tell(self, progress: Progress) -> None:
        self.asked.append(progress)


def test_the_reduced_curator_asks_the_one_behind_it_and_nothing_else() -> None:
    behind = _Behind()
    seen: Curator = ReducedCurator(behind)
    assert seen.domain == reduced(DOMAIN)
    assert seen.remaining == 17
    assert seen.count(2.0).sigma == 2.0
    merging = {"age": (0, 0, 1)}
    seen.measure([("age", "job")], 3.0, merging)
    assert seen.select([], {}, 0.5) == 1
    progress = Progress("step", 1, 2, 0.5, 10)
    seen.tell(progress)
    trust = Entrustment("e", "l", "1", "m", "1", "0")
    assert seen.entrust(trust, 5).domain == reduced(DOMAIN)
    assert behind.asked == [2.0, ([("age", "job")], 3.0, merging), ([], {}, 0.5), progress, (trust, 5)]


class _Planner:
    """Writes down the domain it is planned with."""

    name, version = "planner", "1.0"

    def __init__(self) -> None:
        self.seen: list[Domain] = []

    def plan(self, domain: Domain, rho_nano: int, max_model_cells: int) -> Plan:
        self.seen.append(domain)
        return Plan(self.name, self.version, rho_nano, ("a step",), {})

    def fit(self, plan: Plan, curator: Curator) -> FittedModel:
        self.seen.append(curator.domain)
        return _Careless(curator.domain)


def test_any_synthesizer_profits_without_knowing() -> None:
    inner = _Planner()
    outer = StructuredSynthesizer(inner)
    model = outer.fit(outer.plan(DOMAIN, 5, 100), _Behind())
    assert inner.seen == [reduced(DOMAIN), reduced(DOMAIN)]
    assert isinstance(model, StructuredModel)
    assert isinstance(model.inner, _Careless)
    rows = model.inner.sample(50, np.random.default_rng(1))
    whole = model.expand(rows)
    assert whole.domain == DOMAIN
    assert (whole.codes["level"] == rows.codes["grade"]).all()


@pytest.mark.parametrize("name", ["aim", "mst", "privbayes", "wide"])
def test_zeros_count_towards_the_room_of_a_model(name: str) -> None:
    """Zeros along a chain fit; pairs across it would close large cycles with them."""
    columns = tuple(Column(f"c{i}", "categorical", values=tuple("abcdef")) for i in range(6))
    zeros = tuple(Impossible((f"c{i}", f"c{i + 1}"), (0,)) for i in range(4))
    domain, room, rng = Domain(columns, zeros), 450, np.random.default_rng(3)
    base = rng.integers(1, 6, 3_000)
    codes = {
        each: np.where(rng.random(3_000) < 0.5, base, rng.integers(1, 6, 3_000)) for each in domain.names
    }
    table = SensitiveTable(domain, codes, np.arange(3_000))
    found = load_synthesizer(name)
    plan = found.plan(domain, RHO, room)
    budget = PrivacyFilter(plan_cost(plan, "1e-9"))
    model = found.fit(plan, TableCurator(table, UNIT, budget, OpenDPNoise()))
    inner = model.inner if isinstance(model, StructuredModel) else model
    assert isinstance(inner, GraphicalModel)
    assert inner.cells <= room
