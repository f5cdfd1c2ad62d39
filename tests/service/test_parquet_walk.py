"""A request on a Parquet source that is streamed all the way: copied, encoded to a file, counted from it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dpsynth.service import Platform, RequestForm
from dpsynth.vault import intake, sources
from dpsynth.vault.counting.parquet import ParquetRows
from dpsynth.vault.counting.rows import KeptRows
from dpsynth.vault.curator import TableCurator

POLICY = Path(__file__).parents[2] / "policies" / "rand-health.yaml"


@pytest.fixture
def parquet_platform(tmp_path: Path, rand_csv: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for module in (sources, intake):
        monkeypatch.setattr(module, "_IN_MEMORY", 0)
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY.read_text().replace("format: csv", "format: parquet"))
    pd.read_csv(rand_csv, nrows=3000).to_parquet(tmp_path / "rand.parquet", index=False)
    platform = Platform.open(tmp_path / "state")
    for person, role in (("sam", "data_scientist"), ("dana", "data_owner")):
        platform.add_person(person, person.title(), (role,))
    platform.register_dataset("dana", policy, tmp_path / "rand.parquet")
    return platform


def test_a_streamed_parquet_source_goes_from_request_to_dossier_and_leaves_no_file(
    parquet_platform: Platform,
    form: Callable[..., RequestForm],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []
    real = TableCurator.__init__

    def watched(self: TableCurator, table: Any, *rest: Any, **more: Any) -> None:
        seen.append(table._source)
        real(self, table, *rest, **more)

    monkeypatch.setattr(TableCurator, "__init__", watched)
    request = parquet_platform.submit("sam", form())
    done = parquet_platform.run_once("worker")
    assert done is not None
    assert (done.id, done.state) == (request.id, "awaiting_decision")
    assert isinstance(seen[0], KeptRows)
    assert isinstance(seen[0]._source, ParquetRows)
    assert 2000 < seen[0].rows < 3000
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_parquet_source_that_changed_is_not_opened_and_nobody_is_told_what_it_looks_like(
    parquet_platform: Platform, form: Callable[..., RequestForm], tmp_path: Path
) -> None:
    parquet_platform.submit("sam", form())
    path = tmp_path / "rand.parquet"
    path.write_bytes(path.read_bytes()[:-9] + b"\xff" * 9)
    done = parquet_platform.run_once("worker")
    assert done is not None
    assert done.state == "failed"
    assert "Parquet" not in done.message
    assert "changed" not in done.message
