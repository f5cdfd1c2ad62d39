"""What the section ``structure`` means in codes of the public domain, and every rule it breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from dpsynth.core.domain import Column, Determined, Domain, Impossible
from dpsynth.core.structure import merged, over_parents
from dpsynth.policy.conditions import codes_of
from dpsynth.policy.fields import Broken
from dpsynth.policy.places import KeyPath, Problem, quote
from dpsynth.policy.structure import DeterminedRule, ImpossibleRule, Structure
from dpsynth.policy.support import TooWide, possible_codes

__all__ = ["MAX_RULE_CELLS", "MAX_TOGETHER_CELLS", "domain_of", "structure_problems"]

MAX_RULE_CELLS = 100_000
MAX_TOGETHER_CELLS = 1_000_000

_AT: KeyPath = ("structure",)


def domain_of(columns: tuple[Column, ...], structure: Structure, weights: tuple[float, ...]) -> Domain:
    """The public domain with the structure that holds in it; the structure has been checked.

    Impossible combinations are stated over free columns: a determined one stands for its parent.
    """
    if structure == Structure():
        return Domain(columns, weights=weights)
    read = _read(columns, structure)
    domain = Domain(columns, _impossible(read), tuple(rule for _, rule in read.determined), weights)
    return Domain(columns, over_parents(domain), domain.determined, weights)


def structure_problems(
    columns: tuple[Column, ...], structure: Structure, most_cells: int = MAX_TOGETHER_CELLS
) -> list[Problem]:
    """Everything that keeps the structure from being a fact about this domain, with key paths.

    ``most_cells`` bounds the tables that join all impossible combinations: any model has to hold them.
    """
    read = _read(columns, structure)
    if read.problems or not read.impossible:
        return read.problems
    try:
        return _contradictions(read, min(most_cells, MAX_TOGETHER_CELLS))
    except TooWide as error:
        what = f"the rules together span {error.args[0]} combinations, more than a model may hold"
        remedy = f"join fewer or coarser columns; at most {MAX_TOGETHER_CELLS} and synthesis.max_model_cells"
        return [Problem((*_AT, "impossible"), what, remedy)]


@dataclass
class _Read:
    """The rules as far as they could be read, with the number of each in the policy."""

    columns: Mapping[str, Column]
    impossible: list[tuple[int, Impossible]] = field(default_factory=list)
    determined: list[tuple[int, Determined]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def domain(self) -> Domain:
        return Domain(tuple(self.columns.values()))

    def note(self, path: KeyPath, what: str, remedy: str) -> None:
        self.problems.append(Problem((*_AT, *path), what, remedy))

    def column(self, path: KeyPath, name: str) -> Column | None:
        found = self.columns.get(name)
        if found is None:
            self.note(path, f"{quote(name)} is not a kept column", "name a column whose action is keep")
        return found

    def codes(self, path: KeyPath, column: Column, item: str) -> frozenset[int] | None:
        try:
            return codes_of(column, item)
        except Broken as error:
            for problem in error.problems:
                self.note(path, problem.what, problem.remedy)
            return None


def _read(columns: tuple[Column, ...], structure: Structure) -> _Read:
    read = _Read({column.name: column for column in columns})
    for number, relation in enumerate(structure.determined):
        _read_determined(read, number, relation, structure.determined)
    for number, rule in enumerate(structure.impossible):
        _read_impossible(read, number, rule)
    return read


def _read_determined(
    read: _Read, number: int, rule: DeterminedRule, others: Sequence[DeterminedRule]
) -> None:
    path: KeyPath = ("determined", number)
    column, by = read.column((*path, "column"), rule.column), read.column((*path, "by"), rule.by)
    if any(other.column == rule.column for other in others[:number]):
        read.note((*path, "column"), f"{quote(rule.column)} is determined twice", "delete one of the rules")
    if any(other.column == rule.by for other in others):
        what = f"{quote(rule.by)} is itself determined"
        read.note((*path, "by"), what, "name a column that follows from no other: no chains, no cycles")
    if column is None or by is None:
        return
    codes = _mapped(read, (*path, "map"), rule, column, by)
    if codes is not None:
        read.determined.append((number, Determined(rule.column, rule.by, codes)))


def _mapped(
    read: _Read, path: KeyPath, rule: DeterminedRule, column: Column, by: Column
) -> tuple[int, ...] | None:
    """Code of ``column`` for each code of ``by``."""
    followed: dict[int, int] = {}
    before = len(read.problems)
    for value, result in rule.map.items():
        sources, targets = read.codes((*path, value), by, value), read.codes((*path, value), column, result)
        if sources is None or targets is None:
            continue
        if len(targets) != 1:
            what = f"{quote(result)} names {len(targets)} bins of {quote(column.name)}"
            read.note((*path, value), what, 'name one bin, such as "[16, 20)"')
        twice = sources.intersection(followed)
        if twice:
            what = f"{_label(by, min(twice))} of {quote(by.name)} is mapped twice"
            read.note((*path, value), what, "map each value once")
        followed.update(dict.fromkeys(sources, min(targets)))
    absent = [code for code in range(by.size) if code not in followed]
    if len(read.problems) == before and absent:
        what = f"{_label(by, absent[0])} of {quote(by.name)} is not mapped"
        read.note(path, what, f"map every value; {len(absent)} of {by.size} are left out")
    return tuple(followed[code] for code in range(by.size)) if len(read.problems) == before else None


def _read_impossible(read: _Read, number: int, rule: ImpossibleRule) -> None:
    path: KeyPath = ("impossible", number)
    sides = {"when": rule.when, "never": rule.never, "only": rule.only}
    sets: dict[str, frozenset[int]] = {}
    for side, conditions in sides.items():
        for name, items in conditions.items():
            codes = _condition(read, (*path, side, name), name, items)
            if codes is not None:
                sets[name] = codes
    if len(sets) < len(rule.names()):
        return
    for name in rule.only:
        sets[name] = frozenset(range(read.columns[name].size)) - sets[name]
    if _fits(read, path, rule.names()):
        read.impossible.append((number, _product(read.domain(), sets)))


def _condition(read: _Read, path: KeyPath, name: str, items: Sequence[str]) -> frozenset[int] | None:
    column = read.column(path, name)
    if column is None:
        return None
    named: set[int] = set()
    for item in items:
        codes = read.codes(path, column, item)
        if codes is None:
            return None
        named |= codes
    if len(named) == column.size:
        what = f"names every value of {quote(name)}"
        read.note(path, what, "leave the column out of the rule, or name fewer values")
        return None
    return frozenset(named)


def _fits(read: _Read, path: KeyPath, names: Sequence[str]) -> bool:
    """The rule spans few enough cells, as written and with determined columns replaced by their parents."""
    parents = {rule.column: rule.by for _, rule in read.determined}
    for over in (set(names), {parents.get(name, name) for name in names}):
        cells = prod(read.columns[name].size for name in over)
        if cells > MAX_RULE_CELLS:
            what = f"{', '.join(sorted(over))} span {cells} combinations"
            remedy = f"join columns of at most {MAX_RULE_CELLS} combinations, or use coarser bins"
            read.note(path, what, remedy)
            return False
    return True


def _product(domain: Domain, sets: Mapping[str, frozenset[int]]) -> Impossible:
    clique = domain.clique(sets)
    table = np.zeros(domain.sizes(clique), dtype=np.bool_)
    table[np.ix_(*(sorted(sets[name]) for name in clique))] = True
    return Impossible(clique, tuple(np.flatnonzero(table).tolist()))


def _impossible(read: _Read) -> tuple[Impossible, ...]:
    return merged(read.domain(), [zeros for _, zeros in read.impossible])


def _contradictions(read: _Read, most_cells: int) -> list[Problem]:
    """The first rule that, with those before it, leaves some listed value without a possible record."""
    relations = tuple(relation for _, relation in read.determined)
    columns = tuple(read.columns.values())

    def dead(count: int) -> tuple[str, int] | None:
        written = merged(read.domain(), [zeros for _, zeros in read.impossible[:count]])
        zeros = over_parents(Domain(columns, written, relations))
        for name, possible in possible_codes(Domain(columns, zeros), most_cells).items():
            if not possible.all():
                return name, int(np.argmin(possible))
        return None

    low, high, found = 0, len(read.impossible), dead(len(read.impossible))
    while found is not None and high - low > 1:
        middle = (low + high) // 2
        earlier = dead(middle)
        low, high, found = (middle, high, found) if earlier is None else (low, middle, earlier)
    if found is None:
        return []
    name, code = found
    value = f"{quote(name)} is {_label(read.columns[name], code)}"
    what = f"with what else is stated, leaves no possible record where {value}"
    remedy = "correct one of the rules, or take the value out of the domain"
    return [Problem((*_AT, "impossible", read.impossible[high - 1][0]), what, remedy)]


def _label(column: Column, code: int) -> str:
    return quote(column.label(code))
