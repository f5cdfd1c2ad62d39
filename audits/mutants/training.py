"""Planted faults of trainings by DP-SGD as pipelines that can be sent to another process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from audits.mutants.faults import FAULTS, CheckpointByRows, StopByRows
from audits.mutants.mutant import Mutant
from audits.mutants.pipeline import DOMAIN, SmallTraining, Trained
from dpsynth.accounting.reserve import covered_order, plan_cost
from dpsynth.accounting.statement import epsilon_at
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.result import Claim
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.vault.surrogate import Door

if TYPE_CHECKING:
    from dpsynth.core.curator import Plan

__all__ = ["MUTANTS", "correct"]

_RHO, _DELTA, _MOST_CELLS = 500_000_000, "1e-6", 10**6


@dataclass(frozen=True)
class _Broken(SmallTraining):
    """A training during which one function of production is another: the patch is entered where it fits.

    Attributes:
        fault: its name in ``FAULTS``.
    """

    fault: str = ""

    def fit(self, plan: Plan, curator: Any) -> Trained:
        """The same, in a broken world."""
        with FAULTS[self.fault]():
            return super().fit(plan, curator)


def correct(synthesizer: SmallTraining | None = None, max_rows: int = 1) -> Pipeline:
    """A correct training, unless the synthesizer is not."""
    made = synthesizer or SmallTraining()
    plan = made.plan(DOMAIN, _RHO, _MOST_CELLS)
    claim = Claim(_RHO, epsilon_at(plan_cost(plan, _DELTA), _DELTA), _DELTA, omega=covered_order(plan))
    unit = PrivacyUnit("person", "id" if max_rows > 1 else None, max_rows, "add_remove")
    return Pipeline(made, Door(DOMAIN, unit, OpenDPNoise()), claim, _MOST_CELLS)


def _broken(id: str, fault: str, *caught_by: str) -> Mutant:
    return Mutant(id, fault, "quick", caught_by, partial(correct, _Broken(fault=fault)))


MUTANTS = [
    _broken("P1", "half the noise of a training", "S4", "G5"),
    _broken("P13", "shuffled batches of one size", "S7"),
    _broken("P14", "the batch's sum is clipped", "S8"),
    _broken("P14", "the batch's mean is clipped", "S8"),
    _broken("P14", "small batches are not clipped", "S8"),
    Mutant("P15", "checkpoint by rows", "quick", ("S1",), partial(correct, CheckpointByRows())),
    Mutant("P15", "stop by rows", "quick", ("S1",), partial(correct, StopByRows())),
]
"""Each with the tests that owe it a flag; made anew for every audit."""
