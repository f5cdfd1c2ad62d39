"""Units of work: a few fits each, the same wherever they are played; results that are added once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dpsynth.core.canonical import digest
from dpsynth.mechanisms.rng import os_generator

__all__ = ["FileStore", "Game", "MemoryStore", "Observation", "Store", "Task", "Unit", "play", "tasks_of"]

Observation = dict[str, list[float]]
"""What one fit showed: scores and features by name. Never a model, never a row."""


class Game(Protocol):
    """One kind of fit that is repeated. It can be sent to another process."""

    def play(self, side: int, rng: np.random.Generator) -> Observation:
        """One fit with fresh noise. ``side``: 1 with the target, 0 without; games of coins ignore it."""

    def facts(self) -> dict[str, Any]:
        """JSON value of everything that the outcome's distribution depends on."""


@dataclass(frozen=True)
class Unit:
    """Fits ``start`` to ``stop`` - 1 of one side of one game.

    Attributes:
        build: digest, or version, of the code.
        configuration: digest of the game's facts.
        game: its name.
        side: 1 with the target, 0 without.
        start, stop: index range. Noise comes from the operating system, never from the index.
    """

    build: str
    configuration: str
    game: str
    side: int
    start: int
    stop: int

    @property
    def id(self) -> str:
        """Hex SHA-256 of the fields above."""
        return digest(asdict(self))


@dataclass(frozen=True)
class Task:
    """A unit with the game it belongs to: what is sent to whoever plays it."""

    unit: Unit
    game: Game


def tasks_of(name: str, game: Game, build: str, fits: int, size: int, sides: Sequence[int]) -> list[Task]:
    """Tasks of ``size`` fits (the last of a side may be smaller) for ``fits`` fits on each side."""
    configuration = digest(game.facts())
    return [
        Task(Unit(build, configuration, name, side, start, min(start + size, fits)), game)
        for start in range(0, fits, size)
        for side in sides
    ]


def play(task: Task) -> tuple[str, list[Observation]]:
    """Play one task: its unit's id and one observation for each fit, with entropy of its own."""
    rng = os_generator()
    unit = task.unit
    return unit.id, [task.game.play(unit.side, rng) for _ in range(unit.start, unit.stop)]


class Store(Protocol):
    """Results by key, append-only: the first value of a key stays."""

    @property
    def known(self) -> Mapping[str, Any]:
        """Every value so far."""

    def add(self, key: str, value: Any) -> None:
        """Keep a JSON value under a new key; a known key changes nothing."""


@dataclass
class MemoryStore:
    """Keeps results while the process lives."""

    known: dict[str, Any] = field(default_factory=dict)

    def add(self, key: str, value: Any) -> None:
        """Keep a JSON value under a new key; a known key changes nothing."""
        self.known.setdefault(key, value)


class FileStore:
    """Results in a file of JSON lines, one writer at a time.

    A line that was being written when the process was killed is no JSON, and is ignored.
    """

    def __init__(self, path: Path) -> None:
        """Read what is there; the file need not exist yet."""
        self._path = path
        self.known: dict[str, Any] = {}
        for line in path.read_bytes().split(b"\n") if path.exists() else ():
            self._read(line)

    def _read(self, line: bytes) -> None:
        try:
            read = json.loads(line)
        except ValueError:
            return
        if isinstance(read, dict) and {"key", "value"} == set(read):
            self.known.setdefault(read["key"], read["value"])

    def add(self, key: str, value: Any) -> None:
        """Append a line for a new key; a known key changes nothing."""
        if key in self.known:
            return
        self.known[key] = value
        with self._path.open("ab") as file:
            # The newline comes first, so that a half-written line before it stays alone.
            file.write(b"\n" + json.dumps({"key": key, "value": value}).encode())


def collect(
    tasks: Sequence[Task], store: Store, spread: Any, progress: Callable[[int, int], None]
) -> dict[str, dict[int, list[Observation]]]:
    """Play what the store lacks; every unit's observations once, by game and side, in order of index."""
    missing = [task for task in tasks if task.unit.id not in store.known]
    done = len(tasks) - len(missing)
    progress(done, len(tasks))
    for unit_id, observed in spread.play(missing):
        store.add(unit_id, observed)
        done += 1
        progress(done, len(tasks))
    found: dict[str, dict[int, list[Observation]]] = {}
    for unit in sorted((task.unit for task in tasks), key=lambda unit: unit.start):
        found.setdefault(unit.game, {}).setdefault(unit.side, []).extend(store.known[unit.id])
    return found
