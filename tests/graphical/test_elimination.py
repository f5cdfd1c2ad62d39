"""The compiled elimination against a plain twin: same cliques, in the same order, on graphs of all kinds."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from dpsynth.graphical.elimination import eliminate
from dpsynth.graphical.factor import Ids
from dpsynth.graphical.junction_tree import junction_tree, model_cells

Links = list[set[int]]


def plain(sizes: list[int], cliques: list[Ids], by_fill: bool) -> list[Ids]:
    """Eliminate by the definition, every price counted anew before each step."""
    links: Links = [{column} for column in range(len(sizes))]
    for clique in cliques:
        for column in clique:
            links[column] |= set(clique)
    made: list[set[int]] = []
    left = set(range(len(sizes)))
    while left:
        column = min(left, key=lambda each: (*price(sizes, links, each, by_fill), each))
        clique_now = set(links[column])
        if not any(clique_now <= other for other in made):
            made.append(clique_now)
        left.remove(column)
        for other in clique_now - {column}:
            links[other] = (links[other] | clique_now) - {column}
    return [tuple(sorted(each)) for each in made]


def price(sizes: list[int], links: Links, column: int, by_fill: bool) -> tuple[int, int]:
    weight = prod(sizes[other] for other in links[column])
    fill = sum(len(links[column] - links[other]) for other in links[column])
    return (fill if by_fill or not fill else weight), weight


def compiled(sizes: list[int], cliques: list[Ids], by_fill: bool) -> list[Ids]:
    members = np.array([column for clique in cliques for column in clique], dtype=np.int64)
    ends = np.cumsum(np.array([len(clique) for clique in cliques], dtype=np.int64))
    made, count = eliminate(np.array(sizes, dtype=np.float64), members, ends, by_fill)
    return [tuple(np.flatnonzero(row).tolist()) for row in made[:count]]


def random_graph(rng: np.random.Generator) -> tuple[list[int], list[Ids]]:
    columns = int(rng.integers(1, 12))
    sizes = rng.integers(1, 9, columns).tolist()
    widths = rng.integers(1, 4, int(rng.integers(0, 2 * columns)))
    cliques = [tuple(sorted(rng.choice(columns, min(w, columns), replace=False).tolist())) for w in widths]
    return sizes, cliques


@pytest.mark.parametrize("by_fill", [True, False])
def test_it_makes_the_cliques_of_its_plain_twin(by_fill: bool) -> None:
    rng = np.random.default_rng(8)
    graphs = [random_graph(rng) for _ in range(300)]
    for sizes, cliques in graphs:
        assert compiled(sizes, cliques, by_fill) == plain(sizes, cliques, by_fill)
    differs = [plain(*graph, by_fill) != plain(*graph, not by_fill) for graph in graphs]
    assert any(differs), "the graphs must be able to tell the two orders apart"


def test_many_columns_and_none_measured() -> None:
    """More columns than a machine word has bits, and a chain through all of them."""
    sizes = [3] * 100
    assert compiled(sizes, [], True) == [(column,) for column in range(100)]
    chain = [(column, column + 1) for column in range(99)]
    assert sorted(compiled(sizes, chain, True)) == chain


def test_the_smaller_of_both_orders_is_taken_and_its_size_is_exact() -> None:
    rng = np.random.default_rng(9)
    for _ in range(100):
        sizes, cliques = random_graph(rng)
        both = [plain(sizes, cliques, by_fill) for by_fill in (True, False)]
        cells = [sum(prod(sizes[column] for column in clique) for clique in made) for made in both]
        assert model_cells(sizes, cliques) == min(cells) == junction_tree(sizes, cliques).cells(sizes)


def test_a_size_that_no_machine_number_holds_is_still_a_whole_number() -> None:
    sizes = [1_000_003] * 5
    assert model_cells(sizes, [(0, 1, 2, 3, 4)]) == 1_000_003**5
