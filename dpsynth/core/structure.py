"""Public structure at work: which rows it forbids, and what it says once followed columns are left out.

Everything here is computed from the public domain alone, or checks rows that are already synthetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Clique, Determined, Domain, Impossible
from dpsynth.core.errors import IntegrityError

__all__ = ["follow", "merged", "over_parents", "require_structure", "violating"]

Codes = Mapping[str, NDArray[np.int64]]


def violating(domain: Domain, codes: Codes) -> NDArray[np.bool_]:
    """Rows that no record can be: those in an impossible cell, or with a column that does not follow.

    Args:
        codes: one int64 array of shape (rows,) per column, each code in 0 .. size-1.

    Returns:
        True for each such row, shape (rows,).
    """
    bad = np.zeros(len(next(iter(codes.values()))), dtype=np.bool_)
    for zeros in domain.impossible:
        bad |= _in_zeros(domain, zeros, codes)
    for relation in domain.determined:
        bad |= _not_following(relation, codes)
    return bad


def require_structure(domain: Domain, codes: Codes) -> None:
    """Raises IntegrityError naming the columns of a rule that a synthetic row breaks, never the row."""
    for zeros in domain.impossible:
        if _in_zeros(domain, zeros, codes).any():
            _refuse(f"A row holds a combination of {' and '.join(zeros.clique)} that is impossible")
    for relation in domain.determined:
        if _not_following(relation, codes).any():
            _refuse(f"Column {relation.column} does not follow from {relation.by} in a row")


def _refuse(what: str) -> NoReturn:
    raise IntegrityError(
        what,
        allowed="rows that keep to the structure section of the policy",
        remedy="do not use this table; report it to the author of the synthesizer",
    )


def _in_zeros(domain: Domain, rule: Impossible, codes: Codes) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = _zeros(domain, rule)[_cell(domain, rule.clique, codes)]
    return found


def _not_following(rule: Determined, codes: Codes) -> NDArray[np.bool_]:
    wrong: NDArray[np.bool_] = codes[rule.column] != _followed(rule)[codes[rule.by]]
    return wrong


def follow(domain: Domain, codes: Codes) -> dict[str, NDArray[np.int64]]:
    """All columns in domain order, the determined ones filled in (or overwritten) from their parents."""
    rules = {rule.column: rule for rule in domain.determined}
    return {
        name: _followed(rules[name])[codes[rules[name].by]] if name in rules else codes[name]
        for name in domain.names
    }


def over_parents(domain: Domain) -> tuple[Impossible, ...]:
    """The structural zeros with each determined column replaced by the column that it follows from."""
    rules = {rule.column: rule for rule in domain.determined}
    return merged(domain, [_translated(domain, rule, rules) for rule in domain.impossible])


def merged(domain: Domain, rules: list[Impossible]) -> tuple[Impossible, ...]:
    """One rule per clique, in order of first appearance; rules that forbid nothing are left out."""
    cells: dict[Clique, set[int]] = {}
    for rule in rules:
        cells.setdefault(domain.clique(rule.clique), set()).update(rule.cells)
    return tuple(Impossible(clique, tuple(sorted(found))) for clique, found in cells.items() if found)


def _translated(domain: Domain, rule: Impossible, rules: Mapping[str, Determined]) -> Impossible:
    if not any(name in rules for name in rule.clique):
        return rule
    clique = domain.clique(rules[name].by if name in rules else name for name in rule.clique)
    cells = np.arange(domain.size(clique))
    codes = dict(zip(clique, np.unravel_index(cells, domain.sizes(clique)), strict=True))
    for name in rule.clique:
        if name in rules:
            codes[name] = _followed(rules[name])[codes[rules[name].by]]
    forbidden = _zeros(domain, rule)[_cell(domain, rule.clique, codes)]
    return Impossible(clique, tuple(np.flatnonzero(forbidden).tolist()))


def _zeros(domain: Domain, rule: Impossible) -> NDArray[np.bool_]:
    table = np.zeros(domain.size(rule.clique), dtype=np.bool_)
    table[list(rule.cells)] = True
    return table


def _cell(domain: Domain, clique: Clique, codes: Codes) -> NDArray[np.int64]:
    index = np.zeros(len(codes[clique[0]]), dtype=np.int64)
    for name in clique:
        index = index * domain[name].size + codes[name]
    return index


def _followed(rule: Determined) -> NDArray[np.int64]:
    return np.asarray(rule.codes, dtype=np.int64)
