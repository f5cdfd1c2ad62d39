"""Each synthesizer spends what its plan says, stays within its room and sees nothing but noisy answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from dpsynth.accounting.events import DiscreteGaussian, Event, NoisyMax
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.accounting.reserve import marginal_cost
from dpsynth.core.curator import Candidate, NoisyMarginal, Plan, Progress, Synthesizer
from dpsynth.core.domain import Clique, Column, Domain
from dpsynth.core.errors import PolicyRefusal
from dpsynth.core.merging import Merging, merged_cells
from dpsynth.core.table import SyntheticTable
from dpsynth.graphical.junction_tree import model_cells
from dpsynth.graphical.layout import Layout
from dpsynth.graphical.model import GraphicalModel
from dpsynth.synthesizers.aim import AIM
from dpsynth.synthesizers.independent import Independent
from dpsynth.synthesizers.mst import MST
from dpsynth.synthesizers.workload import Feasible, closure

ALL = [Independent, MST, AIM]
ORDERS = range(2, 65)


class MemoryCurator:
    """A curator over known rows with seeded noise, charging exactly, rounded up at every order.

    With ``reserved`` it charges the filter of a real run too, which refuses what was not reserved.
    """

    def __init__(
        self,
        table: SyntheticTable,
        rho_nano: int,
        seed: int = 1,
        unit_rows: int = 1,
        reserved: PrivacyFilter | None = None,
    ) -> None:
        self.table, self.cap, self.unit_rows, self.reserved = table, rho_nano, unit_rows, reserved
        self.rng = np.random.default_rng(seed)
        self.charged = dict.fromkeys(ORDERS, 0)
        self.spent = Fraction(0)
        self.calls: list[tuple[str, object, float]] = []
        self.told: list[Progress] = []

    def tell(self, progress: Progress) -> None:
        self.told.append(progress)

    @property
    def domain(self) -> Domain:
        return self.table.domain

    @property
    def remaining(self) -> int:
        left = min((order * self.cap - used) // order for order, used in self.charged.items())
        return left if self.reserved is None else min(left, self.reserved.remaining_rho)

    def _charge(self, event: Event, rho: Fraction) -> None:
        if self.reserved is not None:
            self.reserved.charge(event)
        self.spent += rho
        for order in ORDERS:
            self.charged[order] += math.ceil(order * rho * 10**9)
            assert self.charged[order] <= order * self.cap, "spent more than was reserved"

    def count(self, sigma: float) -> NoisyMarginal:
        return self.measure([()], sigma)[0]

    def measure(
        self, cliques: Sequence[Clique], sigma: float, merging: Merging | None = None
    ) -> list[NoisyMarginal]:
        answers = []
        for clique in cliques:
            self._charge(DiscreteGaussian(sigma), 1 / (2 * Fraction(sigma) ** 2))
            self.calls.append(("measure", clique, sigma))
            std = sigma * self.unit_rows
            groups = {name: merging[name] for name in clique if merging and name in merging}
            counts = self.merged(self.table.marginal(clique), clique, groups)
            noisy = counts + np.rint(self.rng.normal(0, std, counts.shape))
            answers.append(NoisyMarginal(clique, noisy, std, groups))
        return answers

    def merged(self, values: NDArray[np.float64], clique: Clique, groups: Merging) -> NDArray[np.float64]:
        sizes = {name: self.domain[name].size for name in clique}
        return np.bincount(merged_cells(sizes, clique, groups), values)

    def select(
        self,
        candidates: Sequence[Candidate],
        estimates: Mapping[Clique, NDArray[np.float64]],
        epsilon: float,
    ) -> int:
        self._charge(NoisyMax(epsilon), Fraction(epsilon) ** 2 / 8)
        self.calls.append(("select", tuple(candidates), epsilon))
        scores = []
        for each in candidates:
            assert estimates[each.clique].shape == (self.domain.size(each.clique),)
            gap = self.table.marginal(each.clique) - estimates[each.clique]
            error = np.abs(self.merged(gap, each.clique, each.merging)).sum()
            scores.append(each.weight * (error - each.offset))
        widest = max(each.weight for each in candidates) * self.unit_rows
        return int(np.argmax(scores + self.rng.gumbel(0, 2 * widest / epsilon, len(scores))))


def column(name: str, size: int) -> Column:
    return Column(name, "categorical", values=tuple(str(code) for code in range(size)))


def correlated(rows: int = 8000, seed: int = 1) -> SyntheticTable:
    """Six columns: x drives y and z; w depends on x and y together; u is free; k has one code."""
    rng = np.random.default_rng(seed)
    sizes = {"x": 4, "y": 4, "k": 1, "z": 3, "w": 2, "u": 5}
    x, free = rng.integers(0, 4, rows), rng.integers(0, 5, rows)
    y = np.where(rng.random(rows) < 0.7, x, rng.integers(0, 4, rows))
    z = np.where(rng.random(rows) < 0.8, x % 3, rng.integers(0, 3, rows))
    w = np.where(rng.random(rows) < 0.9, (x + y) % 2, rng.integers(0, 2, rows))
    codes = {"x": x, "y": y, "k": np.zeros(rows, dtype=np.int64), "z": z, "w": w, "u": free}
    return SyntheticTable(Domain(tuple(column(*each) for each in sizes.items())), codes)


def run(
    synthesizer: Synthesizer, table: SyntheticTable, rho_nano: int, room: int = 10_000, seed: int = 1
) -> tuple[GraphicalModel, MemoryCurator, Plan]:
    plan = synthesizer.plan(table.domain, rho_nano, room)
    reserved = PrivacyFilter(marginal_cost(rho_nano, plan.choices_nano, "1e-6"))
    curator = MemoryCurator(table, rho_nano, seed, reserved=reserved)
    model = synthesizer.fit(plan, curator)
    assert isinstance(model, GraphicalModel)
    return model, curator, plan


def error(model: GraphicalModel, table: SyntheticTable, ways: int) -> float:
    drawn = model.sample(table.rows, np.random.default_rng(2))
    cliques = list(combinations(table.domain.names, ways))
    return sum(0.5 * float(np.abs(drawn.marginal(c) - table.marginal(c)).sum()) for c in cliques) / (
        table.rows * len(cliques)
    )


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("rho_nano", [1, 7, 100, 5_003, 123_457, 10**7, 10**9, 10**12 + 1])
def test_a_run_spends_between_99_and_100_percent_of_its_plan(kind: type[Synthesizer], rho_nano: int) -> None:
    _, curator, plan = run(kind(), correlated(), rho_nano)
    assert plan.least_spent * rho_nano <= curator.spent * 10**9 <= rho_nano
    choices = sum(
        (Fraction(price) ** 2 / 8 for what, _, price in curator.calls if what == "select"), Fraction(0)
    )
    assert plan.choices_nano is not None
    assert choices * 10**9 <= plan.choices_nano


@pytest.mark.parametrize("kind", ALL)
def test_a_run_leaves_alone_what_lies_above_its_plan(kind: type[Synthesizer]) -> None:
    table, synthesizer = correlated(), kind()
    curator = MemoryCurator(table, 10**8)
    synthesizer.fit(synthesizer.plan(table.domain, 10**7, 10_000), curator)
    assert Fraction(99, 100) * 10**7 <= curator.spent * 10**9 <= 10**7


@pytest.mark.parametrize("kind", ALL)
def test_a_curator_that_holds_less_than_the_plan_is_never_overdrawn(kind: type[Synthesizer]) -> None:
    table, synthesizer = correlated(), kind()
    for held in (0, 1, 1000, 10**6):
        curator = MemoryCurator(table, held)
        model = synthesizer.fit(synthesizer.plan(table.domain, 10**7, 10_000), curator)
        assert model.sample(10, np.random.default_rng(1)).rows == 10


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("room", [19, 60, 200, 2000])
def test_the_model_stays_within_its_room(kind: type[Synthesizer], room: int) -> None:
    model, _, _ = run(kind(), correlated(), 10**8, room)
    assert model.cells <= room


def test_a_larger_room_is_used() -> None:
    assert run(AIM(), correlated(), 10**8, 2000)[0].cells > 60


@pytest.mark.parametrize("kind", ALL)
def test_a_room_too_small_for_single_columns_is_refused(kind: type[Synthesizer]) -> None:
    with pytest.raises(PolicyRefusal, match="one-way"):
        kind().plan(correlated(10).domain, 10**7, 18)
    assert kind().plan(correlated(10).domain, 10**7, 19).rho_nano == 10**7


@pytest.mark.parametrize("kind", ALL)
def test_no_budget_is_refused(kind: type[Synthesizer]) -> None:
    with pytest.raises(PolicyRefusal, match="budget"):
        kind().plan(correlated(10).domain, 0, 1000)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    "sizes",
    [{"a": 5}, {"a": 1}, {"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 2, "b": 3}, {"a": 2, "b": 2, "c": 2}],
)
@pytest.mark.parametrize("rows", [0, 1, 500])
def test_small_domains_and_empty_tables_give_valid_rows(
    kind: type[Synthesizer], sizes: dict[str, int], rows: int
) -> None:
    rng = np.random.default_rng(1)
    domain = Domain(tuple(column(*each) for each in sizes.items()))
    table = SyntheticTable(domain, {name: rng.integers(0, size, rows) for name, size in sizes.items()})
    for rho_nano in (3, 10**7):
        model, curator, _ = run(kind(), table, rho_nano)
        assert Fraction(99, 100) * rho_nano <= curator.spent * 10**9
        drawn = model.sample(200, rng).codes
        assert all(((drawn[name] >= 0) & (drawn[name] < size)).all() for name, size in sizes.items())


def test_structure_pays_off_on_correlated_columns() -> None:
    table = correlated()
    independent, tree, adaptive = (error(run(kind(), table, 2 * 10**7)[0], table, 3) for kind in ALL)
    assert adaptive < 0.8 * tree
    assert tree < 0.8 * independent


def test_on_independent_columns_structure_does_not_pay() -> None:
    rng = np.random.default_rng(3)
    domain = correlated(1).domain
    table = SyntheticTable(domain, {c.name: rng.integers(0, c.size, 8000) for c in domain.columns})
    assert error(run(Independent(), table, 10**6)[0], table, 2) < error(run(MST(), table, 10**6)[0], table, 2)


@pytest.mark.parametrize("kind", ALL)
def test_the_plan_does_not_depend_on_rows_and_neither_does_the_first_request(kind: type[Synthesizer]) -> None:
    other = SyntheticTable(
        correlated().domain, {name: codes * 0 for name, codes in correlated().codes.items()}
    )
    _, one, first = run(kind(), correlated(), 10**7)
    _, two, second = run(kind(), other, 10**7)
    assert first == second
    singles = len(correlated().domain.columns) - (kind is AIM)
    assert one.calls[:singles] == two.calls[:singles]


def test_the_shape_of_an_independent_run_is_fixed_by_its_plan() -> None:
    other = SyntheticTable(
        correlated().domain, {name: codes * 0 for name, codes in correlated().codes.items()}
    )
    shapes = [
        [(what, price) for what, _, price in run(Independent(), table, 10**7)[1].calls]
        for table in (correlated(), other)
    ]
    assert shapes[0] == shapes[1]


class ReplayCurator(MemoryCurator):
    """Gives the answers of another run, whatever its own rows are."""

    def __init__(self, table: SyntheticTable, rho_nano: int, answers: list[object]) -> None:
        super().__init__(table, rho_nano)
        self.answers = list(answers)

    def measure(
        self, cliques: Sequence[Clique], sigma: float, merging: Merging | None = None
    ) -> list[NoisyMarginal]:
        super().measure(cliques, sigma)
        return [self.answers.pop(0) for _ in cliques]  # type: ignore[misc]

    def merged(self, values: NDArray[np.float64], clique: Clique, groups: Merging) -> NDArray[np.float64]:
        sizes = {name: self.domain[name].size for name in clique}
        return np.bincount(merged_cells(sizes, clique, groups), values)

    def select(
        self,
        candidates: Sequence[Candidate],
        estimates: Mapping[Clique, NDArray[np.float64]],
        epsilon: float,
    ) -> int:
        super().select(candidates, estimates, epsilon)
        return self.answers.pop(0)  # type: ignore[return-value]


class RecordingCurator(MemoryCurator):
    """Keeps every answer it gave."""

    def __init__(self, table: SyntheticTable, rho_nano: int) -> None:
        super().__init__(table, rho_nano)
        self.given: list[object] = []

    def measure(
        self, cliques: Sequence[Clique], sigma: float, merging: Merging | None = None
    ) -> list[NoisyMarginal]:
        answers = super().measure(cliques, sigma)
        self.given += answers
        return answers

    def merged(self, values: NDArray[np.float64], clique: Clique, groups: Merging) -> NDArray[np.float64]:
        sizes = {name: self.domain[name].size for name in clique}
        return np.bincount(merged_cells(sizes, clique, groups), values)

    def select(
        self,
        candidates: Sequence[Candidate],
        estimates: Mapping[Clique, NDArray[np.float64]],
        epsilon: float,
    ) -> int:
        self.given.append(super().select(candidates, estimates, epsilon))
        return self.given[-1]  # type: ignore[return-value]


@pytest.mark.parametrize("kind", ALL)
def test_the_same_answers_give_the_same_model_whatever_the_rows(kind: type[Synthesizer]) -> None:
    table, empty = correlated(), correlated(0)
    synthesizer, recording = kind(), RecordingCurator(table, 10**7)
    plan = synthesizer.plan(table.domain, 10**7, 10_000)
    one = synthesizer.fit(plan, recording)
    replay = ReplayCurator(empty, 10**7, recording.given)
    two = synthesizer.fit(plan, replay)
    assert recording.calls == replay.calls
    rows = [each.sample(500, np.random.default_rng(1)).matrix() for each in (one, two)]
    assert (rows[0] == rows[1]).all()


def test_aims_offsets_are_in_rows_whatever_the_privacy_unit() -> None:
    table, offsets = correlated(), []
    for unit_rows in (1, 5):
        curator = MemoryCurator(table, 10**7, unit_rows=unit_rows)
        AIM().fit(AIM().plan(table.domain, 10**7, 10_000), curator)
        first = next(what for kind, what, _ in curator.calls if kind == "select")
        assert isinstance(first, tuple)
        offsets.append({each.clique: each.offset for each in first})
    assert offsets[1][("x",)] == pytest.approx(5 * offsets[0][("x",)])


def test_aim_asks_only_for_marginals_that_fit_the_share_of_room_used_so_far() -> None:
    table = correlated()
    _, curator, _ = run(AIM(), table, 10**8, 400)
    layout, measured, used = Layout(table.domain), [], 0.0
    last = max(place for place, call in enumerate(curator.calls) if call[0] == "select")
    beyond = curator.calls[last + 2 :]
    assert beyond
    assert all(what == "measure" for what, _, _ in beyond)
    rounds = 10**8 - sum(0.5 / price**2 * 1e9 for _, _, price in beyond)
    for what, subject, price in curator.calls[: last + 2]:
        if what == "measure":
            assert isinstance(subject, tuple)
            measured.append(layout.ids(subject))
            used += 0.5 / price**2 * 1e9
            inside = len(subject) == 1
            assert inside or model_cells(layout.sizes, measured) <= 400 * used / rounds * 1.001
        else:
            used += price**2 / 8 * 1e9


def test_feasibility_counts_the_whole_tree_not_the_marginal_alone() -> None:
    domain = Domain(tuple(column(name, 10) for name in "abcd"))
    layout = Layout(domain)
    chain = [layout.ids(pair) for pair in (("a", "b"), ("b", "c"), ("c", "d"))]
    feasible = Feasible(domain, closure(domain, 2, 1000))
    assert ("a", "d") not in feasible.within(chain, 1999)
    assert ("a", "d") in feasible.within(chain, 2000)
    assert ("a", "b") in feasible.within(chain, 1)


def test_the_workload_weighs_a_marginal_by_its_columns() -> None:
    weights = closure(correlated(1).domain, 3, 10_000)
    assert len(weights) == 5 + 10 + 10
    assert weights[("x",)] * 3 == pytest.approx(weights[("x", "y")] * 1.5) == weights[("x", "y", "z")]
    assert not any("k" in clique for clique in weights)
