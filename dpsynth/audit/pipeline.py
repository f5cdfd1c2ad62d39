"""What is audited: a synthesizer behind its door, at the budget of the claim; and one run of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dpsynth.accounting.reserve import plan_cost
from dpsynth.audit.door import SurrogateDoor, SurrogateRun
from dpsynth.audit.result import Claim
from dpsynth.audit.surrogate import SurrogateRows
from dpsynth.core.curator import FittedModel, Plan, Synthesizer
from dpsynth.core.table import SyntheticTable

__all__ = ["Fit", "Pipeline"]


@dataclass(frozen=True, repr=False)
class Fit:
    """One finished fit on surrogate rows.

    Attributes:
        run: what passed through its curator.
        model: the fitted model.
        release: rows drawn from it, as many as the surrogate table has.
    """

    run: SurrogateRun
    model: FittedModel
    release: SyntheticTable


@dataclass(frozen=True)
class Pipeline:
    """The same code that makes the release, over surrogate rows. It can be sent to another process.

    Attributes:
        synthesizer: what made, or will make, the release.
        door: the vault's door for surrogate rows, with the policy's domain, unit and bounding.
        claim: what the release promises; its rho is what each fit may spend.
        max_model_cells: the policy's limit, or a smaller one that keeps fits quick.
    """

    synthesizer: Synthesizer
    door: SurrogateDoor
    claim: Claim
    max_model_cells: int

    def limited(self, max_model_cells: int) -> Pipeline:
        """The same with models of at most so many cells."""
        return replace(self, max_model_cells=min(self.max_model_cells, max_model_cells))

    def plan(self) -> Plan:
        """What the synthesizer intends with the claim's budget."""
        return self.synthesizer.plan(self.door.domain, self.claim.rho_nano, self.max_model_cells)

    @property
    def trains(self) -> bool:
        """Whether it trains by DP-SGD."""
        return self.plan().gradient is not None

    def fit(self, rows: SurrogateRows, rng: np.random.Generator, canary: SurrogateRows | None = None) -> Fit:
        """Fit and sample once, on a table of its own, so that a run's reads are its own.

        Args:
            rows: encoded surrogate rows, before contribution bounding.
            rng: randomness of the sampling.
            canary: rows of one unit that is watched in trainings, whether ``rows`` hold it or not.
        """
        plan, door = self.plan(), self.door
        # Above the orders that the claim covers, a training's cost follows from its plan; S1 recounts it.
        cost = self.claim.cost if plan.gradient is None else plan_cost(plan, self.claim.delta)
        watched = None if canary is None else door.table(canary.codes, canary.units)
        run = door.open(door.table(rows.codes, rows.units), cost, watched)
        model = self.synthesizer.fit(plan, run.curator)
        # Sampling is part of the pipeline: a model that still reads rows then is caught by the same count.
        return Fit(run, model, model.sample(len(rows.units), rng))
