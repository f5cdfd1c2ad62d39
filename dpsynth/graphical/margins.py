"""Public margins that a model is to be reweighted to, and how they are written in files.

A CSV file holds one margin: its header names one or two columns and then ``count`` or ``share``; each further
line is one cell, named by its labels. A JSON file holds any number of them:

    [{"columns": ["sex", "income"], "cells": [["Male", ">50K", 123], ...]}, ...]

Every cell is listed once, with a number >= 0; a bin is named by its interval, such as "[10, 20)", and a
missing number is "missing". Each margin is divided by its own sum.
"""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from dpsynth.core.domain import Clique, Domain
from dpsynth.core.errors import BadInput
from dpsynth.graphical.factor import Array
from dpsynth.graphical.masks import some

__all__ = ["MOST_BYTES", "Margin", "parse_margins", "require_consistent"]

MOST_BYTES = 10_000_000
"""The largest file of margins that is read."""

_TOTALS_DIFFER = 0.01
_CELLS_DIFFER = 1e-6


@dataclass(frozen=True)
class Margin:
    """A public margin.

    Attributes:
        clique: one or two columns, in domain order.
        shares: probabilities, flat in C order over the clique, summing to 1.
        total: what the numbers summed to as they were given.
    """

    clique: Clique
    shares: Array
    total: float


def parse_margins(data: bytes, name: str, domain: Domain) -> list[Margin]:
    """The margins of a file. Raises BadInput naming file, margin and what is wrong with it.

    Args:
        data: content of the file, at most ``MOST_BYTES``.
        name: its name; ``.json`` is read as JSON, anything else as CSV.
    """
    if len(data) > MOST_BYTES:
        _refuse(name, f"is larger than {MOST_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        _refuse(name, "is not UTF-8 text")
    written = _from_json(text, name) if name.lower().endswith(".json") else [_from_csv(text, name)]
    return [_margin(columns, cells, name, domain) for columns, cells in written]


def _refuse(name: str, what: str) -> NoReturn:
    raise BadInput(
        f"{name} {what}",
        allowed='CSV with the header "column,count" or "column,column,count" and one line for each cell, or '
        'JSON: [{"columns": ["a"], "cells": [["label", 1], ...]}]',
        remedy="correct the file; it must hold public numbers only",
    )


Written = tuple[list[str], list[list[Any]]]


def _from_csv(text: str, name: str) -> Written:
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except csv.Error:
        _refuse(name, "is not a readable CSV file")
    if not lines or lines[0][-1].strip().lower() not in ("count", "share"):
        _refuse(name, "has no header that ends in count or share")
    return lines[0][:-1], [list(line) for line in lines[1:]]


def _from_json(text: str, name: str) -> list[Written]:
    try:
        value = json.loads(text)
        found = [(list(one["columns"]), [list(cell) for cell in one["cells"]]) for one in value]
    except (ValueError, KeyError, TypeError, RecursionError):
        _refuse(name, "is not a JSON list of margins")
    if not found:
        _refuse(name, "holds no margin")
    return found


def _margin(columns: list[Any], cells: list[list[Any]], name: str, domain: Domain) -> Margin:
    names = [str(column).strip() for column in columns]
    if not 1 <= len(names) <= 2 or len(set(names)) < len(names):
        _refuse(name, "does not give one or two different columns")
    for column in names:
        _require_free(column, domain)
    places = [{domain[column].label(code): code for code in range(domain[column].size)} for column in names]
    counts = np.full(domain.sizes(names), np.nan)
    for cell in cells:
        if len(cell) != len(names) + 1:
            _refuse(name, f"has a cell without {len(names)} labels and one number")
        codes = tuple(
            _code(label, column, place, name)
            for label, column, place in zip(cell, names, places, strict=False)
        )
        if not np.isnan(counts[codes]):
            _refuse(name, f"gives a cell of {' x '.join(names)} twice")
        counts[codes] = _number(cell[-1], name)
    if np.isnan(counts).any():
        _refuse(
            name, f"leaves out {int(np.isnan(counts).sum())} cells of {' x '.join(names)}; write 0 for none"
        )
    total = float(counts.sum())
    if total <= 0.0:
        _refuse(name, f"sums to 0 over {' x '.join(names)}")
    clique = domain.clique(names)
    ordered = counts if clique == tuple(names) else counts.T
    return Margin(clique, np.asarray(ordered / total).reshape(-1), total)


def _require_free(column: str, domain: Domain) -> None:
    if column not in domain.names:
        raise BadInput(
            f"A margin names {column!r}, which is no column of the release",
            allowed=some(domain.names),
            remedy="correct the margin",
        )
    for rule in domain.determined:
        if rule.column == column:
            raise BadInput(
                f"A margin names {column!r}, which follows from {rule.by!r}",
                allowed="margins of columns that do not follow from another",
                remedy=f"give the margin on {rule.by}",
            )


def _code(label: Any, column: str, place: dict[str, int], name: str) -> int:
    if str(label) not in place:
        raise BadInput(
            f"{name} names {str(label)!r}, which is no value or bin of {column!r}",
            allowed=some(list(place)),
            remedy="use the labels of the public domain",
        )
    return place[str(label)]


def _number(value: Any, name: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0.0 <= number < 1e300:
        _refuse(name, "holds a cell whose count is not a number >= 0")
    return number


def require_consistent(margins: list[Margin], domain: Domain) -> None:
    """Raises BadInput where two margins have totals that differ by 1 % or disagree about shared columns."""
    for place, one in enumerate(margins):
        for two in margins[:place]:
            names = f"{' x '.join(two.clique)} and {' x '.join(one.clique)}"
            if abs(one.total - two.total) > _TOTALS_DIFFER * max(one.total, two.total):
                raise BadInput(
                    f"The margins {names} sum to different totals",
                    allowed="margins of the same people: totals that differ by less than 1 %",
                    remedy="give counts of one population, or shares in all of them",
                )
            shared = domain.clique(set(one.clique) & set(two.clique))
            if (
                shared
                and np.abs(_onto(one, shared, domain) - _onto(two, shared, domain)).max() > _CELLS_DIFFER
            ):
                raise BadInput(
                    f"The margins {names} disagree about {' x '.join(shared)}",
                    allowed=f"shares of shared columns that differ by at most {_CELLS_DIFFER}",
                    remedy="take both from one source, or leave one out",
                )


def _onto(margin: Margin, keep: Clique, domain: Domain) -> Array:
    values = margin.shares.reshape(domain.sizes(margin.clique))
    axes = tuple(axis for axis, column in enumerate(margin.clique) if column not in keep)
    summed: Array = values.sum(axis=axes)
    return summed
