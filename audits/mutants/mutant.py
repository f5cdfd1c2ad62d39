"""What a planted fault is: a pipeline that is broken in one way, and which tests owe it a flag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dpsynth.audit.pipeline import Pipeline

__all__ = ["Mutant", "Tier"]

Tier = Literal["quick", "standard", "deep"]


@dataclass(frozen=True)
class Mutant:
    """One planted fault. No check is told its name.

    Attributes:
        id: as in the acceptance suite, P1 to P20; several kinds of one fault share it.
        name: what was broken, in plain words.
        tier: the smallest plan that must flag it every time.
        caught_by: the tests of that plan that owe it a flag.
        pipeline: makes the broken pipeline; it can be sent to another process.
    """

    id: str
    name: str
    tier: Tier
    caught_by: tuple[str, ...]
    pipeline: Callable[[], Pipeline]
