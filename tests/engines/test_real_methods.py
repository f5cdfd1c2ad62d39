"""Each of the other methods of the real library runs once, on a small table, in the sandbox."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dpsynth.accounting.filter import PrivacyFilter
from dpsynth.accounting.reserve import entrusted_cost
from dpsynth.core.curator import Curator
from dpsynth.core.domain import Column, Domain
from dpsynth.core.unit import PrivacyUnit
from dpsynth.engines.catalog import kind_of
from dpsynth.engines.sandbox import Limits
from dpsynth.engines.store import Engine
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.synthesizers.registry import load_synthesizer
from dpsynth.vault.curator import TableCurator
from dpsynth.vault.entrusting import Trustee
from dpsynth.vault.table import SensitiveTable

SIZES = {"a": 4, "b": 3, "constant": 1, "c": 2}
DOMAIN = Domain(tuple(Column(n, "categorical", tuple(map(str, range(size)))) for n, size in SIZES.items()))
PEOPLE = 1200
ROWS = 300


def table() -> SensitiveTable:
    rng = np.random.default_rng(11)
    a = rng.integers(0, 4, PEOPLE)
    b, c = (a + rng.integers(0, 2, PEOPLE)) % 3, rng.integers(0, 2, PEOPLE)
    codes = {"a": a, "b": b, "constant": np.zeros(PEOPLE, dtype=np.int64), "c": c}
    return SensitiveTable(DOMAIN, codes, np.arange(PEOPLE))


@pytest.mark.parametrize("method", ["mwem", "pacsynth", "patectgan", "dpctgan"])
def test_it_gives_the_rows_that_were_asked_for(engine_python: Path, tmp_path: Path, method: str) -> None:
    synthesizer = load_synthesizer(f"smartnoise:{method}")
    delta = "1e-6" if kind_of("smartnoise").methods[method].needs_delta else "0"
    plan = synthesizer.plan_entrusted(DOMAIN, "1", delta, ROWS)  # type: ignore[attr-defined]
    budget = PrivacyFilter(entrusted_cost("1", delta))
    home = tmp_path / "state"
    engine = Engine(kind_of("smartnoise"), home, engine_python, Limits(500), False, "", {})
    trustee = Trustee(plan.entrusted, engine)
    unit = PrivacyUnit("person", None, 1, "add_remove")
    curator: Curator = TableCurator(table(), unit, budget, OpenDPNoise(), trustee=trustee)
    released = synthesizer.fit(plan, curator).sample(ROWS, np.random.default_rng(1))
    assert released.rows == ROWS
    assert released.domain == DOMAIN
    assert len(np.unique(released.codes["a"])) > 1
    assert trustee.isolation is not None
    assert len(budget.events) == 1
