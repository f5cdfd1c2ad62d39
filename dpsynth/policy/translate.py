"""Turn the validator's errors into problems that a policy author can mend."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from dpsynth.policy.columns import ColumnSpec
from dpsynth.policy.fields import PATTERN_REMEDY, Broken, Part
from dpsynth.policy.model import Budget, PrivacyUnitSpec, Source, Synthesis, cross_problems
from dpsynth.policy.places import Problem, quote
from dpsynth.policy.structure import Structure
from dpsynth.policy.utility import Utility

__all__ = ["all_problems"]

_CROSSED: dict[str, TypeAdapter[Any]] = {
    "source": TypeAdapter(Source),
    "privacy_unit": TypeAdapter(PrivacyUnitSpec),
    "budget": TypeAdapter(Budget),
    "columns": TypeAdapter(tuple[ColumnSpec, ...]),
    "structure": TypeAdapter(Structure),
    "synthesis": TypeAdapter(Synthesis),
    "utility": TypeAdapter(Utility),
}
_MOST = 100
_TYPE_REMEDY = {
    "string_type": "write text; put numbers, dates, true and false in quotes",
    "int_type": "write a whole number without quotes",
    "bool_type": "write true or false without quotes",
    "tuple_type": "write a list, such as [a, b]",
    "model_type": "write a mapping of keys",
    "dict_type": "write a mapping of keys",
}


def all_problems(error: ValidationError, data: dict[str, Any]) -> list[Problem]:
    """Every problem of a policy that was refused, those between valid sections included.

    A file with more than 100 wrong values shows the first 100 of them and the number of the others.
    """
    details = error.errors(include_url=False)
    found = [problem for detail in details[:_MOST] for problem in _problems(detail)]
    if all(detail["loc"] for detail in details):
        # The validator judges rules between sections only when every section is valid; do it here.
        found += cross_problems(_valid_sections(data))
    if len(details) > _MOST:
        found.append(Problem((), f"and {len(details) - _MOST} more problems", "mend those above first"))
    return found


def _valid_sections(data: dict[str, Any]) -> dict[str, Part | tuple[ColumnSpec, ...]]:
    """Sections that are valid by themselves, so that rules between them can be judged all the same."""
    valid: dict[str, Part | tuple[ColumnSpec, ...]] = {}
    for name, adapter in _CROSSED.items():
        try:
            section = adapter.validate_json(json.dumps(data.get(name)), strict=True)
        except ValidationError:
            continue
        if section != ():
            valid[name] = section
    return valid


def _problems(detail: ErrorDetails) -> Iterator[Problem]:
    path = tuple(part for part in detail["loc"] if part != "[key]")
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, Broken):
        for problem in cause.problems:
            yield Problem((*path, *problem.path), problem.what, problem.remedy)
    else:
        yield Problem(path, *_plain(detail))


def _plain(detail: ErrorDetails) -> tuple[str, str]:
    """What is wrong and what to do, for an error of the validator itself."""
    kind, context, value = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind == "missing":
        return "is missing", "add this key"
    if kind == "extra_forbidden":
        return "is not a known key", _closest(str(detail["loc"][-1]))
    if kind == "string_pattern_mismatch":
        return f"{quote(value)} is not allowed here", PATTERN_REMEDY[str(context["pattern"])]
    if kind == "literal_error":
        return f"{quote(value)} is not allowed here", f"write {_lowered(str(context['expected']))}"
    what = f"{quote(value)}: {detail['msg'][0].lower()}{detail['msg'][1:]}"
    if kind in _TYPE_REMEDY:
        return f"{_named(value)} stands where something else is wanted", _TYPE_REMEDY[kind]
    return what, "write a value within this limit"


def _named(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else quote(value)


def _lowered(expected: str) -> str:
    """Python's spelling of a truth value, in YAML's."""
    return {"True": "true", "False": "false"}.get(expected, expected)


def _closest(word: str) -> str:
    near = difflib.get_close_matches(word[:60], sorted(_known_keys()), n=1)
    return (
        f"did you mean {near[0]}? Else delete it" if near else "delete it; policy.schema.json lists the keys"
    )


def _known_keys() -> set[str]:
    return {name for part in Part.__subclasses__() for name in part.model_fields}
