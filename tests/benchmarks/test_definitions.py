"""The benchmark's figures mean what benchmarks/README.md says they mean."""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from dpsynth.core.domain import Column, Domain
from dpsynth.core.table import SyntheticTable
from dpsynth.core.unit import PrivacyUnit
from dpsynth.vault.table import SensitiveTable

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
DOMAIN = Domain(tuple(Column(name, "categorical", values=("0", "1")) for name in "abc"))
TWINS = np.repeat([0, 1], 500)
NAMES = ("budget", "counting", "fits", "quality")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    monkeypatch.syspath_prepend(str(BENCHMARKS.parent))
    return {name: import_module(f"benchmarks.{name}") for name in NAMES}


def sensitive() -> SensitiveTable:
    return SensitiveTable(DOMAIN, dict.fromkeys("abc", TWINS), np.arange(1000))


def epsilon_of(rho: float, delta: float) -> float:
    """Proposition 12 of Canonne, Kamath and Steinke 2020 by brute force over a grid of orders."""
    orders = 1.0 + np.geomspace(1e-2, 1e5, 200_001)
    excess = orders - 1.0
    return float((orders * rho + np.log1p(-1 / orders) - np.log(delta * orders) / excess).min())


@pytest.mark.parametrize("epsilon", ["0.1", "1", "10"])
def test_the_rho_of_an_epsilon_is_the_largest_that_keeps_it(
    bench: dict[str, ModuleType], epsilon: str
) -> None:
    rho = bench["budget"].rho_nano_for(epsilon, "1e-6") * 1e-9
    assert epsilon_of(rho, 1e-6) <= float(epsilon) * (1 + 1e-6)
    assert epsilon_of(rho * 1.001, 1e-6) > float(epsilon)


def test_distance_is_zero_for_the_same_rows_and_half_for_unrelated_twins(
    bench: dict[str, ModuleType],
) -> None:
    reference = bench["quality"].Reference(sensitive())
    assert reference.mean_tvd(SyntheticTable(DOMAIN, dict.fromkeys("abc", TWINS))) == {"tvd2": 0, "tvd3": 0}
    grid = np.indices((2, 2, 2)).reshape(3, -1)
    unrelated = SyntheticTable(DOMAIN, dict(zip("abc", grid, strict=True)))
    assert reference.mean_tvd(unrelated) == {"tvd2": 0.5, "tvd3": 0.75}


def test_the_floor_keeps_each_column_and_the_bootstrap_keeps_the_rows(bench: dict[str, ModuleType]) -> None:
    rng = np.random.default_rng(1)
    floor = bench["quality"].shuffled(sensitive(), rng)
    assert floor.marginal(("a",)).tolist() == [500, 500]
    assert floor.marginal(("a", "b")).min() > 0
    drawn = bench["quality"].bootstrap_of(sensitive(), rng)
    assert drawn.marginal(("a", "b"))[1:3].tolist() == [0, 0]


def test_counting_and_noise_are_parts_of_the_fit_that_was_timed(bench: dict[str, ModuleType]) -> None:
    count = SensitiveTable._marginals
    result = bench["fits"].timed_fit(
        "independent", sensitive(), PrivacyUnit("row", None, 1, "add_remove"), 10**8, 100
    )
    assert result.marginals_counted == 3
    assert 0 < result.counting_seconds + result.noise_seconds < result.seconds
    assert math.isclose(result.spent, 1.0, abs_tol=1e-6)
    assert SensitiveTable._marginals is count


def test_an_engine_that_miscounts_stops_the_benchmark(
    bench: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(bench["counting"].count_all_pairs(sensitive())) >= {"vault", "pandas groupby"}
    monkeypatch.setattr(SensitiveTable, "_marginal", lambda *_: np.zeros(4, dtype=np.int64))
    with pytest.raises(RuntimeError, match="disagree"):
        bench["counting"].count_all_pairs(sensitive())
