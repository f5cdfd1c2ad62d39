"""The section ``structure``: what is publicly known to be impossible, and which columns follow from others.

These are facts about the world or about how the columns are defined, known without the data: a rule that was
read off the rows would publish something about people that no budget paid for. Stated facts are honoured
exactly in the synthetic rows, and nothing is spent on learning them.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from dpsynth.policy.fields import Broken, ColumnName, FrozenMap, Item, Line, Part, broken
from dpsynth.policy.places import Problem

__all__ = ["MAX_RULES", "MAX_RULE_COLUMNS", "DeterminedRule", "ImpossibleRule", "Structure"]

MAX_RULES = 100
MAX_RULE_COLUMNS = 4
_MAX_ITEMS = 100_000

_Items = Annotated[tuple[Item, ...], Field(min_length=1, max_length=_MAX_ITEMS)]


def _as_tuple(value: Any) -> Any:
    """One item may stand without a list. (The strict model takes no list for a tuple after this.)"""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        raise broken("is not a condition", 'write text in quotes, such as "< 16", or a list of texts')
    return tuple(value)


Items = Annotated[_Items, BeforeValidator(_as_tuple, json_schema_input_type=str | _Items)]
"""What a condition says of one column: categories, or ranges of a number. One of them holds."""

Conditions = FrozenMap[ColumnName, Items]
"""Conditions by column, all of which hold."""


class ImpossibleRule(Part):
    """No record has all of ``when`` and all of ``never``; or every record with ``when`` has ``only``.

    ``because`` names the public knowledge that says so.
    """

    when: Conditions
    never: Conditions = Field(default_factory=dict)
    only: Conditions = Field(default_factory=dict)
    because: Line

    @model_validator(mode="after")
    def _rules(self) -> ImpossibleRule:
        problems = _impossible_problems(self)
        if problems:
            raise Broken(*problems)
        return self

    def names(self) -> tuple[str, ...]:
        """Columns of the rule, in the order written."""
        return (*self.when, *self.never, *self.only)

    def text(self) -> str:
        """The rule as a sentence, without its reason."""
        sides = [f"never {_words(self.never)}" if self.never else f"only {_words(self.only)}"]
        return f"where {_words(self.when)}: {', '.join(sides)}"


class DeterminedRule(Part):
    """The value of ``column`` follows from that of ``by``.

    ``map`` gives it for each value or range of ``by``: every value of ``by`` once, one value (one bin) each.
    ``because`` names the public knowledge that says so.
    """

    column: ColumnName
    by: ColumnName
    map: Annotated[FrozenMap[Item, Item], Field(min_length=1, max_length=_MAX_ITEMS)]
    because: Line

    def text(self) -> str:
        """The rule as a sentence, without its reason."""
        pairs = "; ".join(f"{value} gives {followed}" for value, followed in self.map.items())
        return f"{self.column} follows from {self.by}: {pairs}"


class Structure(Part):
    """Public facts about combinations of columns, never learned from the rows."""

    impossible: Annotated[tuple[ImpossibleRule, ...], Field(max_length=MAX_RULES)] = ()
    determined: Annotated[tuple[DeterminedRule, ...], Field(max_length=MAX_RULES)] = ()


def _words(conditions: Conditions) -> str:
    return " and ".join(f"{name} is {' or '.join(items)}" for name, items in conditions.items())


def _impossible_problems(rule: ImpossibleRule) -> list[Problem]:
    found: list[Problem] = []
    if not rule.when:
        found.append(Problem(("when",), "names no column", "say for which records the rule holds"))
    if bool(rule.never) == bool(rule.only):
        found.append(Problem((), "states neither never nor only, or both", "write one of the two"))
    if len(rule.only) > 1:
        found.append(Problem(("only",), "names more than one column", "write a rule for each column"))
    names = rule.names()
    if len(names) > MAX_RULE_COLUMNS:
        what = f"joins {len(names)} columns"
        found.append(Problem((), what, f"join at most {MAX_RULE_COLUMNS} columns in one rule"))
    for side in ("never", "only"):
        for name in getattr(rule, side):
            if name in rule.when:
                what = "stands in when as well"
                found.append(Problem((side, name), what, "name each column once in a rule"))
    return found
