"""The counting benchmark compares engines that count the same, and says honestly whether a target is met."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS.parent))
    return import_module("benchmarks.counting")


@pytest.fixture
def engines(counting: ModuleType) -> ModuleType:
    return import_module("benchmarks.counting_engines")


@pytest.fixture
def table(counting: ModuleType, tmp_path: Path) -> Path:
    path = tmp_path / "coded.parquet"
    assert counting._write_table(path, 3000, 5) == {"c00": 2, "c01": 3, "c02": 4, "c03": 5, "c04": 6}
    return path


def test_every_engine_counts_what_a_hand_would(engines: ModuleType, table: Path) -> None:
    columns = pq.read_table(table).to_pydict()
    by_hand = []
    for a, b in combinations(columns, 2):
        grid = np.zeros((int(a[1:]) + 2, int(b[1:]) + 2), dtype=np.int64)
        np.add.at(grid, (columns[a], columns[b]), 1)
        by_hand.append(grid.ravel())
    expected = engines._digest(by_hand)
    problem = engines.Problem(table)
    for name, engine in engines.ENGINES.items():
        answer, dense = engine(problem)
        if name == "Parquet decode alone":
            assert answer() == 3000
        else:
            assert engines._digest(dense(answer())) == expected, name


def test_an_engine_that_counts_otherwise_is_not_timed(
    engines: ModuleType, table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["engine", "numpy bincount", str(table), "2"]
    monkeypatch.setattr(sys, "argv", words)
    engines.main()
    found = json.loads(capsys.readouterr().out)
    assert len(found["seconds"]) == len(found["cpu_seconds"]) == 2
    monkeypatch.setattr(sys, "argv", [*words, found["digest"]])
    engines.main()
    monkeypatch.setattr(sys, "argv", [*words, "0" * 64])
    capsys.readouterr()
    with pytest.raises(SystemExit, match="otherwise"):
        engines.main()
    assert capsys.readouterr().out == ""


def row(engine: str, seconds: float, cpu: float, peak: float | None = 300.0) -> dict[str, Any]:
    return {"engine": engine, "seconds": seconds, "cpu_seconds": cpu, "peak_mb": peak}


@pytest.mark.parametrize(
    ("ours", "peak", "met"),
    [
        ((1.0, 1.0), 300.0, [True, True, True]),
        ((1.0, 1.1), 300.0, [False, True, True]),
        ((1.1, 1.0), 300.0, [False, True, True]),
        ((3.0, 1.0), 1001.0, [False, False, False]),
        ((1.0, 1.0), None, [True, True, None]),
    ],
)
def test_a_target_is_met_only_if_the_ratio_holds_both_ways(
    counting: ModuleType, ours: tuple[float, float], peak: float | None, met: list[bool | None]
) -> None:
    rows = [row("vault in memory", *ours), row("DuckDB in memory", 15.0, 15.0)]
    rows += [row("vault from Parquet", *ours, peak), row("DuckDB from Parquet", 15.0, 15.0)]
    assert [target["met"] for target in counting._targets(rows)] == met
