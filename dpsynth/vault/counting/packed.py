"""Counting many marginals in few passes of compiled loops over blocks of rows, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from math import prod

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Clique
from dpsynth.vault.counting import kernels
from dpsynth.vault.counting.digits import Digits, c_strides
from dpsynth.vault.counting.plan import SMALL, counting_plan
from dpsynth.vault.counting.rows import RowSource, checked_blocks

__all__ = ["count_packed"]

Sizes = Mapping[str, int]
Counts = Mapping[Clique, NDArray[np.int64]]

_PASS_BYTES = 1 << 26
"""Counters of one reading of the rows; tables that do not fit wait for the next reading."""

_NARROW = 1 << 16
_MOST_ROWS = (1 << 32) - 1
"""Rows that a four-byte counter holds, whatever they are."""


def count_packed(source: RowSource, cliques: Sequence[Clique]) -> dict[Clique, NDArray[np.int64]]:
    """Exact counts of each marginal, int64 (cells,), C order over the clique as given.

    Args:
        source: rows; no column has size 0.
        cliques: marginals, no two alike, of at most 2^32 cells, each with a column of at least two codes.
    """
    sizes = source.sizes
    home = _tables(sizes, cliques)
    counts = {c: np.zeros(prod(sizes[name] for name in c), dtype=np.int64) for c in cliques}
    for tables in _readings(sizes, tuple(dict.fromkeys(home.values()))):
        _read(source, tables, {c: home[c] for c in cliques if home[c] in tables}, counts)
    return counts


def _tables(sizes: Sizes, cliques: Sequence[Clique]) -> dict[Clique, Clique]:
    """For each marginal, the columns of the table that it is read off."""
    names = tuple(n for n, size in sizes.items() if size > 1 and any(n in c for c in cliques))
    place = {name: position for position, name in enumerate(names)}
    axes = {c: tuple(sorted(place[name] for name in c if name in place)) for c in cliques}
    wanted = tuple(dict.fromkeys(axes.values()))
    plan = counting_plan(tuple(sizes[name] for name in names), wanted)
    # The largest axis runs fastest: the loop that reads marginals off is then a long one.
    tables = [tuple(sorted((names[axis] for axis in table), key=sizes.__getitem__)) for table in plan.tables]
    home = dict(zip(wanted, plan.home, strict=True))
    return {c: tables[home[axes[c]]] for c in cliques}


def _counters(sizes: Sizes, table: Clique) -> int:
    """Counters of a table: a small one has two copies."""
    cells = prod(sizes[name] for name in table)
    return cells * 2 if cells <= SMALL else cells


def _readings(sizes: Sizes, tables: Sequence[Clique]) -> Iterator[list[Clique]]:
    """Tables together as far as their counters fit; one that does not fit at all goes alone."""
    chosen: list[Clique] = []
    used = 0
    for table in tables:
        need = 4 * _counters(sizes, table)
        if chosen and used + need > _PASS_BYTES:
            yield chosen
            chosen, used = [], 0
        chosen.append(table)
        used += need
    if chosen:
        yield chosen


def _read(source: RowSource, tables: Sequence[Clique], home: Mapping[Clique, Clique], counts: Counts) -> None:
    """Read the rows once and add them to the marginals of these tables."""
    sizes = source.sizes
    names = tuple(name for name in sizes if any(name in table for table in tables))
    digits = Digits({name: sizes[name] for name in names}, kernels.CHUNK)
    groups: dict[bool, list[Clique]] = {}
    for table in tables:
        groups.setdefault(prod(sizes[name] for name in table) > _NARROW, []).append(table)
    scatters = [_Scatter(sizes, some, digits, wide) for wide, some in groups.items()]
    held = 0
    for block in checked_blocks(source, names, digits.rows):
        if held + block.rows > _MOST_ROWS:
            for scatter in scatters:
                scatter.read_off(home, counts)
            held = 0
        split = digits.split(block)
        for scatter in scatters:
            scatter.add(split, block.rows)
        held += block.rows
    for scatter in scatters:
        scatter.read_off(home, counts)


class _Scatter:
    """Counters of some tables, all with indices of one width."""

    def __init__(self, sizes: Sizes, tables: Sequence[Clique], digits: Digits, wide: bool) -> None:
        self._sizes, self._tables = sizes, tables
        self._loop = kernels.scatter_loop(wide)
        kind = np.uint32 if wide else np.uint16
        pairs = [_weights(sizes, table, digits) for table in tables]
        flat = [pair for each in pairs for pair in each]
        self._start = np.array(list(accumulate(map(len, pairs), initial=0)), dtype=np.int64)
        self._digit = np.array([digit for digit, _ in flat], dtype=np.int64)
        # Weights are taken modulo the index's range: the sum then is too, and the true one is in range.
        self._stride = np.array([weight % (np.iinfo(kind).max + 1) for _, weight in flat], dtype=kind)
        ends = list(accumulate((_counters(sizes, table) for table in tables), initial=0))
        self._cells = np.array([prod(sizes[name] for name in table) for table in tables], dtype=np.int64)
        self._even = np.array(ends[:-1], dtype=np.int64)
        self._odd = np.array(ends[1:], dtype=np.int64) - self._cells
        self._counters = np.zeros(ends[-1], dtype=np.uint32)
        self._index = np.empty(kernels.CHUNK, dtype=kind)

    def add(self, split: NDArray[np.uint8], rows: int) -> None:
        """Count the rows of a block."""
        self._loop(
            split, rows, self._start, self._digit, self._stride, self._even, self._odd, self._cells,
            self._counters, self._index,
        )  # fmt: skip

    def read_off(self, home: Mapping[Clique, Clique], counts: Counts) -> None:
        """Add what was counted to the marginals, and begin again at zero."""
        whole = {}
        for table, even, odd, cells in zip(self._tables, self._even, self._odd, self._cells, strict=True):
            whole[table] = self._counters[even : even + cells]
            if odd != even:
                whole[table] += self._counters[odd : odd + cells]
        for c, table in home.items():
            if table in whole:
                weight = dict(zip(c, c_strides([self._sizes[name] for name in c]), strict=True))
                sizes = np.array([self._sizes[name] for name in table], dtype=np.int64)
                strides = np.array([weight.get(name, 0) for name in table], dtype=np.int64)
                kernels.project_loop()(whole[table], sizes, strides, counts[c])
        self._counters[:] = 0


def _weights(sizes: Sizes, table: Clique, digits: Digits) -> list[tuple[int, int]]:
    """Digits and weights of a table's index, an even number of them."""
    strides = c_strides([sizes[name] for name in table])
    found = [
        pair for name, stride in zip(table, strides, strict=True) for pair in digits.weights(name, stride)
    ]
    return found + [(found[0][0], 0)] * (len(found) % 2)
