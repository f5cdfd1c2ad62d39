"""Engines of an installation: which may be entrusted with rows, adding one and removing one.

What is added here is still given rows by no request unless the policy of its table names it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dpsynth.engines import build, store
from dpsynth.engines.catalog import kind_of
from dpsynth.engines.sandbox import Limits

__all__ = ["EngineView", "add_engine", "list_engines", "remove_engine"]

_GB = 2**30


@dataclass(frozen=True)
class EngineView:
    """An engine as it is shown.

    Attributes:
        name: what a policy writes before the colon.
        library, version: what it holds.
        state: ``ready``, ``not added``, or what is wrong with it.
        where: its interpreter, or "".
        bytes: size of what lies in the state directory.
        seconds, memory_gb: limits of a run; 0 where it is not usable.
        synthesizers: names that a policy may allow.
        faults: of each synthesizer, by name.
    """

    name: str
    library: str
    version: str
    state: str
    where: str
    bytes: int
    seconds: int
    memory_gb: int
    synthesizers: tuple[str, ...]
    faults: dict[str, tuple[str, ...]]


def add_engine(
    home: Path,
    name: str,
    tell: Callable[[str], None],
    python: Path | None = None,
    seconds: int | None = None,
    memory_gb: int | None = None,
) -> EngineView:
    """Build or take an environment, test it, put it in its place; ``tell`` hears each step.

    Raises as ``dpsynth.engines.build.add_engine`` does.
    """
    usual = Limits()
    memory = usual.memory if memory_gb is None else memory_gb * _GB
    build.add_engine(home, name, tell, python, Limits(seconds or usual.seconds, memory))
    return next(view for view in list_engines(home) if view.name == name)


def list_engines(home: Path) -> list[EngineView]:
    """Every engine that could be added, and how each stands."""
    views = []
    for kind, engine, state in store.list_engines(home):
        names = {f"{kind.name}:{method}": about.faults for method, about in kind.methods.items()}
        views.append(
            EngineView(
                name=kind.name,
                library=kind.library,
                version=kind.version,
                state=state,
                where="" if engine is None else str(engine.python),
                bytes=_size(store.engines_dir(home) / kind.name),
                seconds=0 if engine is None else engine.limits.seconds,
                memory_gb=0 if engine is None else engine.limits.memory // _GB,
                synthesizers=tuple(names),
                faults=names,
            )
        )
    return views


def remove_engine(home: Path, name: str) -> str:
    """Remove an engine; its name. Raises BadInput if it is not there."""
    store.remove_engine(home, name)
    return kind_of(name).name


def _size(directory: Path) -> int:
    files = (path.lstat() for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(status.st_size for status in files)
