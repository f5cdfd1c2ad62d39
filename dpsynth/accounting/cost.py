"""What events cost: one vector of integers that is added, never averaged, refunded or rounded down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from dpsynth.accounting.curves import (
    NANO,
    ORDERS,
    Curve,
    randomized_response_curve,
    rho_of,
    sampled_gaussian_curve,
    zcdp_curve,
)
from dpsynth.accounting.events import (
    Composed,
    DiscreteGaussian,
    Entrusted,
    Event,
    Gaussian,
    NoisyMax,
    SampledGaussian,
)
from dpsynth.accounting.gaussian_dp import bounded_range_mu2, discrete_gaussian_mu2, gaussian_mu2
from dpsynth.core.errors import IntegrityError

__all__ = ["ATTO", "ZERO", "Cost", "cost_from_json", "cost_of", "cost_to_json", "total", "zcdp_cost"]

ATTO = 10**18


@dataclass(frozen=True)
class Cost:
    """A privacy cost. All fields are integers, rounded up, and add componentwise.

    Attributes:
        rdp: Renyi divergence at each order of the grid, nano-units.
        delta: approximate-DP mass outside the curve, atto-units (1e-18).
        mu2: sum of mu squared of the Gaussian-dominated events, nano-units.
        undominated: events that no Gaussian dominates; ``mu2`` tells the whole only where this is 0.
    """

    rdp: Curve
    delta: int = 0
    mu2: int = 0
    undominated: int = 0

    def __post_init__(self) -> None:
        if len(self.rdp) != len(ORDERS) or min(*self.rdp, self.delta, self.mu2, self.undominated) < 0:
            raise ValueError("a cost is a vector of non-negative integers on the grid of orders")

    def __add__(self, other: Cost) -> Cost:
        """Sequential composition, also fully adaptive: orders add (Feldman and Zrnic 2021, Theorem 4.3)."""
        rdp = tuple(a + b for a, b in zip(self.rdp, other.rdp, strict=True))
        return Cost(rdp, self.delta + other.delta, self.mu2 + other.mu2, self.undominated + other.undominated)

    def __sub__(self, other: Cost) -> Cost:
        """Take back what was added before: only ever a hold. Raises ValueError below zero."""
        rdp = tuple(a - b for a, b in zip(self.rdp, other.rdp, strict=True))
        return Cost(rdp, self.delta - other.delta, self.mu2 - other.mu2, self.undominated - other.undominated)

    def __or__(self, other: Cost) -> Cost:
        """Componentwise maximum: the cost for whichever of two disjoint groups a person is in."""
        rdp = tuple(max(a, b) for a, b in zip(self.rdp, other.rdp, strict=True))
        rest = max(self.delta, other.delta), max(self.mu2, other.mu2)
        return Cost(rdp, *rest, max(self.undominated, other.undominated))

    def covers(self, drawn: Cost) -> bool:
        """Whether a run that reserved this may have drawn that.

        A reservation that was stated by its sum of mu squared is kept to it; others to their curve alone.
        """
        orders = all(used <= most for used, most in zip(drawn.rdp, self.rdp, strict=True))
        gaussian = self.undominated > 0 or (drawn.undominated == 0 and drawn.mu2 <= self.mu2)
        return orders and drawn.delta <= self.delta and gaussian

    def times(self, count: int) -> Cost:
        """``count`` such costs (>= 0)."""
        rdp = tuple(count * value for value in self.rdp)
        return Cost(rdp, count * self.delta, count * self.mu2, count * self.undominated)

    @property
    def rho(self) -> int:
        """Smallest nano-rho whose line lies above the whole curve."""
        return rho_of(self.rdp)


ZERO = Cost((0,) * len(ORDERS))


def total(costs: Iterable[Cost]) -> Cost:
    """Sum of costs."""
    return sum(costs, ZERO)


def zcdp_cost(rho_nano: int) -> Cost:
    """Cost of rho-zCDP about whose mechanisms nothing else is known (nano-rho, >= 0)."""
    return Cost(zcdp_curve(Fraction(rho_nano, NANO)), undominated=int(rho_nano > 0))


def cost_of(event: Event) -> Cost:
    """Cost of one event, rounded up."""
    match event:
        case Gaussian(sigma):
            return Cost(zcdp_curve(event.rho), mu2=gaussian_mu2(sigma))
        case DiscreteGaussian(sigma):
            return _dominated(zcdp_curve(event.rho), discrete_gaussian_mu2(sigma))
        case NoisyMax(epsilon):
            return _dominated(zcdp_curve(event.rho), bounded_range_mu2(epsilon))
        case SampledGaussian(rate, sigma, steps):
            # Smaller curve than any zCDP line, but no Gaussian of useful size dominates it.
            return Cost(sampled_gaussian_curve(rate, sigma, steps), undominated=1)
        case Entrusted(epsilon, delta):
            mass = Fraction(delta) * ATTO
            return Cost(randomized_response_curve(epsilon), -(-mass.numerator // mass.denominator), 0, 1)
        case Composed(events, times):
            return total(cost_of(one) for one in events).times(times)


def _dominated(curve: Curve, mu2: int | None) -> Cost:
    return Cost(curve, undominated=1) if mu2 is None else Cost(curve, mu2=mu2)


def cost_to_json(cost: Cost) -> dict[str, Any]:
    """JSON with every number as a string. A curve that is a line through 0 is written as its rho."""
    rho = cost.rdp[0] // ORDERS[0]
    line = cost.rdp == tuple(order * rho for order in ORDERS)
    curve: dict[str, Any] = {"rho": str(rho)} if line else {"rdp": [str(value) for value in cost.rdp]}
    rest = {"delta": cost.delta, "mu2": cost.mu2, "undominated": cost.undominated}
    return curve | {name: str(value) for name, value in rest.items()}


def cost_from_json(value: Mapping[str, Any]) -> Cost:
    """Read a cost back. Raises IntegrityError on any other form, orders of another grid included."""
    try:
        if "rho" in value:
            rdp = tuple(order * int(value["rho"]) for order in ORDERS)
        else:
            rdp = tuple(int(one) for one in value["rdp"])
        read = Cost(rdp, int(value["delta"]), int(value["mu2"]), int(value["undominated"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise IntegrityError("A cost in the ledger has an unknown form", remedy=_REMEDY) from error
    if cost_to_json(read) != value:
        raise IntegrityError("A cost in the ledger is not in its canonical form", remedy=_REMEDY)
    return read


_REMEDY = "stop all work on this state and compare it with a backup"
