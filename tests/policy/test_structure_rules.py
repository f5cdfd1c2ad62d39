"""Public structure in a policy: what it compiles to, what is refused and where, and what is not refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpsynth.core.domain import Determined, Impossible
from dpsynth.policy.conditions import codes_of
from dpsynth.policy.diff import diff_policies
from dpsynth.policy.fields import Broken
from dpsynth.policy.loader import load_policy, load_policy_text, policy_from_data, policy_sha256
from dpsynth.policy.places import PolicyInvalid, show_path
from dpsynth.policy.schema import json_schema
from dpsynth.policy.structure import MAX_RULE_COLUMNS, Structure
from dpsynth.policy.yaml_strict import load_yaml

Edit = Callable[..., str]

TALL = "missing: category\n  - name: score"
GROUP = """missing: category
  - name: group
    role: other
    type: categorical
    domain: [child, adult, none]
    domain_source: A grouping of height_cm, made here
    out_of_domain: none
    missing: none
  - name: score"""
MAP = '{"< 160": child, "[160, 230]": adult, missing: none}'
FOLLOWS = f"{{column: group, by: height_cm, map: {MAP}, because: by definition}}"
_FIRST_PLAN = "42c748cbbb18c3d2876564800620c11701caafbc5b001b7bc8afad4b279bea4d"
SHORT = '{when: {height_cm: "< 140"}, never: {diabetes: "yes"}, because: made up}'


@pytest.fixture
def structured(edited: Edit) -> Edit:
    """``structured(impossible, determined)``: the small policy with a column ``group`` and these rules."""

    def make(impossible: str = "", determined: str = "", *pairs: str) -> str:
        lines = "structure:\n"
        for key, rules in (("impossible", impossible), ("determined", determined)):
            lines += f"  {key}:\n" + "".join(f"    - {rule}\n" for rule in rules.split("\n")) if rules else ""
        return edited(TALL, GROUP, "synthesis:\n", f"{lines}synthesis:\n", *pairs)

    return make


def test_rules_become_codes_of_the_domain(structured: Edit) -> None:
    both = f'{SHORT}\n{{when: {{region: [North, East]}}, only: {{score: ["< 0", "[0.25, 1]"]}}, because: x}}'
    domain = load_policy_text(structured(both, FOLLOWS), "x.yaml").domain()
    assert domain.names == ("region", "height_cm", "group", "score", "diabetes")
    assert domain.impossible == (
        Impossible(("height_cm", "diabetes"), (0,)),
        Impossible(("region", "score"), (2, 6)),
    )
    assert domain.determined == (Determined("group", "height_cm", (0, 0, 1, 1, 2)),)


def test_rules_on_the_same_columns_become_one(structured: Edit) -> None:
    more = '{when: {diabetes: not_stated}, never: {height_cm: ["< 160", missing]}, because: x}'
    domain = load_policy_text(structured(f"{SHORT}\n{more}"), "x.yaml").domain()
    assert domain.impossible == (Impossible(("height_cm", "diabetes"), (0, 2, 5, 14)),)


def test_a_rule_on_a_determined_column_is_one_on_its_parent(structured: Edit) -> None:
    rule = '{when: {group: child}, never: {diabetes: "yes"}, because: x}'
    domain = load_policy_text(structured(rule, FOLLOWS), "x.yaml").domain()
    assert domain.impossible == (Impossible(("height_cm", "diabetes"), (0, 3)),)


def test_a_rule_on_a_parent_and_its_column_that_agrees_with_the_map_forbids_nothing(structured: Edit) -> None:
    rule = "{when: {group: child}, never: {height_cm: missing}, because: x}"
    assert load_policy_text(structured(rule, FOLLOWS), "x.yaml").domain().impossible == ()


# (case, impossible, determined, key of the refusal, words in it)
REFUSED = [
    ("cuts a bin", SHORT.replace("140", "150"), "", "impossible[0].when.height_cm", "does not meet an edge"),
    ("covers all", SHORT.replace('"yes"', '["yes", "no", not_stated]'), "",
     "impossible[0].never.diabetes", "every value"),
    ("unknown column", SHORT.replace("diabetes:", "asthma:"), "",
     "impossible[0].never.asthma", "not a kept column"),
    ("dropped column", SHORT.replace("diabetes:", "person_id:"), "",
     "impossible[0].never.person_id", "not a kept column"),
    ("unknown value", SHORT.replace('"yes"', "maybe"), "", "impossible[0].never.diabetes", "not a value"),
    ("no condition", SHORT.replace('height_cm: "< 140"', ""), "", "impossible[0].when", "names no column"),
    ("neither never nor only", SHORT.replace(', never: {diabetes: "yes"}', ""), "",
     "impossible[0]", "neither never nor only"),
    ("both never and only", SHORT.replace("never:", "only: {region: North}, never:"), "",
     "impossible[0]", "neither never nor only, or both"),
    ("only of two", SHORT.replace('never: {diabetes: "yes"}', 'only: {diabetes: "yes", region: North}'), "",
     "impossible[0].only", "more than one column"),
    ("column twice", SHORT.replace('diabetes: "yes"', 'height_cm: ">= 180"'), "",
     "impossible[0].never.height_cm", "stands in when as well"),
    ("no reason", SHORT.replace(", because: made up", ""), "", "impossible[0].because", "is missing"),
    ("number as a condition", SHORT.replace('"< 140"', "140"), "", "impossible[0].when.height_cm",
     "not a condition"),
    ("empty list", SHORT.replace('"yes"', "[]"), "", "impossible[0].never.diabetes", "at least 1 item"),
    ("misspelt key", SHORT.replace("when:", "wen:"), "", "impossible[0].wen", "not a known key"),
    ("contradiction", SHORT + '\n{when: {height_cm: "< 140"}, only: {diabetes: "yes"}, because: x}', "",
     "impossible[1]", "no possible record where 'height_cm' is '[50, 140)'"),
    ("contradiction over three", '{when: {region: North}, only: {diabetes: "no"}, because: x}\n'
     "{when: {diabetes: \"no\"}, only: {score: '< 0'}, because: x}\n"
     "{when: {region: North}, never: {score: '< 0'}, because: x}\n" + SHORT, "",
     "impossible[2]", "no possible record where 'region' is 'North'"),
    ("map into an impossible cell", '{when: {group: child}, never: {height_cm: "< 140"}, because: x}',
     FOLLOWS, "impossible[0]", "no possible record where 'height_cm' is '[50, 140)'"),
    ("determined by a dropped column", "", FOLLOWS.replace("by: height_cm", "by: person_id"),
     "determined[0].by", "not a kept column"),
    ("unknown determined column", "", FOLLOWS.replace("column: group", "column: groups"),
     "determined[0].column", "not a kept column"),
    ("determined twice", "", f"{FOLLOWS}\n{FOLLOWS}", "determined[1].column", "determined twice"),
    ("by itself", "", "{column: group, by: group, map: {child: child, adult: none, none: none}, because: x}",
     "determined[0].by", "itself determined"),
    ("chain", "", FOLLOWS + '\n{column: diabetes, by: group, map: {child: "no", adult: "yes", none: "no"}, '
     "because: x}", "determined[1].by", "itself determined"),
    ("partial map", "", FOLLOWS.replace(", missing: none", ""), "determined[0].map", "is not mapped"),
    ("value mapped twice", "", FOLLOWS.replace('"< 160"', '"< 180"'),
     "determined[0].map.[160, 230]", "mapped twice"),
    ("map to an unknown value", "", FOLLOWS.replace(": adult", ": adults"),
     "determined[0].map.[160, 230]", "not a value"),
    ("map to two bins", "",
     '{column: score, by: diabetes, map: {"yes": "< 0", "no": "[0, 0.25)", not_stated: ">= 0"}, because: x}',
     "determined[0].map.yes", "names 2 bins"),
    ("empty map", "", "{column: group, by: height_cm, map: {}, because: x}",
     "determined[0].map", "at least 1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("impossible", "determined", "key", "says"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED]
)
def test_what_is_no_public_fact_about_the_domain_is_refused_where_it_stands(
    structured: Edit, impossible: str, determined: str, key: str, says: str
) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        load_policy_text(structured(impossible, determined), "bad.yaml")
    there = [one for one in caught.value.problems if show_path(one.path) == f"structure.{key}"]
    assert [says in one.what and bool(one.remedy) for one in there] == [True], str(caught.value)
    assert "bad.yaml, line " in caught.value.what


NOT_REFUSED = {
    "a map that leaves a value out of reach": ("", FOLLOWS.replace(": child", ": adult")),
    "two columns from one": (
        "",
        FOLLOWS
        + "\n{column: score, by: height_cm, map: "
        + '{"< 160": "[-1, -0.5)", ">= 160": "[0.25, 1]", missing: "[0, 0.25)"}, because: x}',
    ),
    "a rule stated twice": (f"{SHORT}\n{SHORT}", ""),
    "values that leave one possible record": (
        """{when: {diabetes: "yes"}, only: {region: North}, because: x}
{when: {diabetes: "yes"}, only: {height_cm: missing}, because: x}""",
        "",
    ),
    "four columns": (
        SHORT.replace('diabetes: "yes"', 'diabetes: "yes", region: North, score: ">= 0.25"'),
        "",
    ),
}


@pytest.mark.parametrize(("impossible", "determined"), NOT_REFUSED.values(), ids=NOT_REFUSED)
def test_a_consistent_fact_is_taken(structured: Edit, impossible: str, determined: str) -> None:
    load_policy_text(structured(impossible, determined), "good.yaml")


def test_five_columns_and_too_many_combinations_in_one_rule_are_refused(structured: Edit) -> None:
    many = SHORT.replace('diabetes: "yes"', 'diabetes: "yes", region: North, score: ">= 0.25", group: none')
    with pytest.raises(PolicyInvalid, match=rf"joins {MAX_RULE_COLUMNS + 1} columns"):
        load_policy_text(structured(many), "bad.yaml")
    fine = ", ".join(f'"{number}"' for number in range(50, 231))
    bins = 'bins: ["50", "140", "160", "180", "230"]'
    rounds = ", ".join(f'"{number / 1000:.3f}"' for number in range(-1000, 1001))
    wide = (bins, f"bins: [{fine}]", 'bins: ["-1", "-0.5", "0", "0.25", "1"]', f"bins: [{rounds}]")
    rule = '{when: {height_cm: "< 140"}, never: {score: "< 0"}, because: x}'
    with pytest.raises(PolicyInvalid, match="span 362000 combinations"):
        load_policy_text(structured(rule, "", *wide, "decimals: 2", "decimals: 3"), "bad.yaml")


def test_rules_that_no_model_of_the_policy_could_hold_are_refused(structured: Edit) -> None:
    pair = ("max_model_cells: 5000000", "max_model_cells: 28")
    chain = f"{SHORT}\n{{when: {{diabetes: not_stated}}, never: {{region: North}}, because: x}}"
    with pytest.raises(PolicyInvalid, match="together span 30 combinations"):
        load_policy_text(structured(chain, "", *pair), "bad.yaml")
    load_policy_text(structured(SHORT, "", *pair), "good.yaml")


HEIGHT = ("50", "140", "160", "180", "230")
ITEMS = [
    ("< 140", {0}), ("<= 139", {0}), (">= 160", {2, 3}), ("> 159", {2, 3}), ("[140, 180)", {1, 2}),
    ("[140, 179]", {1, 2}), ("[160, 230]", {2, 3}), ("missing", {4}), ("<= 230", {0, 1, 2, 3}),
    ("<140", {0}), ("[140,160)", {1}),
]  # fmt: skip


@pytest.mark.parametrize(("item", "codes"), ITEMS, ids=[item for item, _ in ITEMS])
def test_conditions_on_a_whole_number(base: str, item: str, codes: set[int]) -> None:
    column = load_policy_text(base, "x").domain()["height_cm"]
    assert column.edges == HEIGHT
    assert codes_of(column, item) == codes


@pytest.mark.parametrize(
    "item",
    ["< 141", "<= 140", "> 140", ">= 230", "< 230", "[140, 230)", "[160, 140)", "[140, 140)", "140", "< 50",
     "< 139.5", "tall", "", "< 1e2", "> 300", "= 140", "[140, 160", "missing "],
)  # fmt: skip
def test_a_condition_that_cuts_a_bin_or_is_none_is_refused_with_the_edges(base: str, item: str) -> None:
    column = load_policy_text(base, "x").domain()["height_cm"]
    with pytest.raises(Broken) as caught:
        codes_of(column, item)
    assert caught.value.problems[0].remedy


def test_conditions_on_a_real_number_follow_edges_only(base: str) -> None:
    column = load_policy_text(base, "x").domain()["score"]
    assert codes_of(column, "< 0") == {0, 1}
    assert codes_of(column, "< 0.00") == {0, 1}
    assert codes_of(column, "[0.25, 1]") == codes_of(column, ">= 0.25") == {3}
    for item in ("<= 0", "> 0", "0", "[0, 0.1]", "missing", "[-0.5, 0]"):
        with pytest.raises(Broken):
            codes_of(column, item)


def test_a_single_number_names_its_own_bin(edited: Edit) -> None:
    text = edited('bins: ["50", "140", "160", "180", "230"]', 'bins: ["50", "140", "141", "230"]')
    column = load_policy_text(text, "x").domain()["height_cm"]
    assert codes_of(column, "140") == {1}
    with pytest.raises(Broken):
        codes_of(column, "141")


def test_a_change_of_structure_is_told_with_its_direction(structured: Edit) -> None:
    plain, more = load_policy_text(structured(SHORT), "a"), load_policy_text(structured(SHORT, FOLLOWS), "b")
    assert [(c.key, c.effect) for c in diff_policies(plain, more)] == [
        ("structure.determined[group]", "LOOSER")
    ]
    assert [(c.key, c.effect) for c in diff_policies(more, plain)] == [
        ("structure.determined[group]", "TIGHTER")
    ]
    other = load_policy_text(structured(SHORT.replace('"yes"', '"no"')), "c")
    assert [c.effect for c in diff_policies(plain, other)] == ["TIGHTER", "LOOSER"]
    assert "never diabetes is no" in diff_policies(plain, other)[1].text
    reason = load_policy_text(structured(SHORT.replace("made up", "found out")), "d")
    assert [(c.key, c.effect) for c in diff_policies(plain, reason)] == [
        ("structure.impossible.because", "CHANGED")
    ]
    mapped = load_policy_text(structured(SHORT, FOLLOWS.replace(": child", ": none")), "e")
    assert [c.effect for c in diff_policies(more, mapped)] == ["CHANGED"]


def test_weights_are_told_and_reach_the_domain(base: str, edited: Edit) -> None:
    weighted = edited("  seed: os_csprng", '  seed: os_csprng\n  weights: {diabetes: "4", region: "0.5"}')
    old, new = load_policy_text(base, "a"), load_policy_text(weighted, "b")
    assert [(c.key, c.old, c.new, c.effect) for c in diff_policies(old, new)] == [
        ("synthesis.weights[diabetes]", "1", "4", "CHANGED"),
        ("synthesis.weights[region]", "1", "0.5", "CHANGED"),
    ]
    assert old.domain().weights == ()
    assert old.domain().weight(("region", "score")) == 1.0
    assert new.domain().weights == (0.5, 1.0, 1.0, 4.0)
    assert new.domain().weight(("region", "diabetes")) == 2.25
    assert new.domain().weight(()) == 1.0
    with pytest.raises(TypeError):
        new.synthesis.weights["region"] = "1"  # type: ignore[index]


@pytest.mark.parametrize(
    ("weights", "key", "says"),
    [
        ('{asthma: "2"}', "synthesis.weights.asthma", "not a kept column"),
        ('{person_id: "2"}', "synthesis.weights.person_id", "not a kept column"),
        ('{diabetes: "0.09"}', "synthesis.weights.diabetes", "out of range"),
        ('{diabetes: "10.1"}', "synthesis.weights.diabetes", "out of range"),
        ("{diabetes: 2}", "synthesis.weights.diabetes", "something else"),
        ("[diabetes]", "synthesis.weights", "something else"),
    ],
)
def test_a_weight_that_is_none_is_refused(edited: Edit, weights: str, key: str, says: str) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        load_policy_text(edited("  seed: os_csprng", f"  seed: os_csprng\n  weights: {weights}"), "bad")
    assert [says in one.what for one in caught.value.problems if show_path(one.path) == key] == [True]


@pytest.mark.parametrize(
    ("column", "bad", "says"),
    [
        ("height_cm", "middle", "not allowed"),
        ("region", "uniform", "belongs to a kept numeric column"),
        ("score", "log_uniform", "does not go with the bin from '-1'"),
    ],
)
def test_a_place_in_the_bin_that_has_no_meaning_is_refused(
    edited: Edit, column: str, bad: str, says: str
) -> None:
    line = f"  - name: {column}\n"
    with pytest.raises(PolicyInvalid) as caught:
        load_policy_text(edited(line, f"{line}    within_bin: {bad}\n"), "bad")
    assert [says in one.what for one in caught.value.problems] == [True]


def test_a_place_in_the_bin_reaches_the_domain_and_the_diff(base: str, edited: Edit) -> None:
    line = "  - name: height_cm\n"
    old = load_policy_text(base, "a")
    assert old.domain()["height_cm"].within_bin == "uniform"
    for place in ("left", "midpoint", "log_uniform"):
        new = load_policy_text(edited(line, f"{line}    within_bin: {place}\n"), "b")
        assert new.domain()["height_cm"].within_bin == place
        assert [(c.key, c.effect) for c in diff_policies(old, new)] == [
            ("columns[height_cm].within_bin", "CHANGED")
        ]


def test_a_bin_of_the_single_number_zero_goes_with_log_uniform(edited: Edit) -> None:
    bounds = ('bounds: ["50", "230"]', 'bounds: ["0", "230"]\n    within_bin: log_uniform')
    bins = 'bins: ["50", "140", "160", "180", "230"]'
    load_policy_text(edited(*bounds, bins, 'bins: ["0", "1", "230"]'), "good")
    for edges in ('["0", "2", "230"]', '["0", "230"]'):
        with pytest.raises(PolicyInvalid, match="log_uniform does not go with"):
            load_policy_text(edited(*bounds, bins, f"bins: {edges}"), "bad")


def test_a_policy_that_states_nothing_new_keeps_its_digest() -> None:
    shipped = Path(__file__).parents[2] / "policies" / "rand-health.yaml"
    # Of version 0.1.0 of this program, before there was any structure to state; it pinned another audit plan.
    pinned = load_policy(shipped).audits.plan_sha256
    policy = load_policy_text(shipped.read_text().replace(pinned, _FIRST_PLAN), "rand-health.yaml")
    assert policy_sha256(policy) == "cf43882df7b427a04f299ac95cab5f010515c3ae8f60fee76b020b1db9261c49"
    assert policy.structure == Structure()


def test_what_is_stated_is_in_the_digest_and_what_is_only_spelt_out_is_not(
    base: str, edited: Edit, structured: Edit
) -> None:
    first = policy_sha256(load_policy_text(base, "a"))
    spelt = edited("  - name: score\n", "  - name: score\n    within_bin: uniform\n", "synthesis:\n",
                   "structure: {impossible: []}\nsynthesis:\n  weights: {}\n")  # fmt: skip
    assert policy_sha256(load_policy_text(spelt, "b")) == first
    digests = {
        policy_sha256(load_policy_text(text, "c"))
        for text in (
            base,
            edited("  - name: score\n", "  - name: score\n    within_bin: left\n"),
            edited("synthesis:\n", f"structure: {{impossible: [{SHORT}]}}\nsynthesis:\n"),
            edited("synthesis:\n", 'synthesis:\n  weights: {score: "2"}\n'),
        )
    }
    assert len(digests) == 4


def test_one_item_and_a_list_of_one_are_the_same_policy(structured: Edit) -> None:
    one, listed = structured(SHORT), structured(SHORT.replace('"yes"', '["yes"]'))
    assert policy_sha256(load_policy_text(one, "a")) == policy_sha256(load_policy_text(listed, "b"))


def test_the_schema_takes_what_the_loader_takes(structured: Edit) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    good = load_yaml(structured(SHORT, FOLLOWS), "x").data
    assert list(validator.iter_errors(good)) == []
    for broken in (SHORT.replace('"yes"', "[]"), SHORT.replace(", because: made up", ""), "{when: 3}"):
        assert list(validator.iter_errors(load_yaml(structured(broken), "x").data))


def test_structure_is_judged_though_other_sections_are_broken(structured: Edit) -> None:
    text = structured(SHORT.replace("140", "141"), "", "max_rows: 500000", "max_rows: 0")
    with pytest.raises(PolicyInvalid) as caught:
        load_policy_text(text, "two.yaml")
    assert {show_path(one.path) for one in caught.value.problems} == {
        "source.max_rows",
        "structure.impossible[0].when.height_cm",
    }


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["< 140", "yes", "missing"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.integers(0, 10**6), JSON)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_value_in_any_place_of_the_section_loads_or_is_refused(
    structured: Edit, choice: int, value: object
) -> None:
    document = load_yaml(structured(SHORT, FOLLOWS), "x.yaml")
    paths = [path for path in document.lines if path[:1] == ("structure",)]
    path = paths[choice % len(paths)]
    place = document.data
    for part in path[:-1]:
        place = place[part]  # type: ignore[index, call-overload]
    place[path[-1]] = value  # type: ignore[index, call-overload]
    try:
        policy = policy_from_data(document.data, "data")
    except PolicyInvalid as error:
        assert all(problem.remedy for problem in error.problems)
    else:
        assert policy_from_data(policy.model_dump(mode="json"), "again") == policy
        assert policy.domain().names
