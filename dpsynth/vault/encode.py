"""Encoding of raw text columns to the public domain. The encoder gets the domain, never learns it."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Column
from dpsynth.policy.columns import ColumnSpec

__all__ = ["encode_column"]


def encode_column(spec: ColumnSpec, column: Column, raw: Sequence[str]) -> NDArray[np.int64]:
    """Codes of one raw text column, shape (rows,).

    Surrounding blanks are cut. An empty text is missing. Out-of-domain and missing values go where the
    policy says; nothing here can raise for a value, so no error can depend on one row.
    """
    encoder = _categorical(spec, column) if column.kind == "categorical" else _numeric(spec, column)
    cache: dict[str, int] = {}
    codes = np.empty(len(raw), dtype=np.int64)
    for position, text in enumerate(raw):
        code = cache.get(text)
        if code is None:
            code = cache[text] = encoder(text.strip())
        codes[position] = code
    return codes


def _categorical(spec: ColumnSpec, column: Column) -> Callable[[str], int]:
    index = {value: code for code, value in enumerate(column.values)}
    other = index[str(spec.out_of_domain)]
    missing = index[str(spec.missing)]

    def encode(text: str) -> int:
        if not text:
            return missing
        return index.get(unicodedata.normalize("NFC", text), other)

    return encode


def _numeric(spec: ColumnSpec, column: Column) -> Callable[[str], int]:
    edges = [Decimal(edge) for edge in column.edges]
    bins = len(edges) - 1

    def bin_of(value: Decimal) -> int:
        return min(max(bisect_right(edges, value) - 1, 0), bins - 1)

    missing = bins if column.has_missing else bin_of(Decimal(str(spec.missing)))

    def encode(text: str) -> int:
        try:
            value = Decimal(text)
        except (InvalidOperation, ValueError):
            return missing
        if value.is_nan() or (
            column.kind == "integer" and value.is_finite() and value != value.to_integral_value()
        ):
            return missing
        return bin_of(value)

    return encode
