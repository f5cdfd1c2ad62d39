"""From codes to cells, by a rule anyone may read, and the assertion that no cell can act as a formula.

The rule: a category becomes its label. A numeric bin becomes a multiple of 10^-decimals that lies in the bin
(integers: decimals = 0), the bin [lo, hi) without its right edge, the last bin with it; which one, the policy
says. The code for missing becomes an empty cell. No cell lies outside the public domain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.core.domain import Column, Domain, WithinBin
from dpsynth.core.errors import BadInput, IntegrityError
from dpsynth.core.table import SyntheticTable

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "WITHIN",
    "assert_exportable",
    "cell_texts",
    "decode",
    "fixed_in_bin",
    "grid",
    "rule_text",
    "texts_of",
]

WITHIN: Mapping[WithinBin, str] = {
    "uniform": "drawn uniformly from the values with the column's number of decimals that lie in its bin",
    "left": "the lowest value with the column's number of decimals in its bin",
    "midpoint": "the middle one of the values with the column's number of decimals in its bin, or the lower "
    "of the middle two",
    "log_uniform": "drawn from the values with the column's number of decimals that lie in its bin, where k "
    "units of the last decimal have a weight of log(1 + 1/k)",
}
"""What a number of a bin is, by the rule that the policy states for its column."""


def rule_text(domain: Domain) -> str:
    """The whole rule for a domain, as a text for people."""
    rules: dict[WithinBin, list[str]] = {}
    for column in domain.columns:
        if column.kind != "categorical":
            rules.setdefault(column.within_bin, []).append(column.name)
    numbers = [
        f"A number {'of ' + ', '.join(names) + ' ' if len(rules) > 1 else ''}is {WITHIN[rule]}; "
        for rule, names in (rules or {"uniform": []}).items()
    ]
    return (
        f"A category is written as its label. {''.join(numbers)}bins are closed on the left, the last bin on "
        "both sides. An empty cell is a missing value."
    )


# Floats are exact on integers up to here, so CSV text and Parquet float name the same number.
_EXACT = 2**53


def grid(column: Column) -> NDArray[np.int64]:
    """First and last multiple of 10^-decimals in each bin, in those units, shape (bins, 2).

    Raises BadInput if a bin holds no such number, or numbers beyond 2^53 units.
    """
    edges = [Decimal(edge).scaleb(column.decimals) for edge in column.edges]
    first = [int(edge.to_integral_value(ROUND_CEILING)) for edge in edges]
    last = [value - 1 for value in first[1:]]
    last[-1] = int(edges[-1].to_integral_value(ROUND_FLOOR))
    for code, (low, high) in enumerate(zip(first, last, strict=False)):
        if low > high or max(abs(low), abs(high)) > _EXACT:
            raise BadInput(
                f"Bin {column.label(code)} of column {column.name} cannot be written as numbers "
                f"with {column.decimals} decimals",
                allowed="bins that hold at least one such number, below 2^53 units",
                remedy="widen the bin or change decimals in the policy",
            )
    return np.array(list(zip(first, last, strict=False)), dtype=np.int64)


def _acts_as_formula(text: str) -> bool:
    bare = text.lstrip("\"'")
    return bare.startswith(("=", "+", "-", "@")) or any(ord(letter) < 32 for letter in text)


def assert_exportable(domain: Domain) -> None:
    """Every header and label is safe in a spreadsheet, and every bin can be written as numbers.

    Needs the public domain only, so it can also run before any budget is reserved.
    Raises IntegrityError on a text that starts like a formula (= + - @, also after quotes) or holds a
    control character; BadInput on a bin that holds no writable number.
    """
    for column in domain.columns:
        for text in (column.name, *column.values):
            if _acts_as_formula(text):
                raise IntegrityError(
                    f"A label or the name of column {column.name!a} could act as a spreadsheet formula",
                    allowed="labels that do not start with = + - @ and hold no control characters",
                    remedy="correct the domain in the policy; nothing was written",
                )
        if column.kind != "categorical":
            grid(column)


def _units(
    column: Column, first: NDArray[np.int64], last: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """One number from each ``first`` .. ``last``, in units of the last decimal, by the column's rule."""
    fixed = fixed_in_bin(column, first, last)
    if fixed is not None:
        return fixed
    if column.within_bin == "uniform":
        return rng.integers(first, last, endpoint=True)
    # The floor of a log-uniform real in [first, last + 1); a bin of one number may be zero or below.
    low, high = np.maximum(first, 1).astype(np.float64), np.maximum(last, 1) + 1.0
    drawn = np.floor(low * (high / low) ** rng.random(len(first))).astype(np.int64)
    return np.where(first == last, first, np.clip(drawn, first, last))


def fixed_in_bin(
    column: Column, first: NDArray[np.int64], last: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """The number of each bin ``first`` .. ``last`` where the column's rule leaves no choice, else None."""
    if column.within_bin == "left":
        return first
    return first + (last - first) // 2 if column.within_bin == "midpoint" else None


def _decode_number(column: Column, codes: NDArray[np.int64], rng: np.random.Generator) -> pd.Series:
    import pandas as pd  # heavy, and whoever verifies has no use for it

    bounds = grid(column)
    missing = codes == len(bounds)
    chosen = bounds[np.where(missing, 0, codes)]
    units = _units(column, chosen[:, 0], chosen[:, 1], rng)
    if column.kind == "integer":
        series = pd.Series(units, dtype="Int64", name=column.name)
    else:
        series = pd.Series(units / 10**column.decimals, dtype="Float64", name=column.name)
    return series.mask(missing)


def _decode_column(column: Column, codes: NDArray[np.int64], rng: np.random.Generator) -> pd.Series:
    import pandas as pd

    if codes.size and (int(codes.min()) < 0 or int(codes.max()) >= column.size):
        raise IntegrityError(
            f"A code of column {column.name} lies outside the public domain",
            allowed=f"0 to {column.size - 1}",
            remedy="switch the synthesizer off; nothing was written",
        )
    if column.kind == "categorical":
        labels = np.array(column.values, dtype=object)
        return pd.Series(labels[codes], dtype="string", name=column.name)
    return _decode_number(column, codes, rng)


def decode(table: SyntheticTable, rng: np.random.Generator) -> pd.DataFrame:
    """Synthetic rows as a table of cells (string, Int64 or Float64 columns), by the rule of this module.

    Post-processing: costs nothing. Raises IntegrityError on a code outside the domain or an unsafe label.
    """
    import pandas as pd

    assert_exportable(table.domain)
    return pd.DataFrame(
        {
            column.name: _decode_column(column, table.codes[column.name], rng)
            for column in table.domain.columns
        }
    )


def _number_text(column: Column, value: float) -> str:
    text = format(value, f".{column.decimals}f")
    if float(text) != value:
        raise IntegrityError(
            f"A value of column {column.name} has more than {column.decimals} decimals",
            remedy="do not use this table",
        )
    # Minus zero would be two spellings of one number.
    return text.lstrip("-") if value == 0 else text


def cell_texts(frame: pd.DataFrame, domain: Domain) -> dict[str, list[str]]:
    """Every cell of a frame as it is written in the CSV file: one list per column, empty for missing."""
    import pandas as pd

    cells = {
        name: [None if cell is pd.NA else cell for cell in frame[name].tolist()] for name in domain.names
    }
    return texts_of(cells, domain)


def texts_of(cells: Mapping[str, Sequence[Any]], domain: Domain) -> dict[str, list[str]]:
    """The same from plain values, None for missing."""
    texts: dict[str, list[str]] = {}
    for column in domain.columns:
        here = cells[column.name]
        if column.kind == "categorical":
            texts[column.name] = ["" if cell is None else str(cell) for cell in here]
        elif column.kind == "integer":
            texts[column.name] = ["" if cell is None else str(int(cell)) for cell in here]
        else:
            texts[column.name] = ["" if cell is None else _number_text(column, cell) for cell in here]
    return texts
