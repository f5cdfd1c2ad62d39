"""Audits from outside, and limits on every fit of a pipeline that is audited: what a plan fixes for them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from dpsynth.audit.plan_types import Count, Share

__all__ = ["BlackBoxSection"]


class BlackBoxSection(BaseModel):
    """Public facts of audits of a library that takes rows, and of the limits on any audited fit.

    Attributes:
        fit_seconds: a fit that takes longer is stopped; the test that needed it is not passed.
        fit_memory_mb: address space of an audited process, in 2**20 bytes.
        alpha: level of each of its tests.
        count_fits: fits on each side whose number of rows is left to the library; 0: S2 does not ask for it.
        game_fits: fits on each side of the game; a third learns, a third sets the threshold, a third decides.
        game_rows: rows of the game's table, the target's among them.
        game_released: rows that each fit of the game releases.
        replay_fits, replay_rows: fits, and rows that have a coin in each; half of them are in a table.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    fit_seconds: Count = 600
    fit_memory_mb: Annotated[int, Field(ge=256)] = 16_384
    alpha: Share = 0.001
    count_fits: Annotated[int, Field(ge=0)] = 32
    game_fits: Annotated[int, Field(ge=6)] = 150
    game_rows: Annotated[int, Field(ge=2)] = 8
    game_released: Count = 200
    replay_fits: Annotated[int, Field(ge=0)] = 10
    replay_rows: Annotated[int, Field(ge=10)] = 200
