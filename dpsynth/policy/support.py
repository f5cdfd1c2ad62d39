"""Which values can occur at all under structural zeros: exact, by eliminating columns one after another.

The boolean case of variable elimination (Dechter 1999, "Bucket elimination"): forward, the rules on a column
are joined and the column is projected out; backward, each joined table is cut down to what the rest allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Clique, Domain

__all__ = ["TooWide", "possible_codes"]

Table = NDArray[np.bool_]


class TooWide(ValueError):
    """The rules join too many columns to be judged together; the argument says how many cells they span."""


@dataclass(frozen=True)
class _Joint:
    """What is allowed of some columns: one axis for each, in the order of ``clique``."""

    clique: Clique
    table: Table


def possible_codes(domain: Domain, most_cells: int) -> dict[str, Table]:
    """For each column under a structural zero: which codes occur in at least one possible record.

    Args:
        domain: its ``determined`` relations are not looked at; translate the zeros to parents first.
        most_cells: most cells of all joined tables together.

    Raises:
        TooWide: the joined tables would hold more cells.
    """
    loose = [_allowed(domain, rule.clique, rule.cells) for rule in domain.impossible]
    sizes = dict(zip(domain.names, domain.shape, strict=True))
    joined: dict[str, _Joint] = {}
    spent = 0
    while loose:
        cells = _joined_cells(loose, sizes)
        name = min(cells, key=lambda each: (cells[each], each))
        spent += cells[name]
        if spent > most_cells:
            raise TooWide(spent)
        whole = joined[name] = _join(domain, [each for each in loose if name in each.clique])
        loose = [each for each in loose if name not in each.clique]
        if len(whole.clique) > 1:
            loose.append(_onto(whole, tuple(each for each in whole.clique if each != name)))
    return _backward(domain, joined)


def _backward(domain: Domain, joined: dict[str, _Joint]) -> dict[str, Table]:
    """Cut each joined table down to what the tables made after it allow, then read off its column."""
    done: list[_Joint] = []
    codes: dict[str, Table] = {}
    for name in reversed(joined):
        whole = joined[name]
        rest = set(whole.clique) - {name}
        later = next((each for each in reversed(done) if rest and rest <= set(each.clique)), None)
        if later is not None:
            shared = tuple(each for each in whole.clique if each in rest)
            whole = _join(domain, [whole, _onto(later, shared)])
        done.append(whole)
        codes[name] = _onto(whole, (name,)).table
    return codes


def _allowed(domain: Domain, clique: Clique, cells: Sequence[int]) -> _Joint:
    table = np.ones(domain.size(clique), dtype=np.bool_)
    table[list(cells)] = False
    return _Joint(clique, table.reshape(domain.sizes(clique)))


def _joined_cells(loose: Sequence[_Joint], sizes: Mapping[str, int]) -> dict[str, int]:
    """For each column: cells of the table that joins everything said of it."""
    reach: dict[str, set[str]] = {}
    for each in loose:
        for name in each.clique:
            reach.setdefault(name, set()).update(each.clique)
    return {name: prod(sizes[one] for one in around) for name, around in reach.items()}


def _join(domain: Domain, parts: Sequence[_Joint]) -> _Joint:
    clique = domain.clique(name for each in parts for name in each.clique)
    table = np.ones(domain.sizes(clique), dtype=np.bool_)
    for each in parts:
        axes = [axis for axis, name in enumerate(clique) if name not in each.clique]
        table &= np.expand_dims(each.table, axes)
    return _Joint(clique, table)


def _onto(joint: _Joint, names: Clique) -> _Joint:
    """True where some completion is allowed; ``names`` in the order of the joint's clique."""
    axes = tuple(axis for axis, name in enumerate(joint.clique) if name not in names)
    return _Joint(names, np.asarray(joint.table.any(axis=axes)))
