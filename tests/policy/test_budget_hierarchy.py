"""Rules of the budget's hierarchy (lifetime > dataset > table) and of the mass entrusted to libraries.

The bad variant is refused by key and remedy; its good counterpart loads.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

Check = Callable[[list[str], str, str, list[str]], None]
Rule = tuple[str, list[str], str, str, list[str]]

LIFE = 'lifetime: {rho: "0.50"}'
PER = 'per_release: {rho: "0.10"}'
REQUESTER = 'per_requester: {rho: "0.20"}'


def _life(cap: str, *more: str) -> list[str]:
    """The lifetime cap, and further caps below it, as written in YAML."""
    return [LIFE, "\n  ".join([f"lifetime: {{{cap}}}", *more])]


def _further(key: str, cap: str) -> list[str]:
    return _life('rho: "0.50", entrusted_delta: "1e-8"', f"{key}: {{{cap}}}")


# (what is changed, bad edit, key, words of the refusal, good edit)
MASS: list[Rule] = [
    (
        "unquoted mass",
        _life('rho: "0.5", entrusted_delta: 0'),
        "budget.lifetime.entrusted_delta",
        "something else",
        _life('rho: "0.5", entrusted_delta: "0"'),
    ),
    (
        "negative mass",
        _life('rho: "0.5", entrusted_delta: "-0.1"'),
        "budget.lifetime.entrusted_delta",
        "not allowed",
        _life('rho: "0.5", entrusted_delta: "0.0"'),
    ),
    (
        "mass above one",
        _life('rho: "0.5", entrusted_delta: "1.000000000000000000000000000001"'),
        "budget.lifetime.entrusted_delta",
        "not a probability",
        _life('rho: "0.5", entrusted_delta: "1"'),
    ),
    (
        "mass that fills delta",
        _life('epsilon: "1", delta: "1e-6", entrusted_delta: "0.000001"'),
        "budget.lifetime.entrusted_delta",
        "not smaller than delta",
        _life('epsilon: "1", delta: "1e-6", entrusted_delta: "0.00000099"'),
    ),
    (
        "mass without a cap",
        _life('entrusted_delta: "1e-7"'),
        "budget.lifetime",
        "neither",
        _life('rho: "0.5", entrusted_delta: "1e-7"'),
    ),
]

WITHIN: list[Rule] = [
    (
        f"{key} with more mass than lifetime",
        [line, line.replace('"}', '", entrusted_delta: "1e-8"}')],
        f"budget.{key}.entrusted_delta",
        "larger than that of lifetime",
        [
            *(line, line.replace('"}', '", entrusted_delta: "1e-8"}')),
            *_life('rho: "0.50", entrusted_delta: "0.00000001"'),
        ],
    )
    for key, line in (("per_release", PER), ("per_requester", REQUESTER))
]

FURTHER: list[Rule] = [
    rule
    for key in ("per_dataset", "per_table")
    for rule in [
        (
            f"{key} above lifetime",
            _further(key, 'rho: "0.51"'),
            f"budget.{key}",
            "more than lifetime",
            _further(key, 'rho: "0.50"'),
        ),
        (
            f"{key} with more mass than lifetime",
            _further(key, 'rho: "0.1", entrusted_delta: "2e-8"'),
            f"budget.{key}.entrusted_delta",
            "larger than that of lifetime",
            _further(key, 'rho: "0.1", entrusted_delta: "1e-8"'),
        ),
        (
            f"{key} with more mass than lifetime, in other terms",
            _further(key, 'epsilon: "1", delta: "1e-6", entrusted_delta: "2e-8"'),
            f"budget.{key}.entrusted_delta",
            "larger than that of lifetime",
            _further(key, 'epsilon: "1", delta: "1e-6", entrusted_delta: "1e-8"'),
        ),
        (
            f"{key} delta above the reported one",
            _further(key, 'epsilon: "1", delta: "1e-5"'),
            f"budget.{key}.delta",
            "larger than report_delta",
            _further(key, 'epsilon: "1", delta: "1e-6"'),
        ),
        (f"{key} empty", _further(key, ""), f"budget.{key}", "neither", _life('rho: "0.50"', f"{key}: null")),
    ]
]

TABLE: list[Rule] = [
    (
        "table above dataset",
        _life('rho: "0.50"', 'per_dataset: {rho: "0.3"}', 'per_table: {rho: "0.4"}'),
        "budget.per_table",
        "more than per_dataset",
        _life('rho: "0.50"', 'per_dataset: {rho: "0.4"}', 'per_table: {rho: "0.40"}'),
    ),
    (
        "table above dataset in epsilon",
        _life(
            'rho: "0.50"',
            'per_dataset: {epsilon: "1", delta: "1e-6"}',
            'per_table: {epsilon: "1.5", delta: "1e-6"}',
        ),
        "budget.per_table",
        "more than per_dataset",
        _life('rho: "0.50"', 'per_table: {epsilon: "1.5", delta: "1e-6"}'),
    ),
    (
        "table with more mass than dataset",
        _life(
            'rho: "0.50", entrusted_delta: "1e-7"',
            'per_dataset: {rho: "0.5"}',
            'per_table: {rho: "0.5", entrusted_delta: "1e-8"}',
        ),
        "budget.per_table.entrusted_delta",
        "larger than that of per_dataset",
        _life(
            'rho: "0.50", entrusted_delta: "1e-7"',
            'per_dataset: {rho: "0.5", entrusted_delta: "1e-8"}',
            'per_table: {rho: "0.5", entrusted_delta: "1e-8"}',
        ),
    ),
]

RULES = [*MASS, *WITHIN, *FURTHER, *TABLE]


@pytest.mark.parametrize(("name", "bad", "key", "says", "good"), RULES, ids=[rule[0] for rule in RULES])
def test_rule_names_file_key_and_remedy_and_the_counterpart_loads(
    check_rule: Check, name: str, bad: list[str], key: str, says: str, good: list[str]
) -> None:
    check_rule(bad, key, says, good)
