"""The benchmark's tables: encoded rows behind the vault's type, and the fixed 80 % split."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dpsynth.cli.demo_table import find_policy, write_rand_hie
from dpsynth.core.domain import Column, Domain
from dpsynth.core.unit import PrivacyUnit
from dpsynth.policy.loader import load_policy
from dpsynth.vault.opening import open_table
from dpsynth.vault.sources import fingerprint, read_bytes
from dpsynth.vault.table import SensitiveTable

__all__ = ["BenchTable", "coded_table", "rand_table", "resample"]

_SPLIT_SEED = 20240601
_CODED_MODEL_CELLS = 1_000_000


@dataclass(frozen=True)
class BenchTable:
    """One table of the benchmark.

    Attributes:
        name: also the name of its result file.
        rows: rows of the whole table.
        train: the 80 % of them that synthesizers are given.
        unit: the privacy unit, one row.
        delta: delta of the epsilons that are asked for.
        max_model_cells: room for the model, as in the table's policy.
    """

    name: str
    rows: int
    train: SensitiveTable
    unit: PrivacyUnit
    delta: str
    max_model_cells: int

    @property
    def train_rows(self) -> int:
        """Rows that synthesizers are given."""
        return int(self.train._marginal(())[0])


def rand_table() -> BenchTable:
    """RAND HIE from statsmodels, read, checked and encoded by the vault under policies/rand-health.yaml."""
    policy = load_policy(find_policy(None))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "randhie.csv"
        write_rand_hie(path)
        data = read_bytes(path, policy.source.max_bytes)
    table = open_table(data, fingerprint(data), policy)
    room = policy.synthesis.max_model_cells
    return _split("rand", table, policy.unit(), "1e-6", room)


def coded_table(folder: Path, name: str) -> BenchTable:
    """``name``.csv of integer codes with ``name``-domain.json, {column: number of codes}."""
    frame = pd.read_csv(folder / f"{name}.csv")
    sizes = json.loads((folder / f"{name}-domain.json").read_text())
    domain = Domain(tuple(_coded_column(column, int(sizes[column])) for column in frame.columns))
    codes = {column: frame[column].to_numpy(dtype=np.int64) for column in frame.columns}
    if any(code.min() < 0 or code.max() >= domain[column].size for column, code in codes.items()):
        raise ValueError(f"{name}.csv holds codes outside {name}-domain.json")
    table = SensitiveTable(domain, codes, np.arange(len(frame), dtype=np.int64))
    return _split(name, table, PrivacyUnit("row", None, 1, "add_remove"), "1e-9", _CODED_MODEL_CELLS)


def resample(table: SensitiveTable, rows: int, rng: np.random.Generator) -> SensitiveTable:
    """``rows`` rows of the table, drawn with replacement; each is its own unit."""
    drawn = rng.integers(0, len(table._units), rows)
    codes = {name: column[drawn] for name, column in table._rows().items()}
    return SensitiveTable(table.domain, codes, np.arange(rows, dtype=np.int64))


def _coded_column(name: str, size: int) -> Column:
    return Column(name, "categorical", values=tuple(str(code) for code in range(size)))


def _split(name: str, table: SensitiveTable, unit: PrivacyUnit, delta: str, room: int) -> BenchTable:
    rows = int(table._marginal(())[0])
    return BenchTable(name, rows, table._select(_train_mask(rows)), unit, delta, room)


def _train_mask(rows: int) -> NDArray[np.bool_]:
    """The same rows in every run, so that figures compare; nothing private is drawn from this seed."""
    order = np.random.default_rng(_SPLIT_SEED).permutation(rows)  # noqa: TID251
    mask = np.zeros(rows, dtype=np.bool_)
    mask[order[: int(0.8 * rows)]] = True
    return mask
