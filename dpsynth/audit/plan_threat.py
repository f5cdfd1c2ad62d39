"""The attacker that a plan is made against."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ThreatModel"]

_Words = Annotated[str, Field(min_length=1, max_length=2000)]


class ThreatModel(BaseModel):
    """An attacker in four answers (after TAPAS: Houssiau et al. 2022, section 3).

    Attributes:
        goal: what the attacker wants to learn.
        generator: what is known of the synthesizer, its configuration and its outputs.
        data: what is known of the people and their rows.
        words: all of it in one sentence for people who read no more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    goal: _Words
    generator: _Words
    data: _Words
    words: _Words
