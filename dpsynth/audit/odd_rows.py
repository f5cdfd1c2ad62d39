"""Surrogate rows as texts, and units whose texts are odd: what a file may hold that no policy lists.

Made from the public domain alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dpsynth.audit.surrogate import SurrogateRows
from dpsynth.core.domain import Column, Domain
from dpsynth.core.unit import PrivacyUnit

__all__ = [
    "REFUSED",
    "OddUnit",
    "RawRows",
    "all_alike",
    "as_texts",
    "many_alike",
    "odd_units",
    "one_by_one",
    "unfit_unit",
]

_ENOUGH = 20
_LONG = 10_000
_TOO_LONG = (1 << 20) + 1
_UNLISTED = "not a listed value"
_UNICODE = "e\u0301\u202e\u200b\U0001d518\u0661"


@dataclass(frozen=True)
class RawRows:
    """Rows as texts.

    Attributes:
        texts: a list for each column.
        ids: the unit's id in each row.
        labels: the auditor's name for the unit of each row, shape (rows,).
    """

    texts: dict[str, list[str]]
    ids: list[str]
    labels: NDArray[np.int64]

    def after(self, *units: OddUnit) -> RawRows:
        """These rows after those of the units: a refusal that counts lines is then the same for any rows."""
        new = [one for one in reversed(units) for _ in range(one.rows)]
        texts = {name: [one.row[name] for one in new] + column for name, column in self.texts.items()}
        labels = np.array([one.label for one in new], dtype=np.int64)
        return RawRows(texts, [one.id for one in new] + self.ids, np.append(labels, self.labels))


@dataclass(frozen=True)
class OddUnit:
    """A unit whose rows are alike.

    Attributes:
        name: what is odd, in words.
        row: text of each column.
        label: the auditor's name for it.
        id: its id.
        rows: how many rows it has.
        neighbour: False where adding it is more than adding one unit.
    """

    name: str
    row: Mapping[str, str]
    label: int
    id: str
    rows: int = 1
    neighbour: bool = field(default=True)


def as_texts(rows: SurrogateRows, domain: Domain) -> RawRows:
    """Texts that a file would hold for these codes: the category, or the lower end of the bin."""
    texts = {}
    for column in domain.columns:
        known = [_text(column, code) for code in range(column.size)]
        texts[column.name] = [known[code] for code in rows.codes[column.name].tolist()]
    return RawRows(texts, [f"unit {label}" for label in rows.units.tolist()], rows.units)


def _text(column: Column, code: int) -> str:
    if column.kind == "categorical":
        return column.values[code]
    return "" if code == len(column.edges) - 1 else column.edges[code]


_Odd = Callable[[Column], str]


def _end(last: bool, step: float = 0.0) -> _Odd:
    """The first or last listed value, or one that misses it; of numbers the bound, or the one next to it."""

    def text(column: Column) -> str:
        if column.kind == "categorical":
            return column.values[-int(last)] + ("" if not step else "_")
        edge = column.edges[-int(last)]
        if step and column.kind == "integer":
            return str(int(float(edge)) + (1 if step > 0 else -1))
        return edge if not step else repr(math.nextafter(float(edge), step))

    return text


def _same(text: str) -> _Odd:
    return lambda column: text


_ODD: Mapping[str, _Odd] = {
    "lowest values": _end(last=False),
    "highest values": _end(last=True),
    "just below the lowest": _end(last=False, step=-math.inf),
    "just above the highest": _end(last=True, step=math.inf),
    "unlisted values": _same(_UNLISTED),
    "empty texts": _same(""),
    "NaN": _same("NaN"),
    "signalling NaN": _same("sNaN123"),
    "infinity": _same("inf"),
    "minus infinity": _same("-inf"),
    "a huge number": _same("1e400"),
    "very long texts": _same("7" * _LONG),
    "unusual letters": _same(_UNICODE),
    "a quote and a line's end": _same('"\n"'),
}

REFUSED: Mapping[str, str] = {
    "a NUL byte": "a\x00b",
    "another kind of line's end": "a\rb",
    "bytes that are no text": "a\udcffb",
    "a text beyond every limit": "x" * _TOO_LONG,
}
"""What a file format may not be able to hold: refused, or taken in as text."""


def unfit_unit(domain: Domain, name: str, label: int) -> OddUnit:
    """A unit with one of :data:`REFUSED` in its first column."""
    row = {column.name: _text(column, 0) for column in domain.columns}
    return OddUnit(name, {**row, domain.names[0]: REFUSED[name]}, label, f"unit {label}")


def odd_units(base: RawRows, domain: Domain, unit: PrivacyUnit) -> tuple[OddUnit, ...]:
    """Units to add to ``base``, one kind of oddity each."""
    first = int(base.labels.max()) + 1
    rows = {name: {c.name: odd(c) for c in domain.columns} for name, odd in _ODD.items()}
    made = [
        OddUnit(name, row, first + at, f"unit {first + at}", min(unit.max_rows, _ENOUGH))
        for at, (name, row) in enumerate(rows.items())
    ]
    return (*made, *(_odd_ids(base, rows, unit, first + len(made)) if unit.id_column else ()))


def _odd_ids(
    base: RawRows, rows: Mapping[str, Mapping[str, str]], unit: PrivacyUnit, label: int
) -> Sequence[OddUnit]:
    lowest, many = rows["lowest values"], 2 * unit.max_rows + 7
    return (
        OddUnit("more rows than the bound", lowest, label, f"unit {label}", many),
        *(
            OddUnit(
                f"more rows than the bound, of {name}", rows[name], label + at, f"unit {label + at}", many
            )
            for at, name in enumerate(("NaN", "unlisted values", "empty texts"), start=1)
        ),
        OddUnit("more rows than the bound, without an id", lowest, label + 4, "", many),
        OddUnit("an id that another row has, with blanks", lowest, label + 5, f" {base.ids[0]} ", 1, False),
        OddUnit("a very long id", lowest, label + 6, "7" * _LONG),
    )


def one_by_one(base: RawRows, domain: Domain, unit: PrivacyUnit) -> dict[str, RawRows]:
    """Neighbours of ``base``: each odd unit added by itself, under the same label; names say what is odd."""
    label = int(base.labels.max()) + 1
    units = (one for one in odd_units(base, domain, unit) if one.neighbour)
    return {one.name: base.after(replace(one, label=label)) for one in units}


def many_alike(base: RawRows) -> RawRows:
    """As many rows again, and some, all alike: whatever is typical or average becomes another."""
    return base.after(*_alike(base))


def all_alike(base: RawRows) -> RawRows:
    """Some more rows than ``base``, all of other units and alike: no other value is seen."""
    none = RawRows({name: [] for name in base.texts}, [], np.zeros(0, dtype=np.int64))
    return none.after(*_alike(base))


def _alike(base: RawRows) -> list[OddUnit]:
    """Units of one row of values that are the rarest in ``base``, and not those of its last row."""
    row = {}
    for name, column in base.texts.items():
        seen = Counter(text for text in column if text not in ("", column[-1])) or Counter(column)
        row[name] = min(sorted(seen), key=seen.__getitem__)
    first = int(base.labels.max()) + 1
    labels = range(first, first + len(base.ids) + 5)
    return [OddUnit("", row, label, f"unit {label}") for label in labels]
