"""The measurement of what structure is worth: its tables are as it says, and ratios are told over untold."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from dpsynth.core.structure import violating

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("benchmarks.structure")


def test_the_made_up_table_keeps_to_what_is_said_of_it_and_the_same_rows_come_again(
    bench: ModuleType,
) -> None:
    one, two = bench.made(3000), bench.made(3000)
    assert one.against == 0
    assert all((one.codes[name] == two.codes[name]).all() for name in one.codes)
    assert all(len(np.unique(codes)) == one.domain[name].size for name, codes in one.codes.items())
    assert violating(one.domain, {**one.codes, "job": np.roll(one.codes["job"], 1)}).any()


def test_the_notes_on_health_are_true_of_the_file_and_the_one_on_expenditure_is_not(
    bench: ModuleType,
) -> None:
    assert bench.rand().against == 0
    false = bench.rand("rand-false", bench.RAND_DEDUCTIBLE)
    assert 0.15 < false.against / false.rows < 0.25


def test_a_summary_sets_told_beside_untold(bench: ModuleType) -> None:
    told = bench.Fit("t", "mst", "1", True, 0, 0.1, 0.2, 0.0, 1.0, 0.01, 0.01, 0.9)
    untold = replace(told, told=False, tvd2=0.2, tvd3=0.8, violating_share=0.5, cpu_seconds=3.0)
    (line,) = bench.summary([told, untold, replace(told, turn=1, tvd2=0.3)])
    assert line["tvd2_told"] == pytest.approx(0.2)
    assert line["tvd2_ratio"] == pytest.approx(1.0)
    assert line["tvd3_ratio"] == pytest.approx(0.25)
    assert line["violating_share_untold"] == 0.5


def test_a_fit_is_charged_what_it_reserved_and_told_rows_keep_to_the_structure(bench: ModuleType) -> None:
    data = bench.made(3000)
    truth = bench.Reference(data.table(False))
    told, untold = (bench.fit(data, truth, "mst", "1", side, 0) for side in (True, False))
    assert told.violating_share == 0.0 < untold.violating_share
    for one in (told, untold):
        assert 0.99 * one.rho_reserved <= one.rho_recounted <= one.rho_reserved
        assert one.epsilon_recounted <= 1.0
