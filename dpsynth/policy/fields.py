"""Field types of the policy model: each says in one place what a value may be and how to mend it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from dpsynth.policy.places import Problem, quote
from dpsynth.policy.scalars import BOUND, POSITIVE, exact, formula_start, hidden_character

__all__ = [
    "PATTERN_REMEDY",
    "Bound",
    "Broken",
    "Category",
    "ColumnName",
    "Count",
    "Delta",
    "Fraction",
    "FrozenMap",
    "Item",
    "Line",
    "Never",
    "Part",
    "Positive",
    "ProbabilityOrZero",
    "Sha256",
    "Slug",
    "SynthesizerName",
    "Text",
    "Version",
    "Weight",
    "broken",
]

_SLUG = r"^[a-z0-9][a-z0-9-]{1,62}$"
_SYNTHESIZER = r"^[a-z0-9][a-z0-9-]{1,62}(:[a-z0-9][a-z0-9-]{0,62})?$"
_SHA = r"^[0-9a-f]{64}$"
_VERSION = r"^(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){0,3}$"

PATTERN_REMEDY = {
    POSITIVE: 'write an exact decimal in quotes, such as "0.5" or "1e-6"; no sign, NaN or infinity',
    BOUND: 'write an exact decimal in quotes, such as "-3" or "0.25"; no exponent, NaN or infinity',
    _SLUG: "use 2 to 63 lower-case letters, digits and hyphens, starting with a letter or digit",
    _SYNTHESIZER: "write a name such as aim, or engine:method such as smartnoise:mst, in lower-case letters, "
    "digits and hyphens",
    _SHA: "write 64 lower-case hexadecimal digits in quotes",
    _VERSION: 'write a version in quotes, such as "0.1.0"',
}
"""What to do about a value that does not match a pattern."""


class Broken(ValueError):
    """Rules that a part of the policy breaks; paths are relative to that part."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("; ".join(problem.what for problem in problems))


def broken(what: str, remedy: str) -> Broken:
    """A broken rule about the value itself."""
    return Broken(Problem((), what, remedy))


class Part(BaseModel):
    """Base of every part of a policy: immutable, strict, no unknown keys.

    ``silent`` names fields that are not dumped where they are at their default: a field that later versions
    of this program added must not change the digest of a policy that does not state it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    silent: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _without_silent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = handler(self)
        for name in self.silent:
            default = type(self).model_fields[name].get_default(call_default_factory=True)
            if getattr(self, name) == default:
                dumped.pop(name, None)
        return dumped


def _between(high: str) -> Callable[[str], str]:
    """Check 0 < value <= high, exactly."""

    def check(text: str) -> str:
        if not 0 < exact(text) <= exact(high):
            raise broken(f"{quote(text)} is out of range", f"write more than 0, up to {high}")
        return text

    return check


def _below_one(text: str) -> str:
    if not 0 < exact(text) < 1:
        raise broken(f"{quote(text)} is not a probability", "write a delta above 0 and below 1")
    return text


def _up_to_one(text: str) -> str:
    if exact(text) > 1:
        raise broken(f"{quote(text)} is not a probability", "write a probability from 0 to 1")
    return text


def _weight(text: str) -> str:
    if not exact("0.1") <= exact(text) <= 10:
        raise broken(f"{quote(text)} is out of range", 'write a weight from "0.1" to "10"; unstated means 1')
    return text


def _frozen(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(value))


def _never(value: bool) -> bool:
    if value:
        raise broken("true is not allowed here", "write false")
    return value


def _one_line(text: str) -> str:
    hidden = hidden_character(text)
    if hidden or any(char in "\t\n" for char in text):
        raise broken("holds a line break, tab or hidden character", "write plain text on one line")
    return _trimmed(text)


def _trimmed(text: str) -> str:
    if text != text.strip():
        raise broken(f"{quote(text)} starts or ends with a blank", "delete the blank")
    return text


def _readable(text: str) -> str:
    hidden = hidden_character(text)
    if hidden:
        raise broken(f"holds the hidden character {hidden}", "retype the text")
    if not text.strip():
        raise broken("is blank", "write the text")
    return text


def _cell(text: str) -> str:
    """Text that may stand in a released table."""
    if formula_start(text) or text[0] in "\t\r\n\0":
        remedy = "choose a value that does not start with = + - @, tab or a line break: spreadsheets run it"
        raise broken(f"{quote(text)} starts like a formula", remedy)
    _one_line(text)
    if unicodedata.normalize("NFC", text) != text:
        raise broken(f"{quote(text)} is not in Unicode normal form C", "retype it composed (NFC)")
    return text


Positive = Annotated[str, Field(pattern=POSITIVE), AfterValidator(_between("1000"))]
"""Exact decimal in (0, 1000], as written."""

Delta = Annotated[str, Field(pattern=POSITIVE), AfterValidator(_below_one)]
"""Exact decimal in (0, 1), as written."""

ProbabilityOrZero = Annotated[str, Field(pattern=POSITIVE), AfterValidator(_up_to_one)]
"""Exact decimal in [0, 1], as written."""

Fraction = Annotated[str, Field(pattern=POSITIVE), AfterValidator(_between("0.5"))]
"""Exact decimal in (0, 0.5], as written."""

Bound = Annotated[str, Field(pattern=BOUND)]
"""Exact decimal without exponent, as written."""

Count = Annotated[int, Field(ge=1, le=2**53 - 1)]
"""Whole number from 1; below 2^53 so that canonical JSON states it exactly."""

Never = Annotated[bool, AfterValidator(_never), Field(json_schema_extra={"const": False})]
"""A truth value that must be stated, and must be false. (A literal False would take 0 as well.)"""

Slug = Annotated[str, Field(pattern=_SLUG)]
SynthesizerName = Annotated[str, Field(pattern=_SYNTHESIZER)]
"""A synthesizer behind the curator, or ``engine:method`` of a library that is entrusted with rows."""

Sha256 = Annotated[str, Field(pattern=_SHA)]
Version = Annotated[str, Field(pattern=_VERSION)]
Line = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_one_line)]
Text = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_readable)]
Category = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_cell)]
ColumnName = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_cell)]

Item = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
"""What a condition says of a column: a category, or a range of a number."""

Weight = Annotated[str, Field(pattern=POSITIVE), AfterValidator(_weight)]
"""Exact decimal in [0.1, 10], as written."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
FrozenMap = Annotated[Mapping[_Key, _Value], AfterValidator(_frozen), PlainSerializer(dict)]
"""A mapping that cannot be changed once it is checked."""
