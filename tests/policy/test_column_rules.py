"""Rules of columns: public domains, exact bins, categories that are safe to print and to tell apart.

The bad variant is refused by key and remedy; its good counterpart loads.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dpsynth.policy.loader import load_policy_text
from dpsynth.policy.places import PolicyInvalid

Edit = Callable[..., str]
Check = Callable[[list[str], str, str, list[str]], None]

REGION = "domain: [North, East, South, West, Unknown]"
BINS = 'bins: ["50", "140", "160", "180", "230"]'
REAL = 'bins: ["-1", "-0.5", "0", "0.25", "1"]'
SOURCE = "    domain_source: National statistics region list 2025 (public)\n"
IDENT = "{name: person_id, role: identifier, type: string, action: drop}"


# (what is changed, bad edit, key, words of the refusal, good edit)
RULES: list[tuple[str, list[str], str, str, list[str]]] = [
    (
        "kept identifier",
        [IDENT, "{name: person_id, role: identifier, type: string, action: keep}"],
        "columns[0].action",
        "cannot be kept",
        [],
    ),
    (
        "kept free text",
        [IDENT, IDENT + "\n  - {name: note, role: other, type: string}"],
        "columns[1].action",
        "free text",
        [IDENT, IDENT + "\n  - {name: note, role: other, type: string, action: drop}"],
    ),
    (
        "dropped with domain",
        [IDENT, "{name: person_id, role: identifier, type: categorical, action: drop, domain: [a]}"],
        "columns[0].domain",
        "dropped column",
        [IDENT, "{name: person_id, role: identifier, type: categorical, action: drop}"],
    ),
    ("no domain source", [SOURCE, ""], "columns[1].domain_source", "missing", []),
    ("no domain", [f"    {REGION}\n", ""], "columns[1].domain", "missing", []),
    ("no bounds", ['    bounds: ["50", "230"]\n', ""], "columns[2].bounds", "two numbers", []),
    ("no bins", [f"    {BINS}\n", ""], "columns[2].bins", "two edges", []),
    ("no out_of_domain", ["    out_of_domain: Unknown\n", ""], "columns[1].out_of_domain", "missing", []),
    ("no missing", ["    missing: category\n", ""], "columns[2].missing", "missing", []),
    (
        "unlisted target",
        ["out_of_domain: Unknown", "out_of_domain: unknown"],
        "columns[1].out_of_domain",
        "not a listed",
        ["out_of_domain: Unknown", "out_of_domain: West"],
    ),
    ("unlisted missing", ["missing: Unknown", "missing: clamp"], "columns[1].missing", "not a listed", []),
    (
        "numeric elsewhere",
        ["out_of_domain: clamp\n    missing: category", "out_of_domain: drop\n    missing: category"],
        "columns[2].out_of_domain",
        "not allowed",
        [],
    ),
    (
        "missing out of bounds",
        ["missing: category", 'missing: "49"'],
        "columns[2].missing",
        "outside",
        ["missing: category", 'missing: "50"'],
    ),
    (
        "missing not a number",
        ["missing: category", "missing: clamp"],
        "columns[2].missing",
        "not allowed",
        [],
    ),
    (
        "missing off the grid",
        ["missing: category", 'missing: "99.5"'],
        "columns[2].missing",
        "digits",
        ["missing: category", 'missing: "99.0"'],
    ),
    (
        "bins miss the bound",
        [BINS, 'bins: ["50", "140", "229"]'],
        "columns[2].bins",
        "bound to bound",
        [BINS, 'bins: ["50", "140", "230.0"]'],
    ),
    ("bins not increasing", [BINS, 'bins: ["50", "140", "140", "230"]'], "columns[2].bins[2]", "exceed", []),
    (
        "bins in text order",
        [BINS, 'bins: ["50", "99", "100", "9", "230"]'],
        "columns[2].bins[3]",
        "exceed",
        [BINS, 'bins: ["50", "99", "100", "230"]'],
    ),
    (
        "bins as numbers",
        [BINS, "bins: [50, 230]"],
        "columns[2].bins[0]",
        "something else",
        [BINS, 'bins: ["50", "230"]'],
    ),
    (
        "bound with exponent",
        [REAL, 'bins: ["-1", "1e-1", "1"]'],
        "columns[3].bins[1]",
        "not allowed",
        [REAL, 'bins: ["-1", "0.1", "1"]'],
    ),
    ("fraction in integer bins", [BINS, 'bins: ["50", "99.5", "230"]'], "columns[2].bins[1]", "digits", []),
    (
        "edge finer than decimals",
        [REAL, 'bins: ["-1", "0.125", "1"]'],
        "columns[3].bins[1]",
        "digits",
        [REAL, 'bins: ["-1", "0.125", "1"]', "decimals: 2", "decimals: 3"],
    ),
    (
        "real without decimals",
        ["    decimals: 2\n", ""],
        "columns[3].decimals",
        "missing",
        ["decimals: 2", "decimals: 9"],
    ),
    (
        "domain on number",
        ["    missing: category\n", "    missing: category\n    domain: [a]\n"],
        "columns[2].domain",
        "categorical",
        [],
    ),
    (
        "bins on categories",
        ["    missing: Unknown\n", '    missing: Unknown\n    bins: ["0", "1"]\n'],
        "columns[1].bins",
        "numeric",
        [],
    ),
    (
        "number as category",
        [REGION, "domain: [North, 1, Unknown]"],
        "columns[1].domain[1]",
        "something else",
        [REGION, 'domain: [North, "1", Unknown]'],
    ),
    (
        "truth as category",
        [REGION, "domain: [North, true, Unknown]"],
        "columns[1].domain[1]",
        "something else",
        [REGION, 'domain: [North, "true", Unknown]'],
    ),
    (
        "nothing as category",
        [REGION, "domain: [North, null, Unknown]"],
        "columns[1].domain[1]",
        "something else",
        [REGION, 'domain: [North, "null", Unknown]'],
    ),
    ("empty category", [REGION, 'domain: [North, "", Unknown]'], "columns[1].domain[1]", "at least 1", []),
    (
        "same category twice",
        [REGION, "domain: [North, North, Unknown]"],
        "columns[1].domain[1]",
        "cannot be told",
        [],
    ),
    (
        "case twin",
        [REGION, "domain: [Straße, STRASSE, Unknown]"],
        "columns[1].domain[1]",
        "cannot be told",
        [REGION, "domain: [Straße, Strand, Unknown]"],
    ),
    (
        "compatibility twin",
        [REGION, 'domain: ["5", "\\uFF15", Unknown]'],
        "columns[1].domain[1]",
        "cannot be told",
        [],
    ),
    (
        "zero-width twin",
        [REGION, 'domain: ["ab", "a\\u200bb", Unknown]'],
        "columns[1].domain[1]",
        "cannot be told",
        [],
    ),
    ("invisible category", [REGION, 'domain: ["\\u200b", Unknown]'], "columns[1].domain[0]", "invisible", []),
    (
        "decomposed category",
        [REGION, 'domain: ["A\\u030A", Unknown]'],
        "columns[1].domain[0]",
        "normal form",
        [REGION, 'domain: ["\\u00C5", Unknown]'],
    ),
    ("blank around category", [REGION, 'domain: ["North ", Unknown]'], "columns[1].domain[0]", "blank", []),
    (
        "name twice",
        ["name: score", "name: region"],
        "columns[3].name",
        "named twice",
        ["name: score", "name: region_2"],
    ),
    ("name twin", ["name: score", "name: REGION"], "columns[3].name", "cannot be told", []),
    ("formula name", ["name: score", 'name: "=score"'], "columns[3].name", "formula", []),
]


@pytest.mark.parametrize(("name", "bad", "key", "says", "good"), RULES, ids=[rule[0] for rule in RULES])
def test_rule_names_file_key_and_remedy_and_the_counterpart_loads(
    check_rule: Check, name: str, bad: list[str], key: str, says: str, good: list[str]
) -> None:
    check_rule(bad, key, says, good)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\\uFF1D", "\\uFF20"])
def test_category_that_a_spreadsheet_would_run_is_refused(edited: Edit, start: str) -> None:
    with pytest.raises(PolicyInvalid, match=r"columns\[1\].domain\[0\]: .* formula"):
        load_policy_text(edited(REGION, f'domain: ["{start}1", Unknown]'), "bad.yaml")
    load_policy_text(edited(REGION, f'domain: ["1{start}", Unknown]'), "good.yaml")


@pytest.mark.parametrize("start", [r"\t", r"\n"])
def test_category_with_tab_or_line_break_is_refused(edited: Edit, start: str) -> None:
    for text in (f"{start}x", f"x{start}y"):
        with pytest.raises(PolicyInvalid, match=r"columns\[1\].domain\[0\]"):
            load_policy_text(edited(REGION, f'domain: ["{text}", Unknown]'), "bad.yaml")


def test_more_columns_than_500_are_refused(edited: Edit) -> None:
    more = "".join(f"\n  - {{name: x{n}, role: other, type: string, action: drop}}" for n in range(496))
    with pytest.raises(PolicyInvalid, match="key columns: "):
        load_policy_text(edited(IDENT, IDENT + more), "bad.yaml")
    load_policy_text(edited(IDENT, IDENT + more[: more.rindex("\n")]), "good.yaml")


def test_policy_that_keeps_nothing_is_refused(base: str) -> None:
    start, end = base.index("  - name: region"), base.index("synthesis:")
    with pytest.raises(PolicyInvalid, match="no column is kept"):
        load_policy_text(base[:start] + base[end:], "bad.yaml")
