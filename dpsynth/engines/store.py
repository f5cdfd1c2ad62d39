"""The engines of one installation: a directory each under the state directory, whole or absent."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from dpsynth.core.errors import BadInput, PolicyRefusal
from dpsynth.engines.catalog import ENGINES, EngineKind, kind_of
from dpsynth.engines.sandbox import Answer, Job, Limits, run_program

__all__ = ["RECORD", "Engine", "engine_of", "engines_dir", "list_engines", "remove_engine"]

RECORD = "engine.json"


def engines_dir(home: Path) -> Path:
    """Where the engines of a state directory lie."""
    return home / "engines"


@dataclass(frozen=True)
class Engine:
    """An environment that may be entrusted with rows.

    Attributes:
        kind: what it is.
        home: the state directory that it belongs to.
        python: its interpreter.
        limits: of each run in it.
        built: whether it was built here, or else given.
        added: when, as a UTC time.
        versions: of its packages, as its self-test found them.
    """

    kind: EngineKind
    home: Path
    python: Path
    limits: Limits
    built: bool
    added: str
    versions: Mapping[str, str]

    @property
    def directory(self) -> Path:
        """Its directory under the state directory."""
        return engines_dir(self.home) / self.kind.name

    def run(
        self, request: Mapping[str, Any], rows: IO[bytes], most_bytes: int, hidden: tuple[Path, ...] = ()
    ) -> Answer:
        """One run of its program. Raises EngineFailure as ``run_program`` does.

        Args:
            request: public facts.
            rows: encoded rows, as Parquet.
            most_bytes: largest answer that is read.
            hidden: paths out of its reach, besides the state directory.
        """
        job = Job(
            python=self.python,
            program=self.kind.program,
            request=request,
            limits=self.limits,
            most_bytes=most_bytes,
            place=engines_dir(self.home) / "work",
            hidden=(self.home, *hidden),
            readable=(self.python.parent.parent, self.directory),
        )
        return run_program(job, rows)

    def limited(self, limits: Limits) -> Engine:
        """The same with other limits of each run."""
        return replace(self, limits=limits)

    def record(self) -> dict[str, Any]:
        """What is written down about it; the interpreter of a built one is found by its directory."""
        return {
            "library": self.kind.library,
            "version": self.kind.version,
            "python": "" if self.built else str(self.python),
            "seconds": self.limits.seconds,
            "memory": self.limits.memory,
            "added": self.added,
            "versions": dict(self.versions),
        }


def engine_of(home: Path, name: str) -> Engine:
    """The engine of that name. Raises PolicyRefusal unless it was added and is still there."""
    kind = kind_of(name)
    add = f"add it with `dpsynth engine add {name}`"
    directory = engines_dir(home) / name
    try:
        said = json.loads((directory / RECORD).read_text())
        python = Path(said["python"] or directory / "venv" / "bin" / "python").absolute()
        limits = Limits(int(said["seconds"]), int(said["memory"]))
        engine = Engine(
            kind, home.absolute(), python, limits, not said["python"], said["added"], said["versions"]
        )
        current = (said["library"], said["version"]) == (kind.library, kind.version)
    except FileNotFoundError:
        raise PolicyRefusal(f"The engine {name} was not added to this installation", remedy=add) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise PolicyRefusal(f"The engine {name} is damaged", remedy=f"remove it, then {add}") from None
    if not current or not os.access(python, os.X_OK):
        raise PolicyRefusal(
            f"The engine {name} is not the environment that this program needs",
            allowed=f"{kind.library} {kind.version}, with its interpreter in place",
            remedy=f"remove it, then {add}",
        )
    return engine


def list_engines(home: Path) -> list[tuple[EngineKind, Engine | None, str]]:
    """Every engine that could be there: its kind, itself if it is usable, and its state in words."""
    found: list[tuple[EngineKind, Engine | None, str]] = []
    for name, kind in sorted(ENGINES.items()):
        try:
            engine = engine_of(home, name)
            found.append((kind, engine, "ready"))
        except PolicyRefusal as error:
            there = (engines_dir(home) / name).exists()
            found.append((kind, None, error.what if there else "not added"))
    return found


def remove_engine(home: Path, name: str) -> None:
    """Remove an engine, usable or not. Raises BadInput if it is not there."""
    directory = engines_dir(home) / kind_of(name).name
    if not directory.is_dir():
        raise BadInput(f"The engine {name} is not there", remedy="see `dpsynth engine list`")
    away = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=directory.parent))
    directory.rename(away / name)  # at once: a half-removed engine is never found
    shutil.rmtree(away)
