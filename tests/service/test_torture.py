"""Workers killed at every numbered point of a run and at random moments (invariant 5 of the ledger).

Spent is never less than what was drawn, and the chain verifies. `make torture` does the same 200 times.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
RANDOM_KILLS = 12


@pytest.fixture(scope="module")
def torture() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        return import_module("torture")


@pytest.fixture(scope="module")
def found(torture: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        # The workers find the module that they run by its name.
        patch.syspath_prepend(str(BENCHMARKS))
        patch.setenv("OMP_NUM_THREADS", "1")
        home = tmp_path_factory.mktemp("torture") / "state"
        result: dict[str, Any] = torture.torture(
            home, range(len(torture.POINTS)), RANDOM_KILLS, lambda _: None
        )
        return result


def test_a_worker_killed_at_any_numbered_point_has_paid_for_what_it_drew(
    torture: ModuleType, found: dict[str, Any]
) -> None:
    for (what, when, _, spent), one in zip(torture.POINTS, found["points"], strict=True):
        assert one["killed"], one
        assert one["complaints"] == (), one
        assert (one["spent_nano"] > 0) == spent, (what, when, one)
        assert one["opened"] <= spent
    assert sum(one["drawn_nano"] > 0 for one in found["points"]) >= 8


def test_a_worker_killed_at_a_random_moment_has_paid_for_what_it_drew(found: dict[str, Any]) -> None:
    told = found["random"]
    assert told["kills"] == sum(told["states_found"].values()) == RANDOM_KILLS
    assert told["complaints"] == []
    assert told["least_spent_minus_drawn_nano"] >= 0


def test_the_witness_would_notice_a_draw_that_nobody_paid_for(torture: ModuleType, tmp_path: Path) -> None:
    home = tmp_path / "state"
    torture.prepare(home)
    request = torture.ask(home, 1)
    witness = tmp_path / "witness"
    witness.write_text('{"kind": "draw", "rho": "1/1000"}\n')
    outcome = torture.look(home, request, witness, killed=True)
    assert "the source was opened without a spent charge" in outcome.complaints
    assert "less is spent than was drawn" in outcome.complaints
