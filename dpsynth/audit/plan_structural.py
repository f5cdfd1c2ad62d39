"""Structural tests S2, S5, S6 and S9: what a plan fixes for them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from dpsynth.audit.plan_types import Count, Share

__all__ = ["StructuralSection"]


class StructuralSection(BaseModel):
    """Public facts that these tests turn on.

    Attributes:
        artefact_tables: S2 tries its changes ``together``, and one by one only where something differs, or
            ``each`` in a fit of its own.
        lattice_draws: draws of S6 from each count at each scale.
        lattice_alpha: level of S6, shared by all its tests.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    artefact_tables: Literal["together", "each"]
    lattice_draws: Count
    lattice_alpha: Share
