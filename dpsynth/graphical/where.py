"""Conditions on rows, in a small language of our own: read against the public domain, never evaluated.

    condition   = alternative {"or" alternative}          alternative = factor {"and" factor}
    factor      = "not" factor | "(" condition ")" | test
    test        = column comparison literal | column ["not"] "in" "(" literal {"," literal} ")"
                | column "is" ["not"] "missing"
    comparison  = "=" | "!=" | "<" | "<=" | ">" | ">="    literal = number | 'text'

A column is a plain name or any name in double quotes; a quote inside quotes is doubled. A category is
compared by its label. A number is compared as it is released, with the column's decimals, and a comparison
must not cut a bin: inside a bin the model knows nothing. Comparisons and "in" are never true of a missing
value; "not" is the plain complement, so it takes missing values in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

from dpsynth.core.domain import Column, Domain
from dpsynth.core.errors import BadInput
from dpsynth.graphical.masks import Mask, absent, bins_of, categories, missing, ordered, some

__all__ = ["AllOf", "AnyOf", "Condition", "Test", "parse", "through_parents"]

_LONGEST = 4000
_DEEPEST = 50
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>[+-]?[0-9]{1,15}(?:\.[0-9]{1,10})?(?![\w.]))|(?P<text>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*")|(?P<name>[^\W\d]\w*)|(?P<sign>!=|<=|>=|[=<>(),])|(?P<end>\Z))""",
    re.VERBOSE,
)
_WORDS = frozenset({"and", "or", "not", "in", "is", "missing"})
_COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")


@dataclass(frozen=True)
class Test:
    """One column has one of the codes of a mask."""

    column: str
    mask: Mask


@dataclass(frozen=True)
class AllOf:
    """Every part holds; an empty one always does."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class AnyOf:
    """At least one part holds; an empty one never does."""

    parts: tuple[Condition, ...]


Condition = Test | AllOf | AnyOf


def parse(text: str, domain: Domain) -> Condition:
    """The condition that a text states about rows of a domain, with every negation worked in.

    Raises BadInput on a text that is not of the language, an unknown column or category, a value outside the
    public domain, or a comparison that cuts a bin; the latter names the edges of that bin.
    """
    if not text.strip() or len(text) > _LONGEST:
        raise BadInput(
            "The condition is empty or too long",
            allowed=f"1 to {_LONGEST} characters, such as income = '>50K' and age >= 30",
            remedy="write one, or leave --where out",
        )
    return _Parser(text, domain).whole()


def through_parents(condition: Condition, domain: Domain) -> Condition:
    """The same condition on free columns: a determined one is replaced by the one that it follows from."""
    if not isinstance(condition, Test):
        return type(condition)(tuple(through_parents(part, domain) for part in condition.parts))
    for rule in domain.determined:
        if rule.column == condition.column:
            return Test(rule.by, condition.mask[list(rule.codes)])
    return condition


def _negation(condition: Condition) -> Condition:
    if isinstance(condition, Test):
        return Test(condition.column, ~condition.mask)
    parts = tuple(_negation(part) for part in condition.parts)
    return AnyOf(parts) if isinstance(condition, AllOf) else AllOf(parts)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while True:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            _misread(text, at + len(text[at:]) - len(text[at:].lstrip()))
        kind, start = match.lastgroup, match.start(match.lastgroup)
        word = match[kind]
        if kind == "name" and word.lower() in _WORDS:
            kind, word = "word", word.lower()
        found.append(_Token(kind, word, start))
        if kind == "end":
            return found
        at = match.end()


def _misread(text: str, at: int) -> NoReturn:
    rest = text[at : at + 20]
    where = f"at character {at + 1}, {rest!r}" if rest else "at its end"
    raise BadInput(
        f"The condition cannot be understood {where}",
        allowed="column = 'text', column >= number, column in ('a', 'b'), column is missing; and, or, not, "
        'parentheses; "any name" in double quotes',
        remedy="correct the condition",
    )


class _Parser:
    """Recursive descent, one method for each rule of the grammar."""

    def __init__(self, text: str, domain: Domain) -> None:
        self._text, self._domain = text, domain
        self._tokens = _tokens(text)
        self._at = self._depth = 0

    def whole(self) -> Condition:
        found = self._condition()
        if self._next.kind != "end":
            self._fail()
        return found

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, *texts: str) -> str:
        """The next token's text if it is one of these words or signs, else an empty text."""
        token = self._next
        if token.kind in ("word", "sign") and token.text in texts:
            self._at += 1
            return token.text
        return ""

    def _fail(self) -> NoReturn:
        _misread(self._text, self._next.start)

    def _condition(self) -> Condition:
        return self._joined("or", lambda: self._joined("and", self._factor, AllOf), AnyOf)

    def _joined(self, word: str, part: Callable[[], Condition], kind: type[AllOf] | type[AnyOf]) -> Condition:
        parts = [part()]
        while self._take(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else kind(tuple(parts))

    def _factor(self) -> Condition:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise BadInput(
                "The condition is nested too deeply",
                allowed=f"at most {_DEEPEST} levels of parentheses and of `not`",
                remedy="simplify it",
            )
        found = self._inner_factor()
        self._depth -= 1
        return found

    def _inner_factor(self) -> Condition:
        if self._take("not"):
            return _negation(self._factor())
        if self._take("("):
            found = self._condition()
            if not self._take(")"):
                self._fail()
            return found
        return self._test()

    def _test(self) -> Condition:
        column = self._column()
        if self._take("is"):
            other = bool(self._take("not"))
            if not self._take("missing"):
                self._fail()
            return Test(column.name, missing(column) ^ other)
        other = bool(self._take("not"))
        if self._take("in"):
            return self._equals(column, self._list(), other)
        if other:
            self._fail()
        sign = self._take(*_COMPARISONS)
        if not sign:
            self._fail()
        if sign in ("=", "!="):
            return self._equals(column, [self._literal()], sign == "!=")
        return Test(column.name, ordered(column, sign, _number(column, self._literal())))

    def _equals(self, column: Column, literals: list[_Token], other: bool) -> Test:
        if column.kind == "categorical":
            mask = categories(column, [literal.text for literal in literals])
        else:
            mask = bins_of(column, [_number(column, literal) for literal in literals])
        return Test(column.name, ~mask & ~absent(column) if other else mask)

    def _list(self) -> list[_Token]:
        if not self._take("("):
            self._fail()
        found = [self._literal()]
        while self._take(","):
            found.append(self._literal())
        if not self._take(")"):
            self._fail()
        return found

    def _literal(self) -> _Token:
        token = self._next
        if token.kind not in ("number", "text"):
            self._fail()
        self._at += 1
        if token.kind == "text":
            return _Token("text", token.text[1:-1].replace("''", "'"), token.start)
        return token

    def _column(self) -> Column:
        token = self._next
        if token.kind not in ("name", "quoted"):
            self._fail()
        self._at += 1
        name = token.text[1:-1].replace('""', '"') if token.kind == "quoted" else token.text
        if name not in self._domain.names:
            raise BadInput(
                f"There is no column {name!r}",
                allowed=some(self._domain.names),
                remedy="use a column of the release; put names with other signs in double quotes",
            )
        return self._domain[name]


def _number(column: Column, literal: _Token) -> Decimal:
    """The literal as a number; a categorical column is complained of where it is compared."""
    if literal.kind != "number" and column.kind != "categorical":
        raise BadInput(
            f"Column {column.name!r} holds numbers and was compared with a text",
            allowed=f"{column.name} >= {column.edges[0]}",
            remedy="write the number without quotes",
        )
    return Decimal(literal.text if literal.kind == "number" else 0)
