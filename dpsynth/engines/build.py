"""Adding an engine: its environment is built aside, tested, and only then put in its place."""

from __future__ import annotations

import fcntl
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from dpsynth.core.errors import BadInput, Conflict, EngineFailure
from dpsynth.engines.catalog import EngineKind, kind_of
from dpsynth.engines.sandbox import Limits, anonymous_file
from dpsynth.engines.store import RECORD, Engine, engines_dir

__all__ = ["Tell", "add_engine", "self_test"]

Tell = Callable[[str], None]

_TEST_ROWS = 64
_TEST_SECONDS = 600
_TEST_SIZES = (3, 2)
_UNREACHABLE = ("No matching distribution", "Could not find a version", "NewConnectionError", "Max retries")


def add_engine(
    home: Path, name: str, tell: Tell, python: Path | None = None, limits: Limits | None = None
) -> Engine:
    """Build the environment of an engine, or take a given one, and put it in its place once it works.

    Args:
        home: the state directory.
        tell: hears what is being done, one line at a time.
        python: interpreter of an environment that was made elsewhere; None builds one.
        limits: of each run; the defaults of ``Limits`` if None.

    Raises Conflict if it is there; EngineFailure if it cannot be built or fails its test. Then nothing of it
    is left.
    """
    kind = kind_of(name)
    place = engines_dir(home.absolute())
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(place), tempfile.TemporaryDirectory(prefix=f".{name}-", dir=place) as work:
        if (place / name).exists():
            raise Conflict(
                f"The engine {name} is there already",
                remedy=f"use it, or remove it first with `dpsynth engine remove {name}`",
            )
        aside = Path(work) / name
        aside.mkdir(mode=0o700)
        engine = Engine(
            kind=kind,
            home=home.absolute(),
            python=_given(python) if python is not None else _built(kind, aside / "venv", tell),
            limits=limits or Limits(),
            built=python is None,
            added=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            versions={},
        )
        tell("testing it on made-up rows")
        engine = replace(engine, versions=self_test(engine))
        (aside / RECORD).write_text(json.dumps(engine.record(), indent=1))
        aside.rename(place / name)
    if engine.built:
        engine = replace(engine, python=place / name / "venv" / "bin" / "python")
    tell("ready")
    return engine


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One at a time: who comes second waits, and then finds what the first one built."""
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _given(python: Path) -> Path:
    if not (python.is_file() and os.access(python, os.X_OK)):
        raise BadInput(
            "The given interpreter cannot be run",
            allowed="the python program of an environment that holds the library",
            remedy="check --from",
        )
    return python.absolute()  # not resolved: the link is what makes it the environment's


def _built(kind: EngineKind, venv: Path, tell: Tell) -> Path:
    tell(f"making an environment for {kind.library} {kind.version}")
    python = venv / "bin" / "python"
    _step([sys.executable, "-m", "venv", str(venv)], kind)
    tell(f"installing {kind.library} {kind.version} and what it needs ({kind.size}); this takes minutes")
    pip = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    _step([str(python), *pip, "-r", str(kind.pins)], kind, tell)
    return python


def _step(command: list[str], kind: EngineKind, tell: Tell | None = None) -> None:
    """Run one step; packages that pip collects are told. Raises EngineFailure with pip's last line."""
    lines: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            lines.append(line.strip())
            if tell is not None and line.startswith(("Collecting", "Installing")):
                tell(line.strip()[:120])
    if process.returncode == 0:
        return
    text = "\n".join(lines)
    if any(sign in text for sign in _UNREACHABLE):
        raise EngineFailure(
            f"{kind.library} could not be fetched: pip reached no package index that has it",
            remedy="check the network and pip's configuration (PIP_INDEX_URL, PIP_FIND_LINKS), or make the "
            "environment elsewhere and give its interpreter with --from; nothing was added",
        )
    last = next((line for line in reversed(lines) if line), "no reason given")
    raise EngineFailure(
        f"The environment could not be built: {last[:200]}",
        remedy="mend that and try again; nothing was added",
    )


def self_test(engine: Engine) -> dict[str, str]:
    """Run the whole exchange once on made-up rows, in the sandbox; versions that the library states.

    It may take ten minutes whatever the limit of a run. Raises EngineFailure if anything is not as a run
    needs it.
    """
    engine = replace(engine, limits=replace(engine.limits, seconds=_TEST_SECONDS))
    codes = [np.arange(_TEST_ROWS) % size for size in _TEST_SIZES]
    table = pa.table({f"c{index}": column.astype(np.uint8) for index, column in enumerate(codes)})
    request = {"method": "selftest", "sizes": list(_TEST_SIZES), "rows": 5, "epsilon": "1", "delta": "1e-6"}
    with anonymous_file() as rows:
        parquet.write_table(table, rows)
        rows.flush()
        answer = engine.run(request, rows, 2**20)
    versions = answer.document.get("versions")
    if not isinstance(versions, dict) or versions.get(engine.kind.library) != engine.kind.version:
        raise EngineFailure(
            f"The environment does not hold {engine.kind.library} {engine.kind.version}",
            remedy="give one that does, or let one be built; nothing was added",
        )
    try:
        found = parquet.read_table(io.BytesIO(answer.table))
    except (pa.ArrowException, OSError):
        found = None
    if found is None or (found.num_rows, found.column_names) != (5, table.column_names):
        raise EngineFailure("The environment gives no usable answer", remedy="nothing was added")
    return {str(name): str(number) for name, number in versions.items()}
