"""The records of one table in rows for people: a row for each system, epsilon and sampler."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

from benchmarks.marginals.records import Record
from benchmarks.marginals.systems import OURS

__all__ = ["BASELINE", "Row", "counted", "epsilons", "summarise"]

BASELINE = "baseline"
"""Project name of rows that are not private and only show what the figures mean."""


@dataclass(frozen=True)
class Row:
    """One system at one epsilon.

    Attributes:
        system: such as ``dpmm:aim``.
        sampler: "own", or "independent" where the same fit was also drawn from row by row.
        finished: records of finished runs, of the newest version that was run.
        unfinished: records of the others.
    """

    system: str
    epsilon: str
    sampler: str
    finished: tuple[Record, ...]
    unfinished: tuple[Record, ...]

    @property
    def ours(self) -> bool:
        """Whether it is one of this project's."""
        return self.system.startswith(f"{OURS}:")

    @property
    def baseline(self) -> bool:
        """Whether it is no private system at all."""
        return self.system.startswith(f"{BASELINE}:")

    @property
    def method(self) -> str:
        """Such as ``aim``."""
        return self.system.partition(":")[2]

    def values(self, figure: str) -> list[float]:
        """The figure in each finished run that has it."""
        return [record[figure] for record in self.finished if figure in record]

    def mean(self, figure: str) -> float | None:
        """Mean over finished runs; None where none has it."""
        values = self.values(figure)
        return mean(values) if values else None


def summarise(records: Iterable[Record]) -> list[Row]:
    """Rows by epsilon, then in the order of first appearance. Records of older versions are left out."""
    by_cell: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        by_cell.setdefault((record["epsilon"], record["system"]), []).append(record)
    rows: list[Row] = []
    for (epsilon, system), found in by_cell.items():
        newest = [record for record in found if record["version"] == found[-1]["version"]]
        rows += _rows(system, epsilon, _last_of_each_turn(newest))
    return sorted(rows, key=lambda row: (row.epsilon == "", float(row.epsilon or 0)))


def _last_of_each_turn(records: Sequence[Record]) -> list[Record]:
    """A repeated run replaces the earlier one, all of its samplers together."""
    last = {record["turn"]: record["when"] for record in records}
    return [record for record in records if record["when"] == last[record["turn"]]]


def _rows(system: str, epsilon: str, records: Sequence[Record]) -> list[Row]:
    finished = [record for record in records if record["status"] == "ok"]
    unfinished = tuple(record for record in records if record["status"] != "ok")
    samplers = dict.fromkeys(record["sampler"] for record in finished) or {"own": None}
    return [
        Row(system, epsilon, name, tuple(r for r in finished if r["sampler"] == name), unfinished)
        for name in samplers
    ]


def counted(rows: Iterable[Row], figure: str = "tvd3") -> list[Row]:
    """Of the samplers of one fit the more accurate one; every other row as it is."""
    best: dict[tuple[str, str], Row] = {}
    for row in rows:
        key, value = (row.epsilon, row.system), row.mean(figure)
        other = best[key].mean(figure) if key in best else None
        if key not in best or (value is not None and other is not None and value < other):
            best[key] = row
    return list(best.values())


def epsilons(rows: Iterable[Row]) -> list[str]:
    """Epsilons of the private systems, ascending."""
    return sorted({row.epsilon for row in rows if not row.baseline}, key=float)
