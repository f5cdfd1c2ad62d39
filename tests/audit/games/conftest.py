"""Games of known strength, real pipelines over a small domain, and faults planted in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpsynth.accounting.reserve import plan_cost
from dpsynth.accounting.statement import epsilon_at
from dpsynth.audit.pipeline import Pipeline
from dpsynth.audit.plan import AuditPlan, load_plan
from dpsynth.audit.plan_games import GamesSection
from dpsynth.audit.result import Claim
from dpsynth.core.domain import Column, Domain
from dpsynth.core.unit import PrivacyUnit
from dpsynth.mechanisms.noise import OpenDPNoise
from dpsynth.synthesizers.independent import Independent
from dpsynth.vault.surrogate import Door

DELTA = "1e-5"
DOMAIN = Domain(
    tuple(
        Column(name, "categorical", tuple(f"v{code}" for code in range(size)))
        for name, size in zip("abcd", (5, 4, 6, 3), strict=True)
    )
)
SECTION = {
    "fits": 60,
    "alpha": "0.001",
    "looks": 1,
    "power_share": "0.7",
    "noise_ratio_needed": "0.25",
    "tell_needed": "0.5",
    "micro_rows": 8,
    "micro_columns": 3,
    "micro_codes": 4,
    "release_rows": 200,
    "shadow_fits": 60,
    "shadow_targets": 1,
    "canaries": 60,
    "canary_fits": 2,
    "guess_share": "0.2",
    "unit_fits": 20,
}


@dataclass(frozen=True)
class Coin:
    """A game without a fit: the score of the target's side is shifted by ``mu``."""

    mu: float
    scale: float = 1.0

    def facts(self) -> dict[str, Any]:
        return {"mu": self.mu, "scale": self.scale}

    def play(self, side: int, rng: np.random.Generator) -> dict[str, list[float]]:
        return {"score": [float(rng.normal(self.mu * side, self.scale))]}


@pytest.fixture
def section() -> Callable[..., GamesSection]:
    return lambda **changed: GamesSection(**{**SECTION, **changed})


@pytest.fixture
def games_plan(section) -> Callable[..., AuditPlan]:
    def make(*tests: str, **changed: Any) -> AuditPlan:
        plan = load_plan(Path(__file__).parents[3] / "audits" / "plans", "quick")
        return plan.model_copy(
            update={"tests": tests, "games": section(**changed), "surrogate_rows": 60, "training_tests": ()}
        )

    return make


@pytest.fixture
def make_claim() -> Callable[[int], Claim]:
    def make(rho_nano: int, synthesizer: Any = None, domain: Domain = DOMAIN) -> Claim:
        cost = plan_cost((synthesizer or Independent()).plan(domain, rho_nano, 10**4), DELTA)
        return Claim(rho_nano, epsilon_at(cost, DELTA), DELTA, mu2_nano=cost.mu2)

    return make


@pytest.fixture
def make_pipeline(make_claim) -> Callable[..., Pipeline]:
    def make(
        rho_nano: int = 400_000_000,
        synthesizer: Any = None,
        noise: Any = None,
        unit: PrivacyUnit | None = None,
        door: type[Door] = Door,
        domain: Domain = DOMAIN,
    ) -> Pipeline:
        made = synthesizer or Independent()
        one = unit or PrivacyUnit("person", None, 1, "add_remove")
        opened = door(domain, one, noise or OpenDPNoise())
        return Pipeline(made, opened, make_claim(rho_nano, made, domain), 10**4)

    return make


@pytest.fixture
def coin() -> type[Coin]:
    return Coin
