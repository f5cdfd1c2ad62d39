"""What a run reserves, from public facts alone: enough for whatever its plan may ask."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

from dpsynth.accounting.cost import Cost, cost_of, zcdp_cost
from dpsynth.accounting.curves import NANO, rho_of, zcdp_curve
from dpsynth.accounting.events import Entrusted, SampledGaussian
from dpsynth.accounting.gaussian_dp import discrete_gaussian_mu2
from dpsynth.accounting.numbers import atto_down, parse_decimal
from dpsynth.accounting.statement import state
from dpsynth.accounting.training import last_order
from dpsynth.core.curator import Plan
from dpsynth.core.errors import BadInput

__all__ = ["covered_order", "entrusted_cost", "entrusted_event", "marginal_cost", "plan_cost"]

_MOST_EPSILON = 1000

# pi, rounded up: a choice of zCDP cost rho needs mu^2 <= pi rho, with equality as epsilon tends to 0.
_PI_UP = Fraction(355, 113)
# Each event's mu squared is rounded up to whole nano-units: room for that many events, 1e-5 in all.
_ROUNDED_EVENTS = 10_000


def marginal_cost(rho_nano: int, choices_nano: int | None, delta: str) -> Cost:
    """Cost of a run of exact discrete Gaussian counts and of choices (``rho_nano`` > 0 in all).

    Args:
        rho_nano: zCDP budget of the run, nano-rho.
        choices_nano: the most of it that goes into choices; None: any part of it may.
        delta: where people will read the loss.

    The sum of mu squared is carried only where it states less than the curve does; else the curve alone is
    reserved, and scopes that the charge touches are stated by curve from then on. All Gaussian counts
    together need at most the mu squared of a single one of their whole budget, because mu squared grows
    faster than rho on the integers; what rounding adds to each event is reserved on top.
    """
    curve, choices = zcdp_curve(Fraction(rho_nano, NANO)), rho_nano if choices_nano is None else choices_nano
    by_curve = Cost(curve, undominated=1)
    counted = _counts_mu2(rho_nano - choices)
    if counted is None:
        return by_curve
    both = Cost(curve, mu2=counted + math.ceil(_PI_UP * choices) + _ROUNDED_EVENTS)
    said = state(both, delta)
    # A sum too large for the conversion says nothing.
    return both if said.gaussian and Decimal(said.gaussian) < Decimal(said.epsilon) else by_curve


def plan_cost(plan: Plan, delta: str) -> Cost:
    """What a run by this plan reserves, and may not exceed; ``delta`` is where people will read the loss.

    A training adds its own curve, exact at every order: above :func:`covered_order` it lies over the line
    of its share. Raises BadInput for a plan that lies over the line of its rho below that already.
    """
    if plan.entrusted is not None:
        return entrusted_cost(plan.entrusted.epsilon, plan.entrusted.delta)
    if plan.gradient is None:
        return marginal_cost(plan.rho_nano, plan.choices_nano, delta)
    training = SampledGaussian(plan.gradient.rate, plan.gradient.sigma, plan.gradient.steps)
    cost = zcdp_cost(plan.rho_nano - plan.gradient_nano) + cost_of(training)
    if (needs := rho_of(cost.rdp, last_order(plan.rho_nano))) > plan.rho_nano:
        raise BadInput(
            f"The training of {plan.synthesizer} costs {needs} nano-rho, and its plan says {plan.rho_nano}",
            remedy="this is a fault of the synthesizer: report it to its author",
        )
    return cost


def covered_order(plan: Plan) -> int | None:
    """The Renyi order up to which the plan's rho is an upper bound of its cost; None: at every order."""
    return None if plan.gradient is None else last_order(plan.rho_nano)


def _counts_mu2(rho_nano: int) -> int | None:
    """mu squared of one discrete Gaussian count of this zCDP cost; its sigma is rounded down."""
    if rho_nano <= 0:
        return 0
    return discrete_gaussian_mu2(math.sqrt(0.5 * NANO / rho_nano) * (1 - 1e-12))


def entrusted_event(epsilon: str, delta: str) -> Entrusted:
    """The event of a library that is given rows and declares this budget, exact decimals; delta may be 0.

    Raises BadInput for anything that is no such budget.
    """
    wanted = parse_decimal(epsilon, "epsilon")
    if wanted > _MOST_EPSILON:
        raise BadInput(f"An epsilon of {epsilon} promises nothing", allowed=f"at most {_MOST_EPSILON}")
    atto_down(delta)  # refuses what is no probability
    return Entrusted(wanted, Decimal(delta))


def entrusted_cost(epsilon: str, delta: str) -> Cost:
    """Cost of the whole budget of an entrusted library: randomized response, and delta as mass beside it.

    The curve of pure epsilon lies far above that of a marginal mechanism stated at the same epsilon, because
    the declaration promises nothing better: caps must be as large.
    """
    return cost_of(entrusted_event(epsilon, delta))
