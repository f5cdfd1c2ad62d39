"""Source promises: CSV and Parquet give the same table, rows are bounded, errors are for the owner."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpsynth.core.errors import BadInput, DpsynthError, IntegrityError, PolicyRefusal
from dpsynth.policy.loader import load_policy_text
from dpsynth.policy.model import Policy
from dpsynth.vault.opening import open_table
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
Variant = Callable[..., Policy]


@pytest.fixture
def policy(rand_policy_text: str) -> Variant:
    """A policy with a person id, up to ``rows`` rows for each person, in CSV or Parquet."""

    def build(format_: str = "csv", rows: int = 2, adjacency: str = "add_remove", **more: str) -> Policy:
        text = rand_policy_text
        start, end = text.index("columns:"), text.index("synthesis:")
        text = text[:start] + COLUMNS.lstrip() + text[end:]
        for old, new in {
            "format: csv": f"format: {format_}",
            "id_column: null": "id_column: person",
            "max_rows_per_unit: 1": f"max_rows_per_unit: {rows}",
            "adjacency: add_remove": f"adjacency: {adjacency}",
            **more,
        }.items():
            assert old in text, old
            text = text.replace(old, new)
        return load_policy_text(text, "variant.yaml")

    return build


ROWS = [("a", 3, 1), ("a", 7, 2), ("a", 12, 1), ("b", None, 2), ("c", 99, 7), (None, 1, 1)]


def csv_bytes() -> bytes:
    lines = [",".join("" if value is None else str(value) for value in row) for row in ROWS]
    return ("person,visits,plan\n" + "\n".join(lines) + "\n").encode()


def parquet_bytes(table: pa.Table | None = None) -> bytes:
    if table is None:
        names = ("person", "visits", "plan")
        table = pa.table({name: [row[i] for row in ROWS] for i, name in enumerate(names)})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def test_csv_and_parquet_of_the_same_rows_give_the_same_counts(policy: Variant) -> None:
    tables = [
        open_table(data, fingerprint(data), policy(form, rows=3))
        for form, data in (("csv", csv_bytes()), ("parquet", parquet_bytes()))
    ]
    counts = [table._marginal(("visits", "plan")).reshape(4, 3).tolist() for table in tables]
    # visits [0,5) [5,10) [10,20] missing, by plan 1, 2, other; the row without a person is dropped.
    assert counts[0] == counts[1] == [[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize(("bound", "rows"), [(1, 3), (2, 4), (3, 5)])
def test_nobody_keeps_more_rows_than_the_policy_allows(policy: Variant, bound: int, rows: int) -> None:
    table = open_table(csv_bytes(), fingerprint(csv_bytes()), policy(rows=bound))
    assert table._marginal(()).tolist() == [rows]


@pytest.mark.parametrize(
    ("adjacency", "rows", "l2", "l1"),
    [
        ("add_remove", 1, 1.0, 1),
        ("add_remove", 3, 3.0, 3),
        ("replace_one", 1, 2**0.5, 2),
        ("replace_one", 2, 8**0.5, 4),
    ],
)
def test_sensitivity_follows_the_unit_and_its_relation(
    policy: Variant, adjacency: str, rows: int, l2: float, l1: int
) -> None:
    unit = policy(rows=rows, adjacency=adjacency).unit()
    assert unit.l2_sensitivity() == pytest.approx(l2)
    assert unit.l1_sensitivity() == l1
    # The worst case is reached: all rows of one person move from one cell to another.
    before, after = np.array([rows, 0]), np.array([0, rows] if adjacency == "replace_one" else [0, 0])
    assert np.linalg.norm(before - after) == pytest.approx(l2)
    assert np.abs(before - after).sum() == l1


def test_another_file_than_the_registered_one_is_not_opened(policy: Variant) -> None:
    with pytest.raises(IntegrityError):
        open_table(csv_bytes() + b"z,1,1\n", fingerprint(csv_bytes()), policy())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PAR1 this is no parquet file PAR1",
        parquet_bytes()[:-9] + b"\xff" * 9,
        parquet_bytes(pa.table({"person": ["a"], "visits": [[1]], "plan": [1]})),
        parquet_bytes(pa.table({"person": ["a"], "visits": [1]})),
        parquet_bytes(pa.table({"person": ["a"], "visits": [1], "plan": [1], "extra": [1]})),
    ],
    ids=["empty", "not parquet", "broken footer", "nested", "column missing", "column extra"],
)
def test_a_parquet_file_that_is_not_as_the_policy_says_is_refused(policy: Variant, data: bytes) -> None:
    with pytest.raises(BadInput):
        parse(data, policy("parquet"))


def test_a_parquet_file_that_declares_too_much_is_refused_before_it_is_read(policy: Variant) -> None:
    small = policy("parquet", **{"max_bytes: 20000000": "max_bytes: 1000"})
    bomb = parquet_bytes(
        pa.table({"person": ["a"] * 90_000, "visits": range(90_000), "plan": ["1"] * 90_000})
    )
    with pytest.raises(PolicyRefusal, match="declares more"):
        parse(bomb, small)
    with pytest.raises(PolicyRefusal, match="rows"):
        parse(csv_bytes(), policy(**{"max_rows: 100000": "max_rows: 3"}))


@pytest.mark.parametrize("header_only", [b"person,visits,plan\n", b"\xef\xbb\xbfperson,visits,plan\r\n"])
def test_a_table_without_people_goes_the_same_way_as_any_other(policy: Variant, header_only: bytes) -> None:
    table = open_table(header_only, fingerprint(header_only), policy())
    assert table._marginal(("visits",)).tolist() == [0, 0, 0, 0]


def test_only_plain_files_of_the_allowed_size_are_read(tmp_path: Path) -> None:
    plain = tmp_path / "plain.csv"
    plain.write_bytes(csv_bytes())
    assert read_bytes(plain, 10_000) == csv_bytes()
    (tmp_path / "link.csv").symlink_to(plain)
    os.mkfifo(tmp_path / "pipe.csv")
    for odd in (
        tmp_path / "link.csv",
        tmp_path / "pipe.csv",
        tmp_path,
        tmp_path / "absent",
        Path("/dev/zero"),
    ):
        with pytest.raises(DpsynthError):
            read_bytes(odd, 10_000)
    with pytest.raises(PolicyRefusal, match="larger"):
        read_bytes(plain, 10)
