"""Which codes of a column a comparison means, by the column's public values and bin edges alone."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Column
from dpsynth.core.errors import BadInput

__all__ = ["Mask", "absent", "bins_of", "categories", "missing", "ordered", "some"]

Mask = NDArray[np.bool_]
"""Which codes of a column are meant, shape (size,)."""

_SHOWN = 12


def some(names: Sequence[str]) -> str:
    """The first few of many names, for people."""
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def absent(column: Column) -> Mask:
    """The code that stands for a missing number; no code of a categorical column."""
    mask = np.zeros(column.size, dtype=np.bool_)
    if column.kind != "categorical":
        mask[len(column.edges) - 1 :] = True
    return mask


def missing(column: Column) -> Mask:
    """As :func:`absent`. Raises BadInput where there is no such code."""
    if not column.has_missing:
        raise BadInput(
            f"Column {column.name!r} has no code for a missing value",
            allowed=f"for a category: {column.name} = 'label'",
            remedy="leave that test out",
        )
    return absent(column)


def categories(column: Column, labels: Sequence[str]) -> Mask:
    """The codes of these labels. Raises BadInput on one that is not in the public domain."""
    mask = np.zeros(column.size, dtype=np.bool_)
    for label in labels:
        if label not in column.values:
            raise BadInput(
                f"Column {column.name!r} has no category {label!r}",
                allowed=some([f"'{value}'" for value in column.values]),
                remedy="use a category of the public domain",
            )
        mask[column.values.index(label)] = True
    return mask


def _starts(column: Column) -> list[int]:
    """The first released number of each bin, in units of 10^-decimals, and one past the last."""
    units = [Decimal(edge).scaleb(column.decimals) for edge in column.edges]
    first = [int(unit.to_integral_value(ROUND_CEILING)) for unit in units[:-1]]
    return [*first, int(units[-1].to_integral_value(ROUND_FLOOR)) + 1]


def ordered(column: Column, sign: str, value: Decimal) -> Mask:
    """The bins below or above a number. Raises BadInput naming the edges of a bin that it cuts.

    Args:
        sign: ``<``, ``<=``, ``>`` or ``>=``.
        value: in the column's own terms.
    """
    if column.kind == "categorical":
        raise BadInput(
            f"Column {column.name!r} holds categories, which have no order",
            allowed="=, != and in",
            remedy=f"list the categories: {column.name} in ('{column.values[0]}', ...)",
        )
    units = value.scaleb(column.decimals)
    if sign in ("<", ">="):
        cut = int(units.to_integral_value(ROUND_CEILING))
    else:
        cut = int(units.to_integral_value(ROUND_FLOOR)) + 1
    starts = _starts(column)
    for code, (low, high) in enumerate(pairwise(starts)):
        if low < cut < high:
            below, above = ("<", "<=") if sign in ("<", "<=") else (">=", ">")
            last = code == len(column.edges) - 2  # closed on the right: its upper edge lies inside
            edges = [f"{column.name} {below} {column.edges[code]}"]
            edges.append(f"{column.name} {above if last else below} {column.edges[code + 1]}")
            _cuts(column, f"{sign} {value}", code, " or ".join(edges))
    mask = np.zeros(column.size, dtype=np.bool_)
    smaller = np.array([high <= cut for high in starts[1:]], dtype=np.bool_)
    mask[: len(smaller)] = smaller if sign in ("<", "<=") else ~smaller
    return mask


def bins_of(column: Column, values: Sequence[Decimal]) -> Mask:
    """The bins that these numbers fill; raises BadInput unless each is filled wholly or not at all."""
    starts, scaled = _starts(column), [value.scaleb(column.decimals) for value in values]
    if any(unit != unit.to_integral_value() or not starts[0] <= unit < starts[-1] for unit in scaled):
        raise BadInput(
            f"Column {column.name!r} cannot have one of the values asked for",
            allowed=f"{column.edges[0]} to {column.edges[-1]}, with at most {column.decimals} decimals",
            remedy="use values of the public domain",
        )
    units, mask = {int(unit) for unit in scaled}, np.zeros(column.size, dtype=np.bool_)
    for code, (low, high) in enumerate(pairwise(starts)):
        inside = sum(low <= unit < high for unit in units)
        if 0 < inside < high - low:
            close = "<=" if code == len(column.edges) - 2 else "<"
            low_edge, high_edge = column.edges[code], column.edges[code + 1]
            aligned = f"{column.name} >= {low_edge} and {column.name} {close} {high_edge}"
            _cuts(column, "= one of its values", code, aligned)
        mask[code] = inside > 0
    return mask


def _cuts(column: Column, what: str, code: int, aligned: str) -> NoReturn:
    raise BadInput(
        f"{column.name} {what} cuts the bin {column.label(code)}, inside which the model knows nothing",
        allowed=f"the nearest edges: {aligned}",
        remedy="move the comparison to an edge",
    )
