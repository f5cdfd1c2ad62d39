"""What one check found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from dpsynth.accounting.cost import Cost
from dpsynth.accounting.curves import NANO, zcdp_curve

__all__ = ["CheckResult", "Claim", "EvidenceClass", "Outcome"]

Outcome = Literal["pass", "warn", "inconclusive", "not_tested", "shown", "fail"]
EvidenceClass = Literal["A", "B"]
"""A: computed on surrogate rows only, may be published. B: computed on rows of people, review room only."""


@dataclass(frozen=True)
class Claim:
    """What the release promises.

    Attributes:
        rho_nano: zCDP, nano-rho.
        epsilon, delta: from its curve, decimal strings.
        mu2_nano: sum of mu squared that was reserved with it, nano-units, or None.
        omega: largest Renyi order that rho covers; None: every order.
    """

    rho_nano: int
    epsilon: str
    delta: str
    mu2_nano: int | None = None
    omega: int | None = None

    @property
    def cost(self) -> Cost:
        """What a run may spend under this claim."""
        curve = zcdp_curve(Fraction(self.rho_nano, NANO))
        return Cost(curve, mu2=self.mu2_nano or 0, undominated=int(self.mu2_nano is None))


@dataclass(frozen=True)
class CheckResult:
    """One check's answer.

    Attributes:
        id: short name, such as S4.
        name: name for people.
        question: what was asked, in plain words.
        evidence: class A or B.
        outcome: pass, warn, inconclusive, not_tested (it could not be asked at all), shown (numbers without a
            judgement: they count neither for nor against the release) or fail.
        plain: the result in one plain sentence. Of class B it holds no number, so that it may stand in a
            dossier outside the review room.
        estimate, low, high: the statistic with its interval.
        control: the same statistic on people left out.
        threshold: the limit that the outcome was decided by.
        n: sample size (cells, units or rows, see ``details``).
        p_value: corrected within the check.
        holm: decided by ``p_value`` and therefore subject to the verdict's Holm correction.
        could_have_found: the smallest leak that this check would find, in words; class A only.
        details: further numbers, JSON values.
    """

    id: str
    name: str
    question: str
    evidence: EvidenceClass
    outcome: Outcome
    plain: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    control: float | None = None
    threshold: float | None = None
    n: int = 0
    p_value: float | None = None
    holm: bool = False
    could_have_found: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.outcome == "shown" and self.evidence == "A":
            raise ValueError("mechanism evidence is judged, never only shown")

    def as_json(self) -> dict[str, Any]:
        """JSON value; numbers that are not finite become null."""
        return {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
