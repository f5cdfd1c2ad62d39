"""A made-up table of 50 columns whose pairs are densely dependent, from a model that is written down here.

    python -m benchmarks.marginals.dense50 --out DIR          # dense50.csv and dense50-domain.json

Each row draws five standard normal factors; each column is a mix of all of them and of noise of its own,
cut at its quantiles into 2 to 20 codes. Its share of common variance is between 0.4 and 0.8, so most of the
1,225 pairs are dependent and no tree of pairs describes the table. The last column, ``y``, is binary and made
in the same way. The seed is fixed: the table is public, and everyone gets the same.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

__all__ = ["COLUMNS", "ROWS", "loadings", "make", "sizes"]

ROWS, COLUMNS, FACTORS = 100_000, 50, 5
_SEED = 20260401
_CODES = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20)


def sizes() -> dict[str, int]:
    """{column: number of codes}: each of ten sizes four or five times, and a binary ``y``."""
    named = {f"c{index:02d}": _CODES[index % len(_CODES)] for index in range(COLUMNS - 1)}
    return named | {"y": 2}


def loadings() -> NDArray[np.float64]:
    """(columns, factors): weights of the factors in each column; the squares of a row sum to 0.4 .. 0.8.

    The correlation of two columns before they are cut is the product of their rows.
    """
    rng = np.random.default_rng(_SEED)  # noqa: TID251 - made-up data, the same for everyone
    raw = rng.normal(size=(COLUMNS, FACTORS))
    common = rng.uniform(0.4, 0.8, size=COLUMNS)
    weights: NDArray[np.float64] = raw * np.sqrt(common / (raw**2).sum(axis=1))[:, None]
    return weights


def make(rows: int = ROWS) -> pd.DataFrame:
    """The table, int64 codes."""
    weights = loadings()
    rng = np.random.default_rng([_SEED, 1])  # noqa: TID251 - made-up data, the same for everyone
    factors = rng.normal(size=(rows, FACTORS))
    own = np.sqrt(1.0 - (weights**2).sum(axis=1))
    latent = factors @ weights.T + rng.normal(size=(rows, COLUMNS)) * own
    cut = {
        name: np.searchsorted(norm.ppf(_quantiles(size)), latent[:, index])
        for index, (name, size) in enumerate(sizes().items())
    }
    return pd.DataFrame(cut).astype(np.int64)


def _quantiles(size: int) -> NDArray[np.float64]:
    """Inner cut points as probabilities: codes get rarer towards the last, as codes of people do."""
    shares = 1.0 / np.arange(1, size + 1) ** 0.7
    quantiles: NDArray[np.float64] = np.cumsum(shares / shares.sum())[:-1]
    return quantiles


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the two files")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    make().to_csv(folder / "dense50.csv", index=False)
    (folder / "dense50-domain.json").write_text(json.dumps(sizes()) + "\n")


if __name__ == "__main__":
    main()
