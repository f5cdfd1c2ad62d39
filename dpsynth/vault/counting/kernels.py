"""Compiled loops of the packed counter, one machine code for all domains.

The codes of a table's columns are mixed into one index of its cells, a chunk at a time so that it stays in
the cache, and the cells are tallied. The caller has checked that codes are in range; the loops do not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np

__all__ = ["CHUNK", "project_loop", "scatter_loop"]

CHUNK = 4096
"""Rows that are mixed before they are tallied."""

_Loop = Callable[..., Any]

# Whether this module is needed depends on the number of rows, so the compiler's chatter is no log line.
logging.getLogger("numba").setLevel(logging.WARNING)


@cache
def scatter_loop(wide: bool) -> _Loop:
    """The loop that counts a block of rows: with indices of four bytes if ``wide``, else of two."""
    index = "uint32" if wide else "uint16"
    return _compiled(
        _scatter,
        f"void(uint8[:, ::1], int64, int64[::1], int64[::1], {index}[::1], int64[::1], int64[::1], "
        f"int64[::1], uint32[::1], {index}[::1])",
    )


@cache
def project_loop() -> _Loop:
    """The loop that adds a table's counts to one of its marginals."""
    return _compiled(_project, "void(uint32[::1], int64[::1], int64[::1], int64[::1])")


def _compiled(loop: _Loop, signature: str) -> _Loop:
    """Machine code, made now or loaded; it is kept where numba finds a folder that it may write."""
    try:
        compiled: _Loop = numba.njit(signature, nogil=True, cache=True)(loop)
    except Exception:  # there is no such folder, it is full, or what lies there is broken: for this process
        compiled = numba.njit(signature, nogil=True)(loop)
    return compiled


@numba.njit(nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _mix(block: Any, low: int, digit: Any, stride: Any, index: Any) -> None:
    """index[i] = sum of stride[d] * block[digit[d], low + i]; the digits come in pairs."""
    rows = index.shape[0]
    for k in range(0, digit.shape[0], 2):
        a, b = block[digit[k], low : low + rows], block[digit[k + 1], low : low + rows]
        s, t = stride[k], stride[k + 1]
        if k == 0:
            for i in range(rows):
                index[i] = a[i] * s + b[i] * t
        else:
            for i in range(rows):
                index[i] += a[i] * s + b[i] * t


@numba.njit(nogil=True)  # type: ignore[untyped-decorator, unused-ignore]
def _tally(index: Any, even: Any, odd: Any) -> None:
    """Count the two halves of the indices in two copies, which may be one.

    A processor waits for a cell that it has just written. Two copies halve the waits where most rows share
    a few cells.
    """
    half = index.shape[0] // 2
    for i in range(half):
        even[index[i]] += 1
        odd[index[half + i]] += 1
    if index.shape[0] % 2:
        even[index[-1]] += 1


def _scatter(
    block: Any, rows: int, start: Any, digit: Any, stride: Any, even: Any, odd: Any, cells: Any,
    counters: Any, index: Any,
) -> None:  # fmt: skip
    """Add the rows of a block to each table.

    Args:
        block: digits of codes, uint8 (digits, at least ``rows``).
        rows: rows of the block that count.
        start: first entry of each table in ``digit`` and ``stride``, and the end; int64 (tables + 1,).
        digit, stride: row of ``block`` and its weight in the index; int64 and the type of ``index``.
        even, odd: where the two copies of each table begin in ``counters``; int64 (tables,).
        cells: cells of each table; int64 (tables,).
        counters: uint32.
        index: room for the indices of one chunk; uint16, or uint32 where a table has more than 65,536 cells.
    """
    chunk = index.shape[0]
    for t in range(cells.shape[0]):
        first, second = counters[even[t] : even[t] + cells[t]], counters[odd[t] : odd[t] + cells[t]]
        digits, strides = digit[start[t] : start[t + 1]], stride[start[t] : start[t + 1]]
        for low in range(0, rows, chunk):
            mixed = index[: min(chunk, rows - low)]
            _mix(block, low, digits, strides, mixed)
            _tally(mixed, first, second)


def _project(table: Any, sizes: Any, strides: Any, out: Any) -> None:
    """Add a table's cells to those of a marginal of it.

    Args:
        table: counts in C order over ``sizes``.
        sizes: size of each axis, at least one; the last one runs fastest.
        strides: weight of each axis in the marginal's cells, 0 for an axis that is summed out.
        out: the marginal, int64.
    """
    axes, inner, step = sizes.shape[0], sizes[-1], strides[-1]
    code = np.zeros(axes, np.int64)
    base = 0
    for low in range(0, table.shape[0], inner):
        for j in range(inner):
            out[base + j * step] += table[low + j]
        axis = axes - 2
        while axis >= 0:
            code[axis] += 1
            base += strides[axis]
            if code[axis] < sizes[axis]:
                break
            base -= strides[axis] * sizes[axis]
            code[axis] = 0
            axis -= 1
