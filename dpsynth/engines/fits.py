"""Many fits of a library that takes rows, on made-up rows, each apart from this process.

Nothing here ever holds a person: an auditor made the rows up.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from dpsynth.core.errors import EngineFailure
from dpsynth.engines.made import MOST_ROWS, Ask, Made, answers_of
from dpsynth.engines.sandbox import Answer, Job, Limits, anonymous_file, run_program
from dpsynth.engines.store import Engine

__all__ = ["Boundary", "Budget", "EngineFits", "Fitter", "ForeignFits"]

_CHILD = Path(__file__).with_name("row_taker_child.py")
_SPARE_BYTES = 2**22
_BATCH = 50


@dataclass(frozen=True)
class Budget:
    """Epsilon and delta of each fit, as decimal strings."""

    epsilon: str
    delta: str


class Fitter(Protocol):
    """A library that takes rows, behind a process boundary."""

    @property
    def name(self) -> str:
        """As the report shows it."""

    @property
    def version(self) -> str:
        """Of the library, as the report shows it."""

    @property
    def apart(self) -> str:
        """How its fits are kept apart, one sentence."""

    def fits(
        self,
        domain: Mapping[str, int],
        tables: Sequence[NDArray[np.int64]],
        asks: Sequence[Ask],
        budget: Budget,
    ) -> list[Made]:
        """One result for each ask, in order.

        Args:
            domain: number of codes of each column.
            tables: codes, shape (rows, columns) each.
        """


def _stacked(tables: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """All tables below each other, with each row's table in the last column."""
    numbered = [np.column_stack([one, np.full(len(one), at)]) for at, one in enumerate(tables)]
    return np.concatenate(numbered).astype(np.int64)


def _parquet(tables: Sequence[NDArray[np.int64]]) -> pa.Table:
    whole = _stacked(tables)
    names = [*(f"c{at}" for at in range(whole.shape[1] - 1)), "table"]
    return pa.table({name: whole[:, at] for at, name in enumerate(names)})


def _most_bytes(columns: int, asks: Sequence[Ask]) -> int:
    rows = sum(MOST_ROWS if one.rows is None else 2 * one.rows for one in asks)
    return 16 * (columns + 1) * rows + _SPARE_BYTES


@dataclass(frozen=True)
class EngineFits:
    """A method of an engine: batches of fits one after another in one process of its environment.

    Attributes:
        engine: where it runs.
        method: which of its synthesizers.
        limits: seconds of each fit, and memory; the engine's own memory limit holds besides.
    """

    engine: Engine
    method: str
    limits: Limits

    @property
    def name(self) -> str:
        """As a policy writes it."""
        return f"{self.engine.kind.name}:{self.method}"

    @property
    def version(self) -> str:
        """Of the library, as it is pinned."""
        return self.engine.kind.version

    @property
    def apart(self) -> str:
        """How its fits are kept apart."""
        return f"Up to {_BATCH} fits, one after another, shared one process of the engine's environment."

    def fits(
        self,
        domain: Mapping[str, int],
        tables: Sequence[NDArray[np.int64]],
        asks: Sequence[Ask],
        budget: Budget,
    ) -> list[Made]:
        """As in :class:`Fitter`."""
        made: list[Made] = []
        for at in range(0, len(asks), _BATCH):
            made += self._batch(tuple(domain.values()), tables, asks[at : at + _BATCH], budget)
        return made

    def _batch(
        self,
        sizes: Sequence[int],
        tables: Sequence[NDArray[np.int64]],
        asks: Sequence[Ask],
        budget: Budget,
    ) -> list[Made]:
        request = {
            "method": self.method,
            "sizes": list(sizes),
            "epsilon": budget.epsilon,
            "delta": budget.delta,
            "fits": [[one.table, one.rows] for one in asks],
        }
        limits = Limits(
            60 + self.limits.seconds * len(asks), min(self.limits.memory, self.engine.limits.memory)
        )
        with anonymous_file() as stream:
            parquet.write_table(_parquet(tables), stream)
            stream.flush()
            try:
                answer = self.engine.limited(limits).run(request, stream, _most_bytes(len(sizes), asks))
            except EngineFailure as failure:
                return [Made(None, f"a batch of fits failed: {failure.what}") for _ in asks]
        return answers_of(answer, sizes, asks)


@dataclass(frozen=True)
class Boundary:
    """How a program with foreign code is kept apart.

    Attributes:
        limits: seconds and memory of a run.
        place: where its private directory is made.
        hidden: paths that it must not reach.
        python: the interpreter.
    """

    limits: Limits
    place: Path
    hidden: tuple[Path, ...] = ()
    python: Path = field(default_factory=lambda: Path(sys.executable))

    def run(
        self,
        request: Mapping[str, object],
        rows: bytes,
        most_bytes: int,
        program: Path = _CHILD,
        heard: Callable[[bytes], None] | None = None,
    ) -> Answer:
        """One run of a program, by default the one that loads somebody's row taker.

        Args:
            request: public facts.
            rows: made-up rows, for its stdin.
            most_bytes: largest answer that is read.
            heard: hears each line of its stdout.

        Raises EngineFailure as ``run_program`` does.
        """
        job = Job(
            python=self.python,
            program=program,
            request=request,
            limits=self.limits,
            most_bytes=most_bytes,
            place=self.place,
            hidden=self.hidden,
            heard=heard,
        )
        with anonymous_file() as stream:
            stream.write(rows)
            stream.flush()
            return run_program(job, stream)


@dataclass(frozen=True)
class ForeignFits:
    """Somebody's row taker in this interpreter's environment: a process of its own for each fit.

    Attributes:
        target: ``package.module:Name``, a class or a function without arguments, or an instance.
        name, version: as it says.
        path: where its modules are looked for.
        boundary: its limits are those of each fit.
    """

    target: str
    name: str
    version: str
    path: tuple[str, ...]
    boundary: Boundary

    apart: str = "Every fit had a process of its own, without network and without this one's environment."

    def fits(
        self,
        domain: Mapping[str, int],
        tables: Sequence[NDArray[np.int64]],
        asks: Sequence[Ask],
        budget: Budget,
    ) -> list[Made]:
        """As in :class:`Fitter`."""
        request = {
            "target": self.target,
            "path": list(self.path),
            "domain": dict(domain),
            "epsilon": budget.epsilon,
            "delta": budget.delta,
            "seconds": self.boundary.limits.seconds,
            "fits": [[one.table, one.rows] for one in asks],
            "most_rows": MOST_ROWS,
        }
        stream = io.BytesIO()
        np.save(stream, _stacked(tables), allow_pickle=False)
        limits = self.boundary.limits
        whole = replace(limits, seconds=60 + limits.seconds * len(asks))
        most = _most_bytes(len(domain), asks)
        try:
            answer = replace(self.boundary, limits=whole).run(request, stream.getvalue(), most)
        except EngineFailure as failure:
            return [Made(None, f"a batch of fits failed: {failure.what}") for _ in asks]
        return answers_of(answer, tuple(domain.values()), asks)
