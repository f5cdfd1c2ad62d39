"""A strict reader for policy files: the part of YAML in which what is written is what is meant.

Plain ``safe_load`` keeps the last of two equal keys, reads ``no`` as false, ``010`` as 8 and ``12:30:00``
as 45000, and expands aliases without a limit. A budget must not depend on such rules, so each is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from dpsynth.core.errors import BadInput
from dpsynth.policy.places import KeyPath, Location
from dpsynth.policy.scalars import hidden_character, plain_scalar

__all__ = ["MAX_BYTES", "MAX_DEPTH", "Document", "Json", "load_yaml"]

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
"""What a strict document may hold. There are no floats: exact numbers are quoted strings."""

_NULL = ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True)
class Document:
    """One strict YAML document.

    Attributes:
        data: the value; mappings have string keys only.
        lines: line number (from 1) of each key path in ``data``.
    """

    data: Json
    lines: dict[KeyPath, int]


@dataclass
class _Frame:
    """A mapping or sequence that is still open. ``key`` is set between a key and its value."""

    path: KeyPath
    box: dict[str, Json] | list[Json]
    key: str | None = None
    seen: set[str] = field(default_factory=set)


class _Builder:
    """Builds the value from parser events. Works without recursion, so depth is refused, not survived."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stack: list[_Frame] = []
        self.lines: dict[KeyPath, int] = {}
        self.data: Json = None
        self.documents = 0

    def refuse(self, what: str, remedy: str, event: yaml.Event, path: KeyPath) -> BadInput:
        place = Location(self.name, _line(event), path)
        return BadInput(f"{place.text()}: {what}", remedy=remedy)

    def path(self) -> KeyPath:
        """Key path of the value that comes next."""
        if not self.stack:
            return ()
        top = self.stack[-1]
        if isinstance(top.box, list):
            return (*top.path, len(top.box))
        return top.path if top.key is None else (*top.path, top.key)

    def feed(self, event: yaml.Event) -> None:
        """Take one parser event. Raises BadInput on anything outside the strict subset."""
        if isinstance(event, yaml.DocumentStartEvent):
            self._document(event)
        elif isinstance(event, yaml.AliasEvent):
            raise self.refuse("aliases are not allowed", "write the value out in full", event, self.path())
        elif isinstance(event, (yaml.ScalarEvent, yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            self._node(event)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            self.stack.pop()

    def _document(self, event: yaml.DocumentStartEvent) -> None:
        self.documents += 1
        if self.documents > 1:
            raise self.refuse("more than one document", "keep one policy per file", event, ())
        if event.version or event.tags:
            raise self.refuse("YAML directives are not allowed", "delete the % lines", event, ())

    def _node(self, event: yaml.NodeEvent) -> None:
        path = self.path()
        if event.anchor is not None:
            raise self.refuse(f"anchor &{event.anchor} is not allowed", "delete it", event, path)
        if getattr(event, "tag", None) is not None:
            raise self.refuse("tags (! or !!) are not allowed", "delete the tag and quote text", event, path)
        if self._wants_key():
            self._key(event)
        elif isinstance(event, yaml.ScalarEvent):
            self._put(self._scalar(event, path), event, path)
        else:
            self._open(event, path)

    def _wants_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].box, dict) and self.stack[-1].key is None

    def _key(self, event: yaml.NodeEvent) -> None:
        top = self.stack[-1]
        remedy = "write each key once, as a plain word"
        if not isinstance(event, yaml.ScalarEvent):
            raise self.refuse("a key is a list or mapping", remedy, event, top.path)
        key = self._scalar(event, top.path)
        if not isinstance(key, str):
            raise self.refuse(f"key {event.value!r} is not text", remedy, event, top.path)
        if key in top.seen:
            raise self.refuse("this key is written twice", remedy, event, (*top.path, key))
        top.seen.add(key)
        top.key = key

    def _scalar(self, event: yaml.ScalarEvent, path: KeyPath) -> Json:
        hidden = hidden_character(event.value)
        if hidden:
            raise self.refuse(f"holds the hidden character {hidden}", "retype the text", event, path)
        if event.style is not None:
            return event.value
        if event.value in _NULL:
            return None
        value, problem = plain_scalar(event.value)
        if problem:
            raise self.refuse(*problem, event, path)
        return value

    def _open(self, event: yaml.NodeEvent, path: KeyPath) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise self.refuse(f"nested deeper than {MAX_DEPTH} levels", "flatten the file", event, path[:4])
        box: dict[str, Json] | list[Json] = [] if isinstance(event, yaml.SequenceStartEvent) else {}
        self._put(box, event, path)
        self.stack.append(_Frame(path, box))

    def _put(self, value: Json, event: yaml.Event, path: KeyPath) -> None:
        self.lines[path] = _line(event)
        if not self.stack:
            self.data = value
            return
        top = self.stack[-1]
        if isinstance(top.box, list):
            top.box.append(value)
        elif top.key is not None:
            top.box[top.key] = value
            top.key = None


def load_yaml(text: str | bytes, name: str) -> Document:
    """Read one strict YAML document.

    Args:
        text: the file's bytes (UTF-8, one byte-order mark accepted) or its text, at most 256 KiB.
        name: how errors name the file.

    Raises:
        BadInput: anything outside the strict subset; names the file, line, key path and remedy.
    """
    source = _decode(text, name)
    builder = _Builder(name)
    for event in _events(source, name):
        builder.feed(event)
    if builder.documents == 0:
        raise BadInput(f"{name}: the file is empty", remedy="write a policy into it")
    return Document(builder.data, builder.lines)


def _decode(text: str | bytes, name: str) -> str:
    """Text of the file after the checks that need no YAML."""
    try:
        raw = text if isinstance(text, bytes) else text.encode("utf-8")
        if len(raw) > MAX_BYTES:
            raise BadInput(f"{name}: larger than {MAX_BYTES} bytes", remedy="shorten its lists")
        source = raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeError:
        raise BadInput(f"{name}: not UTF-8", remedy="save the file as UTF-8 text") from None
    for number, line in enumerate(source.split("\n"), start=1):
        hidden = hidden_character(line.replace("\r", ""))
        if hidden:
            place = Location(name, number, ()).text()
            raise BadInput(f"{place}: holds the hidden character {hidden}", remedy="delete or retype it")
    return source


def _line(event: yaml.Event) -> int:
    """Line of an event, from 1."""
    return 1 if event.start_mark is None else event.start_mark.line + 1


def _events(source: str, name: str) -> Iterator[yaml.Event]:
    """Parser events; every failure of the parser becomes BadInput."""
    try:
        yield from yaml.parse(source, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Location(name, None if mark is None else mark.line + 1, ()).text()
        what = f"{place}: not readable as YAML ({error.problem or error.context})"
        raise BadInput(what, remedy="check indentation, brackets and quotes at this line") from None
    except (yaml.YAMLError, ValueError, OverflowError):
        # Escapes such as "\UFFFFFFFF" reach chr() inside the parser and fail there as ValueError.
        raise BadInput(f"{name}: holds a character that YAML does not allow", remedy="delete it") from None
