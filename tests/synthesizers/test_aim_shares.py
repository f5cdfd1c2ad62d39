"""How AIM divides its budget: columns get more where noise is loud, by public facts and noisy totals."""

from __future__ import annotations

import numpy as np
import pytest

from dpsynth.core.domain import Column, Domain
from dpsynth.core.table import SyntheticTable
from dpsynth.synthesizers.aim import AIM
from tests.synthesizers.test_synthesizers import MemoryCurator


def table_of(rows: int, codes: int = 4) -> SyntheticTable:
    rng = np.random.default_rng(5)
    domain = Domain(tuple(Column(name, "categorical", tuple("abcdefgh"[:codes])) for name in "wxyz"))
    return SyntheticTable(domain, {name: rng.integers(0, codes, rows) for name in "wxyz"})


def columns_percent(table: SyntheticTable, rho_nano: int) -> float:
    """Share of the budget counted before the first choice."""
    curator = MemoryCurator(table, rho_nano)
    AIM().fit(AIM().plan(table.domain, rho_nano, 10_000), curator)
    first = [call[0] for call in curator.calls].index("select")
    spent = sum(0.5 / price**2 * 1e9 for _, _, price in curator.calls[:first])
    return 100 * spent / rho_nano


@pytest.mark.parametrize(
    ("rows", "rho_nano", "percent"),
    [
        (3000, 20_000, 40),  # the noise of a column is loud: some 600 rows in each of four cells
        (3000, 12_000_000, 25),  # louder than pairs allow, but columns stand out of it
        (3000, 100_000_000, 6),  # quiet: what is kept goes to pairs beyond the tree
        (100_000, 20_000, 25),  # the same budget is not loud in a table of more rows
    ],
)
def test_columns_get_more_of_the_budget_where_noise_is_loud(rows: int, rho_nano: int, percent: int) -> None:
    assert columns_percent(table_of(rows), rho_nano) == pytest.approx(percent, abs=0.5)


def test_more_codes_make_the_same_noise_louder() -> None:
    shares = [columns_percent(table_of(100_000, codes), 20_000) for codes in (4, 8)]
    assert shares == [pytest.approx(25, abs=0.5), pytest.approx(40, abs=0.5)]


def largest_share(table: SyntheticTable, rho_nano: int) -> float:
    """Of what is spent after the first choice, the share of the dearest count."""
    curator = MemoryCurator(table, rho_nano)
    AIM().fit(AIM().plan(table.domain, rho_nano, 10_000), curator)
    first = [call[0] for call in curator.calls].index("select")
    prices = [0.5 / price**2 for what, _, price in curator.calls[first:] if what == "measure"]
    return max(prices) / sum(prices)


def test_the_last_counts_share_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unrelated columns teach nothing, so rounds grow each time; unbounded, one count would take half."""
    assert largest_share(table_of(100_000), 20_000) < 0.25
    monkeypatch.setattr("dpsynth.synthesizers.aim._LEAST_ROUNDS_LEFT", 1)
    assert largest_share(table_of(100_000), 20_000) > 0.5
