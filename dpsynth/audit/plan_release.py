"""Release attacks R2, R4, R5, R7, R8 and the linkage attack L1: what a plan fixes for them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from dpsynth.audit.plan_types import Count, Share

__all__ = ["ReleaseSection"]


class ReleaseSection(BaseModel):
    """Public facts that these tests turn on.

    Attributes:
        targets_per_side: coined units of each side that R4, R5 and L1 try, at most.
        density_targets_per_side: the same for R2.
        most_rows: rows of the release, and of real rows, that distances are measured to, at most.
        distance_rows: released rows whose distances R7 measures, at most.
        neighbours: rows of a neighbourhood, in R2 and in the choice of isolated people.
        kernel_mismatch: weight of one column that disagrees in R2's kernel.
        auc_needed: R2 is inconclusive if it could not see an area under the curve this large.
        splits: divisions of the columns into halves in R4.
        isolated_share: the most isolated share of people, judged on their own in R5 and L1.
        small_cell: largest count of a small cell in R8.
        common_cell: least frequency of the cells whose noise R8 compares.
        distinct_needed: R8 compares rows only if this share of each release's rows are different.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    targets_per_side: Annotated[int, Field(ge=10)]
    density_targets_per_side: Annotated[int, Field(ge=10)]
    most_rows: Annotated[int, Field(ge=100)]
    distance_rows: Count
    neighbours: Count
    kernel_mismatch: Share
    auc_needed: Annotated[Share, Field(gt=0.5)]
    splits: Count
    isolated_share: Share
    small_cell: Count
    common_cell: Share
    distinct_needed: Share
