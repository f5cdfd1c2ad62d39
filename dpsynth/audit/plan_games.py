"""Games G1 to G4: what a plan fixes for them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["GamesSection"]


class GamesSection(BaseModel):
    """Public facts that these tests turn on."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
