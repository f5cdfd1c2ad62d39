"""Where fits are made: here, in processes of this machine, or on a cluster. The merge is the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dpsynth.audit.games.units import Observation, Task, play

__all__ = ["Cluster", "Here", "Processes", "Spread"]

Played = tuple[str, list[Observation]]


class Spread(Protocol):
    """Plays tasks; a task may be played twice after a failure, and counts once."""

    def play(self, tasks: Sequence[Task]) -> Iterator[Played]:
        """Unit id and observations of each task, in any order, as they are finished."""


class Here:
    """One after the other, in this process."""

    def play(self, tasks: Sequence[Task]) -> Iterator[Played]:
        """In the given order."""
        return map(play, tasks)


@dataclass(frozen=True)
class Processes:
    """Processes of this machine, by joblib (extra ``audit``).

    Attributes:
        workers: how many at a time.
    """

    workers: int

    def play(self, tasks: Sequence[Task]) -> Iterator[Played]:
        """As they are finished."""
        from joblib import Parallel, delayed

        made = Parallel(n_jobs=self.workers, return_as="generator_unordered", batch_size=1)
        yield from made(delayed(play)(task) for task in tasks)


@dataclass(frozen=True)
class Cluster:
    """Workers of a Dask cluster (extra ``audit``). Lost workers' tasks are played again by others.

    Attributes:
        client: a ``distributed.Client``.
        retries: how often a task is tried again after an error of the worker.
    """

    client: Any
    retries: int = 3

    def play(self, tasks: Sequence[Task]) -> Iterator[Played]:
        """As they are finished."""
        import distributed

        as_completed: Any = distributed.as_completed
        # Not pure: two runs of one unit differ in their noise, and the store keeps the first.
        futures = [self.client.submit(play, task, pure=False, retries=self.retries) for task in tasks]
        for future in as_completed(futures):
            yield future.result()
