"""Fitting: exact marginals are recovered, repeats and contained cliques merge, warm starts carry over."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from dpsynth.core.curator import NoisyMarginal
from dpsynth.core.domain import Clique, Column, Domain
from dpsynth.core.merging import merged_cells, merged_shape
from dpsynth.graphical.fitting import fit
from dpsynth.graphical.layout import Layout
from dpsynth.graphical.measurements import estimate_total, merge


def column(name: str, size: int) -> Column:
    return Column(name, "categorical", values=tuple(str(code) for code in range(size)))


DOMAIN = Domain((column("a", 4), column("b", 3), column("c", 1), column("d", 2), column("e", 5)))
JOINT = np.random.default_rng(1).gamma(0.7, size=DOMAIN.shape) * 100.0


def exact(clique: Clique, sigma: float = 1.0) -> NoisyMarginal:
    axes = tuple(axis for axis, name in enumerate(DOMAIN.names) if name not in clique)
    return NoisyMarginal(clique, JOINT.sum(axis=axes).reshape(-1), sigma)


@pytest.mark.parametrize(
    "cliques",
    [
        [("a",), ("b",), ("c",), ("d",), ("e",)],
        [("a", "b"), ("b", "d"), ("d", "e")],
        [("a", "b"), ("b", "d"), ("d", "e"), ("a", "e")],
        [("a", "b", "c"), ("a", "b"), ("b",), ("c", "e")],
    ],
)
def test_exact_marginals_are_recovered(cliques: list[Clique]) -> None:
    model = fit(DOMAIN, [exact(clique) for clique in cliques], iterations=3000, tolerance=0.0)
    for clique in cliques:
        np.testing.assert_allclose(model.marginal(clique), exact(clique).values, rtol=0, atol=0.2)


def test_an_unmeasured_interaction_is_not_invented() -> None:
    model = fit(DOMAIN, [exact(("a",)), exact(("e",))])
    product = np.outer(exact(("a",)).values, exact(("e",)).values) / JOINT.sum()
    np.testing.assert_allclose(model.marginal(("a", "e")), product.reshape(-1), atol=0.2)
    assert np.abs(model.marginal(("a", "e")) - exact(("a", "e")).values).max() > 10


def test_marginals_come_out_in_the_order_of_the_clique() -> None:
    model = fit(DOMAIN, [exact(("a", "b"))], iterations=2000)
    np.testing.assert_allclose(
        model.marginal(("a", "b")).reshape(4, 3), model.marginal(("b", "a")).reshape(3, 4).T
    )


def test_an_unmeasured_column_is_uniform() -> None:
    values = fit(DOMAIN, [exact(("a",))]).marginal(("e",))
    np.testing.assert_allclose(values, values.mean())


def test_repeats_are_averaged_by_inverse_variance() -> None:
    one = NoisyMarginal(("d",), np.array([10.0, 0.0]), 1.0)
    two = NoisyMarginal(("d",), np.array([0.0, 20.0]), 3.0)
    merged = merge(Layout(DOMAIN), [one, two])
    (target,) = merged
    np.testing.assert_allclose(target.values, [9.0, 2.0])
    assert target.variance == pytest.approx(0.9)


def test_a_repeated_measurement_weighs_as_much_as_its_average() -> None:
    rng = np.random.default_rng(4)
    noisy = [NoisyMarginal(("a", "b"), exact(("a", "b")).values + rng.normal(0, 5, 12), 5.0) for _ in "xy"]
    average = NoisyMarginal(("a", "b"), (noisy[0].values + noisy[1].values) / 2, 5.0 / np.sqrt(2))
    extra = exact(("a",), 2.0)
    together = fit(DOMAIN, [*noisy, extra]).marginal(("a", "b"))
    np.testing.assert_allclose(together, fit(DOMAIN, [average, extra]).marginal(("a", "b")), atol=1e-6)


def test_a_precise_contained_clique_pulls_the_one_around_it() -> None:
    rng = np.random.default_rng(4)
    rough = NoisyMarginal(("a", "e"), exact(("a", "e")).values + rng.normal(0, 30, 20), 30.0)
    truth = exact(("a",)).values
    alone = fit(DOMAIN, [rough]).marginal(("a",))
    helped = fit(DOMAIN, [rough, exact(("a",), 0.5)], iterations=3000).marginal(("a",))
    assert np.abs(helped - truth).sum() < 0.2 * np.abs(alone - truth).sum()


def test_the_total_is_the_inverse_variance_mean_of_the_sums() -> None:
    layout = Layout(DOMAIN)
    answers = [
        NoisyMarginal(("d",), np.array([60.0, 40.0]), 1.0),
        NoisyMarginal(("a",), np.array([50.0, 50.0, 50.0, 50.0]), 1.0),
    ]
    assert estimate_total(merge(layout, answers)) == pytest.approx(100 * 2 / 3 + 200 / 3)


def test_a_count_of_rows_informs_the_total_and_nothing_else() -> None:
    total = NoisyMarginal((), np.array([500.0]), 0.01)
    model = fit(DOMAIN, [total, NoisyMarginal(("d",), np.array([30.0, 10.0]), 100.0)])
    assert model.total == pytest.approx(500.0, abs=0.1)


@pytest.mark.parametrize("values", [np.zeros(2), np.array([-40.0, -3.0]), np.array([1e9, -1e9])])
@pytest.mark.parametrize("sigma", [1e-9, 1.0, 1e6])
def test_degenerate_counts_still_give_a_distribution(values: np.ndarray, sigma: float) -> None:
    model = fit(DOMAIN, [NoisyMarginal(("d",), values, sigma)])
    counts = model.marginal(("a", "d"))
    assert np.isfinite(counts).all()
    assert (counts >= 0).all()
    assert counts.sum() == pytest.approx(model.total)
    assert model.total >= 1


def test_no_measurement_at_all_gives_the_uniform_model() -> None:
    np.testing.assert_allclose(fit(DOMAIN, []).marginal(("a",)), 0.25)


def test_a_warm_start_carries_the_old_model_into_a_larger_structure() -> None:
    first = [exact(("a", "b")), exact(("b", "d")), exact(("d", "e"))]
    model = fit(DOMAIN, first, iterations=2000)
    more = [*first, exact(("a", "e"))]
    grown = fit(DOMAIN, more, warm=model, iterations=1)
    for clique in combinations(DOMAIN.names, 2):
        np.testing.assert_allclose(grown.marginal(clique), model.marginal(clique), rtol=1e-6, atol=1e-6)
    assert grown.loss < 0.5 * fit(DOMAIN, more, iterations=1).loss


def test_more_iterations_never_fit_worse() -> None:
    rng = np.random.default_rng(8)
    noisy = [
        NoisyMarginal(c, exact(c).values + rng.normal(0, 4, DOMAIN.size(c)), 4.0)
        for c in combinations(DOMAIN.names, 2)
    ]
    losses = [fit(DOMAIN, noisy, iterations=steps, tolerance=0.0).loss for steps in (1, 20, 200, 1000)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("clique", [("a", "e"), ("b", "e", "a"), ("d", "a")])
def test_a_merged_marginal_is_matched_and_shared_out_inside_groups_as_the_columns_say(
    clique: Clique,
) -> None:
    """Against the same fit over a domain whose codes were merged beforehand: the engine's own twin."""
    merging = {"a": (0, 1, 0, 1), "e": (0, 1, 1, 2, 0)}
    sizes = {name: DOMAIN[name].size for name in DOMAIN.names}
    ordered = DOMAIN.clique(clique)
    said = {name: merging[name] for name in ordered if name in merging}
    sums = np.bincount(merged_cells(sizes, ordered, said), exact(ordered).values)
    groups = merged_shape(sizes, clique, said)
    values = sums.reshape(merged_shape(sizes, ordered, said)).transpose([ordered.index(n) for n in clique])
    merged = NoisyMarginal(clique, values.reshape(-1), 1.0, said)
    singles = [exact((name,)) for name in clique]
    model = fit(DOMAIN, [*singles, merged], iterations=4000, tolerance=0.0)
    found = np.bincount(merged_cells(sizes, clique, said), model.marginal(clique)).reshape(groups)
    np.testing.assert_allclose(found, values, atol=0.3)
    small = Domain(tuple(column(n, size) for n, size in zip(clique, groups, strict=True)))
    twin = fit(small, [NoisyMarginal(clique, values.reshape(-1), 1.0)], iterations=4000, tolerance=0.0)
    np.testing.assert_allclose(twin.marginal(clique).reshape(groups), found, atol=0.3)
    inside = model.marginal(clique).reshape([sizes[name] for name in clique])
    for axis, name in enumerate(clique):
        others = tuple(other for other in range(len(clique)) if other != axis)
        np.testing.assert_allclose(inside.sum(axis=others), exact((name,)).values, atol=0.3)
    alone = {name: exact((name,)).values for name in clique}
    for at in np.ndindex(*inside.shape):  # inside a cell of groups the columns are independent
        shares = [
            alone[n][c] / alone[n][np.array(said[n]) == said[n][c]].sum() if n in said else 1.0
            for n, c in zip(clique, at, strict=True)
        ]
        cell = tuple(said[n][c] if n in said else c for n, c in zip(clique, at, strict=True))
        assert inside[at] == pytest.approx(found[cell] * np.prod(shares), abs=0.5)


def test_repeats_are_averaged_at_each_grain_apart() -> None:
    groups = {"a": (0, 0, 1, 1)}
    fine, rough = exact(("a",)), NoisyMarginal(("a",), np.array([9.0, 5.0]), 2.0, groups)
    targets = merge(Layout(DOMAIN), [fine, rough, rough, fine])
    assert [(target.values.size, target.variance) for target in targets] == [(4, 0.5), (2, 2.0)]
    total = exact(("a",)).values.sum()
    assert estimate_total(targets) == pytest.approx((total / 2 + 14 / 4) / (1 / 2 + 1 / 4))
