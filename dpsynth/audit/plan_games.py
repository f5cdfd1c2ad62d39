"""Games G1 to G4: what a plan fixes for them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from dpsynth.audit.plan_types import Count, Share

__all__ = ["GamesSection"]


class GamesSection(BaseModel):
    """Public facts that these tests turn on.

    Attributes:
        fits: fits of each side of the micro games G1 and G2; a third each trains, validates and tests.
        alpha: level of each game.
        looks: 1: all fits, then one test; 3: the test fits are looked at after each third of them, by the
            O'Brien-Fleming plan, and the game stops early where the claim is refuted.
        power_share: G2 is inconclusive where its target moves the answers by less than this share of the
            claim's mu, or where its scores show less.
        noise_ratio_needed: G2 is inconclusive if it could not see noise this weak (share of the declared).
        tell_needed: G1 and G3 are inconclusive if they could not see a sign that this share of fits shows.
        micro_rows, micro_columns, micro_codes: size of the tiny tables, without the target.
        release_rows: rows that each tiny model is asked for.
        shadow_fits: fits of G3; each flips a fair coin for every target.
        shadow_targets: isolated targets of G3, and as many random ones.
        canaries, canary_fits: coins in each fit of G4, and its fits.
        guess_share: share of the coins that G4 guesses.
        unit_fits: fits of one unit of work.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    fits: Annotated[int, Field(ge=30)]
    alpha: Share
    looks: Literal[1, 3]
    power_share: Share
    noise_ratio_needed: Share
    tell_needed: Share
    micro_rows: Annotated[int, Field(ge=1, le=10)]
    micro_columns: Annotated[int, Field(ge=1, le=5)]
    micro_codes: Annotated[int, Field(ge=2, le=16)]
    release_rows: Annotated[int, Field(ge=10)]
    shadow_fits: Annotated[int, Field(ge=60)]
    shadow_targets: Count
    canaries: Annotated[int, Field(ge=20)]
    canary_fits: Count
    guess_share: Share
    unit_fits: Count
