"""The audit plan: what is tried, how hard, and what blocks a release. Fixed before any fit."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dpsynth.audit.plan_blackbox import BlackBoxSection
from dpsynth.audit.plan_games import GamesSection
from dpsynth.audit.plan_release import ReleaseSection
from dpsynth.audit.plan_structural import StructuralSection
from dpsynth.audit.plan_threat import ThreatModel
from dpsynth.audit.plan_types import Count, Share
from dpsynth.core.canonical import digest
from dpsynth.core.errors import BadInput
from dpsynth.policy.yaml_strict import load_yaml

__all__ = ["AuditPlan", "TestId", "TrainingTestId", "load_plan", "plan_sha256"]

TestId = Literal[
    "S1", "S2", "S3", "S4", "S5", "S6", "S9", "G1", "G2", "G3", "G4",
    "R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "L1",
]  # fmt: skip
TrainingTestId = Literal["S7", "S8", "G5"]


_SECTIONS = {
    "structural": ("S2", "S5", "S6", "S9"),
    "games": ("G1", "G2", "G3", "G4"),
    "release": ("R2", "R4", "R5", "R7", "R8", "L1"),
}


class AuditPlan(BaseModel):
    """Public facts of one audit; every threshold that a verdict can turn on.

    Attributes:
        tests: tests that must have a result; a missing one counts as inconclusive.
        training_tests: tests that must have a result besides where the synthesizer trains by DP-SGD.
        threat_model: the attacker: what they want and what they know.
        stop_rule: when fits end; fixed beforehand, so that nobody stops at a result that suits.
        confidence: of every two-sided interval.
        alpha: total error of the one-run bound.
        family_alpha: Holm level over the tests that are decided by a p-value.
        noise_alpha, noise_fits, noise_power, noise_ratio_needed: level, least fits, power and the share of
            the declared noise that S4 must be able to see.
        sampling_alpha, sampling_steps: level of S7, shared by all its tests, and the least steps it needs.
        gradient_alpha: level of G5, shared by all its tests.
        canary_share_needed: G5 is inconclusive if its canary used less of the clip than this, on average.
        surrogate_rows, surrogate_max_model_cells: size of the surrogate fits.
        predicates, resampling_rounds: of the singling-out attack.
        min_coined_per_side, max_targets_per_side: coined units needed, and used at most, on each side.
        guess_fraction, fpr, max_clique_cells: of the membership attack.
        excess_warn, excess_stop: limits on the upper bound of an excess risk.
        copy_difference_needed: R6 is inconclusive if it could not see a difference of rates this large.
        label_alpha: level at which controls that look more like members make a result inconclusive.
        structural, games, release: what the tests of these sections need; None where no test needs it.
        blackbox: of audits from outside, and limits on every fit; None: as they are by default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    version: str
    threat_model: ThreatModel
    stop_rule: str = Field(min_length=1)
    tests: tuple[TestId, ...] = Field(min_length=1)
    training_tests: tuple[TrainingTestId, ...]
    confidence: Share
    alpha: Share
    family_alpha: Share
    noise_alpha: Share
    noise_fits: Annotated[int, Field(ge=3)]
    noise_power: Share
    noise_ratio_needed: Share
    sampling_alpha: Share
    sampling_steps: Count
    gradient_alpha: Share
    canary_share_needed: Share
    surrogate_rows: Annotated[int, Field(ge=50)]
    surrogate_max_model_cells: Count
    predicates: Annotated[int, Field(ge=100)]
    resampling_rounds: Annotated[int, Field(ge=50)]
    min_coined_per_side: Annotated[int, Field(ge=10)]
    max_targets_per_side: Annotated[int, Field(ge=10)]
    guess_fraction: Share
    max_clique_cells: Count
    fpr: Share
    excess_warn: Share
    excess_stop: Share
    copy_difference_needed: Share
    label_alpha: Share
    structural: StructuralSection | None = None
    games: GamesSection | None = None
    release: ReleaseSection | None = None
    blackbox: BlackBoxSection | None = None

    @property
    def limits(self) -> BlackBoxSection:
        """Limits on fits, stated or by default."""
        return self.blackbox or BlackBoxSection()

    def due(self, trained: bool) -> tuple[str, ...]:
        """Tests that must have a result, where the synthesizer trains by DP-SGD or does not."""
        return (*self.tests, *(self.training_tests if trained else ()))

    @model_validator(mode="after")
    def _consistent(self) -> AuditPlan:
        if any(len(set(listed)) != len(listed) for listed in (self.tests, self.training_tests)):
            raise ValueError("a test is listed twice")
        if self.excess_warn >= self.excess_stop:
            raise ValueError("excess_warn must be below excess_stop")
        if self.max_targets_per_side < self.min_coined_per_side:
            raise ValueError("max_targets_per_side must not be below min_coined_per_side")
        for section, tests in _SECTIONS.items():
            if getattr(self, section) is None and set(tests) & set(self.tests):
                raise ValueError(f"its tests need the section {section!r}")
        return self


def load_plan(directory: Path, name: str) -> AuditPlan:
    """Read ``<directory>/<name>.yaml``. Raises BadInput if absent, malformed or named otherwise inside."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", name):
        raise BadInput("the audit plan's name is malformed", allowed="lower-case letters, digits and '-'")
    try:
        raw = (directory / f"{name}.yaml").read_bytes()
    except OSError as error:
        raise BadInput(
            f"there is no audit plan {name!r}", remedy="name a plan that lies in the plans directory"
        ) from error
    try:
        plan = AuditPlan.model_validate_json(json.dumps(load_yaml(raw, f"{name}.yaml").data))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "plan"
        raise BadInput(f"audit plan {name!r}: {where}: {first['msg']}") from error
    if plan.name != name:
        raise BadInput(f"audit plan {name!r} calls itself {plan.name!r}", allowed="the file's own name")
    return plan


def plan_sha256(plan: AuditPlan) -> str:
    """Hex SHA-256 of the plan's canonical JSON; comments and layout of the file do not enter."""
    return digest(plan.model_dump(mode="json", exclude_none=True))
