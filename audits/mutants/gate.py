"""The whole gate on correct pipelines and made-up people: structural tests, release, attacks, verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np

from audits.mutants import marginal, training
from dpsynth.accounting.reserve import covered_order, plan_cost
from dpsynth.accounting.statement import epsilon_at
from dpsynth.audit.evidence import ReleaseEvidence
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.release import attack_release
from dpsynth.audit.result import Claim
from dpsynth.audit.run import run_audit
from dpsynth.audit.surrogate import SurrogateRows, make_surrogate
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.synthesizers import gan
from dpsynth.synthesizers.gan import GAN
from dpsynth.synthesizers.registry import load_synthesizer
from dpsynth.vault.bounding import bound_contributions
from dpsynth.vault.surrogate import Door

if TYPE_CHECKING:
    from dpsynth.audit.plan import AuditPlan
    from dpsynth.audit.report import AuditReport
    from dpsynth.core.curator import Curator, FittedModel, Plan
    from dpsynth.core.domain import Domain

__all__ = ["correct_pipeline", "gated", "surrogate_people"]

_RHO, _DELTA, _MOST_CELLS = 20_000_000, "1e-6", 10**6
_COINED = 0.5
_SHORT = {"_STEPS": 200, "_GUIDED_STEPS": 150}


class _ShortGAN(GAN):
    """The GAN with fewer steps, so that hundreds of audits of it end; all else is as shipped."""

    def plan(self, domain: Domain, rho_nano: int, max_model_cells: int) -> Plan:
        """Its plan."""
        with patch.multiple(gan, **_SHORT):
            return super().plan(domain, rho_nano, max_model_cells)

    def fit(self, plan: Plan, curator: Curator) -> FittedModel:
        """Its fit."""
        with patch.multiple(gan, **_SHORT):
            return super().fit(plan, curator)


def correct_pipeline(name: str) -> Pipeline:
    """A shipped synthesizer as it is, by its registered name.

    ``gan-short`` is the GAN with fewer steps; ``small-training`` is what faults of trainings are planted in.
    """
    if name == "small-training":
        return training.correct()
    synthesizer, domain = _ShortGAN() if name == "gan-short" else load_synthesizer(name), marginal.DOMAIN
    plan = synthesizer.plan(domain, _RHO, _MOST_CELLS)
    cost = plan_cost(plan, _DELTA)
    mu2 = None if cost.undominated else cost.mu2
    claim = Claim(_RHO, epsilon_at(cost, _DELTA), _DELTA, mu2, covered_order(plan))
    door = Door(domain, PrivacyUnit("row", None, 1, "add_remove"), OpenDPNoise())
    return Pipeline(synthesizer, door, claim, _MOST_CELLS)


def _where(rows: SurrogateRows, keep: np.ndarray) -> SurrogateRows:
    return SurrogateRows({name: column[keep] for name, column in rows.codes.items()}, rows.units[keep])


def surrogate_people(
    pipeline: Pipeline, rows: int, rng: np.random.Generator
) -> tuple[SurrogateRows, SurrogateRows, SurrogateRows]:
    """(members, controls, reference): about ``rows`` made-up rows after bounding, split by a coin a unit.

    Half of the units enter the coin, as in a release with the coin; a fair one leaves half of these out.
    """
    made = make_surrogate(pipeline.door.domain, pipeline.door.unit, rows, rng)
    made = _where(made, bound_contributions(made.units, pipeline.door.unit.max_rows, b"surrogate"))
    units, of = np.unique(made.units, return_inverse=True)
    draw = rng.random(len(units))[of]
    sides = (draw >= _COINED / 2) & (draw < _COINED), draw < _COINED / 2, draw >= _COINED
    members, controls, reference = (_where(made, side) for side in sides)
    return members, controls, reference


def _together(one: SurrogateRows, two: SurrogateRows) -> SurrogateRows:
    codes = {name: np.concatenate([column, two.codes[name]]) for name, column in one.codes.items()}
    return SurrogateRows(codes, np.concatenate([one.units, two.units]))


def _matrix(rows: SurrogateRows, pipeline: Pipeline) -> np.ndarray:
    return np.column_stack([rows.codes[name] for name in pipeline.door.domain.names])


def gated(pipeline: Pipeline, plan: AuditPlan, rng: np.random.Generator) -> AuditReport:
    """One whole audit, as a release gets it, of made-up people; twice as many as a surrogate fit has."""
    members, controls, reference = surrogate_people(pipeline, 2 * plan.surrogate_rows, rng)
    small = pipeline.limited(plan.surrogate_max_model_cells)
    release = small.fit(_together(reference, members), rng).release
    evidence = ReleaseEvidence(
        release=release.matrix(),
        members=_matrix(members, pipeline),
        controls=_matrix(controls, pipeline),
        member_units=members.units,
        control_units=controls.units,
        reference=_matrix(reference, pipeline),
        domain=pipeline.door.domain,
        claim=pipeline.claim,
    )
    attacks = attack_release(evidence, plan, rng)
    return run_audit(pipeline, plan, release_results=attacks, subject={}, rng=rng)
