"""The public domain: columns, their values or bins. It comes from the policy, never from rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

__all__ = ["Clique", "Column", "Determined", "Domain", "Impossible", "WithinBin", "clique"]

Clique = tuple[str, ...]
"""A set of column names, written in domain order."""

Kind = Literal["categorical", "integer", "real"]

WithinBin = Literal["uniform", "left", "midpoint", "log_uniform"]
"""Where in its bin a released number lies; dpsynth.publish.rows states each rule."""


@dataclass(frozen=True)
class Column:
    """One column of the public domain.

    Attributes:
        name: column name.
        kind: ``categorical`` (codes index ``values``), ``integer`` or ``real`` (codes index bins).
        values: the categories, in public order; empty for numeric columns.
        edges: bin edges as exact decimal strings, strictly increasing, one more than bins; empty for
            categorical. Bin i holds [edges[i], edges[i+1]); the last bin is closed on the right.
        decimals: digits after the point of a released real value (0 for integer).
        has_missing: numeric only: one further, last code stands for a missing value.
        within_bin: numeric only: where in its bin a released number lies.
    """

    name: str
    kind: Kind
    values: tuple[str, ...] = ()
    edges: tuple[str, ...] = ()
    decimals: int = 0
    has_missing: bool = False
    within_bin: WithinBin = "uniform"

    @property
    def size(self) -> int:
        """Number of codes; codes are 0 .. size-1."""
        if self.kind == "categorical":
            return len(self.values)
        return len(self.edges) - 1 + int(self.has_missing)

    def label(self, code: int) -> str:
        """Plain-text name of a code: the category, the bin as an interval, or ``missing``."""
        if self.kind == "categorical":
            return self.values[code]
        bins = len(self.edges) - 1
        if code == bins:
            return "missing"
        close = "]" if code == bins - 1 else ")"
        return f"[{self.edges[code]}, {self.edges[code + 1]}{close}"


@dataclass(frozen=True)
class Impossible:
    """Public structural zeros: combinations of codes that no record can have.

    Attributes:
        clique: the columns, in domain order.
        cells: flat indices, C order over the clique, ascending.
    """

    clique: Clique
    cells: tuple[int, ...]


@dataclass(frozen=True)
class Determined:
    """A public deterministic relation: one column's code follows from another's.

    Attributes:
        column: the column that follows.
        by: the column that it follows from; itself not determined.
        codes: code of ``column`` for each code of ``by``.
    """

    column: str
    by: str
    codes: tuple[int, ...]


@dataclass(frozen=True)
class Domain:
    """An ordered tuple of columns and what is publicly known of them; the shape of the encoded table.

    Attributes:
        columns: the columns, in public order.
        impossible: public structural zeros.
        determined: public deterministic relations, at most one for a column.
        weights: public importance of each column, in order of ``columns``; empty: all 1.
    """

    columns: tuple[Column, ...]
    impossible: tuple[Impossible, ...] = ()
    determined: tuple[Determined, ...] = ()
    weights: tuple[float, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in public order."""
        return tuple(column.name for column in self.columns)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of codes of each column, in public order."""
        return tuple(column.size for column in self.columns)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def size(self, names: Sequence[str] | None = None) -> int:
        """Cells of the marginal over ``names`` (of the whole table if None)."""
        chosen = self.names if names is None else names
        return prod(self[name].size for name in chosen)

    def sizes(self, names: Sequence[str]) -> tuple[int, ...]:
        """Shape of the marginal over ``names``, in the given order."""
        return tuple(self[name].size for name in names)

    def clique(self, names: Iterable[str]) -> Clique:
        """The given names, once each, in domain order. Raises KeyError on an unknown name."""
        wanted = set(names)
        unknown = wanted.difference(self.names)
        if unknown:
            raise KeyError(sorted(unknown)[0])
        return tuple(name for name in self.names if name in wanted)

    def weight(self, names: Iterable[str]) -> float:
        """Public importance of the marginal over ``names``: the mean weight of its columns.

        The mean, not the product: a marginal of three columns stays comparable with one of two, and no
        marginal weighs more than its heaviest column. 1 where the policy states no weights.
        """
        chosen = self.clique(names)
        if not self.weights or not chosen:
            return 1.0
        by_name = dict(zip(self.names, self.weights, strict=True))
        return sum(by_name[name] for name in chosen) / len(chosen)


def clique(*names: str) -> Clique:
    """Write a clique as ``clique("a", "b")``."""
    return names
