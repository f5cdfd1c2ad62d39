"""Fits in processes of their own, as workers make them: forked where that works, else started afresh."""

from __future__ import annotations

import sys
import time
import warnings
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from dpsynth.audit.noise_tape import NoiseTape, taped
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.surrogate import SurrogateRows
from dpsynth.mechanisms.rng import os_generator

__all__ = ["Elsewhere", "fit_elsewhere"]


@dataclass(frozen=True)
class Elsewhere:
    """Fits of other processes.

    Attributes:
        tapes: their noise; empty where one of them failed.
        forked: whether the processes were forked, with all that this one had in memory.
        trouble: what went wrong, in words, else empty.
    """

    tapes: tuple[NoiseTape, ...]
    forked: bool
    trouble: str = ""


def fit_elsewhere(
    pipeline: Pipeline, rows: SurrogateRows, canary: SurrogateRows | None, count: int, seconds: int
) -> Elsewhere:
    """Fit in ``count`` processes that are forked at the same moment, so that a generator's state is shared.

    A pipeline that cannot run in a forked process (a graphics card in use forbids it) shares no state that
    way; it is fitted in processes started afresh.

    Args:
        pipeline, rows, canary: as in ``Pipeline.fit``.
        count: processes.
        seconds: the longest that all of them together may take.
    """
    try:
        found = _each("fork", pipeline, rows, canary, count, seconds)
    except ValueError:  # a system without fork
        found = ["no fork"]
    if all(isinstance(each, NoiseTape) for each in found):
        return Elsewhere(tuple(found), forked=True)
    again = _each("spawn", pipeline, rows, canary, count, seconds)
    if all(isinstance(each, NoiseTape) for each in again):
        return Elsewhere(tuple(again), forked=False)
    trouble = [next(each for each in tries if isinstance(each, str)) for tries in (found, again)]
    return Elsewhere((), False, f"forked, {trouble[0]}; started afresh, {trouble[1]}")


def _each(
    how: str,
    pipeline: Pipeline,
    rows: SurrogateRows,
    canary: SurrogateRows | None,
    count: int,
    seconds: int,
) -> list[Any]:
    """A tape, or what went wrong, of each process."""
    context: Any = get_context(how)
    pipes, started = [], []
    for number in range(1, count + 1):
        here, there = context.Pipe(duplex=False)
        name = f"worker {number}"
        child = context.Process(target=_work, args=(there, name, pipeline, rows, canary), daemon=True)
        with warnings.catch_warnings():
            # Python warns of forks beside threads, whose locks a child may wait for: hence the time limit.
            warnings.simplefilter("ignore", DeprecationWarning)
            child.start()
        there.close()
        pipes.append(here)
        started.append(child)
    until = time.monotonic() + seconds
    found = [_received(pipe, until) for pipe in pipes]
    for child in started:
        child.kill()
        child.join()
    return found


def _received(pipe: Connection[Any, Any], until: float) -> Any:
    try:
        return pipe.recv() if pipe.poll(max(until - time.monotonic(), 0.0)) else "it did not answer in time"
    except (EOFError, OSError):
        return "it ended without an answer"


def _work(
    pipe: Connection[Any, Any],
    name: str,
    pipeline: Pipeline,
    rows: SurrogateRows,
    canary: SurrogateRows | None,
) -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)  # the parent's threads are not there
    rng: np.random.Generator = os_generator()
    try:
        pipe.send(taped(name, pipeline.fit(rows, rng, canary).run, rng))
    except Exception as error:  # told by its class: its words may name anything
        pipe.send(f"it failed with {type(error).__name__}")
