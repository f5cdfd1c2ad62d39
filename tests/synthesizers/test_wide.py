"""``wide`` decides from noisy answers between independent columns, a mixture and a tree, within its room."""

from __future__ import annotations

import math
import time
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from dpsynth.accounting.events import NoisyMax
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.accounting.reserve import marginal_cost
from dpsynth.core.curator import NoisyMarginal, Progress, Synthesizer
from dpsynth.core.domain import Column, Domain
from dpsynth.core.errors import PolicyRefusal
from dpsynth.core.unit import PrivacyUnit
from dpsynth.graphical.layout import Layout
from dpsynth.graphical.model import GraphicalModel
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.synthesizers import growth
from dpsynth.synthesizers.growth import within_room
from dpsynth.synthesizers.independent import Independent
from dpsynth.synthesizers.mixture import PairTargets, as_model, fit_mixture
from dpsynth.synthesizers.mst import MST
from dpsynth.synthesizers.wide import Wide
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.table import SensitiveTable

Codes = list[NDArray[np.int64]]


def domain_of(sizes: list[int]) -> Domain:
    return Domain(
        tuple(
            Column(f"c{place:02d}", "categorical", values=tuple(str(code) for code in range(size)))
            for place, size in enumerate(sizes)
        )
    )


def drawn(odds: NDArray[np.float64], given: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    reach = odds.cumsum(axis=1)
    code = (rng.random(len(given))[:, None] > reach[given]).sum(axis=1)
    return np.minimum(code, odds.shape[1] - 1).astype(np.int64)


def hidden_cause(columns: int, rows: int, seed: int = 1) -> tuple[Domain, Codes]:
    """Every pair is related, through six hidden groups."""
    rng = np.random.default_rng(seed)
    sizes = [2 + place % 4 for place in range(columns)]
    group = rng.integers(0, 6, rows)
    return domain_of(sizes), [drawn(rng.dirichlet(np.full(size, 0.5), 6), group, rng) for size in sizes]


def chain(columns: int, rows: int, seed: int = 1) -> tuple[Domain, Codes]:
    """Each column is related to the one before it, and to others through it alone."""
    rng = np.random.default_rng(seed)
    sizes = [3 + place % 3 for place in range(columns)]
    codes = [rng.integers(0, sizes[0], rows)]
    for place in range(1, columns):
        odds = rng.dirichlet(np.full(sizes[place], 0.25), sizes[place - 1])
        codes.append(drawn(odds, codes[-1], rng))
    return domain_of(sizes), codes


def unrelated(columns: int, rows: int) -> tuple[Domain, Codes]:
    rng = np.random.default_rng(1)
    return domain_of([4] * columns), [rng.integers(0, 4, rows) for _ in range(columns)]


def run(
    synthesizer: Synthesizer, domain: Domain, codes: Codes, rho_nano: int = 15_000_000, room: int = 1_000_000
) -> tuple[GraphicalModel, list[Progress], PrivacyFilter]:
    rows = np.arange(len(codes[0]), dtype=np.int64)
    table = SensitiveTable(domain, dict(zip(domain.names, codes, strict=True)), rows)
    plan = synthesizer.plan(domain, rho_nano, room)
    budget = PrivacyFilter(marginal_cost(rho_nano, plan.choices_nano, "1e-9"))
    told: list[Progress] = []
    unit = PrivacyUnit("row", None, 1, "add_remove")
    model = synthesizer.fit(plan, TableCurator(table, unit, budget, OpenDPNoise(), told.append))
    assert isinstance(model, GraphicalModel)
    return model, told, budget


def error(model: GraphicalModel, domain: Domain, codes: Codes, ways: int = 2) -> float:
    rows = len(codes[0])
    sample = model.sample(rows, np.random.default_rng(1))
    real = type(sample)(domain, dict(zip(domain.names, codes, strict=True)))
    cliques = list(combinations(domain.names, ways))[:: 7 if ways == 3 else 1]
    return float(np.mean([np.abs(sample.marginal(c) - real.marginal(c)).sum() / (2 * rows) for c in cliques]))


def decision(told: list[Progress]) -> str:
    return next(one.step for one in told if one.step.startswith("decided"))


def test_many_weak_relations_are_kept_by_a_mixture_far_better_than_by_a_tree() -> None:
    domain, codes = hidden_cause(10, 10_000)
    model, told, budget = run(Wide(), domain, codes)
    assert decision(told) == "decided for a mixture"
    assert budget.remaining_rho < 0.01 * 15_000_000
    tree, alone = (run(other(), domain, codes)[0] for other in (MST, Independent))
    for ways in (2, 3):
        others = [error(other, domain, codes, ways) for other in (tree, alone)]
        assert error(model, domain, codes, ways) < 0.6 * min(others)


def test_few_strong_relations_are_kept_by_a_tree() -> None:
    domain, codes = chain(14, 20_000)
    model, told, budget = run(Wide(), domain, codes)
    assert decision(told) == "decided for a tree"
    assert budget.remaining_rho < 0.01 * 15_000_000
    assert error(model, domain, codes) < 0.5 * error(run(Independent(), domain, codes)[0], domain, codes)


def test_where_nothing_is_related_the_rest_goes_to_single_columns() -> None:
    domain, codes = unrelated(8, 5_000)
    _, told, budget = run(Wide(), domain, codes, 1_000_000)
    assert decision(told) == "decided for independent columns"
    assert budget.remaining_rho < 0.01 * 1_000_000


def test_choices_that_do_not_fit_are_paid_from_the_share_for_choosing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(growth, "_REFRESHES", 1)  # what cannot fit any more stays among the candidates
    domain, codes = chain(10, 10_000)
    model, told, budget = run(Wide(), domain, codes, room=160)
    assert decision(told) == "decided for a tree"
    choices = [event for event in budget.events if isinstance(event, NoisyMax)]
    spent = sum(event.epsilon**2 / 8 for event in choices)
    assert spent <= (Wide().plan(domain, 15_000_000, 160).choices_nano or 0) * 1e-9
    assert model.cells <= 160


@pytest.mark.parametrize("room", [200, 1_000])
@pytest.mark.parametrize("make", [hidden_cause, chain])
def test_no_model_leaves_its_room(room: int, make: object) -> None:
    domain, codes = make(6, 4_000)  # type: ignore[operator]
    assert run(Wide(), domain, codes, room=room)[0].cells <= room


def test_a_budget_too_small_for_pairs_is_seen_from_public_facts() -> None:
    domain, codes = hidden_cause(16, 2_000)
    plan = Wide().plan(domain, 2_000, 1_000_000)
    assert (plan.options["pairs"], plan.choices_nano) == (0, 0)
    _, told, budget = run(Wide(), domain, codes, 2_000)
    assert not told
    assert len(budget.events) == 16
    assert Wide().plan(domain, 20_000, 1_000_000).options["pairs"] == 120


def test_the_plan_states_memory_and_time_from_public_facts() -> None:
    small, large = (Wide().plan(domain_of([size] * 60), 10**7, 10**6).steps[-1] for size in (3, 30))
    assert "MB of memory" in small
    assert "s on one core" in small
    assert int(large.split("about ")[1].split()[0]) > int(small.split("about ")[1].split()[0])


def test_codes_too_many_for_a_mixture_leave_the_tree() -> None:
    assert Wide().plan(domain_of([1000] * 5), 10**7, 10**6).options["groups"] == 0
    assert Wide().plan(domain_of([700] * 5), 10**7, 10**6).options["groups"] == 100
    assert Wide().plan(domain_of([700] * 5), 10**7, 3_600).options["groups"] == 0


def test_a_hundred_columns_are_planned_at_once() -> None:
    begin = time.process_time()
    plan = Wide().plan(domain_of([2 + place % 9 for place in range(100)]), 10**7, 10**6)
    assert time.process_time() - begin < 1.0
    assert plan.options["pairs"] == math.comb(100, 2)


def exact(domain: Domain, codes: Codes, sigma: float = 1.0) -> list[NoisyMarginal]:
    rows = SensitiveTable(domain, dict(zip(domain.names, codes, strict=True)), np.arange(len(codes[0])))
    cliques = [*combinations(domain.names, 1), *combinations(domain.names, 2)]
    return [NoisyMarginal(clique, rows._marginal(clique).astype(np.float64), sigma) for clique in cliques]


def test_a_mixture_fits_exact_marginals_and_its_model_says_the_same_as_its_matrices() -> None:
    domain, codes = hidden_cause(6, 50_000)
    answers = exact(domain, codes)
    targets = PairTargets(domain, answers)
    mixture = fit_mixture(targets, 12, 1500, 1.0)
    model = as_model(targets, mixture, 0.0)
    pairs = mixture.pairs()
    for answer in answers:
        found = model.marginal(answer.clique)
        assert np.abs(found - answer.values).sum() / (2 * 50_000) < 0.01
        if len(answer.clique) == 2:
            block = targets.block(pairs, answer.clique).astype(np.float64) * targets.total
            assert Layout(domain).outward(block, answer.clique) == pytest.approx(found, rel=1e-3, abs=1.0)


def test_rows_of_a_mixture_have_its_marginals_and_no_column_of_groups() -> None:
    domain, codes = hidden_cause(6, 5_000)
    targets = PairTargets(domain, exact(domain, codes))
    model = as_model(targets, fit_mixture(targets, 8, 300, 10.0), 0.0)
    sample = model.sample(40_000, np.random.default_rng(1))
    assert tuple(sample.codes) == domain.names
    for pair in combinations(domain.names, 2):
        expected = model.marginal(pair) / model.total
        assert np.abs(sample.marginal(pair) / 40_000 - expected).sum() / 2 < 0.01


def test_the_gradient_of_the_mixture_is_that_of_its_loss() -> None:
    from dpsynth.synthesizers.mixture import _Descent

    domain, codes = hidden_cause(4, 300)
    targets = PairTargets(domain, exact(domain, codes, 30.0))
    descent = _Descent(targets, 3)

    def loss() -> float:
        now = descent.mixture()
        pairs = now.pairs().astype(np.float64) - targets.values
        single = (now.shares @ now.codes).astype(np.float64) - targets.single
        divergence = np.log(now.codes.astype(np.float64)) - descent.base
        information = float((now.shares[:, None] * now.codes * divergence).sum())
        # Each pair stands twice in the symmetric matrix.
        return (
            0.5 * float((targets.weights * pairs**2).sum())
            + 0.5 * float((targets.single_weights * single**2).sum())
            + 5.0 * information
        )

    slopes = descent._slopes(np.float32(5.0))
    for place, spots in ((0, [(0, 0), (1, 3), (2, 7)]), (1, [(0,), (2,)])):
        for spot in spots:
            values, step = descent.parameters[place], np.float32(1e-2)
            values[spot] += step
            above = loss()
            values[spot] -= 2 * step
            below = loss()
            values[spot] += step
            assert slopes[place][spot] == pytest.approx(
                (above - below) / (2 * float(step)), rel=0.05, abs=0.05
            )


def test_room_counts_the_whole_tree() -> None:
    layout = Layout(domain_of([10, 10, 10, 10]))
    ring = [("c00", "c01"), ("c01", "c02"), ("c02", "c03")]
    assert within_room(layout, ring[:2], ring[2], 300)
    assert not within_room(layout, ring, ("c00", "c03"), 1999)
    assert within_room(layout, ring, ("c00", "c03"), 2000)


def test_too_many_codes_for_the_room_are_refused_with_the_columns_to_blame() -> None:
    with pytest.raises(PolicyRefusal, match=r"5000 in c01.*no column above 9"):
        Wide().plan(domain_of([4, 5000, 3]), 10**7, 16)
