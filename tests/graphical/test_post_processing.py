"""Conditions, margins and storage: what is drawn from a kept model equals brute force over the full joint."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from dpsynth.core.domain import Column, Determined, Domain
from dpsynth.core.errors import BadInput, IntegrityError
from dpsynth.graphical import conditioning, reweighting
from dpsynth.graphical.conditioning import condition, disjoint_boxes
from dpsynth.graphical.factor import Array
from dpsynth.graphical.inference import BeliefTree, calibrate
from dpsynth.graphical.junction_tree import junction_tree
from dpsynth.graphical.layout import Layout
from dpsynth.graphical.margins import Margin, parse_margins
from dpsynth.graphical.measurements import Target
from dpsynth.graphical.model import GraphicalModel
from dpsynth.graphical.reweighting import TOLERANCE, reweight
from dpsynth.graphical.storage import model_bytes, read_model
from dpsynth.graphical.where import parse, through_parents

DOMAIN = Domain(
    (
        Column("colour", "categorical", values=("red", "green", "it's blue", ">50K")),
        Column("age", "integer", edges=("0", "18", "30", "31", "65", "90"), has_missing=True),
        Column("one", "categorical", values=("only",)),
        Column("height", "real", edges=("1.5", "1.75", "2"), decimals=1),
        Column("yes-no", "categorical", values=("0", "1")),
        Column("in", "categorical", values=("a", "b", "c")),
    )
)
STRUCTURES = {
    "tree": [("colour", "age"), ("age", "height"), ("height", "yes-no"), ("height", "in")],
    "cycle": [("colour", "age"), ("age", "height"), ("height", "in"), ("colour", "in")],
    "unconnected": [("colour", "age"), ("yes-no", "in")],
    "one clique": [DOMAIN.names],
    "nothing": [],
}
CONDITIONS = (
    "colour = 'red'",
    "colour != 'red' and not age < 18",
    "age >= 30 and age < 65 and height >= 1.8",
    "colour = 'red' or age >= 65",
    """colour in ('it''s blue', '>50K') or (age is missing and "in" = 'a') or "yes-no" = 1""",
    "not (colour = 'red' or age >= 65 or height < 1.8)",
    "(colour = 'red' or age < 18) and (\"yes-no\" = 0 or height >= 1.8) and one = 'only'",
    "age = 30 or age is missing or \"in\" not in ('a', 'b')",
)


def model_of(name: str, spread: float = 1.0) -> GraphicalModel:
    if name == "hidden group":
        return hidden_model()
    layout, rng = Layout(DOMAIN), np.random.default_rng(5)
    cliques = [layout.ids(clique) for clique in STRUCTURES[name]]
    potentials = {ids: spread * rng.normal(size=[layout.sizes[i] for i in ids]) for ids in cliques}
    tree = junction_tree(layout.sizes, cliques)
    return GraphicalModel(layout, potentials, calibrate(tree, layout.sizes, potentials), 1000.0, 0.0)


def hidden_model() -> GraphicalModel:
    """Columns that are independent given a group that is in the tree and not in the domain."""
    layout, rng = Layout(DOMAIN), np.random.default_rng(6)
    sizes, group = (*layout.sizes, 3), len(layout.sizes)
    potentials = {(i, group): rng.normal(size=(sizes[i], 3)) for i in range(group)}
    beliefs = calibrate(junction_tree(sizes, potentials), sizes, potentials)
    return GraphicalModel(layout, potentials, beliefs, 1000.0, 0.0)


def model_beyond() -> GraphicalModel:
    """A tree of pairs, told of a pair that no clique holds: colour says nearly all about "in"."""
    model, values = model_of("tree"), np.full((3, 4), 5.0)
    values[[0, 1, 2], [0, 1, 2]] = 300.0
    ids = model.layout.ids(("colour", "in"))
    assert model.beliefs.tree.home(ids) < 0
    return replace(model, beyond=(Target(ids, values, 4.0),))


def joint_of(model: GraphicalModel | conditioning.Conditioned) -> Array:
    """All probabilities, one axis per column in domain order."""
    joint = model.marginal(DOMAIN.names).reshape(DOMAIN.shape)
    return joint / joint.sum()


def truth(text: str) -> Array:
    """Which cells of the joint meet a condition, by Python's own reading of it on each cell's values."""
    # A bin is judged by a released value inside it; missing meets no comparison.
    values = {
        "colour": list(DOMAIN["colour"].values),
        "age": [0, 18, 30, 40, 70, None],
        "one": ["only"],
        "height": [1.6, 1.9],
        "yes-no": ["0", "1"],
        "in": ["a", "b", "c"],
    }
    tests = {
        "colour = 'red'": lambda r: r["colour"] == "red",
        "colour != 'red' and not age < 18": lambda r: r["colour"] != "red" and not below(r["age"], 18),
        "age >= 30 and age < 65 and height >= 1.8": lambda r: (
            r["age"] is not None and 30 <= r["age"] < 65 and r["height"] >= 1.8
        ),
        "colour = 'red' or age >= 65": lambda r: r["colour"] == "red" or (r["age"] or 0) >= 65,
        CONDITIONS[4]: lambda r: (
            r["colour"] in ("it's blue", ">50K")
            or (r["age"] is None and r["in"] == "a")
            or r["yes-no"] == "1"
        ),
        CONDITIONS[5]: lambda r: not (r["colour"] == "red" or (r["age"] or 0) >= 65 or r["height"] < 1.8),
        CONDITIONS[6]: lambda r: (
            (r["colour"] == "red" or below(r["age"], 18)) and (r["yes-no"] == "0" or r["height"] >= 1.8)
        ),
        CONDITIONS[7]: lambda r: r["age"] == 30 or r["age"] is None or r["in"] not in ("a", "b"),
    }
    met = np.zeros(DOMAIN.shape)
    for codes in np.ndindex(*DOMAIN.shape):
        row = {name: values[name][code] for name, code in zip(DOMAIN.names, codes, strict=True)}
        met[codes] = tests[text](row)
    return met


def below(value: int | None, limit: int) -> bool:
    return value is not None and value < limit


def chi_square(observed: Array, expected: Array) -> tuple[float, int]:
    expected = expected * observed.sum() / expected.sum()
    keep = expected > 1.0
    return float(((observed - expected)[keep] ** 2 / expected[keep]).sum()), int(keep.sum()) - 1


@pytest.mark.parametrize("text", CONDITIONS)
@pytest.mark.parametrize("name", [*STRUCTURES, "hidden group"])
def test_a_conditioned_model_equals_the_masked_joint_distribution(name: str, text: str) -> None:
    model = model_of(name)
    wanted = joint_of(model) * truth(text)
    found = condition(model, parse(text, DOMAIN))
    assert found.probability == pytest.approx(wanted.sum(), abs=1e-12)
    np.testing.assert_allclose(joint_of(found), wanted / wanted.sum(), atol=1e-12)


@pytest.mark.parametrize("name", ["tree", "cycle"])
@pytest.mark.parametrize("text", [CONDITIONS[4], CONDITIONS[5]])
def test_rows_drawn_under_a_condition_follow_the_exact_conditional(name: str, text: str) -> None:
    model = model_of(name)
    wanted = joint_of(model) * truth(text)
    table = condition(model, parse(text, DOMAIN)).sample(20_000, np.random.default_rng(8))
    drawn = np.zeros(DOMAIN.shape)
    np.add.at(drawn, tuple(table.codes[column] for column in DOMAIN.names), 1)
    assert drawn[wanted == 0].sum() == 0, "a row outside the condition"
    for clique in [*combinations(range(6), 2), *combinations(range(6), 3)]:
        away = tuple(axis for axis in range(6) if axis not in clique)
        statistic, freedom = chi_square(drawn.sum(axis=away).ravel(), wanted.sum(axis=away).ravel())
        assert statistic <= chi2.ppf(1 - 1e-4, max(freedom, 1)), clique


def test_that_comparison_notices_boxes_drawn_in_equal_parts() -> None:
    model, text = model_of("tree"), CONDITIONS[3]
    right = condition(model, parse(text, DOMAIN))
    assert len(right.boxes) == 2
    wrong = replace(right, shares=np.array([0.5, 0.5]))
    wanted = (joint_of(model) * truth(text)).sum(axis=(2, 3, 4, 5)).ravel()
    for found, fine in ((right, True), (wrong, False)):
        drawn = found.sample(20_000, np.random.default_rng(1)).marginal(("colour", "age"))
        statistic, freedom = chi_square(drawn, wanted)
        assert (statistic <= chi2.ppf(1 - 1e-4, freedom)) == fine


def test_the_first_rows_of_a_mixture_are_like_the_last_and_small_samples_are_unbiased() -> None:
    model = model_of("tree")
    found = condition(model, parse(CONDITIONS[3], DOMAIN))
    wanted = found.marginal(("colour",))
    rng = np.random.default_rng(3)
    head = found.sample(20_000, rng).codes["colour"][:4000]
    few = sum(found.sample(2, rng).marginal(("colour",)) for _ in range(500))
    for drawn in (np.bincount(head, minlength=4), np.asarray(few)):
        statistic, freedom = chi_square(drawn, wanted)
        assert statistic <= chi2.ppf(1 - 1e-4, freedom)
    assert found.sample(0, rng).rows == 0


@pytest.mark.parametrize("text", CONDITIONS)
def test_boxes_never_overlap_and_cover_exactly_the_condition(text: str) -> None:
    covered = np.zeros(DOMAIN.shape)
    for box in disjoint_boxes(parse(text, DOMAIN), DOMAIN):
        masks = [box.get(name, np.ones(DOMAIN[name].size, dtype=bool)) for name in DOMAIN.names]
        covered += _outer(masks)
    np.testing.assert_array_equal(covered, truth(text))


def _outer(masks: list[Array]) -> Array:
    cells = np.ones(())
    for mask in masks:
        cells = np.multiply.outer(cells, mask.astype(float))
    return cells


def formulas() -> st.SearchStrategy[tuple[str, Array]]:
    """Random formulas over three columns, as text and as the cells that they mean."""
    names = ("colour", "yes-no", "in")
    shape = DOMAIN.sizes(names)

    def test(place: int, code: int, equal: bool) -> tuple[str, Array]:
        label = DOMAIN[names[place]].values[code % shape[place]].replace("'", "''")
        cells = np.indices(shape)[place] == code % shape[place]
        return f"\"{names[place]}\" {'=' if equal else '!='} '{label}'", cells if equal else ~cells

    tests = st.builds(test, st.integers(0, 2), st.integers(0, 5), st.booleans())

    def grow(inner: st.SearchStrategy[tuple[str, Array]]) -> st.SearchStrategy[tuple[str, Array]]:
        return st.one_of(
            st.builds(lambda a, b: (f"({a[0]}) and ({b[0]})", a[1] & b[1]), inner, inner),
            st.builds(lambda a, b: (f"({a[0]}) OR ({b[0]})", a[1] | b[1]), inner, inner),
            st.builds(lambda a: (f"not ({a[0]})", ~a[1]), inner),
        )

    return st.recursive(tests, grow, max_leaves=8)


@given(formulas())
def test_any_formula_means_what_boolean_algebra_says(formula: tuple[str, Array]) -> None:
    text, cells = formula
    covered = np.zeros(cells.shape)
    for box in disjoint_boxes(parse(text, DOMAIN), DOMAIN):
        masks = [box.get(name, np.ones(DOMAIN[name].size, dtype=bool)) for name in ("colour", "yes-no", "in")]
        covered += _outer(masks)
    np.testing.assert_array_equal(covered, cells)


def test_an_impossible_condition_and_one_of_probability_zero_are_refused() -> None:
    model = model_of("tree")
    for text in ("age >= 65 and age < 18", "age > 200", "not one = 'only'"):
        with pytest.raises(BadInput, match="probability 0"):
            condition(model, parse(text, DOMAIN))
    ids = model.layout.ids(("colour",))
    beliefs, mass = conditioning.absorb(model.beliefs, ids, np.array([0.0, 1.0, 1.0, 1.0]))
    assert 0 < mass < 1
    with pytest.raises(BadInput, match="probability 0"):
        condition(replace(model, beliefs=beliefs), parse("colour = 'red' and \"in\" = 'a'", DOMAIN))


def test_a_condition_of_too_many_parts_is_refused_and_alternatives_on_one_column_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conditioning, "MOST_BOXES", 100)
    wide = Domain(tuple(Column(f"c{i}", "categorical", values=("x", "y", "z")) for i in range(24)))
    pairs = " or ".join(f"(c{2 * i} = 'x' and c{2 * i + 1} = 'x')" for i in range(12))
    with pytest.raises(BadInput, match="more than 100 separate parts"):
        disjoint_boxes(parse(pairs, wide), wide)
    assert len(disjoint_boxes(parse("c0 = 'x' or c0 = 'y' or c1 = 'x'", wide), wide)) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("age >= 33", "age >= 31 or age >= 65"),
        ("age < 10", "age < 0 or age < 18"),
        ("age >= 90", "age >= 65 or age > 90"),
        ("age < 90", "age < 65 or age <= 90"),
        ("age = 20", "age >= 18 and age < 30"),
        ("age in (66, 67)", "age >= 65 and age <= 90"),
        ("height > 1.5", "height >= 1.5 or height >= 1.75"),
        ("height = 1.55", "at most 1 decimals"),
        ("age = 400", "0 to 90"),
        ("age = 'x'", "without quotes"),
        ("colour > 3", "no order"),
        ("colour = 'mauve'", "'red', 'green'"),
        ("shade = 'red'", "colour, age"),
        ("colour is missing", "no code for a missing value"),
        ("", "1 to 4000"),
        ("x" * 5000, "1 to 4000"),
        ("colour =", "at its end"),
        ("colour = 'red", "character 10"),
        ("colour = red", "character 10"),
        ("colour 'red'", "character 8"),
        ("colour = 'red' colour", "character 16"),
        ("(colour = 'red'", "at its end"),
        ("colour not = 'red'", "character 12"),
        ("in = 'a'", "character 1"),
        ("colour == 'red'", "character 9"),
        ("age = 1e9", "character 7"),
        ("__import__('os')", "no column"),
        ("colour = 'red'; age < 18", "character 15"),
        ("colour in ()", "character 12"),
        ("not " * 60 + "colour = 'red'", "nested"),
    ],
)
def test_a_condition_that_cannot_be_met_by_the_public_domain_says_what_would(text: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(text, DOMAIN)
    assert says in caught.value.text()


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("age < 18", [0]),
        ("age <= 17", [0]),
        ("age > 17", [1, 2, 3, 4]),
        ("age >= 17.5", [1, 2, 3, 4]),
        ("age = 30", [2]),
        ("age != 30", [0, 1, 3, 4]),
        ("not age = 30", [0, 1, 3, 4, 5]),
        ("age <= 90", [0, 1, 2, 3, 4]),
        ("age < -3", []),
        ("age is not missing", [0, 1, 2, 3, 4]),
        ("age not in (30)", [0, 1, 3, 4]),
        ("height >= 1.8", [1]),
        ("height > 1.7", [1]),
        ("height < 1.75", [0]),
        ("height in (1.8, 1.9, 2.0)", [1]),
    ],
)
def test_numbers_are_compared_as_they_are_released(text: str, codes: list[int]) -> None:
    found = parse(text, DOMAIN)
    assert np.flatnonzero(found.mask).tolist() == codes


def test_a_condition_on_a_determined_column_goes_to_the_one_it_follows() -> None:
    ruled = replace(DOMAIN, determined=(Determined("yes-no", "colour", (1, 0, 1, 1)),))
    found = through_parents(parse("\"yes-no\" = '1' and age < 18", ruled), ruled)
    boxes = disjoint_boxes(found, ruled)
    assert len(boxes) == 1
    assert boxes[0]["colour"].tolist() == [True, False, True, True]


def margin_of(joint: Array, *names: str) -> Margin:
    clique = DOMAIN.clique(names)
    away = tuple(axis for axis, name in enumerate(DOMAIN.names) if name not in clique)
    return Margin(clique, joint.sum(axis=away).ravel(), 1.0)


def brute_fit(joint: Array, margins: list[Margin]) -> Array:
    """Iterative proportional fitting of the whole joint distribution."""
    for _ in range(5000):
        for margin in margins:
            away = tuple(axis for axis, name in enumerate(DOMAIN.names) if name not in margin.clique)
            now = joint.sum(axis=away, keepdims=True)
            joint = joint * (margin.shares.reshape(now.shape) / np.where(now > 0, now, 1.0))
    return joint


@pytest.mark.parametrize("name", ["tree", "cycle", "unconnected", "hidden group"])
def test_a_reweighted_model_equals_iterative_fitting_of_the_joint(name: str) -> None:
    model = model_of(name)
    other = np.random.default_rng(2).dirichlet(np.ones(DOMAIN.size())).reshape(DOMAIN.shape)
    # Two columns that no clique of the tree holds, two that one holds, and single ones.
    margins = [margin_of(other, *names) for names in (("colour", "in"), ("colour", "age"), ("height",))]
    found = reweight(model, margins, 10_000)
    for margin in margins:
        now = found.marginal(margin.clique) / found.total
        np.testing.assert_allclose(now, margin.shares, atol=TOLERANCE)
    np.testing.assert_allclose(joint_of(found), brute_fit(joint_of(model), margins), atol=1e-8)
    again = reweight(found, margins, 10_000)
    np.testing.assert_allclose(joint_of(again), joint_of(found), atol=1e-8)


def test_without_a_step_that_comparison_would_fail() -> None:
    model = model_of("tree")
    other = np.random.default_rng(2).dirichlet(np.ones(DOMAIN.size())).reshape(DOMAIN.shape)
    assert np.abs(model.marginal(("colour",)) / model.total - margin_of(other, "colour").shares).max() > 0.01


def test_rows_of_a_reweighted_model_have_the_margins() -> None:
    shares = np.array([0.7, 0.1, 0.1, 0.1])
    found = reweight(model_of("cycle"), [Margin(("colour",), shares, 1.0)], 10_000)
    drawn = found.sample(10_000, np.random.default_rng(1)).marginal(("colour",))
    assert np.abs(drawn - 10_000 * shares).max() <= 1.0  # rounded, not drawn


def test_margins_that_contradict_each_other_or_the_model_are_refused() -> None:
    model = model_of("tree")
    joint = joint_of(model)
    flat = margin_of(np.full(DOMAIN.shape, 1 / DOMAIN.size()), "colour", "age")
    with pytest.raises(BadInput, match="disagree about colour"):
        reweight(model, [flat, margin_of(joint, "colour", "in")], 10_000)
    with pytest.raises(BadInput, match="different totals"):
        reweight(model, [replace(flat, total=5.0), margin_of(joint, "in")], 10_000)
    given = condition(model, parse("colour != 'red'", DOMAIN))
    without_red = conditioning.inside(model, given.boxes[0])[0]
    with pytest.raises(BadInput, match="colour = red and age"):
        reweight(without_red, [flat], 10_000)
    reweight(
        model, [replace(flat, total=1.005), margin_of(joint, "in")], 10_000
    )  # rounding is no contradiction


def test_margins_that_agree_in_pairs_and_still_cannot_hold_together_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reweighting, "_SWEEPS", 50)
    two = tuple(Column(name, "categorical", values=("0", "1")) for name in "abc")
    domain = Domain(two)
    layout = Layout(domain)
    tree = junction_tree(layout.sizes, [(0, 1), (1, 2)])
    model = GraphicalModel(layout, {}, calibrate(tree, layout.sizes, {}), 10.0, 0.0)
    same, differ = np.array([0.5, 0.0, 0.0, 0.5]), np.array([0.0, 0.5, 0.5, 0.0])
    pairs = [(("a", "b"), same), (("b", "c"), same), (("a", "c"), differ)]
    with pytest.raises(BadInput, match=r"cannot hold together|cannot have"):
        reweight(model, [Margin(clique, shares, 1.0) for clique, shares in pairs], 1000)
    fine = [(("a", "b"), same), (("b", "c"), same), (("a", "c"), same)]
    reweight(model, [Margin(clique, shares, 1.0) for clique, shares in fine], 1000)


def test_a_margin_that_makes_the_model_too_large_names_what_fits() -> None:
    model = model_of("tree")
    flat = margin_of(np.full(DOMAIN.shape, 1 / DOMAIN.size()), "colour", "in")
    with pytest.raises(BadInput) as caught:
        reweight(model, [flat], 40)
    assert "colour x age" in caught.value.allowed
    assert "at most 40 cells" in caught.value.allowed
    assert caught.value.remedy == "leave out colour x in"
    with pytest.raises(BadInput, match="would need"):
        reweight(hidden_model(), [flat], 30)


CSV = "colour,count\nred,1\ngreen,2\nit's blue,3\n>50K,4\n"


def test_margins_are_read_from_csv_and_json() -> None:
    one = parse_margins(CSV.encode(), "m.csv", DOMAIN)
    assert (one[0].clique, one[0].total) == (("colour",), 10.0)
    np.testing.assert_allclose(one[0].shares, [0.1, 0.2, 0.3, 0.4])
    cells = [
        [DOMAIN["in"].values[b], DOMAIN["age"].label(a), 10 * a + b + 1] for a in range(6) for b in range(3)
    ]
    both = json.dumps(
        [{"columns": ["in", "age"], "cells": cells}, {"columns": ["one"], "cells": [["only", "2"]]}]
    )
    two = parse_margins(both.encode(), "m.json", DOMAIN)
    assert [margin.clique for margin in two] == [("age", "in"), ("one",)]
    wanted = np.array([[10 * a + b + 1 for b in range(3)] for a in range(6)], dtype=float)
    np.testing.assert_allclose(two[0].shares, wanted.ravel() / wanted.sum())
    assert cells[-1][1] == "missing"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("m.csv", CSV.replace("count", "number"), "no header"),
        ("m.csv", CSV.replace("green", "mauve"), "no value or bin of 'colour'"),
        ("m.csv", CSV.replace("green", "red"), "twice"),
        ("m.csv", CSV.replace("green,2\n", ""), "leaves out 1 cells"),
        ("m.csv", CSV.replace(",2", ",-2"), ">= 0"),
        ("m.csv", CSV.replace(",2", ",nan"), ">= 0"),
        ("m.csv", CSV.replace(",2", ",1e400"), ">= 0"),
        ("m.csv", CSV.replace(",2", ",2,3"), "without 1 labels"),
        ("m.csv", CSV.replace("colour", "shade"), "no column"),
        ("m.csv", "colour,count\nred,0\ngreen,0\nit's blue,0\n>50K,0\n", "sums to 0"),
        ("m.csv", "colour,age,in,count\n", "one or two different columns"),
        ("m.csv", "", "no header"),
        ("m.csv", 'colour,count\n"red,1\n', "not a readable CSV"),
        ("m.csv", "\udcff", "not UTF-8"),
        ("m.csv", "x" * 10_000_001, "larger than"),
        ("m.json", "[", "not a JSON list"),
        ("m.json", "[]", "holds no margin"),
        ("m.json", '[{"columns": 3, "cells": []}]', "not a JSON list"),
        ("m.json", '[{"columns": ["one"], "cells": [["only", true]]}]', ">= 0"),
    ],
)
def test_a_file_of_margins_that_is_wrong_says_where(name: str, text: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_margins(text.encode("utf-8", "surrogateescape"), name, DOMAIN)
    assert says in caught.value.text()


def test_a_margin_of_a_determined_column_names_the_one_to_use() -> None:
    ruled = replace(DOMAIN, determined=(Determined("yes-no", "colour", (1, 0, 1, 1)),))
    with pytest.raises(BadInput, match="follows from 'colour'"):
        parse_margins(b"yes-no,count\n0,1\n1,1\n", "m.csv", ruled)


@pytest.mark.parametrize("name", [*STRUCTURES, "hidden group"])
def test_a_stored_model_comes_back_as_it_was(name: str) -> None:
    model = model_of(name)
    data = model_bytes(model)
    assert data == model_bytes(model)
    back = read_model(data, DOMAIN)
    assert back.total == model.total
    np.testing.assert_array_equal(joint_of(back), joint_of(model))
    seeds = [np.random.default_rng(4) for _ in range(2)]
    drawn = [each.sample(100, rng).matrix() for each, rng in zip((model, back), seeds, strict=True)]
    np.testing.assert_array_equal(*drawn)


def test_a_stored_model_keeps_what_it_was_told_beyond_its_tree_and_rows_follow_it() -> None:
    model = model_beyond()
    back = read_model(model_bytes(model), DOMAIN)
    assert [(one.ids, one.variance) for one in back.beyond] == [(one.ids, 4.0) for one in model.beyond]
    assert set(back.potentials) == set(model.potentials)
    seeds = [np.random.default_rng(4) for _ in range(2)]
    drawn = [each.sample(1000, rng) for each, rng in zip((model, back), seeds, strict=True)]
    np.testing.assert_array_equal(drawn[0].matrix(), drawn[1].matrix())
    told = model.layout.outward(model.beyond[0].values, ("colour", "in")) / model.beyond[0].values.sum()
    wanted = drawn[1].marginal(("colour", "in")) / 1000
    assert (
        np.abs(wanted - told).sum()
        < 0.2
        < np.abs(joint_of(model).sum(axis=(1, 2, 3, 4)).ravel() - told).sum()
    )


def test_conditional_and_reweighted_rows_of_such_a_model_follow_the_tree_alone() -> None:
    model, alone = model_beyond(), model_of("tree")
    given, plain = (condition(each, parse(CONDITIONS[4], DOMAIN)) for each in (model, alone))
    seeds = [np.random.default_rng(4) for _ in range(2)]
    drawn = [each.sample(2000, rng) for each, rng in zip((given, plain), seeds, strict=True)]
    np.testing.assert_array_equal(drawn[0].matrix(), drawn[1].matrix())
    met = truth(CONDITIONS[4])[tuple(drawn[0].codes[name] for name in DOMAIN.names)]
    assert met.all(), "a sweep moved rows out of the condition"
    shares = np.array([0.7, 0.1, 0.1, 0.1])
    moved = reweight(model, [Margin(("colour",), shares, 1.0)], 10_000).sample(2000, np.random.default_rng(1))
    assert np.abs(moved.marginal(("colour",)) - 2000 * shares).max() <= 1.0


def test_a_stored_model_does_not_depend_on_the_numbering_of_columns() -> None:
    model = model_beyond()
    data = model_bytes(model)
    renumbered = Layout(DOMAIN)
    order = renumbered.names
    turned = {**renumbered.__dict__, "names": order[::-1], "sizes": DOMAIN.sizes(order[::-1])}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Layout, "names", turned["names"])
        patch.setattr(Layout, "sizes", turned["sizes"])
        back = read_model(data, DOMAIN)
        np.testing.assert_allclose(joint_of(back), joint_of(model), atol=1e-12)
        assert back.beyond[0].ids == back.layout.ids(("colour", "in"))
        assert back.beyond[0].ids != model.beyond[0].ids
        turned_back = back.layout.outward(back.beyond[0].values, ("colour", "in"))
    np.testing.assert_array_equal(turned_back, model.layout.outward(model.beyond[0].values, ("colour", "in")))


def test_bytes_that_are_no_model_of_this_domain_are_refused() -> None:
    model = model_of("tree")
    data, told = model_bytes(model), model_beyond()
    pickled = io.BytesIO()
    np.savez(pickled, head=np.array([{"a": 1}], dtype=object))
    torn = BeliefTree(model.beliefs.tree, [belief * 2 for belief in model.beliefs.beliefs])
    loop = replace(model.beliefs.tree, parent=tuple(range(len(model.beliefs.tree.parent))))
    bad = [
        b"",
        data[:100],
        data[:-30],
        pickled.getvalue(),
        model_bytes(replace(model, beliefs=torn)),
        model_bytes(replace(model, beliefs=BeliefTree(loop, model.beliefs.beliefs))),
        data.replace(b'"version":1', b'"version":2'),
        model_bytes(replace(told, beyond=(replace(told.beyond[0], variance=0.0),))),
        model_bytes(replace(told, beyond=(replace(told.beyond[0], values=np.full((3, 4), np.nan)),))),
        model_bytes(replace(told, potentials={told.beyond[0].ids: np.zeros((2, 2))})),
    ]
    for one in bad:
        with pytest.raises(IntegrityError, match="stored model"):
            read_model(one, DOMAIN)
    with pytest.raises(IntegrityError, match="another domain"):
        read_model(data, Domain(DOMAIN.columns[1:]))


def test_conditions_after_margins_select_from_the_reweighted_population() -> None:
    shares = np.array([0.7, 0.1, 0.1, 0.1])
    margin = Margin(("colour",), shares, 1.0)
    model = reweight(model_of("cycle"), [margin], 10_000)
    found = condition(model, parse("colour in ('red', 'green')", DOMAIN))
    np.testing.assert_allclose(found.probability, 0.8, atol=1e-8)
    np.testing.assert_allclose(found.marginal(("colour",)) / model.total, [7 / 8, 1 / 8, 0, 0], atol=1e-8)


def test_every_pair_of_neighbours_of_a_chain_agrees_after_evidence() -> None:
    model = model_of("cycle")
    given = condition(model, parse("age < 30 or \"in\" = 'b'", DOMAIN))
    for box in given.boxes:
        beliefs = conditioning.inside(model, box)[0].beliefs
        for node, up in enumerate(beliefs.tree.parent):
            if up >= 0:
                shared = beliefs.tree.separators[node]
                np.testing.assert_allclose(beliefs.table(node, shared), beliefs.table(up, shared), atol=1e-12)
