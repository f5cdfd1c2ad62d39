"""Structural tests S2, S5, S6 and S9: what a plan fixes for them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from dpsynth.audit.plan_types import Count, Share

__all__ = ["StructuralSection"]


class StructuralSection(BaseModel):
    """Public facts that these tests turn on.

    Attributes:
        artefact_tables: S2 tries its changes ``together``, and one by one only where something differs, or
            ``each`` in a fit of its own.
        lattice_draws: draws of S6 from each count at each scale.
        lattice_alpha: level of S6, shared by all its tests.
        repeat_alpha: level of S5, shared by all its tests.
        repeat_correlation_needed: S5 is inconclusive if it could not see noise that is alike to this degree.
        repeat_processes: whether S5 also fits in two processes at once.
        repeat_seconds: the longest that S5 waits for a fit in another process.
        copy_alpha: level of S9, shared by its two tests.
        copy_fits, copy_rows: fits of S9, and the rows of its table.
        copy_rate_needed: S9 is inconclusive if it could not see a copy in this share of the fits.
        copy_controls: rows left out for each row of the table, where the model has no density.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    artefact_tables: Literal["together", "each"]
    lattice_draws: Count
    lattice_alpha: Share
    repeat_alpha: Share
    repeat_correlation_needed: Share
    repeat_processes: bool
    repeat_seconds: Count
    copy_alpha: Share
    copy_fits: Count
    copy_rows: Annotated[int, Field(ge=20)]
    copy_rate_needed: Share
    copy_controls: Count
