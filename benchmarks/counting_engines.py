"""One engine that counts all two-way marginals of a coded Parquet file, in a process of its own.

    python -m benchmarks.counting_engines ENGINE FILE REPEATS [DIGEST]

prints JSON: the digest of all its counts, the seconds of each repeat, and the peak memory of the process. The
counts come first; if they are not those of DIGEST, nothing is timed.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dpsynth.core.domain import Clique

__all__ = ["ENGINES", "SIZES_KEY"]

SIZES_KEY = b"sizes"
"""Metadata of the file: the number of codes of each column, as JSON."""

_BLOCK = 1 << 20
Counts = Iterable[NDArray[np.int64]]
Pass = Callable[[], Any]
Dense = Callable[[Any], Counts]
"""Turns what a pass answers into counts of all cells of each pair, in the order of the pairs."""


class Problem:
    """The file, its sizes, and the pairs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        metadata = pq.read_schema(path).metadata
        self.sizes: dict[str, int] = json.loads(metadata[SIZES_KEY])
        self.pairs: list[Clique] = list(combinations(self.sizes, 2))

    def shape(self, pair: Clique) -> tuple[int, int]:
        return self.sizes[pair[0]], self.sizes[pair[1]]

    def columns(self) -> dict[str, NDArray[np.uint8]]:
        table = pq.read_table(self.path, use_threads=False)
        return {name: np.ascontiguousarray(table[name].to_numpy()) for name in self.sizes}


def _vault(problem: Problem, in_memory: bool) -> tuple[Pass, Dense]:
    from dpsynth.vault.counting.count import count_marginals
    from dpsynth.vault.counting.parquet import ParquetRows
    from dpsynth.vault.counting.rows import MemoryRows, RowSource

    source: RowSource = ParquetRows(problem.path, problem.sizes)
    if in_memory:
        source = MemoryRows(problem.sizes, problem.columns(), source.rows)
    return partial(count_marginals, source, problem.pairs), lambda answer: answer.values()


def _duckdb(problem: Problem, in_memory: bool) -> tuple[Pass, Dense]:
    import duckdb

    database = duckdb.connect()
    database.execute("SET threads = 1")
    table = f"'{problem.path}'"
    if in_memory:
        database.execute(f"CREATE TABLE coded AS SELECT * FROM {table}")
        table = "coded"

    def answer() -> list[dict[str, Any]]:
        return [
            database.execute(f"SELECT {a}, {b}, count(*) AS n FROM {table} GROUP BY {a}, {b}").fetchnumpy()
            for a, b in problem.pairs
        ]

    def dense(answers: list[dict[str, Any]]) -> Counts:
        for pair, found in zip(problem.pairs, answers, strict=True):
            full = np.zeros(problem.shape(pair), dtype=np.int64)
            full[found[pair[0]], found[pair[1]]] = found["n"]
            yield full.ravel()

    return answer, dense


def _numpy(problem: Problem) -> tuple[Pass, Dense]:
    """One bincount a pair, over blocks that stay in the cache, with the narrowest index."""
    columns = problem.columns()
    rows = len(next(iter(columns.values())))

    def answer() -> list[NDArray[np.int64]]:
        counts = [np.zeros(np.prod(problem.shape(pair)), dtype=np.int64) for pair in problem.pairs]
        for low in range(0, rows, _BLOCK):
            block = {name: codes[low : low + _BLOCK].astype(np.int16) for name, codes in columns.items()}
            for (a, b), total in zip(problem.pairs, counts, strict=True):
                total += np.bincount(block[a] * np.int16(problem.sizes[b]) + block[b], minlength=total.size)
        return counts

    return answer, lambda answers: answers


def _pandas(problem: Problem) -> tuple[Pass, Dense]:
    import pandas as pd

    frame = pd.DataFrame(problem.columns())

    def dense(answers: list[Any]) -> Counts:
        for pair, series in zip(problem.pairs, answers, strict=True):
            full = np.zeros(problem.shape(pair), dtype=np.int64)
            codes = series.index.to_frame().to_numpy()
            full[codes[:, 0], codes[:, 1]] = series.to_numpy()
            yield full.ravel()

    return lambda: [frame.groupby(list(pair)).size() for pair in problem.pairs], dense


def _decode(problem: Problem) -> tuple[Pass, Dense]:
    """Reading and decoding the file, nothing counted."""

    def answer() -> int:
        file = pq.ParquetFile(problem.path, pre_buffer=False)
        return sum(batch.num_rows for batch in file.iter_batches(batch_size=1 << 17, use_threads=False))

    return answer, lambda _: ()


ENGINES: dict[str, Callable[[Problem], tuple[Pass, Dense]]] = {
    "vault in memory": partial(_vault, in_memory=True),
    "DuckDB in memory": partial(_duckdb, in_memory=True),
    "numpy bincount": _numpy,
    "pandas groupby": _pandas,
    "vault from Parquet": partial(_vault, in_memory=False),
    "DuckDB from Parquet": partial(_duckdb, in_memory=False),
    "Parquet decode alone": _decode,
}


def _digest(counts: Counts) -> str:
    total = hashlib.sha256()
    for each in counts:
        total.update(np.ascontiguousarray(each, dtype="<i8").tobytes())
    return total.hexdigest()


def _peak_mb() -> float | None:
    """Most resident memory of this process so far, in MB; None where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def main() -> None:
    engine, path, repeats, *expected = sys.argv[1:]
    pa.set_cpu_count(1)
    answer, dense = ENGINES[engine](Problem(Path(path)))
    digest = _digest(dense(answer()))
    if expected and digest != expected[0]:
        raise SystemExit(f"{engine} counts otherwise than the engine before it")
    wall, cpu = [], []
    for _ in range(int(repeats)):
        start, used = time.perf_counter(), time.process_time()
        answer()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    print(json.dumps({"digest": digest, "seconds": wall, "cpu_seconds": cpu, "peak_mb": _peak_mb()}))


if __name__ == "__main__":
    main()
