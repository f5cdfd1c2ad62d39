"""Privacy events: a small closed algebra whose meanings never change.

An event says what happened; :mod:`dpsynth.accounting.cost` says what it costs. A ledger written today can
therefore be recounted by a better accountant later. Stored as tagged JSON; nothing is imported by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from dpsynth.core.errors import IntegrityError

__all__ = [
    "Composed",
    "DiscreteGaussian",
    "Entrusted",
    "Event",
    "Gaussian",
    "NoisyMax",
    "SampledGaussian",
    "event_from_json",
    "event_to_json",
    "exact",
]

_MOST_REPEATS = 10**9
_LEAST_RATE = 1e-12
_LEAST_SAMPLED_SIGMA = 1e-6  # below it the moments overflow the exponents of decimals


def exact(value: float) -> Fraction:
    """The exact value of a finite float (every binary float is a fraction)."""
    return Fraction(value)


def _require_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be finite and positive")


def _require_count(name: str, value: int) -> None:
    if not (1 <= value <= _MOST_REPEATS and value == int(value)):
        raise ValueError(f"{name} must be a whole number from 1 to {_MOST_REPEATS}")


@dataclass(frozen=True)
class Gaussian:
    """Gaussian noise on a real vector.

    Attributes:
        sigma: noise multiplier: noise scale divided by the L2 sensitivity (> 0, finite).

    Renyi divergence a / (2 sigma^2) at every order a (Mironov 2017, Corollary 3), so rho = 1 / (2 sigma^2).
    """

    sigma: float

    def __post_init__(self) -> None:
        _require_positive("sigma", self.sigma)

    @property
    def rho(self) -> Fraction:
        """Exact zCDP cost."""
        return 1 / (2 * exact(self.sigma) ** 2)


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


@dataclass(frozen=True)
class SampledGaussian:
    """DP-SGD: each of ``steps`` steps adds Gaussian noise to a sum over a fresh Poisson sample.

    Attributes:
        rate: chance of each unit to be in a step's sample, independently (1e-12 .. 1).
        sigma: noise multiplier: noise scale divided by the clipping norm (1e-6 or more, finite).
        steps: number of steps (>= 1).

    Holds for add/remove neighbours (Mironov, Talwar, Zhang 2019, Theorem 4); no other sampling than
    Poisson's may be booked under it.
    """

    rate: float
    sigma: float
    steps: int

    def __post_init__(self) -> None:
        _require_positive("sigma", self.sigma)
        _require_count("steps", self.steps)
        if not _LEAST_RATE <= self.rate <= 1:
            raise ValueError(f"rate must be a probability from {_LEAST_RATE} to 1")
        if self.sigma < _LEAST_SAMPLED_SIGMA:
            raise ValueError(f"sigma must be at least {_LEAST_SAMPLED_SIGMA}")


@dataclass(frozen=True)
class Entrusted:
    """A library that was given rows and declares (epsilon, delta)-DP of itself; taken at its word.

    Attributes:
        epsilon: exact decimal, > 0.
        delta: exact decimal, 0 <= delta < 1.

    Booked as approximate Renyi DP: except with probability ``delta`` no worse than randomized response of
    ``epsilon`` (Kairouz, Oh, Viswanath 2015: every (epsilon, delta)-DP mechanism is post-processing of that
    one).
    """

    epsilon: Decimal
    delta: Decimal

    def __post_init__(self) -> None:
        if not (self.epsilon.is_finite() and 0 < self.epsilon <= 1000):
            raise ValueError("epsilon must be finite, above 0 and at most 1000")
        if not (self.delta.is_finite() and 0 <= self.delta < 1):
            raise ValueError("delta must be a probability below 1")


@dataclass(frozen=True)
class Composed:
    """Events that all happened, each ``times`` times; adaptively chosen or not, the cost is the sum."""

    events: tuple[Event, ...]
    times: int = 1

    def __post_init__(self) -> None:
        _require_count("times", self.times)


Event = Gaussian | DiscreteGaussian | NoisyMax | SampledGaussian | Entrusted | Composed


def event_to_json(event: Event) -> dict[str, Any]:
    """Tagged JSON; numbers are written as their shortest exact decimal string."""
    match event:
        case Gaussian(sigma):
            return {"event": "gaussian", "sigma": _text(sigma)}
        case DiscreteGaussian(sigma):
            return {"event": "discrete_gaussian", "sigma": _text(sigma)}
        case NoisyMax(epsilon):
            return {"event": "noisy_max", "epsilon": _text(epsilon)}
        case SampledGaussian(rate, sigma, steps):
            values = {"rate": _text(rate), "sigma": _text(sigma), "steps": str(int(steps))}
            return {"event": "sampled_gaussian", **values}
        case Entrusted(epsilon, delta):
            return {"event": "entrusted", "epsilon": str(epsilon), "delta": str(delta)}
        case Composed(events, times):
            return {
                "event": "composed",
                "times": str(int(times)),
                "events": [event_to_json(e) for e in events],
            }


def _text(value: float) -> str:
    # A float of numpy would name its own type.
    return repr(float(value))


def event_from_json(value: Mapping[str, Any]) -> Event:
    """Read an event back by its tag. Raises IntegrityError on an unknown tag or an impossible parameter."""
    try:
        return _read(value)
    except (ValueError, InvalidOperation, RecursionError) as error:
        raise IntegrityError(
            "A privacy event in the ledger has an unknown form",
            allowed="gaussian, discrete_gaussian, noisy_max, sampled_gaussian, entrusted, composed",
            remedy="use a program at least as new as the one that wrote it",
        ) from error


def _read(value: Mapping[str, Any]) -> Event:
    match value:
        case {"event": "gaussian", "sigma": str(sigma), **rest} if not rest:
            return Gaussian(float(sigma))
        case {"event": "discrete_gaussian", "sigma": str(sigma), **rest} if not rest:
            return DiscreteGaussian(float(sigma))
        case {"event": "noisy_max", "epsilon": str(epsilon), **rest} if not rest:
            return NoisyMax(float(epsilon))
        case {"event": "sampled_gaussian", "rate": str(q), "sigma": str(sigma), "steps": str(steps), **rest}:
            if not rest:
                return SampledGaussian(float(q), float(sigma), int(steps))
        case {"event": "entrusted", "epsilon": str(epsilon), "delta": str(delta), **rest} if not rest:
            return Entrusted(Decimal(epsilon), Decimal(delta))
        case {"event": "composed", "times": str(times), "events": list(events), **rest} if not rest:
            return Composed(tuple(_read(one) for one in events), int(times))
    raise ValueError("no event of this form is known")
