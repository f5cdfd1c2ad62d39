"""Large sources: copied and hashed as a stream, encoded in blocks, and the same table comes out."""

from __future__ import annotations

import datetime
import io
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpsynth.core.errors import BadInput, IntegrityError, PolicyRefusal
from dpsynth.policy.loader import load_policy_text
from dpsynth.policy.model import Policy
from dpsynth.vault import encode, intake, opening, raw, sources
from dpsynth.vault.bounding import _rank, bound_contributions
from dpsynth.vault.cohorts import _hashes
from dpsynth.vault.counting.rows import KeptRows
from dpsynth.vault.opening import flip_coin, open_table
from dpsynth.vault.raw import HeldFile, ParquetTexts
from dpsynth.vault.sources import fingerprint, parse, read_bytes

COLUMNS = """
columns:
  - {name: person, role: identifier, type: string, action: drop}
  - name: visits
    role: sensitive
    type: integer
    bounds: ["0", "20"]
    bins: ["0", "5", "10", "20"]
    domain_source: test
    out_of_domain: clamp
    missing: category
  - name: plan
    role: other
    type: categorical
    domain: ["1", "2", other]
    domain_source: test
    out_of_domain: other
    missing: other

"""
PAIR = ("visits", "plan")
Build = Callable[..., Policy]


@pytest.fixture
def policy(rand_policy_text: str) -> Build:
    def build(form: str = "parquet", unit: str = "id_column: person", max_bytes: int = 20_000_000) -> Policy:
        text = rand_policy_text
        start, end = text.index("columns:"), text.index("synthesis:")
        text = text[:start] + COLUMNS.lstrip() + text[end:]
        for old, new in (
            ("format: csv", f"format: {form}"),
            ("id_column: null", unit),
            ("max_rows_per_unit: 1", "max_rows_per_unit: 2" if "person" in unit else "max_rows_per_unit: 1"),
            ("max_bytes: 20000000", f"max_bytes: {max_bytes}"),
        ):
            assert old in text, old
            text = text.replace(old, new)
        return load_policy_text(text, "variant.yaml")

    return build


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Everything that depends on size happens at once: copies in files, blocks of few rows, little memory."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(sources, "_IN_MEMORY", 0)
    monkeypatch.setattr(sources, "_COPY", 100)
    monkeypatch.setattr(intake, "_IN_MEMORY", 0)
    monkeypatch.setattr(raw, "_BLOCK", 7)
    monkeypatch.setattr(encode, "_KNOWN_TEXTS", 3)


def people(rows: int = 200, seed: int = 6) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)
    return {
        "person": [None if i == 0 else f"p{i}" for i in rng.integers(0, 60, rows)],
        "visits": [None if v > 28 else int(v) for v in rng.integers(-3, 30, rows)],
        "plan": [None if v == 4 else int(v) for v in rng.integers(1, 5, rows)],
    }


def parquet(columns: dict[str, Any], path: Path) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=31)
    return path


def csv(columns: dict[str, list[Any]], path: Path) -> Path:
    rows = zip(*columns.values(), strict=True)
    lines = [",".join("" if value is None else str(value) for value in row) for row in rows]
    path.write_text("\n".join([",".join(columns), *lines]) + "\n")
    return path


def counts_of(path: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], list[int]]:
    """Of the opened table, and of what an audit coin leaves of it; nothing random about the bounding."""
    monkeypatch.setattr(opening.secrets, "token_bytes", lambda n: bytes(n))
    data = read_bytes(path, policy.source.max_bytes)
    table = open_table(data, fingerprint(data), policy)
    fitted, _ = flip_coin(table, 0.5, np.random.default_rng(1))
    return table._marginal(PAIR).tolist(), fitted._marginal(PAIR).tolist()


@pytest.mark.parametrize("unit", ["id_column: person", "id_column: null"])
def test_a_streamed_source_gives_the_table_that_one_in_memory_gives(
    policy: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, unit: str
) -> None:
    files = {"csv": csv(people(), tmp_path / "a.csv"), "parquet": parquet(people(), tmp_path / "a.parquet")}
    expected = counts_of(files["csv"], policy("csv", unit), monkeypatch)
    assert 0 < sum(expected[1]) < sum(expected[0])
    assert counts_of(files["parquet"], policy("parquet", unit), monkeypatch) == expected
    request.getfixturevalue("small")
    for form, path in files.items():
        assert counts_of(path, policy(form, unit), monkeypatch) == expected
    assert list(Path(tempfile.gettempdir()).iterdir()) == []


@pytest.mark.usefixtures("small")
def test_under_a_policy_for_large_files_the_bytes_are_held_in_a_file_and_hashed_on_the_way(
    policy: Build, tmp_path: Path
) -> None:
    path = parquet(people(), tmp_path / "a.parquet")
    held = read_bytes(path, 10_000_000)
    assert isinstance(held, HeldFile)
    assert fingerprint(held) == fingerprint(path.read_bytes())
    # What was registered is what is opened, whatever becomes of the path meanwhile.
    path.write_bytes(b"something else")
    assert open_table(held, held.sha256, policy())._marginal(()).tolist() > [0]
    with pytest.raises(IntegrityError):
        open_table(held, fingerprint(b""), policy())
    with pytest.raises(PolicyRefusal, match="larger"):
        read_bytes(path, 5)
    assert "held" in repr(held).lower()
    assert isinstance(open_table(held, held.sha256, policy())._source, KeptRows)


def broken(fault: str, seed: int, path: Path) -> Path:
    columns: dict[str, Any] = people(seed=seed)
    if fault == "missing":
        del columns["plan"]
    if fault == "extra":
        columns["more"] = columns["plan"]
    if fault == "nested":
        columns["plan"] = [[1]] * 200
    if fault == "value":  # a time that no Python value stands for
        columns["visits"] = pa.array([None] * 199 + [2**62], pa.timestamp("us"))
    data = bytearray(parquet(columns, path).read_bytes())
    if fault == "page":
        data[len(data) // 3 : len(data) // 3 + 200] = b"\xff" * 200
    path.write_bytes(b"" if fault == "empty" else data)
    return path


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("fault", ["page", "missing", "extra", "nested", "value", "empty"])
def test_a_fault_of_a_large_file_shows_at_registration_in_words_that_no_row_enters(
    policy: Build, tmp_path: Path, fault: str
) -> None:
    said = set()
    for seed in (6, 7):
        path = broken(fault, seed, tmp_path / "a.parquet")
        with pytest.raises(BadInput) as caught:
            parse(read_bytes(path, 10_000_000), policy())
        said.add(str(caught.value))
        held = read_bytes(path, 10_000_000)
        with pytest.raises(BadInput) as caught:
            open_table(held, fingerprint(held), policy())
        said.add(str(caught.value))
    assert len(said) == 1


def test_rows_that_the_footer_promises_and_the_pages_lack_are_a_fault() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"x": [1, 2, 3]}), sink)
    table = ParquetTexts(pq.ParquetFile(sink), sink)
    assert len(list(table.blocks(["x"]))) == 1
    table.rows = 4
    with pytest.raises(BadInput, match="cannot be read"):
        list(table.blocks(["x"]))


VALUES = {
    "bool": (pa.array([True, False, None]), ["1", "0", ""]),
    "float": (pa.array([2.0, 2.5, float("nan")]), ["2", "2.5", "nan"]),
    "half": (pa.array(np.array([2.0, 2.5, np.inf], dtype=np.float16)), ["2", "2.5", "inf"]),
    "decimal": (pa.array([Decimal("1.50"), None, Decimal("2.00")]), ["1.50", "", "2.00"]),
    "date": (pa.array([datetime.date(2020, 1, 2), None, None]), ["2020-01-02", "", ""]),
    "null": (pa.nulls(3), ["", "", ""]),
    "bytes": (pa.array([b"a", b"a", None]), ["b'a'", "b'a'", ""]),
    "dictionary": (
        pa.DictionaryArray.from_arrays(pa.array([1, 1, None]), pa.array(["nobody", "1"])),
        ["1", "1", ""],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_values_of_any_flat_type_become_the_text_that_a_csv_would_hold(name: str) -> None:
    column, expected = VALUES[name]
    sink = io.BytesIO()
    pq.write_table(pa.table({"x": column}), sink)
    (texts,) = next(iter(ParquetTexts(pq.ParquetFile(sink), sink).blocks(["x"])))
    assert [texts.values[i] for i in texts.index] == expected


def test_ids_that_a_file_names_but_no_row_has_are_nobody(policy: Build) -> None:
    ids = pa.DictionaryArray.from_arrays(pa.array([1, 1, None]), pa.array(["nobody", "p1"]))
    sink = io.BytesIO()
    pq.write_table(pa.table({"person": ids, "visits": [1, 2, 3], "plan": [1, 1, 1]}), sink)
    plain = io.BytesIO()
    pq.write_table(pa.table({"person": ["p1", "p1", None], "visits": [1, 2, 3], "plan": [1, 1, 1]}), plain)
    found = [_hashes(parse(each.getvalue(), policy()), policy(), b"key") for each in (sink, plain)]
    assert found[0] == found[1]
    assert len(found[0]) == 1


def test_bounding_keeps_the_rows_it_always_kept() -> None:
    units = np.random.default_rng(8).integers(-1, 50, 2000)
    keep = units >= 0
    for unit in range(50):
        rows = np.flatnonzero(units == unit)
        ranks = [_rank(b"key", unit, ordinal) for ordinal in range(len(rows))]
        keep[rows[np.argsort(ranks)[7:]]] = False
    assert bound_contributions(units, 7, b"key").tolist() == keep.tolist()
