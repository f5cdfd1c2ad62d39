"""Structural tests S2, S5, S6 and S9: what a plan fixes for them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["StructuralSection"]


class StructuralSection(BaseModel):
    """Public facts that these tests turn on."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
