"""Release attacks R2, R4, R5, R7, R8 and the linkage attack L1: what a plan fixes for them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["ReleaseSection"]


class ReleaseSection(BaseModel):
    """Public facts that these tests turn on."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
