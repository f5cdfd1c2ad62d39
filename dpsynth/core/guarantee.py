"""The guarantee that a release carries: the promise in numbers, with everything needed to read it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dpsynth.core.curator import Entrustment
from dpsynth.core.unit import PrivacyUnit

__all__ = ["Guarantee"]


@dataclass(frozen=True)
class Guarantee:
    """A privacy guarantee, stated for one release.

    Attributes:
        rho_nano: zCDP charge, nano-rho (1e-9), rounded up.
        epsilon: epsilon at ``delta`` from the Renyi curve, decimal string, rounded up.
        mu2_nano: sum of mu squared, nano-units, rounded up; None unless every event is Gaussian-dominated.
        gaussian_epsilon: epsilon at ``delta`` by the exact Gaussian conversion, rounded up; "" without mu.
        delta: decimal string.
        unit: the privacy unit and neighbouring relation.
        accountant: how epsilon was computed from the events.
        assumptions: what must hold for the promise to hold.
        relies_on: the library that was given rows; ``epsilon`` and ``delta`` are then its own word.
        omega: largest Renyi order that ``rho_nano`` covers: truncated zCDP (Bun, Dwork, Rothblum, Steinke
            2018); None: every order.
    """

    rho_nano: int
    epsilon: str
    mu2_nano: int | None
    gaussian_epsilon: str
    delta: str
    unit: PrivacyUnit
    accountant: str
    assumptions: tuple[str, ...]
    relies_on: Entrustment | None = None
    omega: int | None = None

    def as_json(self) -> dict[str, Any]:
        """JSON value with tuples as lists."""
        value = asdict(self)
        value["assumptions"] = list(self.assumptions)
        return value
