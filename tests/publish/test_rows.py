"""Decoded cells stay inside the public domain, and no cell can act as a formula."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.core.domain import Column, Domain
from dpsynth.core.errors import BadInput, IntegrityError
from dpsynth.core.table import SyntheticTable
from dpsynth.publish.rows import assert_exportable, cell_texts, decode, grid
from dpsynth.publish.tables import check_cells, check_tables, table_files

BOTH = ("csv", "parquet")


@st.composite
def numeric_columns(draw: st.DrawFn) -> Column:
    decimals = draw(st.integers(0, 4))
    units = draw(st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=6, unique=True).map(sorted))
    edges = tuple(format(Decimal(unit).scaleb(-decimals), "f") for unit in units)
    kind: Literal["integer", "real"] = "integer" if decimals == 0 else "real"
    return Column("x", kind, edges=edges, decimals=decimals, has_missing=draw(st.booleans()))


@given(numeric_columns(), st.integers(0, 2**32))
def test_every_number_lies_in_its_own_bin(column: Column, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(column.size), 20)
    table = SyntheticTable(Domain((column,)), {"x": codes})
    frame = decode(table, rng)
    edges = [Decimal(edge) for edge in column.edges]
    for code, text in zip(codes, cell_texts(frame, table.domain)["x"], strict=True):
        if code == len(edges) - 1:
            assert text == ""
            continue
        value = Decimal(text)
        last = code == len(edges) - 2
        assert edges[code] <= value
        assert value <= edges[code + 1] if last else value < edges[code + 1]
        assert -value.as_tuple().exponent == column.decimals  # type: ignore[operator]
    check_cells(cell_texts(frame, table.domain), table.domain, "x")


@given(numeric_columns(), st.integers(0, 2**32))
def test_csv_and_parquet_hold_the_same_cells(column: Column, seed: int) -> None:
    rng = np.random.default_rng(seed)
    label = Column("c", "categorical", values=("a", 'b,"c', "é", "x;y", "m-n"))
    domain = Domain((label, column))
    codes = {"c": rng.integers(0, 5, 30), "x": rng.integers(0, column.size, 30)}
    frame = decode(SyntheticTable(domain, codes), rng)
    files = table_files(frame, domain, BOTH)
    check_tables(files, domain, 30)
    other = frame.copy()
    other["c"] = ["a" if text != "a" else "é" for text in frame["c"]]
    mixed = {"data.csv": files["data.csv"], "data.parquet": table_files(other, domain, BOTH)["data.parquet"]}
    with pytest.raises(IntegrityError, match="same cells"):
        check_tables(mixed, domain, 30)


def test_every_value_of_a_bin_can_occur_and_the_last_bin_is_closed() -> None:
    column = Column("x", "real", edges=("-0.2", "0.1", "0.3"), decimals=1)
    table = SyntheticTable(Domain((column,)), {"x": np.repeat([0, 1], 300)})
    texts = cell_texts(decode(table, np.random.default_rng(3)), table.domain)["x"]
    assert set(texts[:300]) == {"-0.2", "-0.1", "0.0"}
    assert set(texts[300:]) == {"0.1", "0.2", "0.3"}


def test_two_draws_differ_but_only_inside_the_bins() -> None:
    column = Column("x", "integer", edges=("0", "1000000"))
    table = SyntheticTable(Domain((column,)), {"x": np.zeros(50, dtype=np.int64)})
    first, second = (decode(table, np.random.default_rng(seed)) for seed in (1, 2))
    assert not first.equals(second)


@pytest.mark.parametrize(
    "column",
    [
        Column("x", "integer", edges=("0.2", "0.8")),
        Column("x", "integer", edges=("0", "1e16")),
        Column("x", "real", edges=("0.01", "0.02", "0.03"), decimals=1),
    ],
)
def test_a_bin_that_cannot_be_written_is_refused(column: Column) -> None:
    with pytest.raises(BadInput):
        grid(column)


@pytest.mark.parametrize("code", [-1, 2, 99])
def test_a_code_outside_the_domain_fails_closed(code: int) -> None:
    domain = Domain((Column("c", "categorical", values=("a", "b")),))
    with pytest.raises(IntegrityError, match="outside the public domain"):
        decode(SyntheticTable(domain, {"c": np.array([0, code])}), np.random.default_rng(3))


FORMULAS = ["=1+1", "+1", "-1", "@sum", "\tx", "\rx", '"=1', "'=1", "\"'@x", "a\nb", "x\x00"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_label_that_could_act_as_a_formula_fails_closed(text: str) -> None:
    domain = Domain((Column("c", "categorical", values=("a", text)),))
    table = SyntheticTable(domain, {"c": np.zeros(3, dtype=np.int64)})
    with pytest.raises(IntegrityError, match="formula"):
        decode(table, np.random.default_rng(3))
    frame = pd.DataFrame({"c": pd.Series(["a"], dtype="string")})
    with pytest.raises(IntegrityError, match="formula"):
        table_files(frame, domain, ("csv",))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_column_name_that_could_act_as_a_formula_fails_closed(text: str) -> None:
    with pytest.raises(IntegrityError, match="formula"):
        assert_exportable(Domain((Column(text, "categorical", values=("a",)),)))


def test_ordinary_labels_and_negative_numbers_are_allowed() -> None:
    number = Column("x", "integer", edges=("-5", "0"))
    label = Column("c", "categorical", values=("a=b", "1-2", "O'Neil", "75+", "a@b"))
    domain = Domain((label, number))
    codes = {"c": np.arange(5), "x": np.zeros(5, dtype=np.int64)}
    files = table_files(decode(SyntheticTable(domain, codes), np.random.default_rng(3)), domain, BOTH)
    assert b"-" in files["data.csv"]


DOMAIN = Domain(
    (
        Column("c", "categorical", values=("a", "b")),
        Column("n", "integer", edges=("-5", "10"), has_missing=True),
        Column("r", "real", edges=("-0.5", "1.0"), decimals=1),
    )
)


@pytest.mark.parametrize("row", ["a,1,0.5", "b,-5,-0.5", "a,10,1.0", "b,,-0.1", "a,0,0.0"])
def test_a_cell_of_the_domain_is_accepted(row: str) -> None:
    check_tables({"data.csv": f"c,n,r\n{row}\n".encode()}, DOMAIN, 1)


@pytest.mark.parametrize(
    "row",
    [
        "c,1,0.5", "A,1,0.5", ",1,0.5", "a,11,0.5", "a,-6,0.5", "a,1.0,0.5", "a,01,0.5", "a,+1,0.5",
        "a,-0,0.5", "a,1e0,0.5", "a, 1,0.5", "a,NaN,0.5", "a,1,", "a,1,0.55", "a,1,.5", "a,1,1",
        "a,1,1.1", "a,1,-0.0", "a,1,inf", "a,=1,0.5", "a,1,0.٥", "a,1", "a,1,0.5,x", '"a,1,0.5', "",
        "a,1,0.5\na,1,0.5",
    ],
)  # fmt: skip
def test_a_cell_outside_the_domain_is_refused(row: str) -> None:
    with pytest.raises(IntegrityError, match=r"data\.csv"):
        check_tables({"data.csv": f"c,n,r\n{row}\n".encode()}, DOMAIN, 1)


@pytest.mark.parametrize("data", [b"", b"c,n\n", b"n,c,r\na,1,0.5\n", b"\xff", b"c,n,r\n\x00"])
def test_a_file_that_is_not_the_table_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"data\.csv"):
        check_tables({"data.csv": data}, DOMAIN, 1)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + b"\x00" * 100 + b"PAR1"])
def test_a_file_that_is_not_parquet_is_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"data\.parquet"):
        check_tables({"data.parquet": data}, DOMAIN, 1)


@pytest.mark.parametrize("change", ["type", "name", "rows", "null", "digits"])
def test_a_parquet_table_of_another_shape_is_refused(change: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"c": ["a"], "n": [1], "r": [0.5]})
    changed: dict[str, Any] = {
        "type": frame.assign(n=[1.0]),
        "name": frame.rename(columns={"n": "m"}),
        "rows": pd.concat([frame, frame]),
        "null": frame.assign(c=pd.Series([None], dtype="string")),
        "digits": frame.assign(r=[0.51]),
    }
    for name, table in (("good", frame), ("bad", changed[change])):
        table.to_parquet(tmp_path / name, index=False)
    check_tables({"data.parquet": (tmp_path / "good").read_bytes()}, DOMAIN, 1)
    with pytest.raises(IntegrityError):
        check_tables({"data.parquet": (tmp_path / "bad").read_bytes()}, DOMAIN, 1)
