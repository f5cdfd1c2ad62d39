"""What structural zeros leave possible, against looking at every record there could be."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from dpsynth.core.domain import Column, Determined, Domain, Impossible
from dpsynth.core.structure import over_parents, violating
from dpsynth.policy.support import TooWide, possible_codes

MANY = 10**6


def _domain(sizes: list[int]) -> Domain:
    return Domain(
        tuple(
            Column(f"c{number}", "categorical", values=tuple(str(code) for code in range(size)))
            for number, size in enumerate(sizes)
        )
    )


def _every_record(domain: Domain) -> dict[str, np.ndarray]:
    rows = np.array(list(product(*(range(size) for size in domain.shape))), dtype=np.int64)
    return {name: rows[:, number] for number, name in enumerate(domain.names)}


def _random_zeros(domain: Domain, rng: np.random.Generator) -> tuple[Impossible, ...]:
    cliques = {
        domain.clique(rng.choice(domain.names, rng.integers(1, 4), replace=False))
        for _ in range(rng.integers(1, 6))
    }
    density = rng.uniform(0.1, 0.6)
    return tuple(
        Impossible(clique, tuple(np.flatnonzero(rng.random(domain.size(clique)) < density).tolist()))
        for clique in sorted(cliques)
    )


@pytest.mark.parametrize("seed", range(60))
def test_possible_codes_are_those_of_the_records_that_no_rule_forbids(seed: int) -> None:
    rng = np.random.default_rng(seed)
    domain = _domain(rng.integers(1, 4, 6).tolist())
    zeros = _random_zeros(domain, rng)
    records = _every_record(domain)
    found = possible_codes(Domain(domain.columns, zeros), MANY)
    assert set(found) == {name for rule in zeros for name in rule.clique}
    alone = Domain(domain.columns, zeros)
    kept = ~violating(alone, records)
    for name, codes in found.items():
        brute = np.bincount(records[name][kept], minlength=domain[name].size) > 0
        # Unconnected rules are judged apart: where one of them leaves nothing, the others may still live.
        assert codes.tolist() == brute.tolist() or not kept.any()
    assert kept.any() == all(codes.any() for codes in found.values())


@pytest.mark.parametrize("seed", range(40))
def test_zeros_over_parents_forbid_the_same_records(seed: int) -> None:
    rng = np.random.default_rng(1000 + seed)
    plain = _domain(rng.integers(1, 5, 5).tolist())
    by = rng.permutation(5)[:2]
    determined = tuple(
        Determined(
            f"c{column}",
            f"c{parent}",
            tuple(
                rng.integers(0, plain[f"c{column}"].size, plain[f"c{parent}"].size).tolist()
            ),
        )
        for column, parent in zip(
            [number for number in range(5) if number not in by][:2], rng.choice(by, 2), strict=True
        )
    )  # fmt: skip
    domain = Domain(plain.columns, _random_zeros(plain, rng), determined)
    translated = Domain(plain.columns, over_parents(domain), determined)
    followed = {rule.column for rule in determined}
    assert not any(followed.intersection(rule.clique) for rule in translated.impossible)
    records = _every_record(plain)
    assert violating(domain, records).tolist() == violating(translated, records).tolist()


def test_a_chain_of_rules_is_judged_together_not_pair_by_pair() -> None:
    """Each pair of neighbours leaves every code possible; around the circle nothing is left."""
    domain = _domain([2, 2, 2])
    equal, other = (1, 2), (0, 3)
    circle = (
        Impossible(("c0", "c1"), equal),
        Impossible(("c1", "c2"), equal),
        Impossible(("c0", "c2"), other),
    )
    assert all(codes.all() for codes in possible_codes(Domain(domain.columns, circle[:2]), MANY).values())
    assert not any(codes.any() for codes in possible_codes(Domain(domain.columns, circle), MANY).values())


def test_a_hundred_rules_over_many_columns_are_judged_within_their_room() -> None:
    domain = _domain([3] * 301)
    chain = tuple(Impossible((f"c{number}", f"c{number + 1}"), (0, 4)) for number in range(300))
    linked = tuple(Impossible(domain.clique(rule.clique), rule.cells) for rule in chain)
    found = possible_codes(Domain(domain.columns, linked), 301 * 9)
    assert all(codes.all() for codes in found.values())
    with pytest.raises(TooWide):
        possible_codes(Domain(domain.columns, linked), 2000)
