"""What fits of a library that takes rows left: released codes, or what was wrong with them.

It is believed only as far as it has the shape that was asked for; everything else is said in words that
depend on no row.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from dpsynth.engines.sandbox import Answer

__all__ = ["MOST_ROWS", "Ask", "Made", "answers_of"]

MOST_ROWS = 100_000
"""Released rows of one fit that are read, where the number was left to the library."""


@dataclass(frozen=True)
class Ask:
    """One fit: which table, and how many rows to release (None: as many as the library would)."""

    table: int
    rows: int | None


@dataclass(frozen=True)
class Made:
    """How one fit ended.

    Attributes:
        codes: released codes, int64, shape (rows, columns); None if there is no table that can be read.
        fault: what was wrong, in words; empty if nothing was.
        grave: the release itself was wrong (columns, missing values, codes outside the domain, number of
            rows), and not only absent.
    """

    codes: NDArray[np.int64] | None
    fault: str = ""
    grave: bool = False


def answers_of(answer: Answer, sizes: Sequence[int], asks: Sequence[Ask]) -> list[Made]:
    """One result for each ask; a batch that cannot be read as a whole is a fault of each of its fits."""
    try:
        ends = [str(end) for end in answer.document["fits"]]
        table = parquet.read_table(io.BytesIO(answer.table))
        whole = np.column_stack([column.to_numpy().astype(np.float64) for column in table.columns])
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
        return [Made(None, "it left no table that can be read", grave=True) for _ in asks]
    ends += ["not made"] * (len(asks) - len(ends))
    made = []
    for at, (ask, end) in enumerate(zip(asks, ends, strict=False)):
        rows = whole[whole[:, -1] == at][:, :-1] if whole.size else np.zeros((0, len(sizes)))
        made.append(_ended(end) if end else _checked(rows, sizes, ask))
    return made


def _ended(end: str) -> Made:
    """A fit that left no release, in words; only the class of an error is repeated."""
    if end == "columns":
        return Made(None, "it released other columns than the domain's", grave=True)
    if end == "values":
        return Made(None, "it released values that are no codes", grave=True)
    if end == "hang":
        return Made(None, "a fit did not end within its time and was stopped")
    if end == "not made":
        return Made(None, "a fit was not made, because one before it did not end")
    kind = end if end.isidentifier() and len(end) < 60 else "an error"
    return Made(None, f"a fit crashed: {kind}")


def _checked(rows: NDArray[np.float64], sizes: Sequence[int], ask: Ask) -> Made:
    if rows.shape[1] != len(sizes):
        return Made(None, "it released other columns than the domain's", grave=True)
    if not np.isfinite(rows).all():
        return Made(None, "it released missing values", grave=True)
    codes = rows.astype(np.int64)
    if not (codes == rows).all():
        return Made(None, "it released values that are no codes", grave=True)
    if ((codes < 0) | (codes >= np.array(sizes))).any():
        return Made(codes, "it released codes outside the public domain", grave=True)
    if ask.rows is not None and len(codes) != ask.rows:
        few = "fewer" if len(codes) < ask.rows else "more"
        return Made(codes, f"it released {few} rows than were asked for", grave=True)
    return Made(codes)
