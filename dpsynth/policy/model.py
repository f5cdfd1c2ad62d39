"""The policy: who is protected, what may be spent, what is kept, who decides. Frozen and fully checked."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from dpsynth.core.domain import Column, Domain
from dpsynth.core.unit import Adjacency, PrivacyUnit
from dpsynth.policy.columns import ColumnSpec
from dpsynth.policy.facts import MAX_TOGETHER_CELLS, domain_of, structure_problems
from dpsynth.policy.fields import (
    Broken,
    ColumnName,
    Count,
    Delta,
    Fraction,
    FrozenMap,
    Line,
    Never,
    Part,
    Positive,
    ProbabilityOrZero,
    Sha256,
    Slug,
    SynthesizerName,
    Text,
    Version,
    Weight,
)
from dpsynth.policy.places import Problem
from dpsynth.policy.rules import (
    approval_problems,
    budget_problems,
    cap_problems,
    cell_problems,
    column_problems,
    delta_problems,
    partition_problems,
    refresh_problems,
    repeated,
    unit_problems,
    weight_problems,
)
from dpsynth.policy.structure import Structure
from dpsynth.policy.utility import Utility, utility_problems

__all__ = [
    "Allowed",
    "Approval",
    "Audits",
    "Budget",
    "Cap",
    "Owner",
    "Policy",
    "PrivacyUnitSpec",
    "Release",
    "Role",
    "Source",
    "Synthesis",
    "cross_problems",
]

Role = Literal["compliance_officer", "data_owner", "auditor"]
"""Roles that may decide on a release. A requester's role is not among them."""


def _unless_broken(problems: list[Problem]) -> None:
    if problems:
        raise Broken(*problems)


def _only(required: list[str], optional: list[str]) -> JsonDict:
    """Schema of a mapping that has the required keys, may have the optional ones, and has no other."""
    return {"required": [*required], "propertyNames": {"enum": [*required, *optional]}}


class Owner(Part):
    """Who answers for the data."""

    team: Line
    contact: Line


class Source(Part):
    """The sensitive file: what it is called, and the largest size that is opened.

    The file's hash is recorded at registration and stays private: a policy is published, and the hash of a
    small table can be confirmed by guessing.
    """

    dataset_id: Slug
    snapshot: Line
    format: Literal["csv", "parquet"]
    delimiter: Literal[",", ";", "\t", "|"] = ","
    max_rows: Annotated[int, Field(ge=1, le=1_000_000_000)]
    max_bytes: Count


class PrivacyUnitSpec(Part):
    """Whom the guarantee protects. ``id_column`` null means that every row is a unit of its own.

    ``partition_column`` declares parallel composition: a request may then be for one value of this kept
    categorical column only, and budgets of different values do not add up. That holds because each unit lies
    in exactly one partition: intake keeps its rows only in the first one, in the public order of the values,
    in which it has a row. Null declares none.
    """

    kind: Slug
    id_column: Line | None
    id_space: Slug
    max_rows_per_unit: Annotated[int, Field(ge=1, le=1_000_000)]
    adjacency: Adjacency
    partition_column: Line | None = None
    note: Annotated[str, Field(max_length=4000)] = ""


class Cap(Part):
    """A ceiling, as zCDP ``rho`` or as ``epsilon`` at ``delta``; exact decimals, as written.

    ``entrusted_delta`` is the most approximate-DP mass (probability that a library entrusted with rows fails)
    that all charges against this cap may carry together. ``delta`` is the whole promise, this mass included.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                _only(["rho"], ["entrusted_delta"]),
                _only(["epsilon", "delta"], ["entrusted_delta"]),
            ]
        }
    )

    rho: Positive | None = None
    epsilon: Positive | None = None
    delta: Delta | None = None
    entrusted_delta: ProbabilityOrZero = "0"

    @model_validator(mode="after")
    def _rules(self) -> Cap:
        _unless_broken(cap_problems(self))
        return self


class Budget(Part):
    """What may be spent. The other caps are ceilings inside ``lifetime``, never extra.

    ``lifetime`` holds for all tables of an id space, ``per_dataset`` for those of one dataset, ``per_table``
    for one policy id; a null one is as ``lifetime``. ``refresh`` says what a new snapshot brings: under
    ``none`` it goes on with the same budget; under ``new_units_only`` it has a budget of its own and may hold
    only units that no earlier snapshot held, which intake proves by keyed hashes of their ids.
    """

    accounting: Literal["zcdp"]
    per_release: Cap
    lifetime: Cap
    per_requester: Cap
    per_dataset: Cap | None = None
    per_table: Cap | None = None
    report_delta: Delta
    refresh: Literal["none", "new_units_only"]
    max_attempts_per_purpose: Annotated[int, Field(ge=1, le=1000)]

    @model_validator(mode="after")
    def _rules(self) -> Budget:
        _unless_broken(budget_problems(self))
        return self


class Allowed(Part):
    """A synthesizer that may be used, and the oldest version of it.

    ``engine:method`` names a library that is given rows (entrusted); ``min_version`` is the library's then.
    """

    name: SynthesizerName
    min_version: Version


class Synthesis(Part):
    """How synthetic rows may be made. The number of rows is fixed here, never taken from the data.

    ``weights``, "0.1" to "10", says which columns matter where not all can be kept alike; unstated means 1.
    """

    silent: ClassVar[tuple[str, ...]] = ("weights",)

    allowed: Annotated[tuple[Allowed, ...], Field(min_length=1, max_length=50)]
    seed: Literal["os_csprng"]
    max_model_cells: Annotated[int, Field(ge=1, le=1_000_000_000)]
    output_rows: Literal["fixed"]
    output_rows_value: Annotated[int, Field(ge=1, le=100_000_000)]
    weights: FrozenMap[ColumnName, Weight] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _rules(self) -> Synthesis:
        _unless_broken(repeated("allowed", [one.name for one in self.allowed]))
        return self


class Audits(Part):
    """The audit plan, pinned by its hash, and what an inconclusive result leads to."""

    plan: Literal["quick", "standard", "deep"]
    plan_sha256: Sha256
    coin_fraction: Fraction
    on_inconclusive: Literal["block", "officer_reason"]


class Approval(Part):
    """Who must agree before a release: at least two people, one of each role, never the requester."""

    approvers: Annotated[int, Field(ge=2, le=20)]
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    requester_may_approve: Never
    justification_min_chars: Annotated[int, Field(ge=1, le=4000)]
    decide_within_days: Annotated[int, Field(ge=1, le=365)]

    @model_validator(mode="after")
    def _rules(self) -> Approval:
        _unless_broken(approval_problems(self))
        return self


class Release(Part):
    """What recipients get and for how long."""

    expires_after_days: Annotated[int, Field(ge=1, le=3650)]
    terms: Line
    recipients: Annotated[tuple[Line, ...], Field(min_length=1, max_length=1000)]
    formats: Annotated[tuple[Literal["csv", "parquet"], ...], Field(min_length=1, max_length=2)]

    @model_validator(mode="after")
    def _rules(self) -> Release:
        _unless_broken(repeated("recipients", self.recipients) + repeated("formats", self.formats))
        return self


class Policy(Part):
    """A whole policy. Budget numbers are kept as written; their meaning is compiled by accounting."""

    silent: ClassVar[tuple[str, ...]] = ("structure", "utility")

    schema_version: Literal["1"]
    id: Slug
    version: Line
    title: Line
    owner: Owner
    purpose: Text
    lawful_basis_note: Text
    source: Source
    privacy_unit: PrivacyUnitSpec
    budget: Budget
    columns: Annotated[tuple[ColumnSpec, ...], Field(min_length=1, max_length=500)]
    structure: Structure = Field(default_factory=Structure)
    synthesis: Synthesis
    utility: Utility = Field(default_factory=Utility)
    audits: Audits
    approval: Approval
    release: Release

    @model_validator(mode="after")
    def _rules(self) -> Policy:
        names = ("source", "privacy_unit", "budget", "columns", "structure", "synthesis", "utility")
        sections: dict[str, Part | tuple[ColumnSpec, ...]] = {name: getattr(self, name) for name in names}
        _unless_broken(cross_problems(sections))
        return self

    def unit(self) -> PrivacyUnit:
        """The privacy unit in core terms."""
        unit = self.privacy_unit
        return PrivacyUnit(unit.kind, unit.id_column, unit.max_rows_per_unit, unit.adjacency)

    def domain(self) -> Domain:
        """The public domain: kept columns in policy order, what is known of them, and their weights."""
        columns, stated = _kept(self.columns), self.synthesis.weights
        weights = tuple(float(stated.get(column.name, "1")) for column in columns) if stated else ()
        return domain_of(columns, self.structure, weights)


def _kept(columns: tuple[ColumnSpec, ...]) -> tuple[Column, ...]:
    return tuple(spec.column() for spec in columns if spec.kept)


def cross_problems(sections: dict[str, Part | tuple[ColumnSpec, ...]]) -> list[Problem]:
    """Problems between sections, judged for those sections that are present (each valid by itself)."""
    source, unit, budget = sections.get("source"), sections.get("privacy_unit"), sections.get("budget")
    columns, synthesis = sections.get("columns"), sections.get("synthesis")
    found: list[Problem] = []
    if isinstance(source, Source) and isinstance(budget, Budget):
        found += delta_problems(source, budget)
    if isinstance(unit, PrivacyUnitSpec):
        known = columns if isinstance(columns, tuple) else None
        found += unit_problems(unit, known) + partition_problems(unit, known)
        if isinstance(budget, Budget):
            found += refresh_problems(unit, budget)
    if isinstance(columns, tuple):
        found += column_problems(columns)
        if isinstance(synthesis, Synthesis):
            found += cell_problems(columns, synthesis) + weight_problems(columns, synthesis)
        if isinstance(structure := sections.get("structure"), Structure):
            most = synthesis.max_model_cells if isinstance(synthesis, Synthesis) else MAX_TOGETHER_CELLS
            found += structure_problems(_kept(columns), structure, most)
        if isinstance(utility := sections.get("utility"), Utility):
            found += utility_problems(columns, utility)
    return found
