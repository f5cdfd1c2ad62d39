"""The cost of a DP-SGD step: what is committed keeps its target, and each kind of step really trains."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("benchmarks.dpsgd")


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
def test_every_kind_of_step_is_timed_for_every_batch(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "_BATCHES", (16, 32))
    found = bench.measure(rows=400, rounds=2)
    assert [row["batch"] for row in found] == [16] * 4 + [32] * 4
    assert len({row["step"] for row in found}) == 4
    assert all(row["ms"] > 0 and row["ratio"] > 0 for row in found)
    assert [row["ratio"] for row in found if row["step"] == "plain SGD"] == [1.0, 1.0]


def test_what_is_committed_is_within_the_target_and_names_its_command() -> None:
    kept = json.loads((ROOT / "benchmarks" / "results" / "dpsgd.json").read_text())
    ours = {row["batch"]: row["ratio"] for row in kept["steps"] if row["step"].startswith("dpsynth")}
    assert set(ours) == {512, 2048}
    assert max(ours.values()) <= 1.5
    assert kept["command"].startswith("python -m benchmarks.dpsgd")
