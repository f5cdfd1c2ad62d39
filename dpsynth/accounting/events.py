"""Privacy events: a small closed algebra whose meanings never change.

An event says what happened; :mod:`dpsynth.accounting.curves` says what it costs. A ledger written
today can therefore be recounted by a better accountant later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from dpsynth.core.errors import IntegrityError

__all__ = ["DiscreteGaussian", "Event", "NoisyMax", "event_from_json", "event_to_json", "exact"]


def exact(value: float) -> Fraction:
    """The exact value of a finite float (every binary float is a fraction)."""
    return Fraction(value)


def _require_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be finite and positive")


@dataclass(frozen=True)
class DiscreteGaussian:
    """Discrete Gaussian noise on an integer vector.

    Attributes:
        sigma: noise multiplier: noise scale divided by the L2 sensitivity (> 0, finite).

    Costs rho = 1 / (2 sigma^2) of zCDP exactly (Canonne, Kamath, Steinke 2020, Theorem 14).
    """

    sigma: float

    def __post_init__(self) -> None:
        _require_positive("sigma", self.sigma)

    @property
    def rho(self) -> Fraction:
        """Exact zCDP cost."""
        return 1 / (2 * exact(self.sigma) ** 2)


@dataclass(frozen=True)
class NoisyMax:
    """A private choice: report-noisy-max with Gumbel noise, i.e. the exponential mechanism.

    Attributes:
        epsilon: bounded range of the choice (> 0, finite): Gumbel scale is 2 x sensitivity / epsilon.

    Costs rho = epsilon^2 / 8 (Cesar and Rogers 2021, Lemma 3.2).
    """

    epsilon: float

    def __post_init__(self) -> None:
        _require_positive("epsilon", self.epsilon)

    @property
    def rho(self) -> Fraction:
        """Exact zCDP cost."""
        return exact(self.epsilon) ** 2 / 8


Event = DiscreteGaussian | NoisyMax


def event_to_json(event: Event) -> dict[str, Any]:
    """Tagged JSON; floats are written as their shortest exact decimal string."""
    if isinstance(event, DiscreteGaussian):
        return {"event": "discrete_gaussian", "sigma": repr(event.sigma)}
    return {"event": "noisy_max", "epsilon": repr(event.epsilon)}


def event_from_json(value: dict[str, Any]) -> Event:
    """Read an event back by its tag. Raises IntegrityError on an unknown tag; nothing is imported by name."""
    match value:
        case {"event": "discrete_gaussian", "sigma": str(sigma)}:
            return DiscreteGaussian(float(sigma))
        case {"event": "noisy_max", "epsilon": str(epsilon)}:
            return NoisyMax(float(epsilon))
    raise IntegrityError(
        "A privacy event in the ledger has an unknown form",
        allowed="discrete_gaussian, noisy_max",
        remedy="use a program at least as new as the one that wrote it",
    )
