"""Further rows are written part by part as a bundle's files are, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpsynth.core.domain import Column, Domain
from dpsynth.core.errors import IntegrityError
from dpsynth.core.table import SyntheticTable
from dpsynth.publish.further import written_rows
from dpsynth.publish.rows import decode
from dpsynth.publish.tables import check_tables, table_files

DOMAIN = Domain(
    (
        Column("colour", "categorical", values=("red", 'say "hi", you')),
        Column("age", "integer", edges=("0", "10", "20"), has_missing=True),
        Column("height", "real", edges=("0.5", "1", "2.5"), decimals=2),
    )
)


def part(rows: int, seed: int) -> SyntheticTable:
    rng = np.random.default_rng(seed)
    return SyntheticTable(DOMAIN, {name: rng.integers(0, DOMAIN[name].size, rows) for name in DOMAIN.names})


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_parts_make_the_file_that_one_table_would(tmp_path: Path, kind: str) -> None:
    path, parts = tmp_path / f"rows.{kind}", [part(40, 1), part(1, 2), part(30, 3)]
    with written_rows(path, parts, DOMAIN, kind, np.random.default_rng(5)) as sha256:
        assert not path.exists()
        assert len(sha256) == 64
    whole = {name: np.concatenate([one.codes[name] for one in parts]) for name in DOMAIN.names}
    rng = np.random.default_rng(5)
    frames = [decode(one, rng) for one in parts]
    assert whole["age"].size == sum(len(frame) for frame in frames) == 71
    check_tables({f"data.{kind}": path.read_bytes()}, DOMAIN, 71)
    if kind == "csv":
        texts = [table_files(frame, DOMAIN, ("csv",))["data.csv"].decode() for frame in frames]
        lines = [line for text in texts for line in text.splitlines()[1:]]
        assert path.read_text().splitlines()[1:] == lines
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_part_that_leaves_the_domain_leaves_no_file(tmp_path: Path, kind: str) -> None:
    def parts() -> Iterator[SyntheticTable]:
        yield part(10, 1)
        bad = part(10, 2)
        bad.codes["colour"][3] = 2
        yield bad

    entered: list[Any] = []
    with (
        pytest.raises(IntegrityError, match="outside the public domain"),
        written_rows(tmp_path / f"rows.{kind}", parts(), DOMAIN, kind, np.random.default_rng(5)),
    ):
        entered.append(True)
    assert entered == []
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_fails_leaves_no_file(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError),
        written_rows(tmp_path / "rows.csv", [part(3, 1)], DOMAIN, "csv", np.random.default_rng(5)),
    ):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
