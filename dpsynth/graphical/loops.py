"""Compiled loops over rows and stacked tables; each has a plain twin in the tests.

A *stack* is a list of tables over columns, laid end to end: ``columns`` (tables, width) int64 with -1 where a
table has fewer columns, ``strides`` of the same shape, ``starts`` (tables,), and ``of`` (columns, most)
int64, the tables of each column, -1 at the end. Rows are int32 (rows, columns) of valid codes. The loops do
not check; :mod:`dpsynth.graphical.stack` builds what they read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dpsynth.graphical.compiled import compiled, inner

__all__ = ["exchange", "resample", "tally"]


@compiled
def tally(rows: Any, columns: Any, strides: Any, starts: Any, counts: Any) -> None:
    """Add each row to its cell of every table; ``counts`` is float64 over the whole stack."""
    width = columns.shape[1]
    for table in range(columns.shape[0]):
        for row in range(rows.shape[0]):
            cell = starts[table]
            for place in range(width):
                column = columns[table, place]
                if column < 0:
                    break
                cell += rows[row, column] * strides[table, place]
            counts[cell] += 1.0


@compiled
def exchange(rows: Any, offers: Any, order: Any, columns: Any, strides: Any, starts: Any, excess: Any) -> int:
    """Replace row ``order[i]`` by offer ``i`` where that lowers the sum of squared ``excess``; how many were.

    ``excess`` is counts minus wanted counts over the stack, and is kept up to date.
    """
    tables, width = columns.shape
    here, there = np.empty(tables, np.int64), np.empty(tables, np.int64)
    taken = 0
    for offer in range(order.shape[0]):
        row, change = order[offer], 0.0
        for table in range(tables):
            old = starts[table]
            new = old
            for place in range(width):
                column = columns[table, place]
                if column < 0:
                    break
                old += rows[row, column] * strides[table, place]
                new += offers[offer, column] * strides[table, place]
            here[table], there[table] = old, new
            if old != new:
                change += excess[new] - excess[old] + 1.0
        if change < 0.0:
            taken += 1
            for table in range(tables):
                excess[here[table]] -= 1.0
                excess[there[table]] += 1.0
            rows[row] = offers[offer]
    return taken


@compiled
def resample(
    rows: Any, sizes: Any, model: Any, logs: Any, wanted: Any, excess: Any, weights: Any, rng: Any
) -> int:
    """One Gibbs sweep over every cell of the rows; how many codes changed.

    A code is drawn from the model's conditional, ``logs`` over the stack ``model``, times
    exp(-sum of weights * excess^2 / 2) over the stack ``wanted``.
    """
    scores = np.empty(sizes.max())
    changed = 0
    for row in range(rows.shape[0]):
        for column in range(rows.shape[1]):
            size, old = sizes[column], rows[row, column]
            if size < 2:
                continue
            scores[:size] = 0.0
            _add_logs(scores, size, rows[row], column, model, logs)
            _take_excess(scores, size, rows[row], column, wanted, excess, weights)
            new = _draw(scores, size, rng.random())
            if new != old:
                changed += 1
                _move(rows[row], column, new, wanted, excess)
                rows[row, column] = new
    return changed


@inner  # type: ignore[untyped-decorator, unused-ignore]
def _base(row: Any, column: int, table: int, columns: Any, strides: Any, starts: Any) -> Any:
    """Cell of the row in a table were its code in ``column`` 0, and the stride of that column."""
    base, stride = starts[table], 0
    for place in range(columns.shape[1]):
        other = columns[table, place]
        if other < 0:
            break
        if other == column:
            stride = strides[table, place]
        else:
            base += row[other] * strides[table, place]
    return base, stride


@inner  # type: ignore[untyped-decorator, unused-ignore]
def _add_logs(scores: Any, size: int, row: Any, column: int, stack: Any, logs: Any) -> None:
    columns, strides, starts, of = stack
    for place in range(of.shape[1]):
        table = of[column, place]
        if table < 0:
            break
        base, stride = _base(row, column, table, columns, strides, starts)
        for code in range(size):
            scores[code] += logs[base + code * stride]


@inner  # type: ignore[untyped-decorator, unused-ignore]
def _take_excess(
    scores: Any, size: int, row: Any, column: int, stack: Any, excess: Any, weights: Any
) -> None:
    columns, strides, starts, of = stack
    old = row[column]
    for place in range(of.shape[1]):
        table = of[column, place]
        if table < 0:
            break
        base, stride = _base(row, column, table, columns, strides, starts)
        now = excess[base + old * stride] - 1.0
        for code in range(size):
            if code != old:
                scores[code] -= weights[table] * (excess[base + code * stride] - now)


@inner  # type: ignore[untyped-decorator, unused-ignore]
def _draw(scores: Any, size: int, point: float) -> int:
    """A code by its log-scores; ``point`` is uniform in [0, 1)."""
    top, mass = scores[:size].max(), 0.0
    for code in range(size):
        scores[code] = np.exp(scores[code] - top)
        mass += scores[code]
    left, last = point * mass, 0
    for code in range(size):
        if scores[code] > 0.0:
            last = code
            left -= scores[code]
            if left < 0.0:
                return code
    return last


@inner  # type: ignore[untyped-decorator, unused-ignore]
def _move(row: Any, column: int, new: int, stack: Any, excess: Any) -> None:
    columns, strides, starts, of = stack
    old = row[column]
    for place in range(of.shape[1]):
        table = of[column, place]
        if table < 0:
            break
        base, stride = _base(row, column, table, columns, strides, starts)
        excess[base + old * stride] -= 1.0
        excess[base + new * stride] += 1.0
