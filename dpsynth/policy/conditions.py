"""Conditions on one column, in words that people read: listed categories, or ranges that follow bin edges."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from dpsynth.core.domain import Column
from dpsynth.policy.fields import broken
from dpsynth.policy.places import quote
from dpsynth.policy.scalars import BOUND, exact

__all__ = ["MISSING", "codes_of"]

MISSING = "missing"
"""How a condition on a number names the code for a missing value."""

_NUMBER = BOUND.removeprefix("^").removesuffix("$")
_COMPARED = re.compile(rf"(?P<sign><=|>=|<|>) ?(?P<number>{_NUMBER})")
_RANGE = re.compile(rf"\[(?P<low>{_NUMBER}), ?(?P<high>{_NUMBER})(?P<end>[])])")
_SHOWN = 12


def codes_of(column: Column, item: str) -> frozenset[int]:
    """Codes that a condition names.

    Args:
        item: of a categorical column, a category. Of a number: ``< 16`` or ``>= 16`` at a bin edge, a range
            of whole bins ``[16, 65)`` (``]`` at the upper bound), or ``missing``; of an integer also
            ``<= 15``, ``> 15``, ``[16, 64]`` and ``7``, where these mean whole bins.

    Raises:
        Broken: the item is no such condition, or cuts through a bin; the remedy names the edges.
    """
    if column.kind == "categorical":
        if item not in column.values:
            raise broken(f"{quote(item)} is not a value of {quote(column.name)}", _values(column))
        return frozenset({column.values.index(item)})
    bins = len(column.edges) - 1
    if item == MISSING:
        if not column.has_missing:
            what = f"{quote(column.name)} has no code for missing values"
            raise broken(what, "write missing: category for that column, or delete this")
        return frozenset({bins})
    low, high = _limits(column, item)
    return frozenset(range(low, high))


def _limits(column: Column, item: str) -> tuple[int, int]:
    """First bin, and the one after the last bin, that the item names."""
    compared, ranged = _COMPARED.fullmatch(item), _RANGE.fullmatch(item)
    start, end = exact(column.edges[0]), _end(column)
    if compared is not None:
        number = _whole(column, exact(compared["number"]), item)
        if compared["sign"] in ("<=", ">"):
            number = _next(column, number, item)
        low, high = (start, number) if "<" in compared["sign"] else (number, end)
    elif ranged is not None:
        low, high = exact(ranged["low"]), exact(ranged["high"])
        if ranged["end"] == "]":
            high = end if high == exact(column.edges[-1]) else _next(column, high, item)
    elif re.fullmatch(_NUMBER, item) and column.kind == "integer":
        low = _whole(column, exact(item), item)
        high = low + 1
    else:
        what = f"{quote(item)} is not a condition on the number {quote(column.name)}"
        raise broken(what, 'write "< 16", ">= 16", "[16, 65)" or missing, with edges of the bins')
    first, last = _place(column, low, item), _place(column, high, item)
    if first >= last:
        raise broken(f"{quote(item)} holds no bin of {quote(column.name)}", _edges(column))
    return first, last


def _end(column: Column) -> Decimal:
    """Where the last bin stops, exclusive: an integer bin closed at 100 stops before 101."""
    last = exact(column.edges[-1])
    return last + 1 if column.kind == "integer" else last


def _whole(column: Column, number: Decimal, item: str) -> Decimal:
    if column.kind == "integer" and number != number.to_integral_value():
        raise broken(f"{quote(item)} is not a whole number", _edges(column))
    return number


def _next(column: Column, number: Decimal, item: str) -> Decimal:
    """The whole number after this one."""
    if column.kind != "integer":
        what = f"{quote(item)} cuts through a bin of {quote(column.name)}: bins hold their left edge"
        raise broken(what, "write < or >= with an edge of the bins")
    return _whole(column, number, item) + 1


def _place(column: Column, cut: Decimal, item: str) -> int:
    cuts = [*(exact(edge) for edge in column.edges[:-1]), _end(column)]
    if cut not in cuts:
        raise broken(
            f"{quote(item)} does not meet an edge of the bins of {quote(column.name)}", _edges(column)
        )
    return cuts.index(cut)


def _edges(column: Column) -> str:
    return f"use its edges ({_some(column.edges)}), or add an edge to its bins"


def _values(column: Column) -> str:
    return f"write one of {_some(quote(value) for value in column.values)}"


def _some(texts: Iterable[str]) -> str:
    shown = list(texts)
    return ", ".join([*shown[:_SHOWN], *(["..."] if len(shown) > _SHOWN else [])])
