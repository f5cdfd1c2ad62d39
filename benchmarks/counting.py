"""Counting all two-way marginals of one table, by the vault and by common libraries.

`python -m benchmarks.counting` makes a table up and counts it in memory and from Parquet, each engine in a
process of its own on one thread; `count_all_pairs` compares engines on a small table in this process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import combinations, cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.counting_engines import ENGINES, SIZES_KEY
from dpsynth.core.domain import Clique
from dpsynth.mechanisms.rng import os_generator
from dpsynth.vault.table import SensitiveTable

__all__ = ["count_all_pairs"]

Answer = np.ndarray | pd.Series | pd.DataFrame
Engine = Callable[[Clique], Answer]
_REPEATS = 3
_SIZES = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32)
_CHUNK = 1_000_000
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "ARROW_NUM_THREADS")
_TARGETS = (
    ("in memory", "vault in memory", "DuckDB in memory", 15.0),
    ("from Parquet", "vault from Parquet", "DuckDB from Parquet", 7.0),
)
_MOST_MB = 1000.0


def count_all_pairs(table: SensitiveTable) -> dict[str, float]:
    """Best of three wall seconds for all pairs, by engine; each engine's counts are checked first.

    Every engine starts from its own form of the codes and stops at its own form of the answer, both outside
    the clock: the vault and its columns, pandas and a frame, numpy and a float matrix.
    """
    domain = table.domain
    frame = pd.DataFrame(dict(table._rows()))
    matrix = frame.to_numpy(dtype=np.float64)
    place = {name: position for position, name in enumerate(domain.names)}

    def histogramdd(pair: Clique) -> NDArray[np.float64]:
        sizes = domain.sizes(pair)
        ranges = [(-0.5, size - 0.5) for size in sizes]
        return np.histogramdd(matrix[:, [place[name] for name in pair]], bins=sizes, range=ranges)[0]

    engines: dict[str, Engine] = {
        "vault": table._marginal,
        "pandas groupby": lambda pair: frame.groupby(list(pair)).size(),
        "pandas crosstab": lambda pair: pd.crosstab(frame[pair[0]], frame[pair[1]]),
        "numpy histogramdd": histogramdd,
    }
    pairs: list[Clique] = list(combinations(domain.names, 2))
    for pair in pairs:
        answers = [_dense(engine(pair), domain.sizes(pair)) for engine in engines.values()]
        if not all(np.array_equal(answers[0], other) for other in answers[1:]):
            raise RuntimeError("the engines disagree about a marginal")
    return {name: _best_seconds(engine, pairs) for name, engine in engines.items()}


def _dense(answer: Answer, sizes: tuple[int, ...]) -> NDArray[np.float64]:
    """Any engine's answer as counts of all cells, flat in C order."""
    if isinstance(answer, np.ndarray):
        return answer.ravel().astype(np.float64)
    cells = answer.stack() if isinstance(answer, pd.DataFrame) else answer
    codes = cells.index.to_frame().to_numpy()
    full = np.zeros(sizes)
    full[codes[:, 0], codes[:, 1]] = cells.to_numpy()
    return full.ravel()


def _best_seconds(engine: Engine, pairs: list[Clique]) -> float:
    best = float("inf")
    for _ in range(_REPEATS):
        start = time.perf_counter()
        for pair in pairs:
            engine(pair)
        best = min(best, time.perf_counter() - start)
    return best


def _write_table(path: Path, rows: int, columns: int) -> dict[str, int]:
    """Made-up codes: every third column is even, the others favour their low codes more or less."""
    sizes = {f"c{i:02}": size for i, size in enumerate(islice(cycle(_SIZES), columns))}
    schema = pa.schema([pa.field(name, pa.uint8(), False) for name in sizes])
    schema = schema.with_metadata({SIZES_KEY: json.dumps(sizes)})
    rng = os_generator()
    with pq.ParquetWriter(path, schema) as writer:
        for low in range(0, rows, _CHUNK):
            count = min(_CHUNK, rows - low)
            codes = [
                (rng.random(count) ** (1 + i % 3) * size).astype(np.uint8)
                for i, size in enumerate(sizes.values())
            ]
            writer.write_table(pa.table(codes, schema=schema))
    return sizes


def _run_engine(engine: str, path: Path, repeats: int, digest: str) -> dict[str, Any]:
    """One engine's figures, from a fresh process on one thread."""
    words = [sys.executable, "-m", "benchmarks.counting_engines", engine, str(path), str(repeats)]
    words += [digest] if digest else []
    env = os.environ | dict.fromkeys(_ONE_THREAD, "1")
    done = subprocess.run(
        words, env=env, cwd=Path(__file__).resolve().parents[1], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _measure(path: Path, engines: list[str], repeats: int) -> list[dict[str, Any]]:
    rows, digest = [], ""
    for engine in engines:
        found = _run_engine(engine, path, repeats, "" if engine == "Parquet decode alone" else digest)
        digest = digest or found["digest"]
        row = {
            "engine": engine,
            "seconds": min(found["seconds"]),
            "cpu_seconds": min(found["cpu_seconds"]),
            "repeats": found["seconds"],
            "peak_mb": found["peak_mb"],
        }
        rows.append(row)
        print(f"{engine:22} {row['seconds']:9.3f} s  {row['cpu_seconds']:9.3f} CPU s", end="")
        print(f"  {row['peak_mb']:7.0f} MB" if row["peak_mb"] else "", flush=True)
    return rows


def _targets(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Whether each target is met; a ratio must hold in wall seconds and in CPU seconds."""
    by_name = {row["engine"]: row for row in rows}
    found = []
    for what, ours, other, least in _TARGETS:
        ratios = {key: by_name[other][key] / by_name[ours][key] for key in ("seconds", "cpu_seconds")}
        met = min(ratios.values()) >= least
        found.append({"target": f"{what}: at least {least:g} times {other}", "ratios": ratios, "met": met})
    peak = by_name["vault from Parquet"]["peak_mb"]
    met = None if peak is None else peak < _MOST_MB
    return [*found, {"target": f"from Parquet: below {_MOST_MB:g} MB", "peak_mb": peak, "met": met}]


def main() -> None:
    """Make the table, run the engines, print and write the results."""
    options = _options()
    engines = [name for name in ENGINES if name != "pandas groupby" or options.pandas]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coded.parquet"
        sizes = _write_table(path, options.rows, options.columns)
        facts = {
            "command": f"python -m benchmarks.counting --rows {options.rows} --columns {options.columns} "
            f"--repeats {options.repeats}" + (" --pandas" if options.pandas else ""),
            "rows": options.rows,
            "sizes": sizes,
            "pairs": options.columns * (options.columns - 1) // 2,
            "parquet_mb": path.stat().st_size / 1e6,
            "threads": 1,
            "versions": {"python": platform.python_version()}
            | {name: version(name) for name in ("duckdb", "numba", "numpy", "pandas", "pyarrow")},
            "machine": {"cores": os.cpu_count(), "processor": platform.machine()},
        }
        rows = _measure(path, engines, options.repeats)
    targets = _targets(rows)
    for target in targets:
        figures = target.get("ratios") or {"MB": target["peak_mb"]}
        shown = ", ".join(f"{key} {value:.1f}" for key, value in figures.items() if value is not None)
        print(f"{'met' if target['met'] else 'NOT MET'}: {target['target']} ({shown})")
    options.out.write_text(json.dumps(facts | {"engines": rows, "targets": targets}, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Count all two-way marginals of a made-up table.")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--columns", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3, help="timed passes of each engine (3)")
    parser.add_argument("--pandas", action="store_true", help="pandas too: minutes a pass")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "counting.json")
    options = parser.parse_args()
    if options.rows < 1 or options.columns < 2 or options.repeats < 2:
        parser.error("at least one row, two columns and two repeats are needed")
    return options


if __name__ == "__main__":
    main()
