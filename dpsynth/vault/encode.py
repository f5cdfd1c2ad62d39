"""Encoding of raw text columns to the public domain. The encoder gets the domain, never learns it."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

import numpy as np

from dpsynth.core.domain import Column
from dpsynth.policy.columns import ColumnSpec
from dpsynth.vault.counting.rows import Codes, code_type

__all__ = ["ColumnEncoder", "encode_column"]

_KNOWN_TEXTS = 100_000
"""Texts of a column whose codes are remembered: few where people write the same, and never too many."""


class ColumnEncoder:
    """Encodes blocks of one raw text column.

    Surrounding blanks are cut. An empty text is missing. Out-of-domain and missing values go where the
    policy says; nothing here can raise for a value, so no error can depend on one row.
    """

    def __init__(self, spec: ColumnSpec, column: Column) -> None:
        self._encode = _categorical(spec, column) if column.kind == "categorical" else _numeric(spec, column)
        self._type = code_type(column.size)
        self._known: dict[str, int] = {}

    def codes(self, texts: Sequence[str]) -> Codes:
        """Code of each text, shape (texts,)."""
        codes = np.empty(len(texts), dtype=self._type)
        known = self._known
        for position, text in enumerate(texts):
            code = known.get(text)
            if code is None:
                if len(known) >= _KNOWN_TEXTS:
                    known.clear()
                code = known[text] = self._encode(text.strip())
            codes[position] = code
        return codes


def encode_column(spec: ColumnSpec, column: Column, raw: Sequence[str]) -> Codes:
    """Codes of one raw text column, shape (rows,)."""
    return ColumnEncoder(spec, column).codes(raw)


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
