"""The results file: one JSON object a line, only ever appended to."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["Record", "append", "done", "read"]

Record = dict[str, Any]


def read(path: Path) -> list[Record]:
    """All records, oldest first; none for a file that is not there."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def append(path: Path, records: Iterable[Record]) -> None:
    """Add records at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(record, sort_keys=True) + "\n" for record in records)
    with path.open("a") as out:
        out.write(lines)


def done(records: Iterable[Record], wanted: Record) -> bool:
    """Whether that run is there already: finished, or stopped at no smaller a limit."""
    keys = ("system", "version", "epsilon", "delta", "turn")
    return any(
        all(record[key] == wanted[key] for key in keys)
        and record["status"] != "failed"
        and (record["status"] == "ok" or record["limit_cpu_s"] >= wanted["limit_cpu_s"])
        for record in records
    )
