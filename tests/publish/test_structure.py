"""A release keeps to the policy's structure and to its rule inside bins, says both, and a bundle that does
not is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frictionless import Package
from scipy.stats import chisquare

from dpsynth.core.domain import Column, Domain, Impossible, WithinBin
from dpsynth.core.errors import IntegrityError
from dpsynth.core.structure import follow, violating
from dpsynth.core.table import SyntheticTable
from dpsynth.policy.loader import load_policy_text
from dpsynth.policy.model import Policy
from dpsynth.publish import tables
from dpsynth.publish.inputs import ReleaseInputs
from dpsynth.publish.keeping import check_keeping
from dpsynth.publish.rows import WITHIN, cell_texts, decode, grid, rule_text
from dpsynth.publish.statement import privacy_statement
from dpsynth.publish.statement_page import statement_page
from dpsynth.publish.tables import check_tables, table_files
from dpsynth.publish.verify import verify_bundle

BOTH = ("csv", "parquet")
ROWS = 60
NOW = datetime(2026, 4, 1, tzinfo=UTC)
STRUCTURE = """\
structure:
  impossible:
    - {when: {idp: "1"}, never: {fmde: ">= 1"}, because: "variable notes: fmde is 0 where idp is 1"}
    - {when: {hlthg: "1"}, never: {hlthf: "1"}, because: "variable notes: health is rated once"}
  determined:
    - column: hlthp
      by: physlm
      map: {"< 0.25": "0", "[0.25, 0.75)": "0", ">= 0.75": "1"}
      because: made up for this test
synthesis:
"""


@pytest.fixture(scope="module")
def told(inputs: ReleaseInputs) -> tuple[str, Policy]:
    """The small release's policy with structure, and with numbers in the middle and at the left of bins."""
    text = inputs.policy_text.replace("synthesis:\n", STRUCTURE)
    text = text.replace("  - name: mdvis\n", "  - name: mdvis\n    within_bin: midpoint\n")
    text = text.replace("  - name: lpi\n", "  - name: lpi\n    within_bin: left\n")
    return text, load_policy_text(text, "policy.yaml")


def obeying(domain: Domain, rows: int = ROWS, seed: int = 3) -> SyntheticTable:
    """Random rows, mended until none breaks the structure."""
    rng = np.random.default_rng(seed)
    codes = {column.name: rng.integers(0, column.size, rows) for column in domain.columns}
    codes = follow(domain, codes)
    codes["fmde"] = np.where(codes["idp"] == 1, 0, codes["fmde"])
    codes["hlthf"] = np.where(codes["hlthg"] == 1, 0, codes["hlthf"])
    assert not violating(domain, codes).any()
    return SyntheticTable(domain, codes)


def broken(table: SyntheticTable, **changes: int) -> SyntheticTable:
    """The table with one row changed."""
    codes = {name: column.copy() for name, column in table.codes.items()}
    for name, code in changes.items():
        codes[name][7] = code
    return SyntheticTable(table.domain, codes)


# What breaks which rule: the rule's columns as the refusal names them.
BREAKS = {
    "fmde and idp": ({"idp": 1, "fmde": 4}, "idp and fmde that is impossible"),
    "two ratings of health": ({"hlthg": 1, "hlthf": 1}, "hlthg and hlthf that is impossible"),
    "not following": ({"physlm": 2, "hlthp": 0}, "Column hlthp does not follow from physlm"),
}


@pytest.mark.parametrize("case", BREAKS)
def test_a_table_with_one_row_against_the_structure_is_not_written(
    case: str, told: tuple[str, Policy]
) -> None:
    domain = told[1].domain()
    changes, says = BREAKS[case]
    table = broken(obeying(domain), **changes)
    with pytest.raises(IntegrityError, match=says) as caught:
        table_files(decode(table, np.random.default_rng(1)), domain, BOTH)
    assert "data." in caught.value.what
    assert "7" not in caught.value.what


def test_a_table_that_keeps_to_the_structure_is_written_and_passes(told: tuple[str, Policy]) -> None:
    domain = told[1].domain()
    for seed in range(5):
        table = obeying(domain, seed=seed)
        files = table_files(decode(table, np.random.default_rng(seed)), domain, BOTH)
        check_tables(files, domain, ROWS)


def test_rows_against_a_rule_are_fine_where_the_policy_states_none(inputs: ReleaseInputs) -> None:
    table = broken(inputs.table, idp=1, fmde=4, hlthg=1, hlthf=1)
    domain = inputs.policy.domain()
    check_tables(table_files(decode(table, np.random.default_rng(1)), domain, BOTH), domain, ROWS)


def test_a_bundle_verifies_and_says_that_its_rows_keep_to_the_structure(
    told: tuple[str, Policy], release: Callable[..., Path], office: Any
) -> None:
    text, policy = told
    bundle = release(policy=policy, policy_text=text, table=obeying(policy.domain()))
    report = verify_bundle(bundle, office.trust, NOW)
    assert any("rows within its structure" in line for line in report.lines)
    statement = json.loads((bundle / "privacy-statement.json").read_bytes())
    assert [rule["because"] for rule in statement["structure"]["impossible"]] == [
        "variable notes: fmde is 0 where idp is 1",
        "variable notes: health is rated once",
    ]
    assert statement["structure"]["determined"][0]["rule"].startswith(
        "hlthp follows from physlm: < 0.25 gives 0"
    )
    assert "never learned from the rows" in statement["structure"]["note"]
    assert WITHIN["midpoint"] in statement["preprocessing"]
    page = (bundle / "privacy-statement.md").read_text(encoding="utf-8")
    assert "where idp is 1: never fmde is" in page
    package = json.loads((bundle / "datapackage.json").read_bytes())
    assert package["description"].startswith("True of every row: where idp is 1: never fmde is >= 1. ")
    fields = {field["name"]: field for field in package["resources"][0]["schema"]["fields"]}
    assert WITHIN["left"] in fields["lpi"]["description"]
    assert WITHIN["uniform"] in fields["disea"]["description"]
    assert not list(Package.metadata_validate(package))


@pytest.mark.parametrize("case", BREAKS)
def test_a_bundle_whose_rows_break_the_structure_is_found_though_everyone_signed(
    case: str,
    told: tuple[str, Policy],
    release: Callable[..., Path],
    office: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text, policy = told
    changes, says = BREAKS[case]
    with monkeypatch.context() as blind:
        blind.setattr(tables, "check_keeping", lambda *_: None)
        bundle = release(
            policy=policy, policy_text=text, table=broken(obeying(policy.domain()), **changes)
        )  # fmt: skip
    with pytest.raises(IntegrityError, match=says):
        verify_bundle(bundle, office.trust, NOW)


def test_a_statement_without_structure_says_so_and_its_page_is_as_short_as_before(
    inputs: ReleaseInputs, candidate: Path
) -> None:
    statement = json.loads((candidate / "privacy-statement.json").read_bytes())
    assert statement["structure"]["impossible"] == statement["structure"]["determined"] == []
    assert "states no relation" in statement["structure"]["note"]
    assert "description" not in json.loads((candidate / "datapackage.json").read_bytes())
    assert "never learned" not in (candidate / "privacy-statement.md").read_text(encoding="utf-8")


def test_many_rules_do_not_fill_the_page(told: tuple[str, Policy], inputs: ReleaseInputs) -> None:
    text, policy = told
    rule = policy.structure.impossible[0]
    many = policy.model_copy(
        update={"structure": policy.structure.model_copy(update={"impossible": (rule,) * 100})}
    )
    page = statement_page(privacy_statement(replace(inputs, policy=many, policy_text=text)))
    assert "and 91 more" in page
    assert len(page.splitlines()) < 70


EDGES = ("1", "2", "10", "11", "1000", "100000")


def _numbers(rule: WithinBin, code: int, rows: int, **facts: Any) -> list[int]:
    column = Column("x", "integer", edges=EDGES, within_bin=rule, **facts)
    table = SyntheticTable(Domain((column,)), {"x": np.full(rows, code)})
    texts = cell_texts(decode(table, np.random.default_rng(9)), table.domain)["x"]
    return [int(text) for text in texts]


@pytest.mark.parametrize(
    ("rule", "code", "expected"),
    [
        ("left", 0, {1}), ("left", 1, {2}), ("left", 4, {1000}),
        ("midpoint", 0, {1}), ("midpoint", 1, {5}), ("midpoint", 2, {10}), ("midpoint", 3, {505}),
        ("midpoint", 4, {50500}), ("log_uniform", 0, {1}), ("log_uniform", 2, {10}),
        ("uniform", 1, set(range(2, 10))), ("log_uniform", 1, set(range(2, 10))),
    ],
)  # fmt: skip
def test_each_rule_places_whole_numbers_in_their_bin(rule: WithinBin, code: int, expected: set[int]) -> None:
    assert set(_numbers(rule, code, 2000)) == expected


def test_the_last_bin_is_closed_for_every_rule() -> None:
    column = Column("x", "integer", edges=("0", "5", "7"), within_bin="uniform")
    for rule, last in (("uniform", {5, 6, 7}), ("log_uniform", {5, 6, 7}), ("left", {5}), ("midpoint", {6})):
        ruled = replace(column, within_bin=rule)
        table = SyntheticTable(Domain((ruled,)), {"x": np.ones(500, dtype=np.int64)})
        assert set(decode(table, np.random.default_rng(1))["x"]) == last


@pytest.mark.parametrize(("code", "rows"), [(1, 20_000), (3, 60_000)])
def test_log_uniform_numbers_have_the_weights_that_are_stated(code: int, rows: int) -> None:
    numbers = np.array(_numbers("log_uniform", code, rows))
    low, high = int(EDGES[code]), int(EDGES[code + 1]) - 1
    values = np.arange(low, high + 1)
    expected = np.log1p(1 / values) / np.log((high + 1) / low) * rows
    seen = np.bincount(numbers - low, minlength=len(values)).astype(np.float64)
    cuts = np.arange(0, len(values), max(len(values) // 20, 1))
    seen, expected = np.add.reduceat(seen, cuts), np.add.reduceat(expected, cuts)
    assert chisquare(seen, expected).pvalue > 1e-4
    uniform = np.full(len(values), rows / len(values))
    assert chisquare(seen, np.add.reduceat(uniform, cuts)).pvalue < 1e-6


@pytest.mark.parametrize("rule", ["uniform", "left", "midpoint"])
def test_decimals_below_zero_and_missing_values_go_with_every_rule(rule: WithinBin) -> None:
    column = Column(
        "x", "real", edges=("-1.5", "-0.25", "0", "0.5"), decimals=2, has_missing=True, within_bin=rule
    )
    codes = np.repeat(np.arange(4), 50)
    table = SyntheticTable(Domain((column,)), {"x": codes})
    texts = cell_texts(decode(table, np.random.default_rng(2)), table.domain)["x"]
    assert texts[150:] == [""] * 50
    bounds = grid(column)
    for code, text in zip(codes[:150], texts[:150], strict=True):
        units = int(Decimal(text).scaleb(2))
        assert bounds[code, 0] <= units <= bounds[code, 1]
        assert text.partition(".")[2].isdigit()
        assert len(text.partition(".")[2]) == 2
    if rule == "midpoint":
        assert set(texts[:150]) == {"-0.88", "-0.13", "0.25"}
    if rule == "left":
        assert set(texts[:150]) == {"-1.50", "-0.25", "0.00"}
    files = table_files(decode(table, np.random.default_rng(2)), table.domain, BOTH)
    check_tables(files, table.domain, 200)


@pytest.mark.parametrize("rule", ["left", "midpoint"])
def test_a_number_that_is_not_where_the_rule_puts_it_is_found(rule: WithinBin) -> None:
    column = Column("x", "integer", edges=("0", "10", "20"), within_bin=rule)
    fixed = {"left": ["0", "10", ""], "midpoint": ["4", "15", ""]}[rule]
    domain = Domain((replace(column, has_missing=True),))
    check_keeping({"x": fixed}, domain, "data.csv")
    with pytest.raises(IntegrityError, match=f"column x holds a number that is not the {rule} of its bin"):
        check_keeping({"x": [*fixed, "7"]}, domain, "data.csv")
    check_keeping({"x": [*fixed, "7"]}, Domain((replace(column, within_bin="uniform"),)), "data.csv")


def test_numbers_are_judged_by_the_bin_they_lie_in() -> None:
    """Edges belong to the bin on their right, the last one to the last bin, an empty cell to none."""
    number = Column("x", "real", edges=("0", "1.5", "3"), decimals=1, has_missing=True)
    other = Column("y", "categorical", values=("a", "b"))
    for zero, texts in ((0, ["0.0", "1.4"]), (1, ["1.5", "3.0", "2.9"]), (2, [""])):
        domain = Domain((number, other), (Impossible(("x", "y"), (zero * 2,)),))
        for text in texts:
            check_keeping({"x": [text], "y": ["b"]}, domain, "data.csv")
            with pytest.raises(IntegrityError, match="x and y that is impossible"):
                check_keeping({"x": [text] * 3, "y": ["b", "b", "a"]}, domain, "data.csv")


def test_the_text_of_the_rule_names_the_columns_of_each() -> None:
    plain = Column("x", "integer", edges=("1", "2"))
    assert rule_text(Domain((plain,))).startswith(
        "A category is written as its label. A number is drawn unif"
    )
    both = rule_text(Domain((plain, replace(plain, name="y", within_bin="left"))))
    assert "A number of x is drawn uniformly" in both
    assert "A number of y is the lowest value" in both
