"""The two files of one table: CSV and Parquet are written from one frame, re-read and compared."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dpsynth.core.domain import Column, Domain
from dpsynth.core.errors import IntegrityError
from dpsynth.publish.keeping import cell_codes, check_keeping
from dpsynth.publish.rows import assert_exportable, cell_texts, texts_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DATA_NAMES", "check_cells", "check_tables", "read_codes", "table_files"]

DATA_NAMES: Mapping[str, str] = {"csv": "data.csv", "parquet": "data.parquet"}
"""File name of each format a policy may allow."""

_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_ARROW_KINDS = {"categorical": pa.string(), "integer": pa.int64(), "real": pa.float64()}

Texts = dict[str, list[str]]


def _refuse(what: str) -> NoReturn:
    raise IntegrityError(what, remedy="do not use this table; nothing about it may be relied on")


def _schema(domain: Domain) -> Any:
    return pa.schema([(column.name, _ARROW_KINDS[column.kind]) for column in domain.columns])


def _csv_bytes(frame: pd.DataFrame, domain: Domain) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(domain.names)
    writer.writerows(zip(*cell_texts(frame, domain).values(), strict=True))
    return stream.getvalue().encode("utf-8")


def _parquet_bytes(frame: pd.DataFrame, domain: Domain) -> bytes:
    # The explicit schema drops pandas' own metadata, which would name library internals.
    table = pa.Table.from_pandas(frame, schema=_schema(domain), preserve_index=False)
    stream = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(None), stream)
    return stream.getvalue()


def table_files(frame: pd.DataFrame, domain: Domain, formats: tuple[str, ...]) -> dict[str, bytes]:
    """Bytes of each data file, by name, after re-reading and comparing them.

    Raises IntegrityError if a cell could act as a formula, lies outside the domain, or the files differ.
    """
    assert_exportable(domain)
    writers = {"csv": _csv_bytes, "parquet": _parquet_bytes}
    files = {DATA_NAMES[name]: writers[name](frame, domain) for name in formats}
    check_tables(files, domain, len(frame))
    return files


def _read_csv(data: bytes, domain: Domain) -> Texts:
    try:
        records = list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        _refuse("data.csv is not a readable UTF-8 CSV file")
    names = domain.names
    if not records or tuple(records[0]) != names:
        _refuse("data.csv does not have the columns of the policy, in order")
    if any(len(record) != len(names) for record in records):
        _refuse("data.csv has a ragged row")
    return {name: [record[i] for record in records[1:]] for i, name in enumerate(names)}


def _read_parquet(data: bytes, domain: Domain, rows: int) -> Texts:
    try:
        source = pq.ParquetFile(io.BytesIO(data))
        # The footer is compared before any page is read: declared sizes cost nothing to forge.
        if not source.schema_arrow.equals(_schema(domain), check_metadata=False):
            _refuse("data.parquet does not have the columns and types of the policy, in order")
        if source.metadata.num_rows != rows:
            _refuse("data.parquet does not have the number of rows the policy fixes")
        cells = source.read().to_pydict()
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        _refuse("data.parquet is not a readable Parquet file")
    return texts_of(cells, domain)


def _number_allowed(column: Column, text: str) -> bool:
    if text == "":
        return column.has_missing
    whole, _, digits = text.partition(".")
    if len(digits) != column.decimals or not re.fullmatch(r"[0-9]*", digits, re.ASCII):
        return False
    if not (_INTEGER.fullmatch(whole) or (whole == "-0" and digits.strip("0"))):
        return False
    return Decimal(column.edges[0]) <= Decimal(text) <= Decimal(column.edges[-1])


def check_cells(texts: Texts, domain: Domain, name: str) -> None:
    """Every cell lies in the public domain. Raises IntegrityError naming file and column, never the cell."""
    for column in domain.columns:
        seen = set(texts[column.name])
        if column.kind == "categorical":
            inside = seen <= set(column.values)
        else:
            inside = all(_number_allowed(column, text) for text in seen)
        if not inside:
            _refuse(f"{name}: column {column.name} holds a value outside the policy's public domain")


def check_tables(files: Mapping[str, bytes], domain: Domain, rows: int) -> None:
    """Data files hold ``rows`` rows inside the public domain and its structure, and the same cells.

    ``files`` maps data.csv and/or data.parquet to bytes. Raises IntegrityError naming the file.
    """
    read: dict[str, Texts] = {}
    if "data.csv" in files:
        read["data.csv"] = _read_csv(files["data.csv"], domain)
    if "data.parquet" in files:
        read["data.parquet"] = _read_parquet(files["data.parquet"], domain, rows)
    for name, texts in read.items():
        if any(len(column) != rows for column in texts.values()):
            _refuse(f"{name} does not have the number of rows the policy fixes")
        check_cells(texts, domain, name)
        check_keeping(texts, domain, name)
    if len(read) == 2 and read["data.csv"] != read["data.parquet"]:
        _refuse("data.csv and data.parquet do not hold the same cells")


def read_codes(files: Mapping[str, bytes], domain: Domain) -> NDArray[np.int64]:
    """Encoded rows of published data files, shape (rows, columns) in domain order.

    Raises IntegrityError where there is no file, or one that does not lie in the public domain.
    """
    name = next((name for name in DATA_NAMES.values() if name in files), None)
    if name is None:
        _refuse("there is no data file")
    if name == "data.csv":
        texts = _read_csv(files[name], domain)
    else:
        texts = _read_parquet(files[name], domain, pq.ParquetFile(io.BytesIO(files[name])).metadata.num_rows)
    check_cells(texts, domain, name)
    return np.stack([cell_codes(texts[column.name], column) for column in domain.columns], axis=1)
