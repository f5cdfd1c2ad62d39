"""Counting promises: every way to count agrees with a count by hand, whatever the domain and the blocks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import combinations
from math import prod
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dpsynth.core.domain import Clique
from dpsynth.core.errors import BadInput, IntegrityError
from dpsynth.vault.counting import count, digits, kernels, packed
from dpsynth.vault.counting.count import count_marginals
from dpsynth.vault.counting.packed import count_packed
from dpsynth.vault.counting.parquet import CodedWriter
from dpsynth.vault.counting.plain import count_plainly
from dpsynth.vault.counting.plan import counting_plan
from dpsynth.vault.counting.rows import Block, Codes, MemoryRows, RowSource, code_type, whole_columns

Counts = dict[Clique, NDArray[np.int64]]
SIZES = st.sampled_from([1, 2, 2, 3, 5, 17, 255, 256, 257, 300, 70_000])
DEFAULT = settings(max_examples=60, deadline=None)


class Odd(MemoryRows):
    """The same rows in blocks of odd lengths, some of them empty."""

    def blocks(self, names: Clique, most: int) -> Iterator[Block]:
        low = 0
        for rows in (1, 0, 2, 7, 3, 10**9):
            high = min(low + min(rows, most), self.rows)
            yield Block(high - low, tuple(self._codes[name][low:high] for name in names))
            low = high


def made(sizes: Mapping[str, int], rows: int, rng: np.random.Generator) -> dict[str, Codes]:
    """Made-up codes; in some columns most rows share one code."""
    power = {name: int(rng.integers(1, 9)) for name in sizes}
    return {
        name: (rng.random(rows) ** power[name] * size).astype(code_type(size)) for name, size in sizes.items()
    }


def by_hand(source: RowSource, cliques: list[Clique]) -> Counts:
    codes, counts = whole_columns(source), {}
    for c in cliques:
        table = np.zeros([source.sizes[name] for name in c], dtype=np.int64)
        if c:
            np.add.at(table, tuple(codes[name] for name in c), 1)
        counts[c] = table.ravel() if c else np.array([source.rows])
    return counts


def coded(source: RowSource, step: int = 5) -> RowSource:
    """The same rows, out of a coded Parquet file."""
    writer = CodedWriter(source.sizes)
    for low in range(0, source.rows, step):
        writer.add({name: codes[low : low + step] for name, codes in whole_columns(source).items()})
    return writer.done()


def assert_same(found: Counts, expected: Counts) -> None:
    assert list(found) == list(expected)
    for c, counts in found.items():
        assert (counts.dtype, counts.shape) == (np.int64, expected[c].shape)
        assert (counts == expected[c]).all(), c


@st.composite
def problems(draw: st.DrawFn) -> tuple[MemoryRows, list[Clique]]:
    """Rows, and marginals of any width in any order whose cells a test can afford."""
    sizes = {f"c{i}": size for i, size in enumerate(draw(st.lists(SIZES, min_size=1, max_size=7)))}
    rows = draw(st.integers(0, 40))
    codes = made(sizes, rows, np.random.default_rng(draw(st.integers(0, 2**32))))
    names = st.lists(st.sampled_from(list(sizes)), max_size=4, unique=True).map(tuple)
    cheap = names.filter(lambda c: prod(sizes[name] for name in c) <= 300_000)
    return Odd(sizes, codes, rows), draw(st.lists(cheap, min_size=1, max_size=12, unique=True))


@DEFAULT
@given(problems(), st.sampled_from(["odd", "whole", "parquet", "kept"]), st.booleans())
def test_counts_agree_with_a_count_by_hand(
    problem: tuple[MemoryRows, list[Clique]], form: str, plainly: bool
) -> None:
    source: RowSource = problem[0]
    cliques = problem[1]
    if form == "whole":
        source = MemoryRows(source.sizes, whole_columns(source), source.rows)
    elif form == "parquet":
        source = coded(source)
    elif form == "kept":
        source = coded(source).where(np.arange(source.rows) % 3 > 0)
        source = source.where(np.arange(source.rows) % 4 > 0)
    with patch.object(count, "_PLAIN", 10**12 if plainly else -1):
        assert_same(count_marginals(source, cliques), by_hand(source, cliques))


@DEFAULT
@given(problems(), st.integers(1, 30), st.sampled_from([0, 100, 5000]))
def test_counters_that_would_overflow_or_do_not_fit_change_no_count(
    problem: tuple[MemoryRows, list[Clique]], most_rows: int, pass_bytes: int
) -> None:
    source, cliques = problem
    cliques = [c for c in cliques if any(source.sizes[name] > 1 for name in c)] or [("c0",)]
    if source.sizes["c0"] == 1:
        return
    with patch.multiple(packed, _MOST_ROWS=most_rows, _PASS_BYTES=pass_bytes):
        assert_same(count_packed(source, cliques), by_hand(source, cliques))


def test_many_columns_and_blocks_agree_with_the_plain_twin() -> None:
    rng = np.random.default_rng(3)
    sizes = {f"c{i}": int(size) for i, size in enumerate(rng.integers(1, 33, 40))}
    rows = 3 * kernels.CHUNK + 1001
    source = MemoryRows(sizes, made(sizes, rows, rng), rows)
    cliques: list[Clique] = [*combinations(sizes, 2)]
    cliques += [tuple(rng.permutation(list(sizes))[:3].tolist()) for _ in range(60)]
    cliques = [c for c in cliques if any(sizes[name] > 1 for name in c)]
    with patch.object(digits, "_BLOCK_BYTES", 40 * kernels.CHUNK):
        assert_same(count_packed(source, cliques), count_plainly(source, cliques))


@pytest.mark.parametrize("rows", [1, kernels.CHUNK - 1, kernels.CHUNK, 2 * kernels.CHUNK + 3])
def test_rows_that_are_all_alike_are_all_counted(rows: int) -> None:
    sizes = {"a": 3, "b": 300, "c": 30, "d": 100}
    codes = {name: np.full(rows, size - 1, dtype=code_type(size)) for name, size in sizes.items()}
    source, cliques = MemoryRows(sizes, codes, rows), [*combinations(sizes, 2), ("a", "b", "c", "d")]
    for c, counts in count_packed(source, cliques).items():
        assert counts[-1] == counts.sum() == rows, c


def test_few_tables_answer_all_pairs_and_each_marginal_is_inside_its_table() -> None:
    sizes = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32) * 2
    wanted = (*combinations(range(24), 2), (3, 7, 9, 11), (11, 23, 10, 22))
    wanted = tuple(tuple(sorted(axes)) for axes in wanted)
    plan = counting_plan(sizes, wanted)
    assert len(plan.tables) < 90
    for axes, home in zip(wanted, plan.home, strict=True):
        assert set(axes) <= set(plan.tables[home])
        assert len(plan.tables[home]) == len(set(plan.tables[home]))
    assert max(prod(sizes[axis] for axis in table) for table in plan.tables[1:]) <= 1 << 16
    assert plan == counting_plan.__wrapped__(sizes, wanted)


def test_an_all_in_one_request_reads_the_rows_once() -> None:
    readings: list[Clique] = []

    class Watched(MemoryRows):
        def blocks(self, names: Clique, most: int) -> Iterator[Block]:
            readings.append(names)
            return super().blocks(names, most)

    sizes = {f"c{i}": 2 + i % 12 for i in range(40)}
    codes = made(sizes, 50, np.random.default_rng(1))
    count_packed(Watched(sizes, codes, 50), list(combinations(sizes, 2)))
    assert readings == [tuple(sizes)]
    # Only the columns that are asked for are read.
    count_packed(Watched(sizes, codes, 50), [("c3", "c1")])
    assert readings[1:] == [("c1", "c3")]


@pytest.mark.parametrize("counter", [count_plainly, count_packed])
@pytest.mark.parametrize("form", ["memory", "parquet"])
def test_codes_outside_the_domain_are_refused_without_saying_which(counter: Any, form: str) -> None:
    sizes, truth = {"a": 3, "b": 200}, {"a": 3, "b": 250}
    inside = {"a": np.array([2, 0], dtype=np.uint8), "b": np.array([199, 1], dtype=np.uint8)}
    outside = inside | {"b": np.array([249, 1], dtype=np.uint8)}
    found = []
    for codes in (inside, outside):
        source: RowSource = MemoryRows(truth, codes, 2)
        source = coded(source) if form == "parquet" else source
        source._sizes = sizes  # type: ignore[attr-defined]
        found.append(source)
    assert counter(found[0], [("a", "b")])[("a", "b")].sum() == 2
    with pytest.raises(IntegrityError, match="do not fit the public domain") as caught:
        counter(found[1], [("a", "b")])
    assert "249" not in str(caught.value)


def test_signed_codes_and_columns_of_another_length_are_refused() -> None:
    wrong = [np.zeros(3, dtype=np.int8), np.zeros(2, dtype=np.uint8)]
    for codes in wrong:
        with pytest.raises(IntegrityError):
            count_packed(MemoryRows({"a": 2}, {"a": codes}, 3), [("a",)])


def test_what_is_no_marginal_is_refused() -> None:
    sizes = {"a": 100_000, "b": 100_000, "c": 2}
    source = MemoryRows(sizes, made(sizes, 2, np.random.default_rng(0)), 2)
    with pytest.raises(KeyError):
        count_marginals(source, [("nobody",)])
    with pytest.raises(ValueError, match="once"):
        count_marginals(source, [("c", "c")])
    with pytest.raises(BadInput, match="a, b has 10000000000 cells"):
        count_marginals(source, [("c",), ("a", "b")])
    assert count_marginals(source, []) == {}


@pytest.mark.parametrize("rows", [0, 3])
def test_constant_columns_and_the_empty_marginal_count_all_rows(rows: int) -> None:
    source = MemoryRows({"a": 1, "b": 1}, {n: np.zeros(rows, dtype=np.uint8) for n in "ab"}, rows)
    found = count_marginals(source, [(), ("b",), ("b", "a"), ()])
    assert list(found) == [(), ("b",), ("b", "a")]
    assert all(counts.tolist() == [rows] for counts in found.values())


def test_counting_works_where_machine_code_cannot_be_kept() -> None:
    real, tries = kernels.numba.njit, []

    def njit(*arguments: Any, **options: Any) -> Any:
        tries.append(options.get("cache", False))
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(*arguments, **options)

    with patch.object(kernels.numba, "njit", njit):
        loop = kernels._compiled(kernels._project, "void(uint32[::1], int64[::1], int64[::1], int64[::1])")
    out = np.zeros(2, dtype=np.int64)
    loop(np.array([1, 2, 3, 4, 5, 6], dtype=np.uint32), np.array([3, 2]), np.array([0, 1]), out)
    assert (tries, out.tolist()) == ([True, False], [9, 12])


def test_the_vault_is_opened_without_loading_the_compiler() -> None:
    code = "import sys, dpsynth.vault.curator, dpsynth.vault.opening; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
