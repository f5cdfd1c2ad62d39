"""How often each planted fault is found, with fresh entropy every time.

From the top directory: python -m audits.mutants.scoreboard 20.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from audits.mutants.faults import FAULTS, CheckpointByRows, StopByRows
from audits.mutants.pipeline import DOMAIN, SmallTraining
from dpsynth.accounting.reserve import covered_order, plan_cost
from dpsynth.accounting.statement import epsilon_at
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.plan import load_plan
from dpsynth.audit.result import Claim
from dpsynth.audit.run import run_structural
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.mechanisms.rng import os_generator
from dpsynth.vault.surrogate import Door

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from dpsynth.audit.result import CheckResult

__all__ = ["CASES", "audited"]

_RHO, _DELTA, _ROWS = 500_000_000, "1e-6", 300
_Fault = Callable[[], "AbstractContextManager[None]"]

CASES: dict[str, tuple[_Fault, SmallTraining]] = {
    "correct": (nullcontext, SmallTraining()),
    **{name: (fault, SmallTraining()) for name, fault in FAULTS.items()},
    "P15 checkpoint by rows": (nullcontext, CheckpointByRows()),
    "P15 stop by rows": (nullcontext, StopByRows()),
}
"""Name for people; the fault that is planted, and the pipeline that it is planted in."""


def audited(case: str, max_rows: int = 1) -> dict[str, CheckResult]:
    """The structural tests of the shipped plan on one case, by id; the surrogate rows are fewer."""
    fault, synthesizer = CASES[case]
    plans = Path(__file__).parents[1] / "plans"
    plan = load_plan(plans, "quick").model_copy(update={"surrogate_rows": _ROWS})
    made = synthesizer.plan(DOMAIN, _RHO, 10**6)
    claim = Claim(_RHO, epsilon_at(plan_cost(made, _DELTA), _DELTA), _DELTA, omega=covered_order(made))
    unit = PrivacyUnit("person", "id" if max_rows > 1 else None, max_rows, "add_remove")
    with fault():
        door = Door(DOMAIN, unit, OpenDPNoise())
        results = run_structural(Pipeline(synthesizer, door, claim, 10**6), plan, os_generator())
    return {result.id: result for result in results}


def _main(rounds: int) -> None:
    for case in CASES:
        found = [audited(case) for _ in range(rounds)]
        failed = sum(any(r.outcome == "fail" for r in results.values()) for results in found)
        by = {test: sum(results[test].outcome == "fail" for results in found) for test in found[0]}
        passed = sum(all(r.outcome == "pass" for r in results.values()) for results in found)
        sys.stdout.write(f"{case}: found {failed} of {rounds}, passed {passed}; by test {by}\n")


if __name__ == "__main__":
    _main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
