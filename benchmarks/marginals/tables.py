"""Integer-coded tables: a CSV of codes with a header line, and the public number of codes of each column."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dpsynth.core.errors import BadInput

__all__ = ["SPLIT_SEED", "Split", "domain_path", "read_codes", "read_domain", "split"]

SPLIT_SEED = 20240601
_TRAIN_SHARE = 0.8


@dataclass(frozen=True)
class Split:
    """The rows that synthesizers are given, and the rows that models are tested on."""

    train: pd.DataFrame
    test: pd.DataFrame


def domain_path(table: Path) -> Path:
    """Where the domain of ``adult.csv`` lies: ``adult-domain.json`` beside it."""
    return table.with_name(f"{table.stem}-domain.json")


def read_domain(path: Path) -> dict[str, int]:
    """{column: number of codes}. Raises BadInput on any other file."""
    try:
        sizes = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise BadInput(
            f"{path.name} is not JSON ({error.msg}, line {error.lineno})", remedy=_DOMAIN
        ) from None
    if not isinstance(sizes, dict) or not sizes:
        raise BadInput(f"{path.name} names no columns", remedy=_DOMAIN)
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise BadInput(
                f"{path.name} gives column {name!r} no whole number of codes",
                allowed="1 or more",
                remedy=_DOMAIN,
            )
    return sizes


def read_codes(path: Path, domain: dict[str, int]) -> pd.DataFrame:
    """The columns of the domain, int64. Raises BadInput; names columns, never a value of a row."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            header = next(csv.reader(lines), [])
        frame = pd.read_csv(path, keep_default_na=False, low_memory=False)
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror})", remedy="name a CSV file") from None
    except (ValueError, csv.Error):
        raise BadInput(f"{path.name} is not a CSV file with a header line", remedy=_TABLE) from None
    for name in domain:
        if header.count(name) != 1:
            raise BadInput(f"{path.name} has {header.count(name) or 'no'} columns {name!r}", remedy=_TABLE)
    return pd.DataFrame({name: _codes(frame[name], size, path.name) for name, size in domain.items()})


def _codes(column: pd.Series[int], size: int, file: str) -> pd.Series[int]:
    if len(column) and not pd.api.types.is_integer_dtype(column):
        raise BadInput(
            f"Column {column.name!r} of {file} holds something else than whole numbers", remedy=_TABLE
        )
    if len(column) and (column.min() < 0 or column.max() >= size):
        raise BadInput(
            f"Column {column.name!r} of {file} holds a code outside its domain",
            allowed=f"0 to {size - 1}",
            remedy="code the table by the domain, or give the column more codes in it",
        )
    return column.astype(np.int64)


def split(frame: pd.DataFrame) -> Split:
    """The same rows in every run, so that figures compare; nothing private is drawn from this seed."""
    order = np.random.default_rng(SPLIT_SEED).permutation(len(frame))  # noqa: TID251
    size = int(_TRAIN_SHARE * len(frame))
    parts = (frame.iloc[rows].reset_index(drop=True) for rows in (order[:size], order[size:]))
    return Split(*parts)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise BadInput(f"{path} cannot be read", remedy=_DOMAIN) from None


_DOMAIN = 'write the domain as JSON: {"column": number of codes, ...}'
_TABLE = "give a CSV with a header line, a column of codes 0..size-1 for each column of the domain"
