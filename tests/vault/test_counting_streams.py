"""Streams of rows: nothing shows or stays of them, memory stays bounded, answers are the same."""

from __future__ import annotations

import copy
import io
import os
import pickle
import subprocess
import sys
import tempfile
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpsynth.accounting.cost import zcdp_cost
from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.core.curator import Candidate
from dpsynth.core.domain import Column, Domain
from dpsynth.core.errors import IntegrityError
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.vault import counts
from dpsynth.vault.counting.parquet import CodedWriter, ParquetRows
from dpsynth.vault.counting.rows import Block, MemoryRows
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.opening import flip_coin
from dpsynth.vault.surrogate import Door
from dpsynth.vault.table import SensitiveTable

SIZES = {"a": 3, "b": 300, "c": 2}
DOMAIN = Domain(tuple(Column(name, "categorical", tuple(map(str, range(n)))) for name, n in SIZES.items()))
UNIT = PrivacyUnit("row", None, 1, "add_remove")
PAIRS = list(combinations(SIZES, 2))


def codes(rows: int) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    types = (np.uint8, np.uint16, np.uint8)
    return {
        name: rng.integers(0, n, rows).astype(t) for (name, n), t in zip(SIZES.items(), types, strict=True)
    }


def in_file(rows: int) -> ParquetRows:
    writer, made = CodedWriter(SIZES), codes(rows)
    for low in range(0, rows, 7):
        writer.add({name: column[low : low + 7] for name, column in made.items()})
    return writer.done()


@pytest.mark.parametrize("rows", [0, 1, 50])
def test_a_table_over_a_file_answers_as_one_in_memory(rows: int) -> None:
    units = np.arange(rows) // 2
    streamed, held = SensitiveTable(DOMAIN, in_file(rows), units), SensitiveTable(DOMAIN, codes(rows), units)
    for one, other in zip(streamed._rows().values(), held._rows().values(), strict=True):
        assert (one.dtype, one.tolist()) == (other.dtype, other.tolist())
    for c in [(), ("c",), *PAIRS]:
        assert streamed._marginal(c).tolist() == held._marginal(c).tolist()
    parts = [flip_coin(table, 0.5, np.random.default_rng(4)) for table in (streamed, held)]
    (fitted, coined), (fitted_held, coined_held) = parts
    for pair in PAIRS:
        assert fitted._marginal(pair).tolist() == fitted_held._marginal(pair).tolist()
    for one, other in zip(coined.reveal_for_attack(), coined_held.reveal_for_attack(), strict=True):
        assert one.tolist() == other.tolist()
    # The columns, five marginals, and the four parts that the coin cuts.
    assert (streamed._reads, held._reads) == (10, 10)


def test_sources_of_rows_show_nothing_and_stay_here() -> None:
    source = in_file(9)
    keep = np.ones(9, dtype=np.bool_)
    memory, block = MemoryRows(SIZES, codes(9), 9), Block(9, tuple(codes(9).values()))
    for one in (source, source.where(keep), memory, block, CodedWriter(SIZES)):
        assert repr(one) == str(one) == f"<{type(one).__name__}: contents withheld>"
        for act in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="do not leave"):
                act(one)


def test_the_file_of_codes_has_no_name_and_goes_with_its_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = []

    def opened() -> Any:
        streams.append(real())
        return streams[-1]

    real = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(tempfile, "TemporaryFile", opened)
    source = in_file(60)
    fact = os.fstat(streams[0].fileno())
    assert (fact.st_nlink, fact.st_mode & 0o777, source.rows) == (0, 0o600, 60)
    assert list(tmp_path.iterdir()) == []
    kept = source.where(np.ones(60, dtype=np.bool_))
    del source
    assert sum(block.rows for block in kept.blocks(("a",), 7)) == 60
    del kept
    CodedWriter(SIZES)  # never done
    assert [stream.closed for stream in streams] == [True, True]


GOOD = {
    "a": pa.array([1, 2], pa.uint8()),
    "b": pa.array([299, 0], pa.uint16()),
    "c": pa.array([1, 0], pa.uint8()),
}


def written(columns: dict[str, pa.Array]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def test_a_file_of_codes_as_it_should_be_is_counted() -> None:
    table = SensitiveTable(DOMAIN, ParquetRows(io.BytesIO(written(GOOD)), SIZES), np.arange(2))
    assert np.flatnonzero(table._marginal(("a", "b"))).tolist() == [599, 600]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PAR1 no parquet PAR1",
        written(GOOD)[:-9] + b"\xff" * 9,
        written({name: column for name, column in GOOD.items() if name != "b"}),
        written(GOOD | {"b": pa.array([299, 0], pa.int32())}),
        written(GOOD | {"b": pa.array(["299", "0"])}),
        written(GOOD | {"b": pa.array([299, None], pa.uint16())}),
        written(GOOD | {"b": pa.array([299, 300], pa.uint16())}),
        written(GOOD)[:4] + b"\xff" * 40 + written(GOOD)[44:],
    ],
    ids=["empty", "no parquet", "footer", "missing", "signed", "text", "null", "outside", "pages"],
)
def test_any_other_file_of_codes_is_refused_in_words_that_no_row_enters(data: bytes) -> None:
    with pytest.raises(IntegrityError) as caught:
        SensitiveTable(DOMAIN, ParquetRows(io.BytesIO(data), SIZES), np.arange(2))._marginal(("a", "b"))
    assert caught.value.remedy == "encode the source again"
    assert not any(character.isdigit() for character in str(caught.value))


COUNT = """
import sys
from itertools import combinations
from pathlib import Path
from dpsynth.vault.counting.packed import count_packed
from dpsynth.vault.counting.parquet import ParquetRows
sizes = dict.fromkeys((f"c{i}" for i in range(24)), 16)
for path in sys.argv[1:]:
    source = ParquetRows(Path(path), sizes)
    counts = count_packed(source, list(combinations(sizes, 2)))
    assert all(each.sum() == source.rows for each in counts.values())
    print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def made_file(path: Path, rows: int) -> Path:
    block = np.random.default_rng(1).integers(0, 16, 250_000 + 24, dtype=np.uint8)
    table = pa.table({f"c{i}": block[i : 250_000 + i] for i in range(24)})
    with pq.ParquetWriter(path, table.schema) as writer:
        for _ in range(rows // 250_000):
            writer.write_table(table)
    return path


def test_memory_of_a_streamed_count_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    files = [made_file(tmp_path / f"{rows}.parquet", rows) for rows in (250_000, 2_000_000)]
    done = subprocess.run([sys.executable, "-c", COUNT, *files], capture_output=True, text=True, check=True)
    few, many = (int(kilobytes) * 1024 / 1e6 for kilobytes in done.stdout.split())
    # The codes of the larger file are 48 MB.
    assert many - few < 20
    assert many < 500


def curator(table: SensitiveTable) -> TableCurator:
    return TableCurator(table, UNIT, PrivacyFilter(zcdp_cost(10**9)), OpenDPNoise())


def candidates() -> tuple[list[Candidate], dict[Any, Any]]:
    found = [Candidate(c, 1.0, 0.0) for c in [("a", "b", "c"), *PAIRS]]
    return found, {c.clique: np.zeros(DOMAIN.size(c.clique)) for c in found}


def test_a_curator_counts_what_a_call_needs_in_one_reading_and_never_again() -> None:
    table = SensitiveTable(DOMAIN, in_file(80), np.arange(80))
    guard = curator(table)
    for reads, act in [
        (1, lambda: guard.measure([(), ("a",), ("c",), ("a", "c")], 9.0)),
        (1, lambda: guard.measure([("a", "c"), ("a",)], 9.0)),
        (2, lambda: guard.select(*candidates(), 0.01)),
        (2, lambda: guard.select(*candidates(), 0.01)),
    ]:
        act()
        assert table._reads == reads


def test_what_cannot_be_kept_is_counted_again_in_bounded_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "_KEPT_CELLS", 605)
    monkeypatch.setattr(counts, "_BATCH_CELLS", 1000)
    table = SensitiveTable(DOMAIN, codes(80), np.arange(80))
    known = counts.KnownCounts(table)
    asked = [("a", "b"), ("b", "c"), ("a", "c"), ("a",), (), ("b",)]
    for _ in range(2):
        known.want(asked)
        for c in asked:
            assert known.of(c, {}).tolist() == table._marginal(c).tolist()
    # 900 cells are a batch, the 910 after them another; 600 and 3 of these are kept, the rest goes again.
    assert table._reads - 2 * len(asked) == 4


def test_reads_of_a_batch_belong_to_answers_and_none_is_left_over() -> None:
    door = Door(DOMAIN, UNIT, OpenDPNoise())
    run = door.open(door.table(codes(40), np.arange(40)), zcdp_cost(10**9))
    run.curator.measure([("a",), ("b",), ("a", "b")], sigma=5.0)
    run.curator.select(*candidates(), epsilon=0.1)
    assert [record.reads for record in run.records] == [1, 0, 0, 1]
    assert run.reads == 2
