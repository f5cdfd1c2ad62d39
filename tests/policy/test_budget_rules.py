"""Rules of the budget: exact positive numbers, caps in one form, ceilings inside the lifetime cap.

The bad variant is refused by key and remedy; its good counterpart loads.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

Check = Callable[[list[str], str, str, list[str]], None]

PER = 'per_release: {rho: "0.10"}'
LIFE = 'lifetime: {rho: "0.50"}'
EPS = LIFE + '\n  per_requester: {rho: "0.20"}'


def _caps(per: str, life: str) -> list[str]:
    return [PER, f"per_release: {per}", EPS, f"lifetime: {life}\n  per_requester: {life}"]


# (what is changed, bad edit, key, words of the refusal, good edit)
RULES: list[tuple[str, list[str], str, str, list[str]]] = [
    ("typo key", ["refresh:", "refesh:"], "budget.refesh", "not a known key", []),
    ("missing key", ["  refresh: none\n", ""], "budget.refresh", "missing", []),
    (
        "unquoted rho",
        [PER, "per_release: {rho: 1}"],
        "budget.per_release.rho",
        "something else",
        [PER, 'per_release: {rho: "0.5"}'],
    ),
    ("NaN", [PER, 'per_release: {rho: "NaN"}'], "budget.per_release.rho", "not allowed", []),
    ("infinity", [PER, 'per_release: {rho: "inf"}'], "budget.per_release.rho", "not allowed", []),
    ("negative", [PER, 'per_release: {rho: "-0.1"}'], "budget.per_release.rho", "not allowed", []),
    (
        "zero",
        [PER, 'per_release: {rho: "0.0"}'],
        "budget.per_release.rho",
        "out of range",
        [PER, 'per_release: {rho: "1e-9"}'],
    ),
    ("huge", [PER, 'per_release: {rho: "1e9"}'], "budget.per_release.rho", "out of range", []),
    ("blank in number", [PER, 'per_release: {rho: " 0.1"}'], "budget.per_release.rho", "not allowed", []),
    (
        "fullwidth digits",
        [PER, 'per_release: {rho: "\\uFF10.\\uFF11"}'],
        "budget.per_release.rho",
        "not allowed",
        [],
    ),
    ("empty cap", [PER, "per_release: {}"], "budget.per_release", "neither", []),
    (
        "epsilon without delta",
        _caps('{epsilon: "1"}', '{rho: "1"}'),
        "budget.per_release",
        "neither",
        _caps('{epsilon: "1", delta: "1e-6"}', '{rho: "1"}'),
    ),
    (
        "rho with delta",
        [PER, 'per_release: {rho: "0.1", delta: "1e-6"}'],
        "budget.per_release",
        "parts of both",
        [],
    ),
    (
        "all three",
        [PER, 'per_release: {rho: "0.1", epsilon: "1", delta: "1e-6"}'],
        "budget.per_release",
        "parts of both",
        [],
    ),
    ("delta one", ['report_delta: "1e-6"', 'report_delta: "1"'], "budget.report_delta", "probability", []),
    ("delta zero", ['report_delta: "1e-6"', 'report_delta: "0"'], "budget.report_delta", "probability", []),
    (
        "delta too large for rows",
        ['report_delta: "1e-6"', 'report_delta: "0.000002"'],
        "budget.report_delta",
        "max_rows",
        ['report_delta: "1e-6"', 'report_delta: "0.00000199"'],
    ),
    (
        "release above lifetime",
        [PER, 'per_release: {rho: "0.51"}'],
        "budget.per_release",
        "more than lifetime",
        [PER, 'per_release: {rho: "0.50"}'],
    ),
    (
        "requester above lifetime",
        ['per_requester: {rho: "0.20"}', 'per_requester: {rho: "0.500000000000000001"}'],
        "budget.per_requester",
        "more than lifetime",
        ['per_requester: {rho: "0.20"}', 'per_requester: {rho: "0.5"}'],
    ),
    (
        "epsilon above lifetime",
        _caps('{epsilon: "2", delta: "1e-6"}', '{epsilon: "1", delta: "0.000001"}'),
        "budget.per_release",
        "more than lifetime",
        _caps('{epsilon: "1", delta: "1e-6"}', '{epsilon: "2", delta: "0.000001"}'),
    ),
    (
        "delta above the reported one",
        _caps('{epsilon: "1", delta: "1e-5"}', '{epsilon: "1", delta: "1e-5"}'),
        "budget.per_release.delta",
        "larger than report_delta",
        _caps('{epsilon: "1", delta: "1e-6"}', '{epsilon: "1", delta: "1e-6"}'),
    ),
    (
        "delta above lifetime",
        _caps('{epsilon: "1", delta: "1e-6"}', '{epsilon: "1", delta: "1e-7"}'),
        "budget.per_release",
        "more than lifetime",
        _caps('{epsilon: "1", delta: "1e-7"}', '{epsilon: "1", delta: "1e-6"}'),
    ),
    ("other accounting", ["accounting: zcdp", "accounting: pure"], "budget.accounting", "not allowed", []),
    (
        "no attempts",
        ["max_attempts_per_purpose: 3", "max_attempts_per_purpose: 0"],
        "budget.max_attempts_per_purpose",
        "greater than",
        ["max_attempts_per_purpose: 3", "max_attempts_per_purpose: 1"],
    ),
]


@pytest.mark.parametrize(("name", "bad", "key", "says", "good"), RULES, ids=[rule[0] for rule in RULES])
def test_rule_names_file_key_and_remedy_and_the_counterpart_loads(
    check_rule: Check, name: str, bad: list[str], key: str, says: str, good: list[str]
) -> None:
    check_rule(bad, key, says, good)
