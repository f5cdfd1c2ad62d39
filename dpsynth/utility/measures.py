"""Paid measures of utility: what is planned from public facts, and what was measured. No numerics here.

A measure that leaves the review room is a count with exact discrete Gaussian noise, charged before rows are
touched. Its interval covers that noise; it says nothing of people who are not in the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

__all__ = ["LEAST_RHO", "Measure", "MeasurePlan", "PaidMeasures", "measure_text", "share_of"]

LEAST_RHO = 1
"""The least that a query can cost, nano-rho."""

_NANO = 10**9


def share_of(rho_nano: int, share: str) -> int:
    """The part of a release's rho that pays for measures: nano-rho, rounded down; ``share`` is exact."""
    return int(rho_nano * Fraction(share))


@dataclass(frozen=True)
class MeasurePlan:
    """What is measured, and for how much.

    Attributes:
        errors_nano: nano-rho of the marginals' errors.
        task_nano: nano-rho of the prediction's hits; 0 without a task.
        task: the column to predict, or "".
    """

    errors_nano: int
    task_nano: int
    task: str

    @property
    def rho_nano(self) -> int:
        """All of it, nano-rho."""
        return self.errors_nano + self.task_nano

    @classmethod
    def of(cls, rho_nano: int, task: str | None) -> MeasurePlan:
        """Half for each of the two queries, or all for the first where no task is named."""
        half = rho_nano // 2 if task else 0
        return cls(rho_nano - half, half, task or "")

    def steps(self) -> tuple[str, ...]:
        """One plain line for each query, for the quote and the plan."""
        errors = (
            f"Paid measure of utility, rho {_rho(self.errors_nano)}: noisy mean error of marginals of one, "
            "two and three columns, published with the release."
        )
        if not self.task_nano:
            return (errors,)
        task = (
            f"Paid measure of utility, rho {_rho(self.task_nano)}: noisy count of rows whose {self.task} a "
            "model trained on the synthetic rows predicts right, published with the release."
        )
        return errors, task


@dataclass(frozen=True)
class Measure:
    """One published number.

    Attributes:
        name: what it is.
        estimate, low, high: decimal strings, shares from 0 to 1; "" where noise drowns it.
        plain: how to read it.
        why_not: why there is no number, or "".
    """

    name: str
    estimate: str
    low: str
    high: str
    plain: str
    why_not: str = ""


@dataclass(frozen=True)
class PaidMeasures:
    """What a release says of its utility, and what that cost.

    Attributes:
        rho_nano: of all of it, nano-rho; part of the release's rho.
        queries: one line for each noisy query: its cost, its sensitivity and its noise.
        measures: the numbers.
        confidence: chance, at least, that all intervals of one query hold at once; decimal string.
    """

    rho_nano: int
    queries: tuple[str, ...]
    measures: tuple[Measure, ...]
    confidence: str = "0.95"

    def as_json(self) -> dict[str, Any]:
        """JSON value; every number is a string."""
        return {
            "charged": True,
            "rho": _rho(self.rho_nano),
            "confidence": self.confidence,
            "note": NOTE,
            "queries": list(self.queries),
            "measures": [dict(one.__dict__) for one in self.measures],
        }

    def sentences(self) -> tuple[str, ...]:
        """Each measure with its interval."""
        return tuple(measure_text(one.__dict__, self.confidence) for one in self.measures)


def measure_text(measure: Mapping[str, Any], confidence: str) -> str:
    """A measure of ``as_json`` as one sentence, with its interval."""
    if measure["why_not"]:
        return f"{measure['name']}: {measure['why_not']}."
    sure = f"{Fraction(confidence) * 100}% confidence or more"
    between = f"{measure['low']} to {measure['high']}"
    return f"{measure['name']}: {measure['estimate']}, {between} at {sure} (charged)."


NOTE = (
    "Charged: measured on the rows of people with noise, and paid for from the rho of this release, which "
    "includes it; the audit holds the rows to what is left. Each interval covers the noise; it does not say "
    "how far other people's rows would differ."
)


def _rho(nano: int) -> str:
    return f"{nano // _NANO}.{nano % _NANO:09d}".rstrip("0").rstrip(".")
